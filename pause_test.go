package tandem

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

// brittle panics in a turn that has counted and printed, as long as Calm is 0.
const brittle = `package main

import (
	"fmt"
	"os"
	"time"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared counter
var Hits int

//tandem:shared counter
var Calm int

func main() {
	if os.Args[1] == "calm" {
		Calm++
		return
	}
	fmt.Println("begin")
	for i := range 3 {
		time.Sleep(time.Millisecond)
		Hits++
		fmt.Println("line", i)
		if i == 1 && Calm == 0 {
			panic("not calm")
		}
		turn.Commit()
	}
}
`

// slowLease is long enough that a busy machine does not make a peer that lives pass for one that is gone.
const slowLease = 4 * time.Second

func status(t *testing.T, s *Sandbox, run changes.RunID) *Paused {
	t.Helper()
	return s.pauseOf(run)
}

// TestPausedRunMoves: a run whose turn failed waits, at every peer alike; nobody takes it over when its owner goes, until somebody
// resumes it elsewhere; and what the failed turn did is nowhere.
func TestPausedRunMoves(t *testing.T) {
	t.Parallel()
	ctx := patient(t)
	prog := compileText(t, brittle)
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback, Standby: true, Lease: slowLease}, prog, "brittle"))
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Standby: true, Lease: slowLease}, must[string](t)(a.Ticket())))
	defer end(t, b)
	r := must[*Run](t)(a.Start(ctx, RunOptions{Name: "x", Args: []string{"brittle", "x"}}))
	eventually(t, "both see the pause", func() bool { return status(t, a, r.ID()) != nil && status(t, b, r.ID()) != nil })
	p := status(t, b, r.ID())
	if p.Reason != "panic: not calm" || !strings.Contains(p.Text, "goroutine 1 [running]") {
		t.Errorf("paused because %+v", p)
	}
	if v, _, err := b.Value("main.Hits"); err != nil || v.Int() != 1 {
		t.Errorf("Hits is %v, %v", v, err)
	}
	if err := b.Resume(ctx, r.ID(), vm.Limits{}); !errors.Is(err, ErrMoved) {
		t.Errorf("resumed at the other peer while its owner is there: %v", err)
	}
	end(t, a)
	if _, err := r.Wait(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("the closed run: %v", err)
	}
	calm := must[*Run](t)(b.Start(ctx, RunOptions{Name: "calm", Args: []string{"brittle", "calm"}}))
	if exit, err := calm.Wait(ctx); exit != 0 || err != nil {
		t.Errorf("%d, %v", exit, err)
	}
	eventually(t, "the owner is gone", func() bool {
		for _, st := range b.Runs() {
			if st.Head.Run == r.ID() {
				return !st.Alive && !st.Owned
			}
		}
		return false
	})
	if status(t, b, r.ID()) == nil {
		t.Error("it goes on though nobody resumed it")
	}
	if err := b.Resume(ctx, r.ID(), vm.Limits{}); err != nil {
		t.Fatal(err)
	}
	if got, want := lines(t, b, r.ID()), "begin\nline 0\nline 1\nline 2\n"; got != want {
		t.Errorf("lines %q, want %q", got, want)
	}
	if v, _, err := b.Value("main.Hits"); err != nil || v.Int() != 3 {
		t.Errorf("Hits is %v, %v", v, err)
	}
}

// TestRetryWaitsForOthers: with the policy retry the turn is tried again, and succeeds when another run has changed what it depends on.
func TestRetryWaitsForOthers(t *testing.T) {
	ctx := patient(t)
	retried := make(chan Event, 100)
	s := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback, Notify: func(e Event) {
		if e.Kind == RunRetries {
			retried <- e
		}
	}}, compileText(t, brittle), "brittle"))
	defer end(t, s)
	r := must[*Run](t)(s.Start(ctx, RunOptions{Name: "x", Args: []string{"brittle", "x"}, OnFailure: RetryOnFailure}))
	if e := <-retried; !strings.Contains(e.Err.Error(), "not calm") || !strings.HasPrefix(string(e.Text), "panic: not calm\n") {
		t.Errorf("%+v", e)
	}
	must[*Run](t)(s.Start(ctx, RunOptions{Name: "calm", Args: []string{"brittle", "calm"}}))
	if exit, err := r.Wait(ctx); exit != 0 || err != nil {
		t.Errorf("%d, %v", exit, err)
	}
	if got, want := lines(t, s, r.ID()), "begin\nline 0\nline 1\nline 2\n"; got != want {
		t.Errorf("lines %q, want %q", got, want)
	}
}

