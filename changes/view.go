package changes

import (
	"fmt"
	"slices"
	"sort"

	"github.com/tandemvm/tandem/changes/sequence"
)

// View is the merged picture of a sandbox's shared variables that one reader has: the cells it knows,
// by path and run, and what they merge to. Put cells in, take Assignments out. It is not safe for
// concurrent use.
//
// The cost of Put is the cells of that path and the depth of the path; of Assignments and Value what was
// touched since, and for Value a copy of each touched map's entry list.
type View struct {
	vars map[string]*viewVar
}

// viewVar is one variable. Paths are keyed by their encoding.
type viewVar struct {
	name    string
	spec    *Spec
	genesis []PathCell
	leaves  map[string]*viewLeaf
	// alive counts, for each map key whose value is a container, the leaves that are present at and
	// below it: the key is there while one is.
	alive map[string]int
	// sequences are the logs, lists and texts, by the path of their index 0; those in unsettled have cells that are not ordered yet.
	sequences map[string]*viewSequence
	unsettled map[string]*viewSequence
	touched   map[string]Path // for Assignments
	stale     map[string]Path // for Value
	value     Value           // merged, but for stale
	conflict  int             // sum of the leaves'
	lost      uint64          // sum of the cells'
}

type viewLeaf struct {
	path     Path
	spec     *Spec
	above    []Path // key paths of containers, at and above this leaf
	cells    []Cell // sorted by run
	value    Value
	conflict int
}

// viewSequence is one log, list or text.
type viewSequence struct {
	path     Path // with index 0
	leaf     *Spec
	above    []Path
	segments map[sequence.Key]*segment
	ordered  *sequence.Elements[Value]
	value    Value // absent when empty
}

// NewView is a view of no variables.
func NewView() *View { return &View{vars: map[string]*viewVar{}} }

// Declare adds a variable with its spec and its value at the start of every run (Genesis); an absent
// initial is the zero value. Declaring a name twice is an error.
func (w *View) Declare(name string, s *Spec, initial Value) error {
	if w.vars[name] != nil {
		return fmt.Errorf("%w: variable %s is declared twice", ErrSpec, name)
	}
	if !initial.Present() {
		initial = s.Type.Zero()
	}
	if err := s.Type.Check(initial); err != nil {
		return fmt.Errorf("initial value of %s: %w", name, err)
	}
	v := &viewVar{name: name, spec: s, genesis: Genesis(s, name, initial), value: s.empty(),
		leaves: map[string]*viewLeaf{}, alive: map[string]int{}, touched: map[string]Path{}, stale: map[string]Path{},
		sequences: map[string]*viewSequence{}, unsettled: map[string]*viewSequence{}}
	w.vars[name] = v
	for _, g := range v.genesis {
		if _, err := w.Put(g.Path, g.Cell); err != nil {
			panic("BUG: changes: genesis cell refused: " + err.Error())
		}
	}
	v.settle()
	v.touched = map[string]Path{}
	return nil
}

