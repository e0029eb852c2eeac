package vm

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// source compiles one file of source text.
func source(t testing.TB, text string) *Program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return compile(t, file)
}

const stepping = `package main

import "fmt"

type pair struct { a, b int }

//tandem:shared counter
var Hits int

//tandem:shared map counter
var Words = map[string]int{}

//tandem:shared lww
var Title = "none"

//tandem:shared set
var Tags map[string]bool

//tandem:shared fields
var Cfg struct { Port int; Name string; Uses int ` + "`tandem:\"counter\"`" + ` }

//tandem:shared map lww
var Pairs map[int]pair

var log []string

func main() {
	c := make(chan int)
	go func() { for i := 0; ; i++ { c <- i } }()
	for i := range c {
		Hits += i
		Words[fmt.Sprint("w", i%7)]++
		if i%5 == 0 { Title = fmt.Sprint("title ", i); Cfg.Port = i; Cfg.Uses++ }
		if Tags == nil { Tags = map[string]bool{} }
		Tags[fmt.Sprint("t", i%3)] = true
		if i%4 == 3 { delete(Tags, fmt.Sprint("t", (i+1)%3)); delete(Words, "w0") }
		if Pairs == nil { Pairs = map[int]pair{} }
		Pairs[i%6] = pair{i, i * i}
		log = append(log, fmt.Sprint(i))
		if i%16 == 15 { fmt.Println("at", i, Hits, len(log)) }
		if i == 400 { break }
	}
	fmt.Println("end", Hits, len(log), Title)
}
`

// machine starts a program on a virtual clock.
func machine(t testing.TB, p *Program, out OutputWriter) (*Machine, *VirtualClock) {
	t.Helper()
	clock := epoch2026()
	m, err := New(p, Config{Args: []string{"program"}, Clock: clock, Output: out})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, clock
}

