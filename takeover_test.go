package tandem

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
)

// said waits for a message, says so, and ends.
const said = `package main

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/turn"
)

func main() {
	m := <-turn.Inbox()
	fmt.Println("was told", string(m.Body))
}
`

// TestEndBecomesDurable: the last turn of a run comes to all members, but a majority has promised not to acknowledge it any more, to members that then do
// not take the run over. Somebody makes it durable all the same, so that what the turn printed is read everywhere.
func TestEndBecomesDurable(t *testing.T) {
	t.Parallel()
	ctx := patient(t)
	cfg := func() Config {
		return Config{Dir: t.TempDir(), Listen: loopback, Standby: true, Lease: slowLease, Beat: slowLease / 4}
	}
	a := must[*Sandbox](t)(Create(ctx, cfg(), compileText(t, said), "said"))
	defer end(t, a)
	ticket := must[string](t)(a.Ticket())
	b := must[*Sandbox](t)(Join(ctx, cfg(), ticket))
	defer end(t, b)
	c := must[*Sandbox](t)(Join(ctx, cfg(), ticket))
	defer end(t, c)
	all := []*Sandbox{a, b, c}
	for _, s := range all {
		eventually(t, "all are connected", func() bool { return len(s.Peers()) == 2 && len(s.Status().Members) == 3 })
	}
	promise := func(of, to *Sandbox, run []byte, epoch uint64) bool {
		type request struct {
			Run   []byte `cbor:"1,keyasint"`
			Epoch uint64 `cbor:"2,keyasint"`
		}
		var reply struct {
			Given bool `cbor:"1,keyasint"`
		}
		req := append([]byte{1}, must[[]byte](t)(cbor.Marshal(request{run, epoch}))...) // a record of version 1
		err := to.room.Request(ctx, of.Self(), "tandem/promise/1", req, func(frame []byte) error { return cbor.Unmarshal(frame[1:], &reply) })
		if err != nil {
			t.Fatal(err)
		}
		return reply.Given
	}
	for tries := 1; ; tries++ {
		r := must[*Run](t)(a.Start(ctx, RunOptions{Args: []string{"said"}, Durable: replication.Majority}))
		id := r.ID()
		at := func(s *Sandbox) (replication.RunStatus, bool) {
			for _, st := range s.Runs() {
				if st.Head.Run == id {
					return st, true
				}
			}
			return replication.RunStatus{}, false
		}
		for _, s := range all {
			eventually(t, "the run is held everywhere", func() bool {
				st, ok := at(s)
				return ok && len(st.Head.Voters) == 3 && st.Warm && len(st.Held) == 3
			})
		}
		if !promise(b, c, id[:], 100) || !promise(c, b, id[:], 101) {
			t.Fatal("they do not promise")
		}
		if _, err := a.Send(ctx, id, "", []byte("something")); err != nil {
			t.Fatal(err)
		}
		unsealed := false
		eventually(t, "the run ends", func() bool {
			st, _ := at(b)
			unsealed = unsealed || st.Head.Done && st.Lines == 0
			return st.Head.Done
		})
		for _, s := range all {
			soon, cancel := context.WithTimeout(ctx, time.Minute)
			text := ""
			err := s.Lines(soon, id, 1, func(l changes.Line) error { text += string(l.Text); return nil })
			cancel()
			if err != nil || !strings.HasPrefix(text, "was told something") {
				st, _ := at(s)
				t.Fatalf("try %d: %q is read, %v; the head is %+v, held by %v", tries, text, err, st.Head, st.Held)
			}
		}
		if unsealed {
			t.Logf("so it was at try %d", tries)
			return
		}
		if tries == 10 {
			t.Fatal("a majority heard of the promises before the run ended, each time")
		}
	}
}
