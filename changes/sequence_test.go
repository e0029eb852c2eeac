package changes

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
)

// naiveID names an element: the seq-th of a run.
type naiveID struct {
	run RunID
	seq uint64
}

func (a naiveID) compare(b naiveID) int {
	return cmp.Or(a.run.Compare(b.run), cmp.Compare(a.seq, b.seq))
}

// naiveElem is one element in the dumb model, which knows no spans: it keeps every element and every removal with the turn it was made
// in, and finds the order by going over all of them again and again.
type naiveElem struct {
	id    naiveID
	turn  uint64
	time  uint64
	unit  int
	up    naiveID
	left  bool
	right naiveID
}

type naiveRemoval struct {
	of   naiveID
	by   RunID
	turn uint64
}

// naive is the model of one sequence over all runs. Units are numbers, each used once.
type naive struct {
	log      bool
	elems    []naiveElem
	removals []naiveRemoval
}

// full is the order of all elements that a reader knows, removed ones included.
func (m *naive) full(known map[RunID]uint64) []naiveElem {
	var mine []naiveElem
	for _, e := range m.elems {
		if e.turn <= known[e.id.run] {
			mine = append(mine, e)
		}
	}
	sort.Slice(mine, func(i, j int) bool {
		if mine[i].time != mine[j].time {
			return mine[i].time < mine[j].time
		}
		return mine[i].id.compare(mine[j].id) < 0
	})
	if m.log {
		return mine
	}
	// One after the other, each where the tree of those before it has it.
	var order []naiveElem
	for n := range mine {
		at := map[naiveID]int{}
		for i, e := range order {
			at[e.id] = i
		}
		rightOf := func(e naiveElem) int {
			if e.right == (naiveID{}) {
				return len(order)
			}
			return at[e.right]
		}
		var walk func(id naiveID) []naiveElem
		walk = func(id naiveID) (out []naiveElem) {
			var lefts, rights []naiveElem
			for _, e := range mine[:n+1] {
				if e.id == id || e.up != id {
					continue
				}
				if e.left {
					lefts = append(lefts, e)
				} else {
					rights = append(rights, e)
				}
			}
			sort.Slice(lefts, func(i, j int) bool { return lefts[i].id.compare(lefts[j].id) < 0 })
			sort.Slice(rights, func(i, j int) bool {
				if a, b := rightOf(rights[i]), rightOf(rights[j]); a != b {
					return a > b
				}
				return rights[i].id.compare(rights[j].id) < 0
			})
			for _, e := range lefts {
				out = append(out, walk(e.id)...)
			}
			for _, e := range mine[:n+1] {
				if e.id == id {
					out = append(out, e)
				}
			}
			for _, e := range rights {
				out = append(out, walk(e.id)...)
			}
			return out
		}
		order = walk(naiveID{})
	}
	return order
}

func (m *naive) dead(id naiveID, known map[RunID]uint64) bool {
	return slices.ContainsFunc(m.removals, func(r naiveRemoval) bool { return r.of == id && r.turn <= known[r.by] })
}

func (m *naive) visible(known map[RunID]uint64) (units []int) {
	for _, e := range m.full(known) {
		if !m.dead(e.id, known) {
			units = append(units, e.unit)
		}
	}
	return units
}

