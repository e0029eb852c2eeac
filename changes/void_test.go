package changes

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// voids is a cluster whose runs lose turns: a run goes on from an earlier point, in another epoch, and what it did beyond that point is void
// wherever it was seen. Its model knows of every operation which others its program saw, one by one, and looks at those of the turns that count.
type voids struct {
	t    *testing.T
	r    *rand.Rand
	spec *Spec
	runs []*voidRun
	// made is the operations that stand in a cell: by path, and the stamp of the cell.
	made map[string]map[Stamp][]Stamp
	fork bool // a run goes on from turns that were void, too, and in epochs that it left, and two epochs have one number
}

type voidOp struct {
	ch   Change
	at   Stamp
	seen map[Stamp]bool
}

// voidPoint is a run after a turn.
type voidPoint struct {
	epoch  Epoch
	turn   uint64
	cells  []PathCell
	chain  []voidOp
	before []*voidPoint // on its chain
}

type voidRun struct {
	id     RunID
	now    voidPoint
	all    []*voidPoint
	view   *View
	memory Value
	clock  Clock
	wall   uint64
	heard  map[RunID]int // how often each run had gone back, as this one knows
	names  int
}

func newVoids(t *testing.T, r *rand.Rand, s *Spec, fork bool) *voids {
	v := &voids{t: t, r: r, spec: s, made: map[string]map[Stamp][]Stamp{}, fork: fork}
	initial := someValue(r, s.Type)
	for i := range 3 {
		x := &voidRun{id: RunID{15: byte(i + 1)}, view: NewView(), heard: map[RunID]int{}}
		x.now.epoch = Epoch{1, "first"}
		if err := x.view.Declare("v", s, initial); err != nil {
			t.Fatal(err)
		}
		x.memory = s.Normal(initial)
		x.save()
		v.runs = append(v.runs, x)
	}
	g := &voidRun{}
	for _, ch := range Diff(s, VarPath("v"), Value{}, initial) {
		g.now.chain = append(g.now.chain, voidOp{ch, Stamp{Turn: 1}, nil})
		v.make(ch.Path, Stamp{Turn: 1}, []Stamp{{Turn: 1}})
	}
	v.runs = append(v.runs, g) // the initial values, of which nothing is ever void
	return v
}

func (v *voids) make(p Path, at Stamp, ops []Stamp) {
	code := string(p.Encode())
	if v.made[code] == nil {
		v.made[code] = map[Stamp][]Stamp{}
	}
	v.made[code][at] = ops
}

func (x *voidRun) save() {
	p := x.now
	p.cells = x.view.RunCells(x.id)
	p.chain, p.before = slices.Clone(p.chain), slices.Clone(p.before)
	x.all = append(x.all, &p)
	x.now.before = append(slices.Clone(x.now.before), &p)
}

// turn executes one turn of x.
func (v *voids) turn(x *voidRun) {
	old := x.memory
	written := mutated(v.r, v.spec.Type, old)
	cs := Diff(v.spec, VarPath("v"), old, written)
	x.now.turn++
	x.wall += v.r.Uint64N(3)
	at := Stamp{x.clock.Next(x.wall), x.id, x.now.epoch.Number<<40 | x.now.turn}
	for _, ch := range x.view.withPresence(cs) {
		if (ch.Kind == Max || ch.Kind == Min) && ch.Old.Present() && ch.New.Present() && join(ch.Kind, ch.Old, ch.New).Equal(ch.Old) {
			continue
		}
		o := voidOp{ch, at, map[Stamp]bool{}}
		for _, c := range x.view.Cells(ch.Path) {
			for _, s := range v.made[string(ch.Path.Encode())][c.Stamp] {
				o.seen[s] = true
			}
		}
		x.now.chain = append(slices.Clip(x.now.chain), o)
	}
	cells, err := x.view.Fold(cs, at, x.now.epoch)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, pc := range cells {
		var ops []Stamp
		for _, o := range x.now.chain {
			if o.ch.Path.Equal(pc.Path) {
				ops = append(ops, o.at)
			}
		}
		v.make(pc.Path, pc.Cell.Stamp, ops)
	}
	x.memory = written
	v.read(x)
	if want := settled(v.spec, old, written); !x.memory.Equal(want) {
		v.t.Fatalf("%v: a turn wrote %v over %v and reads %v; changes %v", v.spec, want, old, x.memory, cs)
	}
	x.save()
}

