package vm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// picky fails on each message that begins with "bad". It handles each in several turns, so that the next one waits in its memory meanwhile.
const picky = `package main

import (
	"fmt"
	"strings"

	"github.com/tandemvm/tandem/vm/turn"
)

func main() {
	for m := range turn.Inbox() {
		if strings.HasPrefix(m.ID, "bad") {
			panic("cannot take " + m.ID)
		}
		fmt.Println(m.ID)
		for range 3 {
			turn.Commit()
		}
		if m.ID == "last" {
			return
		}
	}
}
`

// TestDroppedMessagesAreNotReceived: whatever the length of turns, whether the run moves after each or not, and whether a bad message has come to the
// run's memory already: the turn that fails names it, and once it is dropped the program goes on with all the others, each once.
func TestDroppedMessagesAreNotReceived(t *testing.T) {
	all := []string{"one", "bad1", "two", "three", "bad2", "bad3", "four", "bad4", "last"}
	want := "one\ntwo\nthree\nfour\nlast\n"
	inMemory := 0
	first := map[bool]uint64{false: 60, true: 1000}
	for _, moves := range []bool{false, true} {
		for words := first[moves]; words < 3000; words = words*2 + 7 {
			v := newMover(t, picky)
			var drops []string
			fresh := true
			for turns, done := 0, false; !done; turns++ {
				if turns > 20000 || len(drops) > 4 {
					t.Fatalf("%d words: the program waits on with %q, dropped %v", words, v.out.String(), drops)
				}
				if fresh {
					var ms []Message
					for _, id := range all {
						ms = append(ms, Message{ID: id, From: "peer"})
					}
					if err := errors.Join(v.m.Deliver(ms), v.m.Drop(drops)); err != nil {
						t.Fatal(err)
					}
					fresh = false
				}
				if err := v.m.BeginTurn(); err != nil {
					t.Fatal(err)
				}
				_, waited := v.m.waiting()
				_, err := v.m.RunTurn(context.Background(), words)
				var f *Failure
				if errors.As(err, &f) {
					if err := v.m.FailTurn(); err != nil {
						t.Fatal(err)
					}
					bad := strings.TrimPrefix(f.Reason, "panic: cannot take ")
					if n := len(f.Messages); n == 0 || f.Messages[n-1] != bad {
						t.Fatalf("%d words: %q names %q", words, f.Reason, f.Messages)
					}
					if waited {
						inMemory++
					}
					drops = append(drops, bad)
					if err := v.m.Drop([]string{bad}); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				turn, err := v.m.EndTurn()
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range turn.Lines {
					v.out.Write(l.Text)
				}
				if v.m.fetching() {
					t.Fatalf("%d words: a turn ended with a message on its way", words)
				}
				if n := v.m.Received(); !moves {
					// What was printed was received, and at most one more that may be printed yet.
					good := slices.DeleteFunc(slices.Clone(all[:n]), func(id string) bool { return strings.HasPrefix(id, "bad") })
					printed := strings.Fields(v.out.String())
					if more := len(good) - len(printed); more != 0 && more != 1 || !slices.Equal(good[:len(printed)], printed) {
						t.Fatalf("%d words: %d received after %q", words, n, printed)
					}
				}
				done = turn.Stop.End == EndExit
				if moves && !done {
					v.m, fresh = elsewhere(t, v.m, v.p, v.c), true
				}
			}
			if v.out.String() != want || fmt.Sprint(drops) != "[bad1 bad2 bad3 bad4]" {
				t.Fatalf("%d words, moves %t: %q, dropped %q", words, moves, v.out.String(), drops)
			}
		}
	}
	if inMemory == 0 {
		t.Error("no bad message had come to memory before the turn that failed")
	}
}
