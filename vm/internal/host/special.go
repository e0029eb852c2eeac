package host

import (
	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// specialNatives are what weak pointers, finalizers and cleanups hang on: heap.Special.
func specialNatives() map[string]exec.Native {
	return map[string]exec.Native{
		// func addSpecial(kind uint64, p, value unsafe.Pointer, typ *_type) (id uint64): 0 if there is one already, of those of which there is one
		"runtime.addSpecial": native(4, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			s := heap.Special{Kind: heap.SpecialKind(w.Arg(0)), At: w.Arg(1), Value: w.Arg(2), Type: w.Arg(3)}
			if _, ok := t.Heap().Special(s.Kind, s.At); ok && s.Kind != heap.SpecialCleanup {
				w.Set(0, 0)
				return exec.Next
			}
			return address(t, w)(t.Heap().AddSpecial(s))
		}),
		// func special(kind uint64, p unsafe.Pointer) (value uintptr): 0 without one
		"runtime.special": native(2, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			s, _ := t.Heap().Special(heap.SpecialKind(w.Arg(0)), w.Arg(1))
			w.Set(0, s.Value)
			return exec.Next
		}),
		// func dropSpecial(kind uint64, p unsafe.Pointer, id uint64) bool: id 0 for any
		"runtime.dropSpecial": native(3, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			w.SetBool(0, t.Heap().DropSpecial(heap.SpecialKind(w.Arg(0)), w.Arg(1), w.Arg(2)))
			return exec.Next
		}),
		// func nextSpecial() (kind uint64, p, value unsafe.Pointer, typ *_type): kind 0 when nothing is queued
		"runtime.nextSpecial": native(0, 4, func(t *exec.Thread, w exec.Window) exec.Action {
			s, _ := t.Heap().Dequeue()
			w.Set(0, uint64(s.Kind))
			w.Set(1, s.At)
			w.Set(2, s.Value)
			w.Set(3, s.Type)
			return exec.Next
		}),
		// func objectAt(p unsafe.Pointer) (base, size uintptr): 0 when p points to no object of the heap
		"runtime.objectAt": native(1, 2, func(t *exec.Thread, w exec.Window) exec.Action {
			o, _ := t.Heap().Find(w.Arg(0))
			w.Set(0, o.Addr)
			w.Set(1, o.SizeBytes)
			return exec.Next
		}),
	}
}