// turn makes old new in a run's turn.
func (m *naive) turn(run RunID, turn uint64, known map[RunID]uint64, new []int) {
	order := m.full(known)
	time, seq := uint64(0), uint64(0)
	for _, e := range order {
		time = max(time, e.time)
	}
	for _, e := range m.elems {
		if e.id.run == run {
			seq = max(seq, e.id.seq)
		}
	}
	has := func(units []int, u int) bool { return slices.Contains(units, u) }
	var made []naiveElem
	prev, fresh := naiveID{}, false // the unit before, and whether this turn made it
	prevRight := naiveID{}
	for _, u := range new {
		i := slices.IndexFunc(order, func(e naiveElem) bool { return e.unit == u && !m.dead(e.id, known) })
		if i >= 0 {
			prev, fresh = order[i].id, false
			continue
		}
		seq++
		e := naiveElem{id: naiveID{run, seq}, turn: turn, unit: u}
		switch {
		case m.log:
			e.time = time + 1
		case fresh:
			e.time, e.up, e.right = time+1+uint64(len(made)), prev, prevRight
		default:
			e.time = time + 1 + uint64(len(made))
			at := slices.IndexFunc(order, func(o naiveElem) bool { return o.id == prev })
			parent := slices.ContainsFunc(order, func(o naiveElem) bool { return o.up == prev && !o.left && o.id != prev })
			e.up = prev
			if at+1 < len(order) {
				e.right = order[at+1].id
				if parent {
					e.up, e.left = e.right, true
				}
			}
		}
		made = append(made, e)
		prev, prevRight, fresh = e.id, e.right, true
	}
	for _, e := range order {
		if !m.dead(e.id, known) && !has(new, e.unit) {
			m.removals = append(m.removals, naiveRemoval{e.id, run, turn})
		}
	}
	m.elems = append(m.elems, made...)
}

// seqReplica is a run that edits a sequence, seqCluster several and their model.
type seqReplica struct {
	run    RunID
	turn   uint64
	view   *View
	memory Value
	known  map[RunID]uint64
}

type seqCluster struct {
	t        testing.TB
	spec     *Spec
	model    *naive
	replicas []*seqReplica
	units    int
}

func seqSpec(t testing.TB, kind string) *Spec {
	if kind == "text" {
		return mustSpec(t, kind, stringType)
	}
	return mustSpec(t, kind, &Type{Form: Slice, Elem: intType})
}

func (c *seqCluster) valueOf(units []int) Value {
	if c.spec.Kind == Text {
		var b strings.Builder
		for _, u := range units {
			b.WriteRune(rune('a' + u*7)) // of one, two and three bytes
		}
		return StringValue(b.String())
	}
	items := []Value{}
	for _, u := range units {
		items = append(items, IntValue(Int, int64(u)))
	}
	return SliceValue(items)
}

func newSeqCluster(t testing.TB, kind string, replicas, initial int) *seqCluster {
	c := &seqCluster{t: t, spec: seqSpec(t, kind), model: &naive{log: kind == "log"}, units: initial}
	var units []int
	for u := range initial {
		units = append(units, u)
	}
	c.model.turn(RunID{}, 1, nil, units)
	for i := range replicas {
		r := &seqReplica{run: RunID{15: byte(i + 1)}, view: NewView(), known: map[RunID]uint64{{}: 1}}
		if err := r.view.Declare("v", c.spec, c.valueOf(units)); err != nil {
			t.Fatal(err)
		}
		r.memory = c.valueOf(units)
		c.replicas = append(c.replicas, r)
		c.agree(r)
	}
	return c
}

// write makes a turn of which the program leaves units behind.
func (c *seqCluster) write(r *seqReplica, units []int) {
	c.t.Helper()
	r.turn++
	new := c.valueOf(units)
	c.model.turn(r.run, r.turn, r.known, units)
	r.known[r.run] = r.turn
	old := r.memory
	cs := Diff(c.spec, VarPath("v"), old, new)
	at := Stamp{r.turn, r.run, r.turn}
	before := r.view.RunCells(r.run)
	cells, err := r.view.Fold(cs, at, Epoch{})
	if err != nil {
		c.t.Fatal(err)
	}
	if again, err := r.view.Fold(cs, at, Epoch{}); err != nil || len(again) > 0 {
		c.t.Fatalf("the same turn folded twice gives %v, %v", again, err)
	}
	for _, pc := range cells {
		back, err := DecodeCell(pc.Cell.Encode())
		if err != nil || !back.Equal(pc.Cell) || back.Check(c.spec, pc.Path) != nil {
			c.t.Fatalf("cell %v: %v, %v", pc, err, back.Check(c.spec, pc.Path))
		}
	}
	// From its cells before, the run makes the same ones again.
	if len(c.model.elems) < 40 {
		after := r.view.RunCells(r.run)
		r.view.Drop(r.run)
		for _, pc := range before {
			r.view.Put(pc.Path, pc.Cell)
		}
		if _, err := r.view.Fold(cs, at, Epoch{}); err != nil {
			c.t.Fatal(err)
		}
		for i, pc := range r.view.RunCells(r.run) {
			if !pc.Cell.Equal(after[i].Cell) {
				c.t.Fatalf("executed again: %v, was %v", pc, after[i])
			}
		}
	}
	r.memory = new
	c.assign(r)
	if c.spec.Kind != Log && !r.memory.Equal(new) {
		c.t.Fatalf("%v: a turn wrote %v over %v and reads %v", c.spec, new, old, r.memory)
	}
}

