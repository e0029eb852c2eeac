package changes

import (
	"bytes"
	"fmt"
	"sort"
)

// Change is the net change of one turn (or of several, composed) at one leaf path.
//
// At a map key or a set element an absent Old means it was added and an absent New that it was removed.
// At a field, an absent Old means that the struct it belongs to was added, and an absent New that it
// was removed with it. Key changes hold the bool true where the key is present.
type Change struct {
	Path     Path
	Kind     Kind // of the leaf
	Old, New Value
}

// String is one line for people: main.Hits: 3 -> 5.
func (c Change) String() string { return fmt.Sprintf("%v: %v -> %v", c.Path, c.Old, c.New) }

// check says whether c suits the leaf spec (ErrType).
func (c Change) check(leaf *Spec) error {
	if c.Kind != leaf.Kind {
		return fmt.Errorf("%w: change of kind %v at %v, which merges as %v", ErrType, c.Kind, c.Path, leaf.Kind)
	}
	if err := wholeSequence(leaf, c.Path); err != nil {
		return err
	}
	for _, v := range [...]Value{c.Old, c.New} {
		if err := leaf.checkLeaf(v); err != nil {
			return fmt.Errorf("%v: %w", c.Path, err)
		}
	}
	return nil
}

// wholeSequence refuses an index other than 0 where a change or assignment speaks of a whole log, list or text.
func wholeSequence(leaf *Spec, p Path) error {
	if leaf.Kind.isSequence() && p.Steps[len(p.Steps)-1].Index != 0 {
		return fmt.Errorf("%w: %v, a %v changes as a whole, at index 0", ErrPath, p, leaf.Kind)
	}
	return nil
}

// checkLeaf says whether v, absent or not, can stand at the leaf.
func (s *Spec) checkLeaf(v Value) error {
	switch {
	case v.form == Absent:
		return nil
	case s.Kind == Key && !v.Equal(BoolValue(true)):
		return fmt.Errorf("%w: %v where the presence of a key is said by true", ErrType, v)
	case s.Kind == Key:
		return nil
	case s.Kind == Set && v.isFalse():
		return fmt.Errorf("%w: a false entry is no element; leave the value out", ErrType)
	}
	return s.Type.Check(v)
}

// Diff lists the net changes from old to new of the variable or part at p, whose spec is s, sorted by
// encoded path. An absent old or new is a part that does not exist. For every s and values a and b of
// its type, applying Diff(a, b) to Normal(a) gives Normal(b), except that a max never falls and a min
// never rises.
//
// The vm calls it on the parts its page tracking found touched, so the cost follows what changed.
func Diff(s *Spec, p Path, old, new Value) []Change {
	d := differ{}
	d.part(s, p, old, new)
	return sortChanges(d.found)
}

// sortChanges sorts by encoded path.
func sortChanges(cs []Change) []Change {
	codes := make([][]byte, len(cs))
	order := make([]int, len(cs))
	for i, c := range cs {
		codes[i], order[i] = c.Path.Encode(), i
	}
	sort.SliceStable(order, func(i, j int) bool { return bytes.Compare(codes[order[i]], codes[order[j]]) < 0 })
	sorted := make([]Change, len(cs))
	for i, o := range order {
		sorted[i] = cs[o]
	}
	return sorted
}

type differ struct{ found []Change }

func (d *differ) part(s *Spec, p Path, old, new Value) {
	if old.Equal(new) {
		return
	}
	switch {
	case !s.container():
		d.leaf(s, p, old, new)
	case s.sequence():
		if old, new = s.Normal(old), s.Normal(new); !old.Equal(new) && (old.form != Absent || new.Len() > 0) && (new.form != Absent || old.Len() > 0) {
			d.found = append(d.found, Change{p.Index(0), s.Kind, old, new})
		}
	case s.Kind == Fields:
		for i, f := range s.Fields {
			d.part(f, p.Field(s.Type.Fields[i].Name), part(old, i), part(new, i))
		}
	default:
		d.entries(s, p, old.entries(), new.entries())
	}
}

// part is the i-th field of a struct that may be absent.
func part(v Value, i int) Value {
	if v.form == Absent {
		return v
	}
	return v.Item(i)
}

// leaf records a change. A field of a struct that has just come into being is already zero, so a zero
// says nothing new there; but a max or min has no contribution yet, and zero is one.
func (d *differ) leaf(s *Spec, p Path, old, new Value) {
	atKey := len(p.Steps) > 0 && p.Steps[len(p.Steps)-1].Kind == KeyStep
	if old.form == Absent && !atKey && s.Kind != Max && s.Kind != Min && new.Equal(s.Type.Zero()) {
		return
	}
	d.found = append(d.found, Change{p, s.Kind, old, new})
}

// entries walks two sorted entry lists side by side.
func (d *differ) entries(s *Spec, p Path, old, new []Entry) {
	for len(old) > 0 || len(new) > 0 {
		var o, n Value
		var key Value
		switch {
		case len(new) == 0 || len(old) > 0 && old[0].code < new[0].code:
			key, o, old = old[0].Key, old[0].Value, old[1:]
		case len(old) == 0 || new[0].code < old[0].code:
			key, n, new = new[0].Key, new[0].Value, new[1:]
		default:
			key, o, n, old, new = old[0].Key, old[0].Value, new[0].Value, old[1:], new[1:]
		}
		if s.Kind == Set {
			o, n = element(o), element(n)
		}
		if o.Equal(n) {
			continue
		}
		at := p.Key(key)
		if s.Elem.container() && o.Present() != n.Present() {
			d.found = append(d.found, Change{at, Key, presence(o.Present()), presence(n.Present())})
		}
		d.part(s.Elem, at, o, n)
	}
}

