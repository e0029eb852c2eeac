package vm

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
)

// mover drives a run by turns and moves it, after every turn, into a fresh machine through the bytes of a snapshot.
type mover struct {
	t     *testing.T
	p     *Program
	c     Config
	clock *VirtualClock
	m     *Machine
	out   strings.Builder
	fail  int // every n-th turn is taken back and tried again; 0: none
	turns int
}

func newMover(t *testing.T, text string) *mover {
	p := source(t, text)
	clock := epoch2026()
	c := Config{Args: []string{"program"}, Clock: clock}
	m, err := New(p, c)
	if err != nil {
		t.Fatal(err)
	}
	v := &mover{t: t, p: p, c: c, clock: clock, m: m}
	t.Cleanup(func() { v.m.Close() })
	return v
}

// turn runs one turn and moves the run; before is called with each machine that is about to begin one.
func (v *mover) turn(words uint64, before func(m *Machine)) Stop {
	v.t.Helper()
	if before != nil {
		before(v.m)
	}
	for try := 0; ; try++ {
		if err := v.m.BeginTurn(); err != nil {
			v.t.Fatal(err)
		}
		if _, err := v.m.RunTurn(context.Background(), words); err != nil {
			v.t.Fatal(err)
		}
		if v.turns++; v.fail == 0 || v.turns%v.fail != 0 {
			break
		}
		if err := v.m.FailTurn(); err != nil {
			v.t.Fatal(err)
		}
	}
	turn, err := v.m.EndTurn()
	if err != nil {
		v.t.Fatal(err)
	}
	for _, l := range turn.Lines {
		v.out.Write(l.Text)
	}
	v.m = elsewhere(v.t, v.m, v.p, v.c)
	return turn.Stop
}

// TestMessagesAreReceivedOnce: whatever the order and however often messages are offered to the machines that a run goes through, the
// program receives each id once, also when turns are taken back.
func TestMessagesAreReceivedOnce(t *testing.T) {
	const n = 30
	v := newMover(t, fmt.Sprintf(`package main

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/turn"
)

func main() {
	in := turn.Inbox()
	if in != turn.Inbox() {
		panic("two inboxes")
	}
	for i := range %d {
		m := <-in
		fmt.Printf("%%s %%s %%s\n", m.ID, m.From, m.Body)
		if i%%3 == 0 {
			turn.Commit()
		}
	}
}
`, n))
	v.fail = 3
	known := 0
	for stop := (Stop{}); stop.End != EndExit; {
		known++
		stop = v.turn(400, func(m *Machine) {
			var ms []Message
			for i := range min(known, n) {
				k := (i*7 + known) % min(known, n) // another order each time
				ms = append(ms, Message{ID: fmt.Sprint("id", k), From: "peer", Body: []byte(strings.Repeat("x", k))})
			}
			if err := m.Deliver(append(ms, ms[:len(ms)/2]...)); err != nil {
				t.Fatal(err)
			}
		})
	}
	lines := strings.Split(strings.TrimSuffix(v.out.String(), "\n"), "\n")
	seen := map[string]bool{}
	for _, l := range lines {
		if seen[l] {
			t.Errorf("%s twice", l)
		}
		seen[l] = true
	}
	for k := range n {
		if want := fmt.Sprintf("id%d peer %s", k, strings.Repeat("x", k)); !seen[want] {
			t.Errorf("%q was not received", want)
		}
	}
}