// TestPauseByRequest: a run is paused at a turn's end and goes on from there; a paused run that is closed is paused when it comes back.
func TestPauseByRequest(t *testing.T) {
	ctx, dir := patient(t), t.TempDir()
	s := must[*Sandbox](t)(Create(ctx, Config{Dir: dir, Listen: loopback}, compileText(t, ticks), "ticks"))
	r := must[*Run](t)(s.Start(ctx, RunOptions{Args: []string{"ticks"}}))
	if err := s.Pause(ctx, r.ID()); err != nil {
		t.Fatal(err)
	}
	turn := s.Runs()[0].Head.Turn
	if err := s.Resume(ctx, r.ID(), vm.Limits{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", func() bool { return s.Runs()[0].Head.Turn > turn })
	if err := s.Pause(ctx, r.ID()); err != nil {
		t.Fatal(err)
	}
	end(t, s)
	s = must[*Sandbox](t)(Open(ctx, Config{Dir: dir, Listen: loopback}))
	defer end(t, s)
	if status(t, s, r.ID()) == nil || s.Run(r.ID()) != nil {
		t.Error("it is not paused after a restart")
	}
	if err := s.Pause(ctx, r.ID()); err == nil {
		t.Error("a run that does not execute was paused")
	}
	printed := s.Runs()[0].Head.Lines
	if err := s.Resume(ctx, r.ID(), vm.Limits{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", func() bool { return s.Runs()[0].Head.Lines > printed })
	ticked(t, s, r.ID())
	if err := s.Resume(ctx, r.ID(), vm.Limits{}); err == nil {
		t.Error("a run that ended was resumed")
	}
}

// TestResumedByTwo: of two who make a run go on at once both get the limits that they ask for, and who comes too late for that is told.
func TestResumedByTwo(t *testing.T) {
	ctx := patient(t)
	s := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback, Limits: vm.Limits{Gas: 1 << 40, MemoryBytes: 16 << 20}}, compileText(t, ticks), "ticks"))
	defer end(t, s)
	r := must[*Run](t)(s.Start(ctx, RunOptions{Args: []string{"ticks"}}))
	if err := s.Pause(ctx, r.ID()); err != nil {
		t.Fatal(err)
	}
	both := []*ask{{limits: vm.Limits{Gas: 1 << 50}, done: make(chan struct{})}, {limits: vm.Limits{MemoryBytes: 64 << 20}, done: make(chan struct{})}}
	r.mu.Lock()
	r.asked = append(r.asked, both...)
	r.mu.Unlock()
	r.wake()
	for _, a := range both {
		if <-a.done; a.err != nil {
			t.Error(a.err)
		}
	}
	if err := s.Pause(ctx, r.ID()); err != nil {
		t.Fatal(err)
	}
	if n := r.machine.MemoryLimitBytes(); n != 64<<20 {
		t.Errorf("it may have %d bytes", n)
	}
	late := &ask{limits: vm.Limits{Gas: 1 << 60}, done: make(chan struct{})}
	r.mu.Lock()
	r.asked = append(r.asked, late)
	r.mu.Unlock()
	r.answer(toGoOn)
	if <-late.done; late.err == nil {
		t.Error("limits that nobody heeded are said to hold")
	}
}

// TestPauseTakenBack: who does not wait for a pause takes it back.
func TestPauseTakenBack(t *testing.T) {
	ctx := patient(t)
	s := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback}, compileText(t, ticks), "ticks"))
	defer end(t, s)
	r := must[*Run](t)(s.Start(ctx, RunOptions{Args: []string{"ticks"}}))
	if err := s.Pause(ctx, r.ID()); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := r.ask(gone, &ask{want: toPause}); !errors.Is(err, context.Canceled) { // while it rests nothing answers it
		t.Fatal(err)
	}
	turn := s.Runs()[0].Head.Turn
	if err := s.Resume(ctx, r.ID(), vm.Limits{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", func() bool { return s.Runs()[0].Head.Turn > turn+3 })
}

// hungry needs more gas, then more memory than it has, and then waits for Go.
const hungry = `package main

import (
	"fmt"
	"os"
	"time"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared counter
var Go int

func main() {
	if os.Args[1] == "go" {
		Go++
		return
	}
	n := 0
	turn.Commit() // the turn that fails is not the first
	for i := range 2000000 {
		n += i
	}
	fmt.Println("gas", n)
	turn.Commit()
	var all [][]byte
	for range 32 {
		all = append(all, make([]byte, 1<<20))
		turn.Commit()
	}
	fmt.Println("memory", len(all))
	for Go == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("end", len(all[31]))
}
`

// TestHigherLimits: a run that met a limit is given a higher one and goes on, also at a peer that allows less by itself; a limit it has met already is refused,
// and the run stays paused.
func TestHigherLimits(t *testing.T) {
	t.Parallel()
	ctx := patient(t)
	few := vm.Limits{Gas: 3000000, MemoryBytes: 16 << 20}
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback, Limits: few}, compileText(t, hungry), "hungry"))
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Standby: true, Lease: slowLease, Limits: few}, must[string](t)(a.Ticket())))
	defer end(t, b)
	r := must[*Run](t)(a.Start(ctx, RunOptions{Name: "x", Args: []string{"hungry", "x"}}))
	paused := func(why string) {
		t.Helper()
		eventually(t, "paused by "+why, func() bool { p := status(t, a, r.ID()); return p != nil && strings.Contains(p.Reason, why+" limit") })
	}
	paused("gas")
	if err := a.Resume(ctx, r.ID(), vm.Limits{Gas: 1}); err == nil || !strings.Contains(err.Error(), "more gas") || status(t, a, r.ID()) == nil {
		t.Errorf("with gas that is used up already: %v", err)
	}
	if err := a.Resume(ctx, r.ID(), vm.Limits{MemoryBytes: 1 << 62}); err == nil || status(t, a, r.ID()) == nil {
		t.Errorf("with memory that no machine has: %v", err)
	}
	if err := a.Resume(ctx, r.ID(), vm.Limits{Gas: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	paused("memory")
	if err := a.Resume(ctx, r.ID(), vm.Limits{MemoryBytes: 1 << 20}); err == nil || !strings.Contains(err.Error(), "more than that") {
		t.Errorf("with less memory than it has: %v", err)
	}
	if err := a.Resume(ctx, r.ID(), vm.Limits{MemoryBytes: 256 << 20}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it waits, and the other peer has all of it", func() bool {
		return slices.ContainsFunc(b.Runs(), func(st replication.RunStatus) bool { return st.Head.Lines == 2 && st.Warm })
	})
	end(t, a)
	eventually(t, "it goes on at the other peer", func() bool { return b.Run(r.ID()) != nil })
	must[*Run](t)(b.Start(ctx, RunOptions{Name: "go", Args: []string{"hungry", "go"}}))
	if got, want := lines(t, b, r.ID()), "gas 1999999000000\nmemory 32\nend 1048576\n"; got != want {
		t.Errorf("lines %q, want %q", got, want)
	}
}

