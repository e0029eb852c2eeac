// Package host holds the native functions: what Go's runtime and assembly do for the standard library, by symbol, for the
// machine of package exec. Symbols and Go signatures are listed in ../load/NATIVES.md; natives that need the scheduler
// are exec's Builtins. Nothing here keeps guest state: every native reads and writes guest memory and asks the world outside through the
// interfaces of world.go, and a capability the world does not offer is an error the program sees.
//
// Addresses and lengths come from the guest and may be anything: a range outside memory is Go's nil dereference panic.
// Cost: a native call is about 30 ns and then host speed.
package host

import (
	"maps"

	"github.com/tandemvm/tandem/vm/internal/check"
	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// action is the body of a native.
type action = func(t *exec.Thread, w exec.Window) exec.Action

// Table is every native by symbol, exec's Builtins included. The map is the caller's.
func Table() map[string]exec.Native {
	n := exec.Builtins()
	for _, part := range []map[string]exec.Native{memoryNatives(), byteNatives(), printNatives(), objectNatives(), mapNatives(),
		stackNatives(), clockNatives(), fileNatives(), zoneNatives(), digestNatives(), cipherNatives(), wordNatives(), specialNatives()} {
		maps.Copy(n, part)
	}
	return n
}

// Signature is what package check asks about natives.
func Signature(table map[string]exec.Native) func(symbol string) (check.Signature, bool) {
	return func(symbol string) (check.Signature, bool) {
		n, ok := table[symbol]
		return check.Signature{Res: n.Res, Args: n.Args}, ok
	}
}

// native is a native of args argument slots and res result slots.
func native(args, res int, call action) exec.Native {
	return exec.Native{Args: args, Res: res, Call: call}
}

// fault is Go's panic about an address outside memory.
func fault(t *exec.Thread) exec.Action { return t.Retry(heap.ErrFault) }

// bytesAt is n bytes of guest memory to read; ok is false when they are not all in memory.
func bytesAt(t *exec.Thread, addr, n uint64) (b []byte, ok bool) {
	if n == 0 {
		return nil, true
	}
	b = t.Mem().Bytes(addr, n)
	return b, b != nil
}

// bytesArg is the string or slice whose pointer and length are argument slots i and i+1.
func bytesArg(t *exec.Thread, w exec.Window, i int) (b []byte, ok bool) {
	return bytesAt(t, w.Arg(i), w.Arg(i+1))
}

// setInt writes result slot i as a signed number.
func setInt(w exec.Window, i int, v int64) { w.Set(i, uint64(v)) }

// text makes s the result of a native that returns a string.
func text(t *exec.Thread, w exec.Window, s string) exec.Action {
	if err := t.SetString(w, 0, s); err != nil {
		return t.Retry(err)
	}
	return exec.Next
}