func (c *seqCluster) assign(r *seqReplica) {
	c.t.Helper()
	m, err := AssignAll(c.spec, c.spec.Normal(r.memory), r.view.Assignments())
	if err != nil {
		c.t.Fatal(err)
	}
	r.memory = m
	c.agree(r)
}

func (c *seqCluster) agree(r *seqReplica) {
	c.t.Helper()
	v, _, err := r.view.Value("v")
	if want := c.valueOf(c.model.visible(r.known)); err != nil || !v.Equal(r.memory) || !v.Equal(want) {
		c.t.Fatalf("%v: memory holds %v, the view %v, the model %v, %v", c.spec, r.memory, v, want, err)
	}
}

// sync lets to know all that from knows.
func (c *seqCluster) sync(from, to *seqReplica) {
	c.t.Helper()
	for run, turn := range from.known {
		if turn <= to.known[run] {
			continue
		}
		to.known[run] = turn
		for _, pc := range from.view.RunCells(run) {
			if _, err := to.view.Put(pc.Path, pc.Cell); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	c.assign(to)
}

func (c *seqCluster) settle() {
	c.t.Helper()
	for range 2 {
		for _, a := range c.replicas {
			for _, b := range c.replicas {
				c.sync(a, b)
			}
		}
	}
	for _, r := range c.replicas[1:] {
		if !r.memory.Equal(c.replicas[0].memory) {
			c.t.Fatalf("%v and %v", r.memory, c.replicas[0].memory)
		}
	}
}

func (c *seqCluster) fresh() int {
	c.units++
	return c.units - 1
}

// edited is units with a few changes.
func (c *seqCluster) edited(r *rand.Rand, units []int) []int {
	units = slices.Clone(units)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(units) + 1)
		if at < len(units) && r.IntN(3) == 0 {
			units = slices.Delete(units, at, min(len(units), at+1+r.IntN(3)))
			continue
		}
		for range 1 + r.IntN(3) {
			units = slices.Insert(units, at, c.fresh())
			at++
		}
	}
	return units
}

func TestSequencesFollowTheModel(t *testing.T) {
	for _, kind := range []string{"list", "text", "log"} {
		t.Run(kind, func(t *testing.T) {
			r := source(t)
			for range 60 {
				c := newSeqCluster(t, kind, 2+r.IntN(3), r.IntN(4))
				for range 10 + r.IntN(15) {
					a, b := pick(r, c.replicas...), pick(r, c.replicas...)
					if r.IntN(3) > 0 {
						c.write(a, c.edited(r, c.model.visible(a.known)))
					} else {
						c.sync(a, b)
					}
				}
				c.settle()
			}
		})
	}
}

// seqOps are all small turns over units: insert one or two anywhere, remove any one, replace the first.
func (c *seqCluster) seqOps(units []int) (ops [][]int) {
	for at := range len(units) + 1 {
		ops = append(ops, slices.Insert(slices.Clone(units), at, c.fresh()), slices.Insert(slices.Clone(units), at, c.fresh(), c.fresh()))
		if at < len(units) {
			ops = append(ops, slices.Delete(slices.Clone(units), at, at+1))
		}
	}
	return append(ops, append([]int{c.fresh()}, units[min(1, len(units)):]...))
}