// TestChangedSurvivesMoves: a program is told of merges that touched its variables, wherever it is, and of no others.
func TestChangedSurvivesMoves(t *testing.T) {
	v := newMover(t, `package main

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared counter
var A int

//tandem:shared counter
var B int

//tandem:shared text
var C string

func main() {
	one, both := turn.Changed(&A), turn.Changed(&B, &C)
	for range 6 {
		select {
		case <-one:
			fmt.Println("A", A)
		case <-both:
			fmt.Println("B or C", B, C)
		}
	}
}
`)
	touch := []changes.Assignment{
		{Path: changes.VarPath("main.A"), Value: changes.IntValue(changes.Int, 1)},
		{Path: changes.VarPath("main.B"), Value: changes.IntValue(changes.Int, 2)},
		{Path: changes.VarPath("main.C").Index(0), Value: changes.StringValue("three")},
		{Path: changes.VarPath("main.A"), Value: changes.IntValue(changes.Int, 4)},
		{Path: changes.VarPath("main.C").Index(0), Value: changes.StringValue("")},
		{Path: changes.VarPath("main.B"), Value: changes.IntValue(changes.Int, 6)},
	}
	next := 0
	for stop := (Stop{}); stop.End != EndExit; {
		stop = v.turn(100000, func(m *Machine) {
			// One merge a turn, once the program waits for it.
			if stop.End == EndIdle && next < len(touch) && m.begun() {
				if err := m.Assign(touch[next : next+1]); err != nil {
					t.Fatal(err)
				}
				next++
			}
		})
		if v.turns > 100 {
			t.Fatalf("the program waits on; it has printed %q", v.out.String())
		}
	}
	if got, want := v.out.String(), "A 1\nB or C 2 \nB or C 2 three\nA 4\nB or C 2 \nB or C 6 \n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestChangedOnceForAMerge: who watches several variables hears once of a merge that touched all of them.
func TestChangedOnceForAMerge(t *testing.T) {
	v := newMover(t, `package main

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared counter
var A int

//tandem:shared counter
var B int

//tandem:shared counter
var C int

func main() {
	some, again := turn.Changed(&A, &B, &C), turn.Changed(&B, &B)
	for n := 0; n < 6; n++ {
		select {
		case <-some:
			fmt.Println("some", A, B, C)
		case <-again:
			fmt.Println("again", B)
		}
	}
}
`)
	merges := 0
	for stop := (Stop{}); stop.End != EndExit; {
		stop = v.turn(100000, func(m *Machine) {
			if stop.End != EndIdle || !m.begun() || merges == 3 {
				return
			}
			merges++
			var as []changes.Assignment
			for _, name := range []string{"main.A", "main.B", "main.C"} {
				as = append(as, changes.Assignment{Path: changes.VarPath(name), Value: changes.IntValue(changes.Int, int64(merges))})
			}
			if err := m.Assign(as); err != nil {
				t.Fatal(err)
			}
		})
		if v.turns > 100 {
			t.Fatalf("the program waits on; it has printed %q", v.out.String())
		}
	}
	for n := range 3 {
		for _, want := range []string{fmt.Sprintln("some", n+1, n+1, n+1), fmt.Sprintln("again", n+1)} {
			if strings.Count(v.out.String(), want) != 1 {
				t.Errorf("%q is not there once: %q", want, v.out.String())
			}
		}
	}
}

// TestMergedBeforeMain: a run begins with what others made of the shared variables, whatever their initialisers say, also when initialisation
// takes several turns or the first turn is taken back; and what it begins with is no change of its own.
func TestMergedBeforeMain(t *testing.T) {
	p := source(t, `package main

import "fmt"

//tandem:shared
var Title = fmt.Sprint("un", "titled")

//tandem:shared map lww
var Ages = map[string]int{"ann": 1}

//tandem:shared set
var Tags = map[string]bool{}

//tandem:shared counter
var Hits = slow(100000)

//tandem:shared list
var Names []string

func slow(n int) (sum int) {
	for i := range n {
		sum += i % 2
	}
	return sum
}

func main() {
	fmt.Println(Title, Ages, Tags, Hits, Names)
	Ages["cat"] = 3
}
`)
	as := []changes.Assignment{
		{Path: changes.VarPath("main.Title"), Value: changes.StringValue("theirs")},
		{Path: changes.VarPath("main.Ages").Key(changes.StringValue("ann"))},
		{Path: changes.VarPath("main.Ages").Key(changes.StringValue("bob")), Value: changes.IntValue(changes.Int, 2)},
		{Path: changes.VarPath("main.Tags").Key(changes.StringValue("x")), Value: changes.BoolValue(true)},
		{Path: changes.VarPath("main.Hits"), Value: changes.IntValue(changes.Int, 9)},
		{Path: changes.VarPath("main.Names").Index(0), Value: changes.SliceValue([]changes.Value{changes.StringValue("n")})},
	}
	for _, of := range []struct {
		words  uint64 // of a turn
		atOnce int    // assignments before each
	}{{1 << 24, len(as)}, {20000, 1}} {
		for _, fails := range []bool{false, true} {
			m, _ := machine(t, p, nil)
			var got []changes.Change
			var printed strings.Builder
			rest := as
			for stop := (Stop{}); stop.End != EndExit; {
				n := min(of.atOnce, len(rest))
				if n > 0 && m.begun() {
					t.Fatal("initialisation was over before all was assigned")
				}
				if err := m.Assign(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
				if err := m.BeginTurn(); err != nil {
					t.Fatal(err)
				}
				var err error
				if stop, err = m.RunTurn(t.Context(), of.words); err != nil {
					t.Fatal(err)
				}
				if fails && m.begun() { // the turn in which main began
					fails, stop = false, Stop{}
					if err := m.FailTurn(); err != nil {
						t.Fatal(err)
					}
					continue
				}
				end, err := m.EndTurn()
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, end.Changes...)
				for _, l := range end.Lines {
					printed.Write(l.Text)
				}
			}
			if want := "theirs map[bob:2] map[x:true] 9 [n]\n"; printed.String() != want {
				t.Errorf("turns of %d: the program began with %q, want %q", of.words, printed.String(), want)
			}
			if len(got) != 1 || got[0].Path.Var != "main.Ages" {
				t.Errorf("turns of %d: it changed %v, want the age of cat alone", of.words, got)
			}
		}
	}
}

// TestTimersFireOnceWhenMoved: timers, tickers and sleeps that are under way when a run moves fire once each, also if a turn is taken back
// after they fired and if the new machine's clock is behind or far ahead.
func TestTimersFireOnceWhenMoved(t *testing.T) {
	v := newMover(t, `package main

import (
	"fmt"
	"time"
)

func main() {
	begin := time.Now()
	fired := make(chan int, 100)
	for i := range 20 {
		time.AfterFunc(time.Duration(i%7)*10*time.Millisecond, func() { fired <- i })
	}
	stopped := time.AfterFunc(30*time.Millisecond, func() { fired <- 100 })
	tick := time.NewTicker(25 * time.Millisecond)
	count := make([]int, 101)
	for range 20 {
		count[<-fired]++
		if stopped.Stop() {
			count[100]--
		}
	}
	for range 3 {
		<-tick.C
	}
	tick.Stop()
	time.Sleep(100 * time.Millisecond)
	for len(fired) > 0 {
		count[<-fired]++
	}
	for i, n := range count {
		if n != 0 {
			fmt.Println(i, n)
		}
	}
	if d := time.Since(begin); d < 175*time.Millisecond {
		fmt.Println("early", d)
	}
}
`)
	v.fail = 4
	for stop := (Stop{}); stop.End != EndExit; {
		stop = v.turn(300, nil)
		if stop.End == EndIdle {
			v.clock.T = stop.Wake
		}
		switch v.turns % 5 {
		case 1:
			v.clock.T = v.clock.T.Add(-time.Hour)
		case 3:
			v.clock.T = v.clock.T.Add(time.Hour + 3*time.Millisecond)
		}
	}
	var want strings.Builder
	for i := range 20 {
		fmt.Fprintln(&want, i, 1)
	}
	if got := strings.Replace(v.out.String(), "100 -1\n", "", 1); got != want.String() {
		t.Errorf("timers fired: %s", v.out.String())
	}
}

// TestClonesDiffer: two runs of one program draw different random numbers, a run that moves draws what it would have drawn, and a
// clone draws others from the moment it is one, which it can tell.
func TestClonesDiffer(t *testing.T) {
	p := source(t, `package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/tandemvm/tandem/vm/turn"
)

func main() {
	for range 4 {
		fmt.Println(rand.Uint64(), turn.RunID()[:4], turn.ForkID())
		turn.Commit()
	}
}
`)
	ctx := context.Background()
	c := Config{Args: []string{"program"}, Clock: epoch2026()}
	begin := func(id byte) *Machine {
		m, err := New(p, c)
		if err != nil {
			t.Fatal(err)
		}
		m.SetRun(changes.RunID{id})
		return m
	}
	lines := func(m *Machine, n int) (out []string) {
		for range n {
			if err := m.BeginTurn(); err != nil {
				t.Fatal(err)
			}
			if _, err := m.RunTurn(ctx, 1<<20); err != nil {
				t.Fatal(err)
			}
			turn, err := m.EndTurn()
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range turn.Lines {
				out = append(out, string(l.Text))
			}
		}
		return out
	}
	one, two, again := begin(1), begin(2), begin(1)
	defer one.Close()
	defer two.Close()
	first := lines(one, 2)
	if other := lines(two, 2); strings.Fields(first[0])[0] == strings.Fields(other[0])[0] {
		t.Error("two runs draw alike")
	}
	if same := lines(again, 2); same[0] != first[0] || same[1] != first[1] {
		t.Errorf("%q, and again %q", first, same)
	}
	fork, err := one.Fork(ctx)
	if err != nil {
		t.Fatal(err)
	}
	clone, err := fork.Resume(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer clone.Close()
	clone.SetRun(changes.RunID{3})
	moved := elsewhere(t, again, p, c)
	defer moved.Close()
	rest, cloned, elsewhere := lines(one, 2), lines(clone, 2), lines(moved, 2)
	for i := range rest {
		if rest[i] != elsewhere[i] {
			t.Errorf("moved it draws %q, stayed %q", elsewhere[i], rest[i])
		}
		if strings.Fields(rest[i])[0] == strings.Fields(cloned[i])[0] {
			t.Errorf("the clone draws %q as well", rest[i])
		}
		if f := strings.Fields(cloned[i]); len(f) != 3 || f[1] != "0300" || f[2] != (changes.RunID{3}).String() {
			t.Errorf("the clone says %q", cloned[i])
		}
	}
}