// element is a set entry's value, absent when it says false.
func element(v Value) Value {
	if v.isFalse() {
		return Value{}
	}
	return v
}

func presence(present bool) Value {
	if present {
		return BoolValue(true)
	}
	return Value{}
}

// Apply returns the value of a variable after one change; s and root are those of the whole variable
// that c.Path starts from. A counter moves by New-Old, a max or min that was there joins New, all else becomes New;
// a change below a key that is not there makes the key, a removal below it does nothing. A change
// that does not suit s is ErrPath or ErrType.
func Apply(s *Spec, root Value, c Change) (Value, error) { return ApplyAll(s, root, []Change{c}) }

// ApplyAll is Apply for several changes of one variable, in one pass over each map.
func ApplyAll(s *Spec, root Value, cs []Change) (Value, error) {
	edits := make([]edit, len(cs))
	for i, c := range cs {
		leaf, err := s.Leaf(c.Path)
		if err == nil {
			err = c.check(leaf)
		}
		if err != nil {
			return root, err
		}
		edits[i] = edit{path: c.Path, at: func(now Value) Value { return c.after(now) }}
	}
	return applyEdits(s, root, edits), nil
}

func (c Change) after(now Value) Value {
	switch {
	case c.New.form == Absent:
		return Value{}
	case c.Kind == Counter:
		return plus(now, minus(c.New, c.Old))
	case (c.Kind == Max || c.Kind == Min) && c.Old.Present():
		return join(c.Kind, now, c.New)
	}
	return c.New
}

// Assign returns the variable's value root with the merged value v at the leaf path p: absent removes
// the key or element and makes a field zero.
func Assign(s *Spec, root Value, p Path, v Value) (Value, error) {
	return AssignAll(s, root, []Assignment{{p, v}})
}

// Assignment is a merged value to be written at a leaf path.
type Assignment struct {
	Path  Path
	Value Value // absent: remove the key or element, make the field zero
}

// AssignAll is Assign for several leaves of one variable, in one pass over each map.
func AssignAll(s *Spec, root Value, as []Assignment) (Value, error) {
	edits := make([]edit, len(as))
	for i, a := range as {
		leaf, err := s.Leaf(a.Path)
		if err == nil {
			err = leaf.checkLeaf(a.Value)
		}
		if err == nil {
			err = wholeSequence(leaf, a.Path)
		}
		if err != nil {
			return root, err
		}
		edits[i] = edit{path: a.Path, at: func(Value) Value { return a.Value }}
	}
	return applyEdits(s, root, edits), nil
}

// edit replaces the value at one leaf path; absent in: the leaf is not there, absent out: remove it.
type edit struct {
	path Path
	at   func(now Value) Value
	code []byte
}

func applyEdits(s *Spec, root Value, edits []edit) Value {
	for i := range edits {
		edits[i].code = edits[i].path.Encode()
	}
	sort.SliceStable(edits, func(i, j int) bool { return bytes.Compare(edits[i].code, edits[j].code) < 0 })
	if v := s.edited(root, edits, 0); v.Present() {
		return v
	}
	return s.empty()
}

// edited is v, a value of s that may be absent, after edits that share their first depth steps and are
// sorted, so that the presence of a key is decided before what lies below it.
func (s *Spec) edited(v Value, edits []edit, depth int) Value {
	for len(edits) > 0 && len(edits[0].path.Steps) == depth {
		now := v
		if s.container() {
			now = presence(v.Present())
		}
		next := edits[0].at(now)
		if !s.container() || !next.Present() {
			v = next
		} else if !v.Present() {
			v = s.empty()
		}
		edits = edits[1:]
	}
	switch {
	case len(edits) == 0:
		return v
	case s.sequence():
		next := edits[len(edits)-1].at(v)
		if v.Present() && !next.Present() {
			return s.empty()
		}
		return s.Normal(next)
	case s.Kind == Fields:
		return s.editedFields(v, edits, depth)
	}
	return s.editedEntries(v, edits, depth)
}

// group splits off the edits that share the step at depth with the first one.
func group(edits []edit, depth int) (same, rest []edit) {
	code := appendSteps(nil, edits[0].path.Steps[depth:depth+1])
	n := sort.Search(len(edits), func(i int) bool {
		return bytes.Compare(appendSteps(nil, edits[i].path.Steps[depth:depth+1]), code) > 0
	})
	return edits[:n], edits[n:]
}

func (s *Spec) editedFields(v Value, edits []edit, depth int) Value {
	for len(edits) > 0 {
		var same []edit
		same, edits = group(edits, depth)
		f, i, _ := s.child(same[0].path.Steps[depth])
		next := f.edited(part(v, i), same, depth+1)
		switch {
		case next.Present():
			if !v.Present() {
				v = s.empty()
			}
			v = v.withItem(i, next)
		case v.Present():
			v = v.withItem(i, f.empty())
		}
	}
	return v
}

func (s *Spec) editedEntries(v Value, edits []edit, depth int) Value {
	old := v.entries()
	entries := make([]Entry, 0, len(old)+len(edits))
	for len(edits) > 0 {
		var same []edit
		same, edits = group(edits, depth)
		key := same[0].path.Steps[depth].Key
		e := Entry{Key: key, code: string(key.appendNode(nil))}
		n, found := findEntry(old, e.code)
		entries, old = append(entries, old[:n]...), old[n:]
		if found {
			e.Value, old = old[0].Value, old[1:]
		}
		if s.Kind == Set {
			e.Value = element(e.Value)
		}
		if e.Value = s.Elem.edited(e.Value, same, depth+1); e.Value.Present() {
			entries = append(entries, e)
		}
	}
	entries = append(entries, old...)
	if !v.Present() && len(entries) == 0 {
		return v
	}
	return mapOfSorted(entries)
}