// Every way in which three runs edit a list of one element at once, one learns from another, and two edit again.
func TestSmallSequencesExhaustively(t *testing.T) {
	for _, kind := range []string{"list", "log"} {
		cases := 0
		first := len((&seqCluster{}).seqOps([]int{0}))
		for i := range first * first * first {
			for second := 0; ; second++ {
				c := newSeqCluster(t, kind, 3, 1)
				for n, r := range c.replicas {
					k := i
					for range n {
						k /= first
					}
					c.write(r, c.seqOps([]int{0})[k%first])
				}
				c.sync(c.replicas[1], c.replicas[0])
				ops := c.seqOps(c.model.visible(c.replicas[0].known))
				if second == len(ops) {
					break
				}
				cases++
				c.write(c.replicas[0], ops[second])
				other := c.seqOps(c.model.visible(c.replicas[2].known))
				c.write(c.replicas[2], other[(second+i)%len(other)])
				c.settle()
			}
		}
		t.Logf("%s: %d cases", kind, cases)
	}
}

// What runs write at one place at one time, forwards or backwards, one unit a turn, stands one after the other.
func TestConcurrentTextsDoNotInterleave(t *testing.T) {
	for _, kind := range []string{"list", "text"} {
		for directions := range 8 {
			for place := range 4 {
				c := newSeqCluster(t, kind, 3, 3)
				written := make([][]int, 3)
				for n, r := range c.replicas {
					for i := range 4 {
						at := place
						if directions>>n&1 == 0 {
							at += i
						}
						u := c.fresh()
						written[n] = append(written[n], u)
						c.write(r, slices.Insert(slices.Clone(c.model.visible(r.known)), at, u))
					}
				}
				c.settle()
				all := c.model.visible(c.replicas[0].known)
				for n, units := range written {
					if directions>>n&1 == 1 {
						slices.Reverse(units)
					}
					at := slices.Index(all, units[0])
					if !slices.Equal(all[at:min(len(all), at+4)], units) {
						t.Fatalf("%s at %d, directions %b: %v is torn in %v", kind, place, directions, units, all)
					}
				}
			}
		}
	}
}

// Any split into parts, any order and any repetition of the cells leads to one value, whoever joins them.
func TestSequencesMergeByLaws(t *testing.T) {
	for _, kind := range []string{"list", "text", "log"} {
		r := source(t)
		for range 20 {
			c := newSeqCluster(t, kind, 3, 2)
			for range 12 {
				a, b := pick(r, c.replicas...), pick(r, c.replicas...)
				c.write(a, c.edited(r, c.model.visible(a.known)))
				if r.IntN(2) == 0 {
					c.sync(a, b)
				}
			}
			c.settle()
			want := c.replicas[0].memory
			var all []PathCell
			for _, rep := range append([]*seqReplica{{}}, c.replicas...) {
				all = append(all, c.replicas[0].view.RunCells(rep.run)...)
			}
			for range 5 {
				r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				w := NewView()
				if err := w.Declare("v", c.spec, Value{}); err != nil {
					t.Fatal(err)
				}
				for n, pc := range slices.Concat(all, all[:r.IntN(len(all))]) {
					if _, err := w.Put(pc.Path, pc.Cell); err != nil {
						t.Fatal(err)
					}
					if n%5 == 0 { // a reader that looks in between sees something, and ends alike
						w.Assignments()
					}
				}
				if v, _, err := w.Value("v"); err != nil || !v.Equal(want) {
					t.Fatalf("%s: %v, %v, want %v", kind, v, err, want)
				}
			}
		}
	}
}

