package changes

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

func TestReplicasConvergeOnTheModel(t *testing.T) {
	eachKind(t, 60, func(t *testing.T, c *cluster) {
		c.settle()
		c.scramble(20)
		c.settle()
	})
}

// Merge is a function of the set of latest cells: order, repetition and stale cells do not matter.
func TestMergeIsCommutativeAssociativeIdempotent(t *testing.T) {
	eachKind(t, 20, func(t *testing.T, c *cluster) {
		want := c.settle()
		byPath := map[string][]Cell{}
		for _, pc := range c.published {
			code := string(pc.Path.Encode())
			byPath[code] = append(byPath[code], pc.Cell)
		}
		for code, all := range byPath {
			p, err := DecodePath([]byte(code))
			if err != nil {
				t.Fatal(err)
			}
			latest := c.replicas[0].view.Cells(p)
			v, present, conflicts := Merge(c.spec, p, latest)
			for range 4 {
				mixed := append(append([]Cell{}, latest...), all...)
				c.r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
				w, wp, wc := Merge(c.spec, p, mixed)
				if !w.Equal(v) || wp != present || wc != conflicts || wp != w.Present() {
					t.Fatalf("%v: %v %v %d, shuffled with stale ones %v %v %d", p, v, present, conflicts, w, wp, wc)
				}
			}
		}
		// Associative: join groups of replicas' cells in any nesting.
		for range 3 {
			left, right := NewView(), NewView()
			for _, w := range []*View{left, right} {
				if err := w.Declare("v", c.spec, Value{}); err != nil {
					t.Fatal(err)
				}
				w.Drop(RunID{})
			}
			parts := append([]PathCell(nil), c.published...)
			for _, g := range c.replicas[0].view.RunCells(RunID{}) {
				parts = append(parts, g)
			}
			c.r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
			cut := c.r.IntN(len(parts) + 1)
			for i, pc := range parts {
				if i < cut {
					offer(t, left, pc)
				} else {
					offer(t, right, pc)
				}
			}
			for _, run := range append([]*replica{{}}, c.replicas...) {
				for _, pc := range right.RunCells(run.run) {
					offer(t, left, pc)
				}
			}
			if got, _, err := left.Value("v"); err != nil || !got.Equal(want) {
				t.Fatalf("%v: joined from parts %v, %v; want %v", c.spec, got, err, want)
			}
		}
	})
}

// A run that goes back to an earlier state and executes its turns again publishes the same cells.
func TestTurnsExecutedAgainChangeNothing(t *testing.T) {
	eachKind(t, 20, func(t *testing.T, c *cluster) {
		c.settle()
		rep := c.replicas[0]
		type turn struct {
			cs []Change
			at Stamp
		}
		saved, memory := rep.view.RunCells(rep.run), rep.memory
		var turns []turn
		for range 5 {
			old := rep.memory
			written := mutated(c.r, c.spec.Type, old)
			rep.turn++
			tn := turn{Diff(c.spec, VarPath("v"), old, written), Stamp{rep.clock.Next(rep.wall), rep.run, rep.turn}}
			if _, err := rep.view.Fold(tn.cs, tn.at, Epoch{}); err != nil {
				t.Fatal(err)
			}
			turns = append(turns, tn)
			rep.memory = written
			c.write(rep)
		}
		want, first := rep.memory, rep.view.RunCells(rep.run)
		rep.view.Drop(rep.run)
		for _, pc := range saved {
			if _, err := rep.view.Put(pc.Path, pc.Cell); err != nil {
				t.Fatal(err)
			}
		}
		if v, _, _ := rep.view.Value("v"); !v.Equal(memory) {
			t.Fatalf("back at the saved turn the view holds %v, want %v", v, memory)
		}
		for _, tn := range turns {
			if _, err := rep.view.Fold(tn.cs, tn.at, Epoch{}); err != nil {
				t.Fatal(err)
			}
		}
		second := rep.view.RunCells(rep.run)
		if v, _, _ := rep.view.Value("v"); !v.Equal(want) || len(first) != len(second) {
			t.Fatalf("executed again: %v, want %v", v, want)
		}
		for i := range first {
			if !bytes.Equal(first[i].Cell.Encode(), second[i].Cell.Encode()) {
				t.Fatalf("%v: %v, again %v", first[i].Path, first[i].Cell, second[i].Cell)
			}
		}
	})
}