func (v *voids) read(x *voidRun) {
	m, err := AssignAll(v.spec, v.spec.Normal(x.memory), x.view.Assignments())
	got, _, err2 := x.view.Value("v")
	if err != nil || err2 != nil || !got.Equal(m) {
		v.t.Fatalf("memory holds %v, the view %v, %v, %v", m, got, err, err2)
	}
	x.memory = m
}

// goBack lets x go on from another point.
func (v *voids) goBack(x *voidRun) {
	number := x.now.epoch.Number
	p := pick(v.r, x.now.before...)
	x.names++
	if v.fork {
		p = pick(v.r, x.all...)
		number = p.epoch.Number
	}
	epoch := Epoch{number + 1, string(rune('a' + x.names))}
	if v.fork && v.r.IntN(3) == 0 {
		for _, q := range x.all { // the newest of that epoch: it was left, and wins again
			if q.epoch == p.epoch {
				p, epoch = q, q.epoch
			}
		}
	}
	x.view.Drop(x.id)
	for _, pc := range p.cells {
		if _, err := x.view.Put(pc.Path, pc.Cell); err != nil {
			v.t.Fatal(err)
		}
	}
	x.now = voidPoint{epoch, p.turn, p.cells, slices.Clone(p.chain), append(slices.Clone(p.before), p)}
	x.heard[x.id]++
	v.read(x)
}

// tell gives b what a knows.
func (v *voids) tell(a, b *voidRun, percent int) {
	for _, x := range v.runs[:len(v.runs)-1] {
		cells := a.view.RunCells(x.id)
		switch {
		case a.heard[x.id] < b.heard[x.id]:
			continue
		case a.heard[x.id] > b.heard[x.id]:
			b.view.Drop(x.id)
			b.heard[x.id] = a.heard[x.id]
			for _, pc := range cells {
				offer(v.t, b.view, pc)
			}
		default:
			for _, pc := range cells {
				if v.r.IntN(100) < percent {
					offer(v.t, b.view, pc)
				}
			}
		}
		for _, pc := range cells {
			if err := b.clock.Observe(pc.Cell.Stamp.Time, b.wall, 1<<40); err != nil {
				v.t.Fatal(err)
			}
		}
	}
	v.read(b)
}

// check lets all know all and compares with the model.
func (v *voids) check() {
	live := v.runs[:len(v.runs)-1]
	for range 2 {
		for _, a := range live {
			for _, b := range live {
				v.tell(a, b, 100)
			}
		}
	}
	m := &model{v.spec, map[string][]op{}, map[string]Path{}}
	var ops []voidOp
	for _, x := range v.runs {
		ops = append(ops, x.now.chain...)
	}
	for _, a := range ops {
		dead := slices.ContainsFunc(ops, func(b voidOp) bool {
			return b.ch.Path.Equal(a.ch.Path) && (a.ch.Kind == LWW || !b.ch.New.Present()) && b.at != a.at && b.seen[a.at]
		})
		if !dead {
			m.add(op{a.ch, a.at, nil})
		} else {
			m.path[string(a.ch.Path.Encode())] = a.ch.Path
		}
	}
	want, _ := m.value(v.t)
	for i, x := range live {
		if got, _, err := x.view.Value("v"); err != nil || !got.Equal(want) {
			v.t.Fatalf("%v: replica %d holds %v, %v; the turns that count say %v", v.spec, i, got, err, want)
		}
	}
}

// What a removal saw of turns that are void takes nothing away from those that count.
func TestVoidedTurnsTakeNothingAway(t *testing.T) {
	run := func(text string, ty *Type, fork bool) {
		t.Run(text, func(t *testing.T) {
			r := source(t)
			for range 60 {
				v := newVoids(t, r, mustSpec(t, text, ty), fork)
				for range 12 + r.IntN(20) {
					a, b := pick(r, v.runs[:3]...), pick(r, v.runs[:3]...)
					switch n := r.IntN(7); {
					case n < 3:
						v.turn(a)
					case n < 6:
						v.tell(a, b, pick(r, 30, 70, 100))
					default:
						v.goBack(a)
					}
				}
				v.check()
			}
		})
	}
	for text, ty := range declared() {
		run(text, ty, false)
	}
	t.Run("forks", func(t *testing.T) { run("map counter", declared()["map counter"], true) })
}