// nestedSequences are declarations with sequences inside.
func nestedSequences(t testing.TB) map[string]*Spec {
	small := &Type{Form: Bool}
	ints := &Type{Form: Slice, Elem: &Type{Form: Uint16}}
	doc := &Type{Form: Struct, Fields: []Field{{Name: "Title", Tag: `tandem:"text"`, Type: stringType}, {Name: "Items", Tag: `tandem:"list"`, Type: ints},
		{Name: "Events", Tag: `tandem:"log"`, Type: ints}, {Name: "Hits", Tag: `tandem:"counter"`, Type: intType}}}
	return map[string]*Spec{
		"map list": mustSpec(t, "map list", mapType(small, ints)), "map text": mustSpec(t, "map text", mapType(small, stringType)),
		"map log": mustSpec(t, "map log", mapType(small, ints)), "fields": mustSpec(t, "fields", doc), "map fields": mustSpec(t, "map fields", mapType(small, doc)),
		"map map text": mustSpec(t, "map map text", mapType(small, mapType(small, stringType))), "bytes": mustSpec(t, "list", &Type{Form: Bytes}),
		"strings": mustSpec(t, "list", &Type{Form: Slice, Elem: stringType}), "text": mustSpec(t, "text", stringType), "log": mustSpec(t, "log", ints),
	}
}

// Replicas whose programs write any values into nested sequences, and hear of each other in any order, also without what the other
// had heard, end alike; and a turn reads what it wrote where no log has its own mind.
func TestNestedSequencesConverge(t *testing.T) {
	for name, s := range nestedSequences(t) {
		t.Run(name, func(t *testing.T) {
			r := source(t)
			for range 30 {
				var reps []*replica
				initial := someValue(r, s.Type)
				for i := range 3 {
					rep := &replica{run: RunID{15: byte(i + 1)}, view: NewView(), memory: s.Normal(initial)}
					if err := rep.view.Declare("v", s, initial); err != nil {
						t.Fatal(err)
					}
					if v, _, err := rep.view.Value("v"); err != nil || !v.Equal(rep.memory) {
						t.Fatalf("initial value %v reads %v, %v", initial, v, err)
					}
					reps = append(reps, rep)
				}
				assign := func(rep *replica) {
					m, err := AssignAll(s, s.Normal(rep.memory), rep.view.Assignments())
					if err != nil {
						t.Fatal(err)
					}
					rep.memory = m
					if v, _, err := rep.view.Value("v"); err != nil || !v.Equal(m) {
						t.Fatalf("memory holds %v, the view %v, %v", m, v, err)
					}
				}
				sync := func(a, b *replica, percent int) {
					for _, rep := range reps {
						if rep != b && r.IntN(100) < percent {
							for _, pc := range a.view.RunCells(rep.run) {
								offer(t, b.view, pc)
							}
						}
					}
					assign(b)
				}
				for range 25 {
					rep := pick(r, reps...)
					if r.IntN(3) == 0 {
						sync(pick(r, reps...), rep, pick(r, 50, 100))
						continue
					}
					old, new := rep.memory, mutated(r, s.Type, rep.memory)
					rep.turn++
					if _, err := rep.view.Fold(Diff(s, VarPath("v"), old, new), Stamp{rep.turn, rep.run, rep.turn}, Epoch{}); err != nil {
						t.Fatal(err)
					}
					rep.memory = new
					assign(rep)
					if got := rep.memory; !strings.Contains(name, "log") && !strings.Contains(name, "fields") && !got.Equal(s.Normal(new)) {
						t.Fatalf("a turn wrote %v over %v and reads %v", new, old, got)
					}
				}
				for range 2 {
					for _, a := range reps {
						for _, b := range reps {
							sync(a, b, 100)
						}
					}
				}
				for _, rep := range reps[1:] {
					if !rep.memory.Equal(reps[0].memory) {
						t.Fatalf("%v and %v", rep.memory, reps[0].memory)
					}
				}
			}
		})
	}
}

