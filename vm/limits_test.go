package vm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/exec"
)

// TestLimitsAreExact runs programs that need exactly a limit, and the same with one less: that is an error that names the limit, also after the
// run was taken and resumed elsewhere.
func TestLimitsAreExact(t *testing.T) {
	ctx := context.Background()
	run := func(p *Program, l Limits, move bool) (*Machine, string, error) {
		var out collected
		c := Config{Clock: epoch2026(), Limits: l, Output: &out}
		m, err := New(p, c)
		if err != nil {
			return nil, "", err
		}
		defer func() { m.Close() }()
		for {
			stop, err := m.Run(ctx, 3000)
			if err != nil || stop.End == EndExit || stop.End == EndIdle {
				return m, out.outcome(stop.Exit), err
			}
			if move {
				s, err := m.Take(ctx)
				if err != nil {
					t.Fatal(err)
				}
				m.Close()
				if m, err = Resume(ctx, p, Config{Clock: epoch2026(), Limits: Limits{MemoryBytes: l.MemoryBytes}, Output: &out}, s); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	gas := func(t *testing.T, p *Program) (Limits, Limits) {
		m, _ := machine(t, p, nil)
		for {
			if stop, err := m.Run(ctx, 1<<20); err != nil || stop.End == EndExit {
				break
			}
		}
		// Gas is looked at before a stretch of code, so the words of the last one are not asked for.
		return Limits{Gas: m.Instructions()}, Limits{Gas: m.Instructions() / 2}
	}
	cases := []struct {
		limit, text string
		need        func(t *testing.T, p *Program) (enough, less Limits)
	}{
		{"gas", "package main\nfunc main() { s := 0; for i := range 20000 { s += i }; println(s) }\n", gas},
		{"gas", "package main\nvar a, b [1 << 20]byte\nfunc main() { for range 50 { a = b; copy(b[1:], a[:]); clear(a[:]) }; println(a == b) }\n", gas},
		{"goroutines", "package main\nfunc main() { c := make(chan int); for i := range 9 { go func() { c <- i }() }; for range 9 { <-c }; println(1) }\n", func(t *testing.T, p *Program) (Limits, Limits) {
			return Limits{Goroutines: 10}, Limits{Goroutines: 9}
		}},
		{"output", "package main\nimport \"os\"\nfunc main() { for range 500 { os.Stdout.WriteString(\"0123456789\") }; os.Stderr.WriteString(\"01234\") }\n", func(t *testing.T, p *Program) (Limits, Limits) {
			return Limits{OutputBytes: 5005}, Limits{OutputBytes: 5004}
		}},
		{"memory", "package main\nfunc main() { var keep [][]byte; for range 200 { keep = append(keep, make([]byte, 40000)) }; println(len(keep)) }\n", func(t *testing.T, p *Program) (Limits, Limits) {
			// The smallest limit that is enough, to the page, since a page is what memory grows by.
			lo, hi := uint64(1<<20), uint64(64<<20)
			for hi-lo > 4096 {
				mid := (lo + hi) / 2 &^ 4095
				if _, _, err := run(p, Limits{MemoryBytes: mid}, false); err != nil {
					lo = mid
				} else {
					hi = mid
				}
			}
			return Limits{MemoryBytes: hi}, Limits{MemoryBytes: lo}
		}},
	}
	for _, c := range cases {
		t.Run(c.limit, func(t *testing.T) {
			p := source(t, c.text)
			enough, less := c.need(t, p)
			for _, move := range []bool{false, true} {
				if _, _, err := run(p, enough, move); err != nil {
					t.Errorf("enough of it (%+v): %v", enough, err)
				}
				m, _, err := run(p, less, move)
				var e *exec.LimitError
				if !errors.As(err, &e) || e.Limit != c.limit || !strings.Contains(err.Error(), c.limit+" limit") {
					t.Fatalf("too little (%+v): %v", less, err)
				}
				if m != nil && less.Gas != 0 && e.Max != less.Gas {
					t.Errorf("the error names %d", e.Max)
				}
			}
		})
	}
	p := source(t, "package main\nfunc f(n int) int { if n == 0 { return 0 }; return 1 + f(n-1) }\nfunc main() { println(f(3000)) }\n")
	if _, got, err := run(p, Limits{StackBytes: 1 << 20}, true); err != nil || !strings.Contains(got, "3000") {
		t.Errorf("enough stack: %s %v", got, err)
	}
	if _, got, err := run(p, Limits{StackBytes: 64 << 10}, true); err != nil || !strings.Contains(got, "goroutine stack exceeds 65536-byte limit") {
		t.Errorf("too little stack: %s %v", got, err)
	}
}

// TestOutputLimitIsTheMachines: a program that writes to the root page does not lift its limit.
func TestOutputLimitIsTheMachines(t *testing.T) {
	p := source(t, fmt.Sprintf(`package main

import ("os"; "unsafe")

func main() {
	for {
		for _, at := range []uintptr{%d, %d} { *(*uint64)(unsafe.Pointer(at)) = 0 }
		os.Stdout.WriteString("0123456789")
	}
}
`, uint64(rootOutputMax), uint64(rootOutputUsed)))
	var out collected
	m, err := New(p, Config{Clock: epoch2026(), Limits: Limits{OutputBytes: 105}, Output: &out})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { m.Close() }()
	for range 20 {
		_, err := m.Run(context.Background(), 1<<16)
		var e *exec.LimitError
		if !errors.As(err, &e) || e.Limit != "output" || e.Max != 105 {
			t.Fatal(err)
		}
		if err := m.flush(); err != nil {
			t.Fatal(err)
		}
		s, err := m.Take(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
		if m, err = Resume(context.Background(), p, Config{Clock: epoch2026(), Output: &out}, s); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGasFollowsWork: an instruction that handles much memory costs gas by it, so that gas bounds time.
func TestGasFollowsWork(t *testing.T) {
	ctx := context.Background()
	bodies := map[string]string{
		"make":       "sink = make([]byte, n)",
		"copy":       "copy(a, b)",
		"append":     "sink = append([]byte{}, a...)",
		"grow":       "sink = append(a[:n:n], 1)",
		"string":     "text = string(a)",
		"bytes":      "sink = []byte(long)",
		"concat":     "text = long + long",
		"compare":    "yes = long == other",
		"less":       "yes = long < other",
		"search":     "yes = bytes.Index(a, []byte{1, 2}) > 0",
		"print":      "os.Stdout.Write(a)",
		"index":      "yes = bytes.IndexByte(a, 1) > 0",
		"equal":      "yes = bytes.Equal(a, b)",
		"clear":      "clear(a)",
		"array":      "x = y",
		"zero":       "x = [n]byte{}",
		"arrays":     "yes = x == y",
		"interfaces": "yes = any(x) == any(y)",
		"new":        "wide = new([n]byte)",
		"reflect":    "reflect.Copy(reflect.ValueOf(a), reflect.ValueOf(b))",
		"key":        "delete(names, long)",
		"hash":       "delete(keys, x)",
		"map grows":  "m := map[int][15]int{}; for i := range n / 128 { m[i] = [15]int{} }",
		"map clear":  "m := make(map[int][15]int, n/128); for i := range n / 128 { m[i] = [15]int{} }; clear(m)",
		"channel":    "pipe = make(chan byte, n)",
		"send":       "c := make(chan [n]byte, 1); c <- x; y = <-c",
		"collect":    "runtime.GC()",
	}
	cases := ""
	for name, body := range bodies {
		cases += "case \"" + name + "\": for range times { " + body + " }\n"
	}
	p := source(t, `package main

import ("bytes"; "os"; "reflect"; "strings"; "runtime")

const n = 1 << 20
const times = 10

var sink []byte
var text string
var yes bool
var x, y [n]byte
var wide *[n]byte
var names = map[string]int{"": 1}
var keys = map[[n]byte]int{{}: 1}
var pipe chan byte
var _ = reflect.Copy
var _ = bytes.Equal

func main() {
	a, b := make([]byte, n), make([]byte, n)
	long, other := strings.Repeat("a", n), strings.Repeat("a", n)
	_, _, _, _ = a, b, long, other
	runtime.Gosched()
	switch os.Args[1] {
`+cases+`}
}
`)
	words := func(body string) uint64 {
		m, err := New(p, Config{Args: []string{"program", body}, Clock: epoch2026()})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for {
			stop, err := m.Run(ctx, 1<<24)
			if err != nil || stop.Exit != 0 {
				t.Fatal(body, stop, err)
			}
			if stop.End == EndExit {
				return m.Instructions()
			}
		}
	}
	none := words("nothing")
	for name := range bodies {
		const want = 10 * (1 << 20) / 256
		if got := words(name) - none; got < want-want/100 {
			t.Errorf("%s of 10 MiB took %d words of gas", name, got)
		}
	}
}

// TestPanicsAreSafePoints: deferred calls that panic, each in the one before, come to no call of the program's own; a slice ends all the same.
func TestPanicsAreSafePoints(t *testing.T) {
	p := source(t, "package main\n\nfunc f() {\n\tdefer f()\n\tpanic(1)\n}\n\nfunc main() { f() }\n")
	m, err := New(p, Config{Clock: epoch2026(), Limits: Limits{MemoryBytes: 256 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const words = 3000
	for range 5 {
		before := m.Instructions()
		stop, err := m.Run(context.Background(), words)
		if err != nil || stop.End != EndSlice {
			t.Fatalf("stopped with %+v, %v", stop, err)
		}
		if n := m.Instructions() - before; n > 2*words {
			t.Fatalf("a slice of %d words was %d long", words, n)
		}
	}
}

// TestNobodyWaitsForTimers: a run does not wait for timers that can wake nobody before it says that all goroutines are asleep.
func TestNobodyWaitsForTimers(t *testing.T) {
	for text, waits := range map[string]int{
		"c = time.NewTicker(time.Second).C; select {}":                                 0,
		"c = time.After(time.Second); <-none":                                          0,
		"t := time.NewTimer(time.Second); t.Stop(); <-t.C":                             0,
		"c = time.After(time.Second); <-c; <-c":                                        1,
		"c = time.After(time.Second); select { case <-c: case <-none: }; select {}":    1,
		"c = time.After(time.Hour); time.Sleep(1); <-none":                             1,
		"c = time.After(time.Hour); time.AfterFunc(1, func() {}); <-none":              1,
		"for range 5000 { c = time.After(time.Second); all = append(all, c) }; <-none": 1, // too many to look at
	} {
		m, clock := machine(t, source(t, `package main
import "time"
var c <-chan time.Time
var all []<-chan time.Time
var none chan int
func main() { `+text+` }
`), nil)
		stops := 0
		_, exit := finish(t, m, clock, 1<<40, func(m *Machine) *Machine { stops++; return m })
		if exit != 2 || stops != waits {
			t.Errorf("%s: exit status %d after %d stops, want 2 after %d", text, exit, stops, waits)
		}
		m.Close()
	}
}

// TestTimersAreBounded: timers that nobody refers to any more take no memory for long, however far in the future they are, and undoing a turn brings back one
// that it lost.
func TestTimersAreBounded(t *testing.T) {
	ctx := context.Background()
	p := source(t, `package main
import "time"
func main() {
	work := make(chan int, 1)
	for i := range 200000 {
		work <- i
		select {
		case <-work:
		case <-time.After(time.Hour):
		}
		time.NewTicker(time.Hour)
	}
	println("done")
}
`)
	m, err := New(p, Config{Clock: epoch2026(), Limits: Limits{MemoryBytes: 20 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if stop, err := m.Run(ctx, 1<<40); err != nil || stop.End != EndExit {
		t.Errorf("%+v, %v", stop, err)
	}

	m, _ = machine(t, source(t, `package main
import ("runtime"; "time"; "github.com/tandemvm/tandem/vm/turn")
var c <-chan time.Time
func main() {
	done := make(chan bool)
	go func() { c = time.After(time.Minute); close(done) }() // its stack goes with it
	<-done
	turn.Commit()
	c = nil
	runtime.GC()
	turn.Commit()
}
`), nil)
	turn := func() {
		t.Helper()
		if err := m.BeginTurn(); err != nil {
			t.Fatal(err)
		}
		if stop, err := m.RunTurn(ctx, 1<<30); err != nil || stop.End != EndCommit {
			t.Fatalf("%+v, %v", stop, err)
		}
	}
	turn()
	if _, err := m.EndTurn(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n := m.core.Timers(); n != 1 {
			t.Fatalf("%d timers are set, want 1", n)
		}
		turn()
		if n := m.core.Timers(); n != 0 {
			t.Fatalf("%d timers are set after a collection", n)
		}
		if err := m.FailTurn(); err != nil {
			t.Fatal(err)
		}
	}
}
