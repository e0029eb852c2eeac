package vm

import (
	"testing"

	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// TestDeadSlotsAreDead writes over all slots of frames that a collection takes for dead, between all stops: nothing may read them. With -collectall in
// the whole corpus.
func TestDeadSlotsAreDead(t *testing.T) {
	some := map[string]bool{"closures": true, "defers_in_flight": true, "defers_in_frames": true, "evaluation": true, "goexit_order": true, "iterators": true, "json_template": true,
		"map_updates": true, "method_values": true, "panic_recovery": true, "reflection": true, "select_blocked": true}
	total := 0
	for _, file := range corpus(t) {
		name := programName(file)
		if !some[name] && !*collectAll {
			continue
		}
		t.Run(name, func(t *testing.T) {
			var out collected
			clock := epoch2026()
			m, err := New(compile(t, file), Config{Args: []string{"program"}, Clock: clock, Output: &out})
			if err != nil {
				t.Fatal(err)
			}
			m, exit := finish(t, m, clock, 503, func(m *Machine) *Machine {
				total += kill(m)
				return m
			})
			defer m.Close()
			if got, want := out.outcome(exit), native(t, file); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if err := heap.Check(m.mem); err != nil {
				t.Error(err)
			}
		})
	}
	t.Logf("%d slots", total)
	if total < 1e5 {
		t.Error("few slots were dead")
	}
}

// kill writes over the dead slots, and says how many there are.
func kill(m *Machine) (dead int) {
	m.core.Goroutines(func(g exec.GoroutineInfo) bool {
		end := uint64(0) // of the frame: where its callee's begins
		m.core.Callers(g.Record, func(f exec.CallerFrame) bool {
			size := uint64(m.prog.img.Funcs[f.Func].FrameSlots) * 8
			if !f.Call && f.Func != 0 && end == 0 { // the one that runs
				end = f.Frame + size
			} else if !f.Call {
				end = 0 // a panic runs deferred calls in it
			}
			if slots, known := m.core.Needed(f.PC, f.Call); known && f.Func != 0 && f.Frame < end {
				for i := 2; uint64(i)*8 < min(size, end-f.Frame); i++ {
					if !slots.Has(i) {
						m.mem.Store64(f.Frame+uint64(i)*8, 0xdeadbeefdeadbeef)
						dead++
					}
				}
			}
			end = f.Frame
			return true
		})
		return true
	})
	return dead
}