func TestSnapshotBytes(t *testing.T) {
	ctx := context.Background()
	p := source(t, stepping)
	m, _ := machine(t, p, nil)
	if err := m.BeginTurn(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.RunTurn(ctx, 20000); err != nil {
		t.Fatal(err)
	}
	if _, err := m.EndTurn(); err != nil {
		t.Fatal(err)
	}
	s, err := m.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Encode()
	if err != nil || !bytes.Equal(b, again) {
		t.Fatalf("encoding twice gives other bytes: %v", err)
	}
	back, err := DecodeSnapshot(p, b)
	if err != nil {
		t.Fatal(err)
	}
	if back.Root() != s.Root() || back.Turns != 1 || back.InstructionCounter != s.InstructionCounter || back.InstructionPointer != s.InstructionPointer {
		t.Fatalf("decoded %+v, took %+v", back, s)
	}
	names := ""
	gs, err := back.Goroutines()
	if err != nil || len(gs) < 2 {
		t.Fatalf("goroutines %v, %v", gs, err)
	}
	for _, g := range gs {
		for _, f := range g.Frames {
			names += f.Function + " "
		}
	}
	if !strings.Contains(names, "main.main") {
		t.Errorf("frames %q do not name main.main", names)
	}
	vs, err := back.Values()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, v := range vs {
		if v.Name == "main.Hits" {
			found = v.Kind == "int" && v.Value.Form() == changes.Int
		}
	}
	if !found {
		t.Errorf("main.Hits is not among the %d values, or is no int", len(vs))
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		bad := bytes.Clone(b)
		i := rng.IntN(len(bad))
		bad[i] ^= 1 << rng.IntN(8)
		if _, err := DecodeSnapshot(p, bad); err == nil {
			t.Fatalf("seed %d: a snapshot with byte %d changed was accepted", seed, i)
		}
	}
	other := source(t, "package main\nfunc main() { println(1) }\n")
	if _, err := DecodeSnapshot(other, b); !errors.Is(err, changes.ErrProgram) {
		t.Errorf("loading under another program: %v", err)
	}
	n, _ := machine(t, other, nil)
	if err := n.Load(ctx, s); !errors.Is(err, ErrProgram) {
		t.Errorf("Load under another program: %v", err)
	}
}

// TestDeltaBetween checks that deltas lead from take to take, and that composing them gives the same state.
func TestDeltaBetween(t *testing.T) {
	ctx := context.Background()
	p := source(t, stepping)
	var out collected
	m, _ := machine(t, p, &out)
	var base *Snapshot
	first := (*Snapshot)(nil)
	var whole *changes.Delta
	for range 12 {
		if err := m.BeginTurn(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.RunTurn(ctx, 5000); err != nil {
			t.Fatal(err)
		}
		if _, err := m.EndTurn(); err != nil {
			t.Fatal(err)
		}
		s, err := m.Take(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if base == nil {
			base, first = s, s
			continue
		}
		d, err := s.Delta(base)
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if d, err = changes.DecodeDelta(b); err != nil {
			t.Fatal(err)
		}
		got, err := ApplyDelta(p, base, d)
		if err != nil {
			t.Fatal(err)
		}
		if got.Root() != s.Root() {
			t.Fatalf("delta leads to %v, not %v", got.Root(), s.Root())
		}
		if whole == nil {
			whole = d
		} else if whole, err = changes.Compose(whole, d); err != nil {
			t.Fatal(err)
		}
		base = s
	}
	got, err := ApplyDelta(p, first, whole)
	if err != nil {
		t.Fatal(err)
	}
	if got.Root() != base.Root() {
		t.Fatalf("composed delta leads to %v, not %v", got.Root(), base.Root())
	}
	if _, err := ApplyDelta(p, base, whole); !errors.Is(err, changes.ErrBase) {
		t.Errorf("a delta applied to another base: %v", err)
	}
}

// TestTakeIsInvisible compares a run that is captured at every stop with one that never is.
func TestTakeIsInvisible(t *testing.T) {
	ctx := context.Background()
	p := source(t, stepping)
	want, count, _ := undisturbed(t, p)
	var out collected
	m, clock := machine(t, p, &out)
	m, exit := finish(t, m, clock, sliceWords, func(m *Machine) *Machine {
		if _, err := m.Take(ctx); err != nil {
			t.Fatal(err)
		}
		return m
	})
	if got := out.outcome(exit); got != want || m.Instructions() != count {
		t.Errorf("captured run: %d instructions\n%s\nundisturbed: %d instructions\n%s", m.Instructions(), got, count, want)
	}
}

// TestSessionModel runs random sequences of save, undo, commit, reset and execution against a stack of full snapshots.
func TestSessionModel(t *testing.T) {
	ctx := context.Background()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	p := source(t, stepping)
	m, _ := machine(t, p, nil)
	type mark struct {
		root   changes.Hash
		output string
		count  uint64
	}
	text := func() string {
		s := ""
		for _, c := range m.out.joined() {
			s += string(c.text)
		}
		return s
	}
	root := func() changes.Hash {
		var u Turn
		if err := m.capture(&u); err != nil {
			t.Fatal(err)
		}
		return u.Root
	}
	var stack []mark
	s := m.Session()
	if err := s.Undo(); !errors.Is(err, ErrRoot) {
		t.Fatalf("Undo at the root: %v", err)
	}
	for step := range 400 {
		what := ""
		switch k := rng.IntN(8); {
		case k < 3:
			what = "run"
			if _, err := m.Run(ctx, uint64(rng.IntN(3000))); err != nil {
				t.Fatal(err)
			}
		case k < 5:
			what = "save"
			stack = append(stack, mark{root(), text(), m.Instructions()})
			if err := s.Save(); err != nil {
				t.Fatal(err)
			}
		case len(stack) == 0:
			continue
		case k == 5:
			what = "commit"
			if err := s.Commit(); err != nil {
				t.Fatal(err)
			}
			stack = stack[:len(stack)-1]
		default:
			what = "undo"
			top := stack[len(stack)-1]
			if k == 6 {
				what = "reset"
				if err := s.Reset(); err != nil {
					t.Fatal(err)
				}
			} else {
				if err := s.Undo(); err != nil {
					t.Fatal(err)
				}
				stack = stack[:len(stack)-1]
			}
			if got := (mark{root(), text(), m.Instructions()}); got != top {
				t.Fatalf("seed %d, step %d: %s gave %v %d %q, saved was %v %d %q", seed, step, what, got.root, got.count, got.output, top.root, top.count, top.output)
			}
		}
		if s.Depth() != len(stack) {
			t.Fatalf("seed %d, step %d: after %s depth %d, want %d", seed, step, what, s.Depth(), len(stack))
		}
	}
}

// TestTurnChanges folds the net changes of each turn and compares with what memory holds, at slices so short that turns end anywhere.
func TestTurnChanges(t *testing.T) {
	ctx := context.Background()
	p := source(t, stepping)
	m, _ := machine(t, p, nil)
	vars := p.Variables()
	if len(vars) != 6 {
		t.Fatalf("%d shared variables, want 6", len(vars))
	}
	model := map[string]changes.Value{}
	for _, v := range vars {
		model[v.Name] = v.Spec.Normal(v.Initial)
	}
	turns, lines := 0, 0
	for {
		if err := m.BeginTurn(); err != nil {
			t.Fatal(err)
		}
		stop, err := m.RunTurn(ctx, 700)
		if err != nil {
			t.Fatal(err)
		}
		turn, err := m.EndTurn()
		if err != nil {
			t.Fatal(err)
		}
		turns++
		for _, l := range turn.Lines {
			if lines++; l.Number != uint64(lines) {
				t.Fatalf("line %d has number %d", lines, l.Number)
			}
		}
		for _, v := range vars {
			var own []changes.Change
			for _, c := range turn.Changes {
				if c.Path.Var == v.Name {
					own = append(own, c)
				}
			}
			if model[v.Name], err = changes.ApplyAll(v.Spec, model[v.Name], own); err != nil {
				t.Fatal(err)
			}
			now, err := m.Value(v.Name)
			if err != nil {
				t.Fatal(err)
			}
			if m.begun() && !v.Spec.Normal(now).Equal(v.Spec.Normal(model[v.Name])) {
				t.Fatalf("turn %d: changes %v lead %s to %v, memory holds %v", turns, own, v.Name, model[v.Name], now)
			}
		}
		if stop.End == EndExit {
			break
		}
	}
	if turns < 50 || lines != 26 {
		t.Errorf("%d turns and %d lines", turns, lines)
	}
}

// TestFailTurn takes turns back and runs them again: nothing of the first try shows, in scratch files neither.
func TestFailTurn(t *testing.T) {
	for _, p := range []*Program{source(t, stepping), compile(t, "testdata/corpus/scratch_open.go")} {
		want, count, _ := undisturbed(t, p)
		m, _ := machine(t, p, nil)
		got := failedTwice(t, m)
		if got != want || m.Instructions() != count {
			t.Errorf("got %d instructions\n%s\nwant %d\n%s", m.Instructions(), got, count, want)
		}
	}
}

// failedTwice runs m to its end; of three tries of a turn the last is taken.
func failedTwice(t *testing.T, m *Machine) string {
	t.Helper()
	var out collected
	for n := 1; ; n++ {
		if err := m.BeginTurn(); err != nil {
			t.Fatal(err)
		}
		stop, err := m.RunTurn(context.Background(), 3000)
		if err != nil {
			t.Fatal(err)
		}
		if n%3 != 0 {
			if err := m.FailTurn(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		turn, err := m.EndTurn()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range turn.Lines {
			out.WriteOutput(l.Stream, l.Text)
		}
		if stop.End == EndExit {
			return out.outcome(stop.Exit)
		}
	}
}

// TestAssign writes merged values between turns; the program sees them, and they are not changes of its own.
func TestAssign(t *testing.T) {
	ctx := context.Background()
	p := source(t, stepping)
	m, _ := machine(t, p, nil)
	step := func() *Turn {
		t.Helper()
		if err := m.BeginTurn(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.RunTurn(ctx, 3000); err != nil {
			t.Fatal(err)
		}
		turn, err := m.EndTurn()
		if err != nil {
			t.Fatal(err)
		}
		return turn
	}
	step()
	hits, err := m.Value("main.Hits")
	if err != nil {
		t.Fatal(err)
	}
	err = m.Assign([]changes.Assignment{
		{Path: changes.VarPath("main.Hits"), Value: changes.IntValue(changes.Int, hits.Int()+1000000)},
		{Path: changes.VarPath("main.Words").Key(changes.StringValue("remote")), Value: changes.IntValue(changes.Int, 77)},
		{Path: changes.VarPath("main.Title"), Value: changes.StringValue("from afar")},
		{Path: changes.VarPath("main.Cfg").Field("Name"), Value: changes.StringValue("named")},
		{Path: changes.VarPath("main.Tags").Key(changes.StringValue("far")), Value: changes.BoolValue(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	turn := step()
	for _, c := range turn.Changes {
		if s := c.Path.String(); strings.Contains(s, "remote") || strings.Contains(s, "far") || strings.Contains(s, "Name") {
			t.Errorf("a merged value is told as the run's own change: %v", c)
		}
		if c.Path.Var == "main.Hits" && c.Old.Int() < 1000000 {
			t.Errorf("the base of the next turn is not the merged value: %v", c)
		}
	}
	now, _ := m.Value("main.Hits")
	words, _ := m.Value("main.Words")
	remote, ok := words.Lookup(changes.StringValue("remote"))
	if now.Int() < 1000000 || !ok || remote.Int() != 77 {
		t.Errorf("Hits %v, Words %v", now, words)
	}
	cfg, _ := m.Value("main.Cfg")
	if name, _ := cfg.Field("Name"); name.Text() != "named" {
		t.Errorf("Cfg is %v", cfg)
	}
	if err := m.Assign([]changes.Assignment{{Path: changes.VarPath("main.Nothing"), Value: changes.BoolValue(true)}}); err == nil {
		t.Error("a value for a variable that does not exist was taken")
	}
}

// TestNeverMergeStacks holds the trap of DESIGN.md: two copies of one run, one in each branch, never become a third state; the only states that
// load are whole ones.
func TestNeverMergeStacks(t *testing.T) {
	ctx := context.Background()
	p := source(t, `package main

var x int

func main() {
	for n := 0; ; n++ {
		if n%2 == 0 { x = 1; spin(); if x != 1 { panic("then branch with the other's x") } } else { x = 2; spin(); if x != 2 { panic("else branch with the other's x") } }
		if n == 60 { println("fine"); return }
	}
}

func spin() { for i := 0; i < 50; i++ { _ = i } }
`)
	m, _ := machine(t, p, nil)
	var a, b *Snapshot
	for i := range 40 {
		if _, err := m.Run(ctx, 97); err != nil {
			t.Fatal(err)
		}
		s, err := m.Take(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if i == 10 {
			a = s
		}
		b = s
	}
	// A delta that joins b's pages to a's base is refused: the result hash is of the whole.
	d, err := b.Delta(a)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Pages) > 1 {
		d.Pages = d.Pages[:len(d.Pages)-1]
	} else {
		d.Pages = nil
	}
	if _, err := ApplyDelta(p, a, d); err == nil {
		t.Error("part of a delta was applied")
	}
	for _, s := range []*Snapshot{a, b} {
		var out collected
		n, err := Resume(ctx, p, Config{Clock: epoch2026(), Output: &out}, s)
		if err != nil {
			t.Fatal(err)
		}
		n, exit := finish(t, n, epoch2026(), 1000, func(m *Machine) *Machine { return m })
		n.Close()
		if got := out.outcome(exit); got != (outcome{"", "fine\n", 0}).String() {
			t.Errorf("continued from one whole state: %s", got)
		}
	}
}

// FuzzLoad gives arbitrary bytes to the snapshot decoder, and arbitrary changes under valid hashes to the loader and the machine: an error or a valid
// state, never a panic of the host, in bounded time and memory.
func FuzzLoad(f *testing.F) {
	ctx := context.Background()
	defer func(bytes uint64) { mem.GuardBytes = bytes }(mem.GuardBytes)
	mem.GuardBytes = 64 << 30 // a stray access is seen wherever it goes
	p := source(f, stepping)
	m, _ := machine(f, p, nil)
	var good *Snapshot
	for range 5 {
		if _, err := m.Run(ctx, 3000); err != nil {
			f.Fatal(err)
		}
		m.out.clear()
		s, err := m.Take(ctx)
		if err != nil {
			f.Fatal(err)
		}
		good = s
	}
	b, err := good.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:200], uint32(0), uint64(0))
	f.Add(b, uint32(0), uint64(0))
	f.Add([]byte("xyz"), uint32(1024+8), uint64(0xc000000000))
	f.Add([]byte{}, uint32(70000), uint64(1))
	f.Fuzz(func(t *testing.T, raw []byte, at uint32, word uint64) {
		if s, err := DecodeSnapshot(p, raw); err == nil && s.Root().IsZero() {
			t.Fatal("a state without a hash")
		}
		if s, err := OpenSnapshot(p, bytes.NewReader(raw), int64(len(raw))); err == nil {
			if n, err := Resume(ctx, p, Config{Clock: epoch2026(), Limits: Limits{MemoryBytes: 64 << 20}}, s); err == nil {
				_, err := n.Run(ctx, 20000)
				inside(t, err)
				n.Close()
			} else {
				inside(t, err)
			}
		}
		// Damage below the hashes: what a malicious member could sign.
		builder := NewState(p, good.state.pages.Size())
		tree := changes.NewTree(good.state.pages.Size())
		off := uint64(at) % good.state.pages.Size() &^ 7
		good.state.pages.Each(func(page uint64, data []byte) bool {
			c := *(*[changes.PageBytes]byte)(data)
			if page == off/changes.PageBytes {
				for i := range 8 {
					c[int(off%changes.PageBytes)+i] = byte(word >> (8 * i))
				}
				copy(c[off%changes.PageBytes:], raw)
			}
			tree.Set(page, changes.PageHash(&c))
			if err := builder.Set(page, &c); err != nil {
				t.Fatal(err)
			}
			return true
		})
		s, err := builder.Snapshot(tree.Root())
		if err != nil {
			return
		}
		n, err := Resume(ctx, p, Config{Clock: epoch2026(), Limits: Limits{MemoryBytes: 64 << 20}}, s)
		inside(t, err)
		if err != nil {
			return
		}
		defer n.Close()
		for range 5 {
			stop, err := n.Run(ctx, 20000)
			inside(t, err)
			if err != nil || stop.End == EndExit || stop.End == EndIdle {
				return
			}
		}
	})
}

// inside fails t when err says that a run left its memory.
func inside(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, mem.ErrStray) {
		t.Fatal(err)
	}
}
