package exec

import (
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// TestObserveItself: an instruction that goes to itself passes no other on the way and is reported each time all the same.
func TestObserveItself(t *testing.T) {
	for _, op := range []code.Op{code.Jmp, code.JEq, code.Call} {
		a := newAssembler()
		main := a.Func("main.main", 0, 0, 16)
		a.L("top")
		if op == code.Call {
			a.II(op, 8, int32(main))
		} else {
			a.J(op, 10, 10, "top")
		}
		c := &stepCounter{}
		r := newRig(t, a.finish(main), Limits{SliceWords: 50}, c)
		for range 3 {
			s := r.m.Run(70)
			if s.Reason != Budget || c.words != r.m.Count() || c.words < 70 {
				t.Fatalf("%s: stop %+v, %d words, %d reported", code.Table[op].Name, s, r.m.Count(), c.words)
			}
		}
	}
}