// Removing a key removes the elements its run saw; what another run added meanwhile survives, alone.
func TestRemovedKeyOfLists(t *testing.T) {
	s := mustSpec(t, "map list", mapType(stringType, &Type{Form: Slice, Elem: intType}))
	list := func(ns ...int64) Value {
		items := []Value{}
		for _, n := range ns {
			items = append(items, IntValue(Int, n))
		}
		return MapValue(Entry{Key: StringValue("k"), Value: SliceValue(items)})
	}
	var views [2]*View
	for i := range views {
		views[i] = NewView()
		if err := views[i].Declare("v", s, list(1, 2)); err != nil {
			t.Fatal(err)
		}
	}
	fold := func(i int, turn uint64, old, new Value) []PathCell {
		cells, err := views[i].Fold(Diff(s, VarPath("v"), old, new), Stamp{turn, RunID{byte(i + 1)}, turn}, Epoch{})
		if err != nil {
			t.Fatal(err)
		}
		return cells
	}
	a, b := fold(0, 1, list(1, 2), MapValue()), fold(1, 1, list(1, 2), list(1, 2, 3))
	for i, cells := range [][]PathCell{b, a} {
		for _, pc := range cells {
			if _, err := views[i].Put(pc.Path, pc.Cell); err != nil {
				t.Fatal(err)
			}
		}
		if v, _, err := views[i].Value("v"); err != nil || !v.Equal(list(3)) {
			t.Errorf("%v, %v", v, err)
		}
	}
	// Emptied, but not removed: the key stays though only its elements kept it.
	fold(0, 2, list(3), list())
	if v, _, err := views[0].Value("v"); err != nil || !v.Equal(list()) {
		t.Errorf("%v, %v", v, err)
	}
}

// What a turn writes follows what it changes, and what a run leaves behind is bounded by what stands, not by how often it was changed.
func TestSequencesStaySmall(t *testing.T) {
	s := seqSpec(t, "text")
	w := NewView()
	if err := w.Declare("v", s, StringValue("")); err != nil {
		t.Fatal(err)
	}
	turn := uint64(0)
	write := func(old, new string) (bytes int) {
		turn++
		cells, err := w.Fold(Diff(s, VarPath("v"), StringValue(old), StringValue(new)), Stamp{turn, RunID{1}, turn}, Epoch{})
		if err != nil {
			t.Fatal(err)
		}
		for _, pc := range cells {
			bytes += len(pc.Cell.Encode())
		}
		if v, _, _ := w.Value("v"); v.Text() != new {
			t.Fatalf("reads %.40q, wrote %.40q", v.Text(), new)
		}
		return bytes
	}
	total := func() (bytes int) {
		for _, pc := range w.RunCells(RunID{1}) {
			bytes += len(pc.Cell.Encode())
		}
		return bytes
	}
	long := strings.Repeat("The quick brown fox. ", 5000)
	write("", long)
	if n := total(); n > len(long)*11/10 {
		t.Errorf("%d bytes of text are written as %d", len(long), n)
	}
	text := long
	for i := range 200 { // typing in the middle
		at := 50000 + i
		next := text[:at] + "x" + text[at:]
		if n := write(text, next); n > 16<<10 {
			t.Fatalf("one more letter in %d writes %d bytes", len(text), n)
		}
		text = next
	}
	write(text, "")
	for i := range 3000 {
		write(fmt.Sprint(i - 1)[:min(i, len(fmt.Sprint(i-1)))], fmt.Sprint(i))
	}
	if n := total(); n > 64<<10 {
		t.Errorf("a few digits, after 3000 changes, are %d bytes", n)
	}
}

func BenchmarkSequence(b *testing.B) {
	for _, spans := range []int{100, 10000} {
		b.Run(fmt.Sprintf("typing in a text of %d spans", spans), func(b *testing.B) {
			s := seqSpec(b, "text")
			w := NewView()
			if err := w.Declare("v", s, StringValue("")); err != nil {
				b.Fatal(err)
			}
			text, turn := "", uint64(0)
			write := func(new string, run byte) {
				turn++
				if _, err := w.Fold(Diff(s, VarPath("v"), StringValue(text), StringValue(new)), Stamp{turn, RunID{run}, turn}, Epoch{}); err != nil {
					b.Fatal(err)
				}
				text = new
			}
			write(strings.Repeat("words ", spans), 1)
			for i := 0; i < len(text) && turn < uint64(spans); i += 7 {
				write(text[:i]+"-"+text[i:], byte(1+turn%2))
			}
			b.ResetTimer()
			for i := range b.N {
				at := len(text)/2 + i%8
				write(text[:at]+"x"+text[at:], 1)
				w.Assignments()
			}
		})
	}
}