// The words of DESIGN.md, one by one, on the smallest case that shows them.
func TestRemovalCancelsWhatItSaw(t *testing.T) {
	s := mustSpec(t, "map counter", mapType(stringType, intType))
	p := VarPath("v").Key(StringValue("k"))
	a, b := RunID{1}, RunID{2}
	n := func(i int64) Value { return IntValue(Int, i) }
	fold := func(c Cell, old, new Value, run RunID, turn uint64, view ...Cell) Cell {
		t.Helper()
		c, err := c.Fold(Change{p, Counter, old, new}, Stamp{turn, run, turn}, 0, view)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	expect := func(what string, want Value, cells ...Cell) {
		t.Helper()
		if v, present, _ := Merge(s, p, cells); !v.Equal(want) || present != want.Present() {
			t.Errorf("%s: %v, want %v", what, v, want)
		}
	}
	a1 := fold(Cell{}, Value{}, n(5), a, 1)
	b1 := fold(Cell{}, n(5), n(8), b, 1, a1)
	expect("both count", n(8), a1, b1)
	a2 := fold(a1, n(8), Value{}, a, 2, a1, b1)
	expect("removed", Value{}, a2, b1)
	b2 := fold(b1, n(8), n(10), b, 2, a1, b1)
	expect("a concurrent increment survives alone", n(2), a2, b2)
	b3 := fold(b2, n(2), n(3), b, 3, a2, b2)
	expect("and grows", n(3), a2, b3)
	a3 := fold(a2, n(3), n(4), a, 3, a2, b3)
	expect("the remover starts afresh", n(4), a3, b3)
	expect("order is nothing", n(4), b3, a3)
	b4 := fold(b3, n(4), Value{}, b, 4, a3, b3)
	expect("removed by the other", Value{}, a3, b4)
}

func TestLWWCountsWhatItLoses(t *testing.T) {
	s := mustSpec(t, "", stringType)
	p := VarPath("v")
	put := func(text string, run byte, time uint64, view ...Cell) Cell {
		t.Helper()
		c, err := Cell{}.Fold(Change{p, LWW, StringValue(""), StringValue(text)}, Stamp{time, RunID{run}, 1}, 0, view)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := put("a", 1, 10), put("b", 2, 10)
	if v, _, lost := Merge(s, p, []Cell{a, b}); v.Text() != "b" || lost != 1 {
		t.Errorf("of two at one time: %v, %d lost", v, lost)
	}
	c := put("c", 3, 11, a, b)
	if v, _, lost := Merge(s, p, []Cell{a, c, b}); v.Text() != "c" || lost != 0 {
		t.Errorf("after one that saw both: %v, %d lost", v, lost)
	}
	slow := put("slow clock", 4, 1, a, b, c)
	if v, _, lost := Merge(s, p, []Cell{a, c, b, slow}); v.Text() != "slow clock" || lost != 0 {
		t.Errorf("a write that saw the others is newer whatever its clock says: %v, %d lost", v, lost)
	}
	if c.Lost != 1 || slow.Lost != 0 {
		t.Errorf("overwritten: %d by the write that saw two, %d by the one after it", c.Lost, slow.Lost)
	}
	w := NewView()
	if err := w.Declare("v", s, StringValue("")); err != nil {
		t.Fatal(err)
	}
	for i, cell := range []Cell{a, b, c, slow, b} {
		if _, err := w.Put(p, cell); err != nil {
			t.Fatal(err)
		}
		// The initial value, which none of them saw, is one more until slow, whose clock is behind, wins over it.
		now, before, err := w.Conflicts("v")
		if err != nil || before != uint64(min(1, i/2)) {
			t.Errorf("after %d writes %d conflicts and %d overwritten, %v", i+1, now, before, err)
		}
	}
	w.Drop(RunID{3})
	if _, before, _ := w.Conflicts("v"); before != 0 {
		t.Errorf("after the write that overwrote was voided: %d", before)
	}
	same := put("b", 5, 12)
	if v, _, lost := Merge(s, p, []Cell{b, same}); v.Text() != "b" || lost != 0 {
		t.Errorf("two equal values: %v, %d lost", v, lost)
	}
}

func TestFloatCountersAddInOneOrder(t *testing.T) {
	r := source(t)
	s := mustSpec(t, "counter", &Type{Form: Float64})
	p := VarPath("v")
	var cells []Cell
	for i := range 8 {
		c, err := Cell{}.Fold(Change{p, Counter, FloatValue(Float64, 0), FloatValue(Float64, r.NormFloat64()*1e10)}, Stamp{1, RunID{byte(i)}, 1}, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		cells = append(cells, c)
	}
	want, _, _ := Merge(s, p, cells)
	for range 50 {
		r.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		if got, _, _ := Merge(s, p, cells); !got.Equal(want) {
			t.Fatalf("%v in another order than %v", got, want)
		}
	}
}

func TestFoldRefuses(t *testing.T) {
	p := VarPath("v")
	one, two := IntValue(Int, 1), IntValue(Int, 2)
	c, err := Cell{}.Fold(Change{p, Counter, one, two}, Stamp{1, RunID{1}, 1}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		ch   Change
		at   Stamp
		want error
	}{
		{Change{p, Counter, one, two}, Stamp{2, RunID{1}, 0}, ErrTurn},
		{Change{p, Counter, one, two}, Stamp{2, RunID{2}, 2}, ErrCell},
		{Change{p, LWW, one, two}, Stamp{2, RunID{1}, 2}, ErrCell},
		{Change{p, Counter, one, StringValue("")}, Stamp{2, RunID{1}, 2}, ErrCell},
		{Change{p, Counter, IntValue(Int8, 1), IntValue(Int8, 2)}, Stamp{2, RunID{1}, 2}, ErrCell},
	} {
		if got, err := c.Fold(f.ch, f.at, 0, nil); !errors.Is(err, f.want) || !got.Equal(c) {
			t.Errorf("%v at %v: %v, %v", f.ch, f.at, got, err)
		}
	}
}

// Whatever cells another peer makes up, Merge and View neither panic nor disagree.
func TestForgedCellsAreLeftOut(t *testing.T) {
	r := source(t)
	for range 300 {
		c := someCluster(t, r, "", nil)
		c.settle()
		p := VarPath("v")
		for code := range c.model.path {
			p, _ = DecodePath([]byte(code))
			if r.IntN(2) == 0 {
				break
			}
		}
		cells := append([]Cell{}, c.replicas[0].view.Cells(p)...)
		for range 4 {
			cells = append(cells, someCell(r))
		}
		v, present, conflicts := Merge(c.spec, p, cells)
		r.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		if w, wp, wc := Merge(c.spec, p, cells); !w.Equal(v) || wp != present || wc != conflicts {
			t.Fatalf("%v: %v or %v, by order of %v", p, v, w, cells)
		}
		for _, cell := range cells {
			if _, err := c.replicas[0].view.Put(p, cell); (err == nil) != (cell.Check(c.spec, p) == nil) {
				t.Fatalf("Put says %v, Check %v", err, cell.Check(c.spec, p))
			}
		}
		if _, _, err := c.replicas[0].view.Value("v"); err != nil {
			t.Fatal(err)
		}
	}
}

// someCell is a cell that no run would write.
func someCell(r *rand.Rand) Cell {
	small := func() uint64 { return r.Uint64N(4) }
	c := Cell{Kind: pick(r, LWW, Counter, Max, Min, Set, Key), Stamp: Stamp{small(), RunID{15: byte(small())}, small()}, Dot: small()}
	if r.IntN(4) > 0 {
		c.Value = pick(r, IntValue(Int, int64(small())), UintValue(Uint8, small()), BoolValue(true), StructValue(), StringValue("x"))
	}
	for run := range r.IntN(3) {
		s := Seen{Run: RunID{15: byte(run)}, Dot: 1 + small()}
		if r.IntN(2) == 0 {
			s.Sum = pick(r, IntValue(Int, int64(small())), UintValue(Uint8, small()))
		}
		if c.Kind == Counter {
			s.Epoch, s.Past = small(), someMarks(r)
		}
		c.Seen = append(c.Seen, s)
	}
	if c.Kind == Counter || (c.Kind == Max || c.Kind == Min) && r.IntN(2) == 0 {
		c.Epoch, c.Past = small(), someMarks(r)
	}
	return c
}

func someMarks(r *rand.Rand) (marks []Mark) {
	for range r.IntN(3) {
		marks = append(marks, Mark{r.Uint64N(4), r.Uint64N(4), pick(r, Value{}, IntValue(Int, r.Int64N(4)), UintValue(Uint8, r.Uint64N(4)))})
	}
	return marks
}

func FuzzCell(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		f.Add(someCell(r).Encode())
	}
	s, err := ParseSpec("counter", intType)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeCell(b)
		if err != nil {
			return
		}
		if !bytes.Equal(c.Encode(), b) {
			t.Fatalf("%x decodes to %v", b, c)
		}
		v, present, _ := Merge(s, VarPath("v"), []Cell{c, c})
		if (c.Check(s, VarPath("v")) != nil && present) || present != v.Present() {
			t.Fatalf("%v merges to %v, %v", c, v, present)
		}
	})
}
