package vm

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestNoTurnEndsUnderAMutex: while a mutex is locked no turn ends, however short its slice is, so that nobody sees half of what it guards; one that is held for
// too long fails the turn and is named.
func TestNoTurnEndsUnderAMutex(t *testing.T) {
	p := source(t, `package main

import (
	"os"
	"sync"
)

//tandem:shared counter
var Hits int

func main() {
	var mu sync.Mutex
	for range 10 {
		mu.Lock()
		Hits++
		for os.Args[1] == "ever" {
		}
		n := 0
		for i := range 30000 {
			n += i
		}
		Hits++
		mu.Unlock()
		for i := range 30000 {
			n += i
		}
	}
}
`)
	ctx := context.Background()
	m := configured(t, p, Config{Args: []string{"mutex", "while"}})
	for turns := 1; ; turns++ {
		if err := m.BeginTurn(); err != nil {
			t.Fatal(err)
		}
		stop, err := m.RunTurn(ctx, 5000)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.EndTurn(); err != nil {
			t.Fatal(err)
		}
		if v, err := m.Value("main.Hits"); err != nil || v.Int()%2 != 0 {
			t.Fatalf("turn %d ended with the mutex locked: %v hits, %v", turns, v, err)
		}
		if stop.End == EndExit {
			if turns < 10 {
				t.Errorf("only %d turns", turns)
			}
			break
		}
	}
	m = configured(t, p, Config{Args: []string{"mutex", "ever"}})
	for range 100 {
		if err := m.BeginTurn(); err != nil {
			t.Fatal(err)
		}
		_, err := m.RunTurn(ctx, 5000)
		if err == nil {
			if _, err := m.EndTurn(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var f *Failure
		if !errors.As(err, &f) || !errors.Is(f.Err, ErrAtomic) || !strings.Contains(f.Reason, "a locked sync.Mutex held it") {
			t.Fatalf("it failed by %v", err)
		}
		if err := m.FailTurn(); err != nil {
			t.Fatal(err)
		}
		if v, err := m.Value("main.Hits"); err != nil || v.Int() != 0 {
			t.Errorf("the failed turn left %v hits, %v", v, err)
		}
		return
	}
	t.Error("a mutex that is never unlocked did not fail the turn")
}
