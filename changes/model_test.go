package changes

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"
)

// op is one change in the dumb model: what it was, and which turns of which runs its run had seen at
// that path. The model keeps all of them and looks at all of them for each answer.
type op struct {
	ch   Change
	at   Stamp
	seen map[RunID]uint64
}

type model struct {
	spec *Spec
	ops  map[string][]op // by encoded path
	path map[string]Path
}

// dead says whether another operation superseded a: any one that had seen it, for lww; only removals
// for the others.
func (m *model) dead(code string, a op) bool {
	for _, b := range m.ops[code] {
		if (a.ch.Kind == LWW || b.ch.New.form == Absent) && b.at != a.at && b.seen[a.at.Run] >= a.at.Turn {
			return true
		}
	}
	return false
}

// leaf is what one leaf path merges to.
func (m *model) leaf(code string) (v Value, conflicts int) {
	var live []op
	for _, a := range m.ops[code] {
		if a.ch.New.Present() && !m.dead(code, a) {
			live = append(live, a)
		}
	}
	sort.Slice(live, func(i, j int) bool { return live[i].at.Compare(live[j].at) < 0 })
	for _, a := range live {
		switch a.ch.Kind {
		case Counter:
			v = plus(v, minus(a.ch.New, a.ch.Old))
		case Max, Min:
			v = join(a.ch.Kind, v, a.ch.New)
		default:
			v = a.ch.New
		}
	}
	for _, a := range live {
		if a.ch.Kind == LWW && !a.ch.New.Equal(v) {
			conflicts++
		}
	}
	return v, conflicts
}

// value is the whole variable: a key is there when anything at or below it is.
func (m *model) value(t *testing.T) (v Value, conflicts int) {
	at := map[string]Assignment{}
	for code, p := range m.path {
		v, n := m.leaf(code)
		conflicts += n
		if _, keyed := at[code]; !keyed || v.Present() {
			at[code] = Assignment{p, v}
		}
		if !v.Present() {
			continue
		}
		spec := m.spec
		for i, st := range p.Steps {
			spec, _, _ = spec.child(st)
			if st.Kind == KeyStep && spec.container() {
				above := Path{p.Var, p.Steps[: i+1 : i+1]}
				at[string(above.Encode())] = Assignment{above, BoolValue(true)}
			}
		}
	}
	var all []Assignment
	for _, a := range at {
		all = append(all, a)
	}
	v, err := AssignAll(m.spec, m.spec.empty(), all)
	if err != nil {
		t.Fatal(err)
	}
	return v, conflicts
}

// replica is one run with the cells it knows and the memory of its program.
type replica struct {
	run    RunID
	turn   uint64
	clock  Clock
	wall   uint64
	view   *View
	memory Value
	known  map[string]map[RunID]uint64 // by path: turns of each run seen there
}

// cluster is replicas that share one variable "v", the model, and every cell ever published.
type cluster struct {
	t         *testing.T
	r         *rand.Rand
	spec      *Spec
	model     *model
	replicas  []*replica
	published []PathCell
}

func newCluster(t *testing.T, r *rand.Rand, s *Spec, initial Value, n int) *cluster {
	c := &cluster{t: t, r: r, spec: s, model: &model{s, map[string][]op{}, map[string]Path{}}}
	for i := range n {
		rep := &replica{run: RunID{15: byte(i + 1)}, view: NewView(), wall: r.Uint64N(1 << 30), known: map[string]map[RunID]uint64{}}
		if err := rep.view.Declare("v", s, initial); err != nil {
			t.Fatal(err)
		}
		rep.memory = s.Normal(initial)
		c.replicas = append(c.replicas, rep)
		for _, g := range Genesis(s, "v", initial) {
			rep.learn(g.Path, RunID{}, 1)
		}
		c.agree(rep)
	}
	for _, ch := range Diff(s, VarPath("v"), Value{}, initial) {
		c.model.add(op{ch, Stamp{Turn: 1}, nil})
	}
	return c
}

func (m *model) add(o op) {
	code := string(o.ch.Path.Encode())
	m.path[code] = o.ch.Path
	m.ops[code] = append(m.ops[code], o)
}

func (rep *replica) learn(p Path, run RunID, turn uint64) {
	code := string(p.Encode())
	if rep.known[code] == nil {
		rep.known[code] = map[RunID]uint64{}
	}
	rep.known[code][run] = max(rep.known[code][run], turn)
}

// turnOf runs one turn of a replica: the program changes its memory, the change is found, folded,
// published, and what merges differently from what was written goes back to memory.
func (c *cluster) turnOf(rep *replica) {
	old := rep.memory
	written := mutated(c.r, c.spec.Type, old)
	cs := Diff(c.spec, VarPath("v"), old, written)
	rep.turn++
	rep.wall += c.r.Uint64N(3)
	at := Stamp{rep.clock.Next(rep.wall), rep.run, rep.turn}
	for _, ch := range rep.view.withPresence(cs) {
		if (ch.Kind == Max || ch.Kind == Min) && ch.Old.Present() && ch.New.Present() && join(ch.Kind, ch.Old, ch.New).Equal(ch.Old) {
			continue // a lowered max is no operation
		}
		code := string(ch.Path.Encode())
		seen := map[RunID]uint64{}
		for run, turn := range rep.known[code] {
			seen[run] = turn
		}
		c.model.add(op{ch, at, seen})
		rep.learn(ch.Path, rep.run, at.Turn)
	}
	cells, err := rep.view.Fold(cs, at, Epoch{})
	if err != nil {
		c.t.Fatal(err)
	}
	again, err := rep.view.Fold(cs, at, Epoch{})
	if err != nil || len(again) > 0 {
		c.t.Fatalf("the same turn folded twice gives %v, %v", again, err)
	}
	c.published = append(c.published, cells...)
	rep.memory = written
	c.write(rep)
	if want := settled(c.spec, old, written); !rep.memory.Equal(want) {
		c.t.Fatalf("%v: a turn wrote %v over %v and reads %v; changes %v", c.spec, want, old, rep.memory, cs)
	}
}

