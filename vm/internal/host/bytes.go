package host

import (
	"bytes"

	"github.com/tandemvm/tandem/vm/internal/exec"
)

func memoryNatives() map[string]exec.Native {
	return map[string]exec.Native{
		// func memmove(dst, src unsafe.Pointer, n uintptr)
		"runtime.memmove": native(3, 0, func(t *exec.Thread, w exec.Window) exec.Action {
			if n := w.Arg(2); n != 0 && !t.Mem().Copy(w.Arg(0), w.Arg(1), n) {
				return fault(t)
			}
			t.Work(w.Arg(2))
			return exec.Next
		}),
		// func memclr(p unsafe.Pointer, n uintptr)
		"runtime.memclr": native(2, 0, func(t *exec.Thread, w exec.Window) exec.Action {
			if n := w.Arg(1); n != 0 && !t.Mem().Zero(w.Arg(0), n) {
				return fault(t)
			}
			t.Work(w.Arg(1))
			return exec.Next
		}),
		// func memequal(a, b unsafe.Pointer, n uintptr) bool
		"runtime.memequal": native(3, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			a, okA := bytesAt(t, w.Arg(0), w.Arg(2))
			b, okB := bytesAt(t, w.Arg(1), w.Arg(2))
			if !okA || !okB {
				return fault(t)
			}
			t.Work(uint64(len(a)))
			w.SetBool(0, bytes.Equal(a, b))
			return exec.Next
		}),
	}
}

// byteNatives are internal/bytealg: searches in slices (three slots) and strings (two).
func byteNatives() map[string]exec.Native {
	n := map[string]exec.Native{}
	const pkg = "internal/bytealg."
	for _, form := range []struct {
		slots  int
		suffix string
	}{{3, ""}, {2, "String"}} {
		n[pkg+"Compare"+form.suffix] = two(form.slots, 1, bytes.Compare)
		n[pkg+"Index"+form.suffix] = two(form.slots, indexWork, bytes.Index)
		n[pkg+"Count"+form.suffix] = one(form.slots, func(b []byte, c byte) int { return bytes.Count(b, []byte{c}) })
		n[pkg+"IndexByte"+form.suffix] = one(form.slots, bytes.IndexByte)
		n[pkg+"LastIndexByte"+form.suffix] = one(form.slots, bytes.LastIndexByte)
	}
	return n
}

// indexWork is what a byte costs to be searched for more than one, in bytes copied, where much that is nearly what is sought stands on the way.
const indexWork = 8

// two is a native func(a, b T) int, T of so many slots, each byte of which costs as much as so many bytes copied.
func two(slots int, work uint64, f func(a, b []byte) int) exec.Native {
	return native(2*slots, 1, func(t *exec.Thread, w exec.Window) exec.Action {
		a, okA := bytesArg(t, w, 0)
		b, okB := bytesArg(t, w, slots)
		if !okA || !okB {
			return fault(t)
		}
		t.Work(uint64(len(a)+len(b)) * work)
		setInt(w, 0, int64(f(a, b)))
		return exec.Next
	})
}

// one is a native func(a T, c byte) int, T of so many slots.
func one(slots int, f func(a []byte, c byte) int) exec.Native {
	return native(slots+1, 1, func(t *exec.Thread, w exec.Window) exec.Action {
		a, ok := bytesArg(t, w, 0)
		if !ok {
			return fault(t)
		}
		t.Work(uint64(len(a)))
		setInt(w, 0, int64(f(a, byte(w.Arg(slots)))))
		return exec.Next
	})
}