// Names are the declared variables, sorted.
func (w *View) Names() []string {
	names := make([]string, 0, len(w.vars))
	for n := range w.vars {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func (w *View) variable(name string) (*viewVar, error) {
	v := w.vars[name]
	if v == nil {
		return nil, fmt.Errorf("%w: %s is not a shared variable of this program", ErrPath, name)
	}
	return v, nil
}

// Put replaces the cell of run c.Stamp.Run at p, whether it is newer or, after a takeover, older than
// the one it replaces: which of a run's epochs wins is for the caller. It reports whether the cell was
// another before. A cell that does not suit p is an error and changes nothing.
func (w *View) Put(p Path, c Cell) (changed bool, err error) {
	v, err := w.variable(p.Var)
	if err != nil {
		return false, err
	}
	if err := c.Check(v.spec, p); err != nil {
		return false, err
	}
	code := string(p.Encode())
	l := v.leaves[code]
	if l == nil {
		leaf, err := v.spec.Leaf(p)
		if err != nil {
			return false, err
		}
		l = &viewLeaf{path: p, spec: leaf, above: v.keysAbove(p)}
		v.leaves[code] = l
	}
	i, found := l.find(c.Stamp.Run)
	switch {
	case found && l.cells[i].Equal(c):
		return false, nil
	case found:
		v.lost -= l.cells[i].Lost
		l.cells = slices.Clone(l.cells)
		l.cells[i] = c
	default:
		l.cells = slices.Insert(slices.Clone(l.cells), i, c)
	}
	v.lost += c.Lost
	if l.spec.Kind.isSequence() {
		v.sequence(l.path, l.spec).put(p, c)
	}
	v.merge(code, l)
	return true, nil
}

// sequence is the log, list or text with a part at p; it has to be settled.
func (v *viewVar) sequence(p Path, leaf *Spec) *viewSequence {
	zero := Path{p.Var, p.Steps[:len(p.Steps)-1]}.Index(0)
	code := string(zero.Encode())
	q := v.sequences[code]
	if q == nil {
		q = &viewSequence{path: zero, leaf: leaf, above: v.keysAbove(zero), segments: map[sequence.Key]*segment{}}
		v.sequences[code] = q
	}
	v.unsettled[code] = q
	return q
}

// put files the segment of a cell that suits its place.
func (q *viewSequence) put(p Path, c Cell) {
	s, err := c.segment(q.leaf)
	if err != nil {
		panic("BUG: changes: a checked cell does not decode: " + err.Error())
	}
	q.segments[sequence.Key{Run: sequence.Run(c.Stamp.Run), Index: p.Steps[len(p.Steps)-1].Index}] = s
}

// settle orders the sequences whose cells changed. The cost is the spans of each.
func (v *viewVar) settle() {
	for code, q := range v.unsettled {
		delete(v.unsettled, code)
		was := q.value
		q.ordered, q.value = sequence.New(q.leaf.elements(), q.segments), Value{}
		if !q.ordered.Empty() {
			q.value = ofSequence(q.leaf.Type.Form, q.ordered.Content())
		}
		v.touch(code, q.path)
		v.present(q.above, was.Present(), q.value.Present())
	}
}

// find is where the run's cell stands or would stand.
func (l *viewLeaf) find(run RunID) (int, bool) {
	return slices.BinarySearchFunc(l.cells, run, func(c Cell, r RunID) int { return c.Stamp.Run.Compare(r) })
}

// keysAbove are the paths at and above p that end in a map key whose value is a container.
func (v *viewVar) keysAbove(p Path) []Path {
	var above []Path
	at := v.spec
	for i, st := range p.Steps {
		var ok bool
		if at, _, ok = at.child(st); !ok {
			return nil
		}
		if st.Kind == KeyStep && at.container() {
			above = append(above, Path{p.Var, p.Steps[: i+1 : i+1]})
		}
	}
	return above
}

// merge renews what a leaf merges to after its cells changed.
func (v *viewVar) merge(code string, l *viewLeaf) {
	was, wasConflict := l.value.Present(), l.conflict
	l.value, l.conflict = mergeLeaf(l.spec, l.cells)
	v.conflict += l.conflict - wasConflict
	if l.spec.Kind.isSequence() {
		return // settle does it
	}
	v.touch(code, l.path)
	v.present(l.above, was, l.value.Present())
}

// present counts a part that came or went for the keys above it.
func (v *viewVar) present(above []Path, was, now bool) {
	if was == now {
		return
	}
	step := 1
	if was {
		step = -1
	}
	for _, k := range above {
		keyCode := string(k.Encode())
		before := v.alive[keyCode]
		if v.alive[keyCode] = before + step; before == 0 || before+step == 0 {
			v.touch(keyCode, k)
		}
		if before+step == 0 {
			delete(v.alive, keyCode)
		}
	}
}

func (v *viewVar) touch(code string, p Path) {
	v.touched[code] = p
	v.stale[code] = p
}

// Touch makes Assignments return the leaf at p even if no cell changes: after a run wrote a value that
// its kind does not let stand (a lowered max), the merged one has to go back to the program.
func (w *View) Touch(p Path) error {
	v, err := w.variable(p.Var)
	if err != nil {
		return err
	}
	if _, err := v.spec.Leaf(p); err != nil {
		return err
	}
	v.touched[string(p.Encode())] = p
	return nil
}

// Drop forgets every cell of a run, as when its epoch was voided; Put those of the winning epoch
// afterwards. It walks all leaves.
func (w *View) Drop(run RunID) {
	for _, v := range w.vars {
		for code, l := range v.leaves {
			if i, found := l.find(run); found {
				v.lost -= l.cells[i].Lost
				l.cells = slices.Delete(slices.Clone(l.cells), i, i+1)
				if l.spec.Kind.isSequence() {
					delete(v.sequence(l.path, l.spec).segments, sequence.Key{Run: sequence.Run(run), Index: l.path.Steps[len(l.path.Steps)-1].Index})
				}
				v.merge(code, l)
			}
		}
	}
}

// Cells are the cells at p, sorted by run, the genesis run's first: the view that Fold wants. Do not
// write to them; they stay as they are when the View moves on.
func (w *View) Cells(p Path) []Cell {
	if l := w.leaf(p); l != nil {
		return l.cells
	}
	return nil
}

func (w *View) leaf(p Path) *viewLeaf {
	if v := w.vars[p.Var]; v != nil {
		return v.leaves[string(p.Encode())]
	}
	return nil
}

// Cell is the cell of one run at p.
func (w *View) Cell(p Path, run RunID) (Cell, bool) {
	if l := w.leaf(p); l != nil {
		if i, found := l.find(run); found {
			return l.cells[i], true
		}
	}
	return Cell{}, false
}

// RunCells lists all cells of a run, sorted by path: what a new owner issues again under its epoch.
func (w *View) RunCells(run RunID) []PathCell {
	type coded struct {
		code string
		cell PathCell
	}
	var found []coded
	for _, v := range w.vars {
		for code, l := range v.leaves {
			if i, ok := l.find(run); ok {
				found = append(found, coded{code, PathCell{l.path, l.cells[i]}})
			}
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].code < found[j].code })
	cells := make([]PathCell, len(found))
	for i, f := range found {
		cells[i] = f.cell
	}
	return cells
}

// Fold folds the net changes of one turn of a run into its cells as they are in the view, which is what
// the program saw, and puts them back. It returns the cells that changed: what the run publishes for
// this turn. All cells stay as they were if one change is refused. Beyond folding each change, it says
// again that a key is there when the turn emptied a key that only its parts kept alive. epoch is the one of the run that the turn is in; the zero Epoch where
// there are none.
func (w *View) Fold(changes []Change, at Stamp, epoch Epoch) ([]PathCell, error) {
	var out []PathCell
	for _, v := range w.vars {
		v.settle()
	}
	changes = w.withPresence(changes)
	name := epoch.Name()
	for _, ch := range changes {
		v, err := w.variable(ch.Path.Var)
		if err != nil {
			return nil, err
		}
		leaf, err := v.spec.Leaf(ch.Path)
		if err == nil {
			err = ch.check(leaf)
		}
		if err != nil {
			return nil, err
		}
		if ch.Kind.isSequence() {
			cells, err := v.foldSequence(leaf, ch, at)
			if err != nil {
				return nil, err
			}
			out = append(out, cells...)
			continue
		}
		own, _ := w.Cell(ch.Path, at.Run)
		next, err := own.Fold(ch, at, name, w.Cells(ch.Path))
		if err != nil {
			return nil, err
		}
		if !next.IsZero() && !next.Equal(own) {
			out = append(out, PathCell{ch.Path, next})
		}
	}
	for _, ch := range changes {
		if err := w.Touch(ch.Path); err != nil {
			return nil, err
		}
	}
	for _, pc := range out {
		if _, err := w.Put(pc.Path, pc.Cell); err != nil {
			panic("BUG: changes: folded cell refused: " + err.Error())
		}
	}
	return out, nil
}

// foldSequence folds the change of a log, list or text. A turn that stands in one of the run's segments is inside.
func (v *viewVar) foldSequence(leaf *Spec, ch Change, at Stamp) ([]PathCell, error) {
	if at.Turn == 0 {
		return nil, ErrTurn
	}
	q := v.sequences[string(ch.Path.Encode())]
	if q == nil {
		q = &viewSequence{ordered: sequence.New(leaf.elements(), nil)}
	}
	own, have, sizes := map[uint64]*segment{}, map[uint64]Cell{}, map[uint64]int{}
	for key, s := range q.segments {
		if RunID(key.Run) != at.Run {
			continue
		}
		p := Path{ch.Path.Var, ch.Path.Steps[:len(ch.Path.Steps)-1]}.Index(key.Index)
		l := v.leaves[string(p.Encode())]
		i, _ := l.find(at.Run)
		c := l.cells[i]
		if c.Stamp.Turn >= at.Turn {
			return nil, nil
		}
		own[key.Index], have[key.Index], sizes[key.Index] = s, c, len(c.Value.text)
	}
	written, err := q.ordered.Edit(sequence.Run(at.Run), own, sizes, ch.Old.content(), ch.New.content())
	if err != nil {
		return nil, fmt.Errorf("%w: %v: %w", ErrCell, ch.Path, err)
	}
	return segmentCells(ch.Path, leaf, written, have, at), nil
}

// withPresence adds to the changes of a turn the presence of keys that outlived a removal only by what
// stands below them: where the turn removes from below and leaves the key, the program has seen the key
// and kept it, so that it says so and the key does not vanish with its last part.
func (w *View) withPresence(changes []Change) []Change {
	said := map[string]bool{}
	for _, ch := range changes {
		if ch.Kind == Key {
			said[string(ch.Path.Encode())] = true
		}
	}
	all := slices.Clone(changes)
	for _, ch := range changes {
		v := w.vars[ch.Path.Var]
		if v == nil || ch.New.Present() && !(ch.Kind.isSequence() && ch.New.Len() == 0) {
			continue
		}
		for _, k := range v.keysAbove(ch.Path) {
			code := string(k.Encode())
			if l := v.leaves[code]; !said[code] && (l == nil || !l.value.Present()) {
				said[code] = true
				all = append(all, Change{k, Key, Value{}, presence(true)})
			}
		}
	}
	return all
}

// standing is what stands at a leaf or key path now, as Assign takes it.
func (v *viewVar) standing(code string, p Path) Value {
	if v.alive[code] > 0 {
		return BoolValue(true)
	}
	if q := v.sequences[code]; q != nil {
		return q.value
	}
	if l := v.leaves[code]; l != nil {
		return l.value
	}
	return Value{}
}

// Assignments drains what was touched since the last call, sorted by variable and path, so that a key
// comes before what lies below it: the merged value of each leaf, for Assign or the vm.
func (w *View) Assignments() []Assignment {
	var all []Assignment
	for _, name := range w.Names() {
		v := w.vars[name]
		v.settle()
		all = append(all, v.assignments(v.touched)...)
		clear(v.touched)
	}
	return all
}

func (v *viewVar) assignments(paths map[string]Path) []Assignment {
	codes := make([]string, 0, len(paths))
	for code := range paths {
		codes = append(codes, code)
	}
	sort.Strings(codes)
	as := make([]Assignment, len(codes))
	for i, code := range codes {
		as[i] = Assignment{paths[code], v.standing(code, paths[code])}
	}
	return as
}

// Value is the merged value of a variable; conflicts counts its concurrent lww values that lost.
func (w *View) Value(name string) (value Value, conflicts int, err error) {
	v, err := w.variable(name)
	if err != nil {
		return Value{}, 0, err
	}
	v.settle()
	if len(v.stale) > 0 {
		value, err := AssignAll(v.spec, v.value, v.assignments(v.stale))
		if err != nil {
			panic("BUG: changes: merged value refused: " + err.Error())
		}
		v.value = value
		clear(v.stale)
	}
	return v.value, v.conflict, nil
}

// Conflicts counts, for a variable, the concurrent lww values that lost and still stand beside the winner, and those that lost and were
// overwritten since, by a write that saw them: each as often as there were such writes. The sum only grows, but for turns that are voided.
func (w *View) Conflicts(name string) (now int, before uint64, err error) {
	v, err := w.variable(name)
	if err != nil {
		return 0, 0, err
	}
	return v.conflict, v.lost, nil
}