// TestTriesAreCountedOverRestarts: a turn that fails is tried as often as the policy says, however often the peer is opened meanwhile.
func TestTriesAreCountedOverRestarts(t *testing.T) {
	t.Parallel()
	ctx, dir := patient(t), t.TempDir()
	cfg := Config{Dir: dir, Listen: loopback}
	s := must[*Sandbox](t)(Create(ctx, cfg, compileText(t, brittle), "brittle"))
	defer func() { end(t, s) }()
	must[*Run](t)(s.Start(ctx, RunOptions{Name: "x", Args: []string{"brittle", "x"}, OnFailure: RetryOnFailure}))
	restarts, failed := 0, 0
	eventually(t, "paused", func() bool {
		runs := s.Runs()
		if len(runs) == 0 {
			return false
		}
		m := must[meta](t)(decodeMeta(runs[0].Head.Meta))
		if m.Paused != nil {
			return true
		}
		n := m.triesAfter(runs[0].Head.Turn)
		if n < failed {
			t.Fatalf("%d tries are counted, %d were", n, failed)
		}
		if n > failed && restarts < 2 {
			end(t, s)
			s = must[*Sandbox](t)(Open(ctx, cfg))
			restarts++
		}
		failed = n
		return false
	})
	if failed != retriesMax || restarts != 2 {
		t.Errorf("paused after %d tries and %d restarts, want %d", failed, restarts, retriesMax)
	}
}
