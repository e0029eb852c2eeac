package vm

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/exec"
)

// failing does something that shows in every way, then fails as its argument says.
const failing = `package main

import (
	"fmt"
	"os"
	"sync"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared counter
var Hits int

type slow struct{ n int }

func (s slow) Error() string {
	for range 100000 {
		s.n++
	}
	return fmt.Sprint("slow ", s.n)
}

func main() {
	Hits = 1
	fmt.Println("before")
	turn.Commit()
	Hits = 100
	fmt.Println("lost")
	println("lost too")
	switch os.Args[1] {
	case "panic":
		panic("oh no")
	case "nested":
		defer func() { panic("second") }()
		panic("first")
	case "slow":
		panic(slow{})
	case "nil":
		var p *int
		*p = 1
	case "deadlock":
		var mu sync.Mutex
		mu.Lock()
		mu.Lock()
	case "fatal":
		var mu sync.Mutex
		mu.Unlock()
	case "gas":
		for {
		}
	case "overflow":
		var f func(n int) int
		f = func(n int) int { return f(n+1) + 1 }
		f(0)
	case "recovered":
		func() {
			defer func() { recover() }()
			panic("nothing")
		}()
	case "exit":
		os.Exit(7)
	}
	fmt.Println("end")
}
`

func configured(t *testing.T, p *Program, c Config) *Machine {
	t.Helper()
	c.Clock = epoch2026()
	m, err := New(p, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// runTurns executes turns to the end or to the first failure; words are those of a turn.
func runTurns(t *testing.T, m *Machine, words uint64) (out string, hits int64, exit int, failed *Failure) {
	t.Helper()
	for {
		if err := m.BeginTurn(); err != nil {
			t.Fatal(err)
		}
		_, err := m.RunTurn(context.Background(), words)
		if errors.As(err, &failed) {
			if err := m.FailTurn(); err != nil {
				t.Fatal(err)
			}
			return out, hits, 0, failed
		}
		if err != nil {
			t.Fatal(err)
		}
		turn, err := m.EndTurn()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range turn.Changes {
			hits += c.New.Int() - c.Old.Int()
		}
		for _, l := range turn.Lines {
			out += string(l.Text)
		}
		if turn.Stop.End == EndExit {
			return out, hits, turn.Stop.Exit, nil
		}
	}
}

// TestFailedTurnIsUndoneWhole: memory, shared changes and output of a turn that fails are gone, why it failed is told, and trying again
// fails alike.
func TestFailedTurnIsUndoneWhole(t *testing.T) {
	p := source(t, failing)
	for _, c := range []struct{ how, reason, text string }{
		{"panic", "panic: oh no", "panic: oh no\n\ngoroutine 1 [running]:\nmain.main()\n"},
		{"nested", "panic: first", "panic: first\n\tpanic: second\n\ngoroutine 1 "},
		{"slow", "panic: main.slow{n:0}", ""},
		{"nil", "panic: runtime error: invalid memory address or nil pointer dereference", "\n[signal SIGSEGV: segmentation violation"},
		{"deadlock", "fatal error: all goroutines are asleep - deadlock!", "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [sync.Mutex.Lock]:"},
		{"fatal", "fatal error: sync: unlock of unlocked mutex", ""},
		{"gas", "vm: ", ""},
		{"overflow", "runtime: goroutine stack exceeds", "fatal error: stack overflow"},
	} {
		t.Run(c.how, func(t *testing.T) {
			m := configured(t, p, Config{Args: []string{"failing", c.how}, Limits: Limits{Gas: 3_000_000, StackBytes: 1 << 20}})
			words := uint64(5_000_000)
			if c.how == "slow" {
				words = 50000 // less than its text needs
			}
			for range 2 {
				out, hits, _, failed := runTurns(t, m, words)
				if failed == nil {
					t.Fatalf("it did not fail; output %q", out)
				}
				if strings.Contains(out, "lost") || hits > 1 {
					t.Errorf("of the failed turn there is: %q, %d hits", out, hits)
				}
				if v, err := m.Value("main.Hits"); err != nil || v.Int() != 1 {
					t.Errorf("memory has %v hits, %v", v, err)
				}
				if c.how == "slow" { // whatever the text, all of it was in one turn
					c.reason, c.text = "panic: ", "slow 100000"
				}
				if !strings.HasPrefix(failed.Reason, c.reason) || !strings.Contains(string(failed.Text), c.text) || strings.Contains(string(failed.Text), "lost") {
					t.Errorf("reason %q, text %q", failed.Reason, failed.Text)
				}
				var limit *exec.LimitError
				if errors.As(failed, &limit) != (c.how == "gas") || failed.Exit != 2 {
					t.Errorf("%#v", failed)
				}
			}
			f := &Failure{Reason: "panic: oh no", Text: []byte("panic: oh no\n"), Exit: 2}
			turn, err := m.Abort(f)
			if err != nil {
				t.Fatal(err)
			}
			if turn.Stop.Exit != 2 || len(turn.Changes) > 0 || len(turn.Lines) != 1 || !bytes.Equal(turn.Lines[0].Text, f.Text) || turn.Lines[0].Stream != Stderr || turn.Lines[0].Number != 2 {
				t.Errorf("the last turn: %+v", turn)
			}
			if stop, err := m.Run(context.Background(), 1000); err != nil || stop.End != EndExit || stop.Exit != 2 {
				t.Errorf("after the end: %+v, %v", stop, err)
			}
		})
	}
	for how, exit := range map[string]int{"recovered": 0, "exit": 7} {
		m := configured(t, p, Config{Args: []string{"failing", how}})
		if out, hits, status, failed := runTurns(t, m, 50000); failed != nil || status != exit || hits != 100 || !strings.HasPrefix(out, "before\nlost\nlost too\n") {
			t.Errorf("%s: %q, %d hits, status %d, %v", how, out, hits, status, failed)
		}
	}
}
