package turn

import "testing"

func TestPlain(t *testing.T) {
	x := 0
	Atomic(func() {
		x++
		Atomic(func() { x++ })
		Commit()
	})
	if x != 2 {
		t.Errorf("x is %d after two nested increments", x)
	}
	select {
	case <-Changed(&x):
		t.Error("a change from another peer, and there is none")
	default:
	}
	if RunID() == "" || ForkID() != "" {
		t.Errorf("run %q, fork %q", RunID(), ForkID())
	}
}

func TestAtomicPanics(t *testing.T) {
	defer func() {
		if recover() != "stop" {
			t.Error("the panic was lost")
		}
	}()
	Atomic(func() { panic("stop") })
}

func TestChangedWantsPointers(t *testing.T) {
	for _, v := range []any{nil, 1, (*int)(nil), map[string]int{}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%#v was taken", v)
				}
			}()
			Changed(v)
		}()
	}
}