// A bound that another run removed binds again when that removal is void, also after the run contributed a lesser one; and it does not when a later removal saw it.
func TestRemovedBoundsComeBack(t *testing.T) {
	s := mustSpec(t, "map max", mapType(stringType, intType))
	p := VarPath("v").Key(StringValue("k"))
	n := func(i int64) Value { return IntValue(Int, i) }
	fold := func(c Cell, old, new Value, run byte, turn uint64, view ...Cell) Cell {
		t.Helper()
		c, err := c.Fold(Change{p, Max, old, new}, Stamp{turn, RunID{run}, turn}, 0, view)
		if err == nil {
			err = c.Check(s, p)
		}
		if got, err2 := DecodeCell(c.Encode()); err != nil || err2 != nil || !got.Equal(c) {
			t.Fatalf("%v, %v is read as %v, %v", c, err, got, err2)
		}
		return c
	}
	holds := func(want Value, cells ...Cell) {
		t.Helper()
		if v, _, _ := Merge(s, p, cells); !v.Equal(want) {
			t.Errorf("%v, not %v, of %v", v, want, cells)
		}
	}
	a := fold(Cell{}, Value{}, n(8), 1, 1)
	b := fold(Cell{}, n(8), Value{}, 2, 1, a)
	holds(Value{}, a, b)
	a = fold(a, Value{}, n(3), 1, 2, a, b)
	holds(n(3), a, b)
	holds(n(8), a) // the removal is void
	c := fold(Cell{}, n(3), Value{}, 3, 1, a, b)
	holds(Value{}, a, b, c)
	holds(Value{}, a, c) // it saw all that the run had contributed
	for i := range int64(100) {
		d := fold(Cell{}, n(200-i), Value{}, 2, uint64(i)+2, a)
		a = fold(a, Value{}, n(199-i), 1, uint64(i)+3, a, d)
		holds(n(199-i), a, d)
		if len(a.Past) > pastMax {
			t.Fatalf("%d bounds are kept", len(a.Past))
		}
	}
	holds(n(100+pastMax), a)
	if a = fold(a, n(100+pastMax), n(150), 1, 200, a); len(a.Past) > 0 {
		t.Errorf("bounds that a later one exceeds are kept: %v", a)
	}
	if a = fold(a, n(150), Value{}, 1, 201, a); len(a.Past) > 0 || a.Value.Present() {
		t.Errorf("a run that removed its own bound keeps some: %v", a)
	}
}

// A run that goes on in ever other epochs keeps few of them, and a removal that stands in one of them still takes what it saw there and no more.
func TestFewEpochsAreKept(t *testing.T) {
	s := mustSpec(t, "map counter", mapType(stringType, intType))
	p := VarPath("v").Key(StringValue("k"))
	n := func(i int64) Value { return IntValue(Int, i) }
	fold := func(c Cell, old, new Value, run, epoch byte, turn uint64, view ...Cell) Cell {
		t.Helper()
		c, err := c.Fold(Change{p, Counter, old, new}, Stamp{turn, RunID{run}, uint64(epoch)<<40 | turn}, Epoch{uint64(epoch), "o"}.Name(), view)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a := fold(Cell{}, Value{}, n(5), 1, 1, 1)
	lost := fold(a, n(5), n(8), 1, 1, 2)
	b := fold(Cell{}, n(8), Value{}, 2, 1, 1, lost)
	for i := range 100 {
		old := Value{}
		if i > 0 {
			old = n(int64(i))
		}
		if a = fold(a, old, n(int64(i+1)), 1, byte(i+2), uint64(i+3), a, b); len(a.Past) > pastMax {
			t.Fatalf("%d epochs are kept", len(a.Past))
		}
		if v, _, _ := Merge(s, p, []Cell{a, b}); !v.Equal(n(int64(i + 1))) {
			t.Fatalf("%v after %d increments of another epoch each, and 5 that were removed", v, i+1)
		}
	}
	b = fold(b, n(100), Value{}, 2, 1, 2, a)
	if v, present, _ := Merge(s, p, []Cell{a, b}); present {
		t.Errorf("%v after all was removed", v)
	}
	if got, err := DecodeCell(b.Encode()); err != nil || !got.Equal(b) || b.Check(s, p) != nil {
		t.Errorf("%v is read as %v, %v", b, got, err)
	}
	c, err := Cell{}.Fold(Change{VarPath("v"), Counter, n(0), n(1)}, Stamp{1, RunID{1}, 1}, 7, nil)
	if err != nil || c.Epoch != 0 {
		t.Errorf("a counter that nothing can remove names its epoch: %v, %v", c, err)
	}
}
