package host

import (
	"github.com/tandemvm/tandem/vm/internal/exec"
)

// clockNatives are clocks, randomness, the collector's numbers and the end of the run.
func clockNatives() map[string]exec.Native {
	return map[string]exec.Native{
		// func walltime() int64, func nanotime() int64: nanoseconds
		"runtime.walltime": native(0, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			setInt(w, 0, t.Host().Walltime())
			return exec.Next
		}),
		"runtime.nanotime": native(0, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			setInt(w, 0, t.Host().Nanotime())
			return exec.Next
		}),
		// func rand64() uint64: of the run's own random state
		"runtime.rand64": native(0, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			w.Set(0, t.Heap().Rand64())
			return exec.Next
		}),
		// func heapStats(n *[8]uint64)
		"runtime.heapStats": native(1, 0, func(t *exec.Thread, w exec.Window) exec.Action {
			s := t.Heap().Stats()
			if !t.Mem().Touch(w.Arg(0), 64) {
				return fault(t)
			}
			for i, v := range []uint64{s.AllocBytes, s.TotalAllocBytes, s.Mallocs, s.Frees, s.HeapBytes, s.SysBytes, s.NextCollect, s.Collections} {
				t.Mem().Store64(w.Arg(0)+uint64(i)*8, v)
			}
			return exec.Next
		}),
		// func setGCPercent(percent int32) int32
		"runtime.setGCPercent": native(1, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			setInt(w, 0, t.Heap().SetPercent(w.Int(0)))
			return exec.Next
		}),
		// func exit(status int32)
		"runtime.exit": native(1, 0, func(t *exec.Thread, w exec.Window) exec.Action { return t.Exit(int(int32(w.Int(0)))) }),
	}
}