// write brings the merged values into the program's memory.
func (c *cluster) write(rep *replica) {
	m, err := AssignAll(c.spec, c.spec.Normal(rep.memory), rep.view.Assignments())
	if err != nil {
		c.t.Fatal(err)
	}
	rep.memory = m
	c.agree(rep)
}

func (c *cluster) agree(rep *replica) {
	v, _, err := rep.view.Value("v")
	if err != nil || !v.Equal(rep.memory) {
		c.t.Fatalf("%v: memory holds %v, the view %v, %v", c.spec, rep.memory, v, err)
	}
}

// offer puts a cell where it is newer.
func offer(t *testing.T, w *View, pc PathCell) bool {
	have, ok := w.Cell(pc.Path, pc.Cell.Stamp.Run)
	if ok && have.Stamp.Turn >= pc.Cell.Stamp.Turn {
		return false
	}
	b := pc.Cell.Encode()
	cell, err := DecodeCell(b)
	if err != nil || !cell.Equal(pc.Cell) {
		t.Fatalf("cell %v decodes to %v, %v", pc.Cell, cell, err)
	}
	if _, err := w.Put(pc.Path, cell); err != nil {
		t.Fatal(err)
	}
	return true
}

// sync gives to the cells of from, each with the given chance in percent.
func (c *cluster) sync(from, to *replica, percent int) {
	for _, run := range c.replicas {
		for _, pc := range from.view.RunCells(run.run) {
			if c.r.IntN(100) >= percent {
				continue
			}
			if offer(c.t, to.view, pc) {
				to.learn(pc.Path, run.run, pc.Cell.Stamp.Turn)
				if err := to.clock.Observe(pc.Cell.Stamp.Time, to.wall, 1<<40); err != nil {
					c.t.Fatal(err)
				}
			}
		}
	}
	c.write(to)
}

// settle lets every replica know everything, and checks that they hold what the model says.
func (c *cluster) settle() Value {
	for range 2 {
		for _, a := range c.replicas {
			for _, b := range c.replicas {
				c.sync(a, b, 100)
			}
		}
	}
	want, wantConflicts := c.model.value(c.t)
	for i, rep := range c.replicas {
		got, conflicts, err := rep.view.Value("v")
		if err != nil || !got.Equal(want) || conflicts != wantConflicts {
			c.t.Fatalf("%v %v: replica %d holds %v with %d conflicts, %v\nthe model %v with %d", c.spec, c.spec.Type, i, got, conflicts, err, want, wantConflicts)
		}
	}
	return want
}

// scramble runs turns and partial syncs at random.
func (c *cluster) scramble(steps int) {
	for range steps {
		a, b := pick(c.r, c.replicas...), pick(c.r, c.replicas...)
		if c.r.IntN(3) > 0 {
			c.turnOf(a)
		} else {
			c.sync(a, b, pick(c.r, 30, 70, 100))
		}
	}
}

// someCluster is scrambled replicas of a random declaration, or of the given one.
func someCluster(t *testing.T, r *rand.Rand, text string, ty *Type) *cluster {
	if ty == nil {
		text, ty = someSpec(r, 3)
	}
	c := newCluster(t, r, mustSpec(t, text, ty), someValue(r, ty), 2+r.IntN(3))
	c.scramble(10 + r.IntN(30))
	return c
}

// declared are the declarations every law is checked for, beside random ones.
func declared() map[string]*Type {
	small := &Type{Form: Uint8}
	user := &Type{Form: Struct, Fields: []Field{
		{Name: "Port", Type: small}, {Name: "Hits", Tag: `tandem:"counter"`, Type: intType}, {Name: "Best", Tag: `tandem:"max"`, Type: intType},
		{Name: "Low", Tag: `tandem:"min"`, Type: intType}, {Name: "Tags", Tag: `tandem:"set"`, Type: mapType(small, unitType)},
		{Name: "Counts", Tag: `tandem:"map counter"`, Type: mapType(small, intType)}}}
	return map[string]*Type{
		"lww": small, "counter": {Form: Int8}, "max": intType, "min": stringType, "set": mapType(small, &Type{Form: Bool}),
		"map lww": mapType(&Type{Form: Bool}, small), "map counter": mapType(&Type{Form: Bool}, intType), "map max": mapType(&Type{Form: Bool}, intType),
		"map min": mapType(&Type{Form: Bool}, intType), "map set": mapType(&Type{Form: Bool}, mapType(&Type{Form: Bool}, unitType)),
		"map map counter": mapType(&Type{Form: Bool}, mapType(&Type{Form: Bool}, small)), "fields": user, "map fields": mapType(&Type{Form: Bool}, user),
	}
}

func eachKind(t *testing.T, rounds int, check func(t *testing.T, c *cluster)) {
	for text, ty := range declared() {
		t.Run(fmt.Sprint(text), func(t *testing.T) {
			r := source(t)
			for range rounds {
				check(t, someCluster(t, r, text, ty))
			}
		})
	}
	t.Run("random", func(t *testing.T) {
		r := source(t)
		for range rounds {
			check(t, someCluster(t, r, "", nil))
		}
	})
}
