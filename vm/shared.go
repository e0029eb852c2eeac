package vm

import (
	"errors"
	"fmt"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
	"github.com/tandemvm/tandem/vm/internal/values"
)

// Variable is a shared variable of a program.
type Variable struct {
	Name string // package path and name: "main.Counts"
	Rule string // the text after //tandem:shared
	Type *changes.Type
	Spec *changes.Spec
	// Initial is its value when main.main is called: what package initialisation gave it.
	Initial changes.Value
}

// shadow is what a shared variable was when the turn began: the base that a turn's net change is found against. It is a
// cache: memory has all of it at the start of a turn, and attach reads it from there.
type shadow struct {
	Variable
	addr, typ uint64
	// keyed variables merge key by key and have values that lie wholly in their entries; then value is unused and
	// entries holds what each key, by its encoding, had. Others are compared as a whole when a page of theirs was touched.
	keyed   bool
	entries map[string]changes.Entry
	header  uint64 // the map the entries were read from: another one is compared whole
	value   changes.Value
	flat    bool
}

// shared is the table of a machine's shared variables.
type shared struct {
	heap *heap.Heap
	mem  *mem.Memory
	vars []*shadow
	name map[string]*shadow
}

// newShared reads the shared variables of an image whose data is in memory.
func newShared(h *heap.Heap, globals []code.Global) (*shared, error) {
	s := &shared{heap: h, mem: h.Memory(), name: map[string]*shadow{}}
	for _, g := range globals {
		if g.Class != code.ClassShared {
			continue
		}
		t, err := values.TypeOf(h, g.Type)
		if err != nil {
			return nil, fmt.Errorf("vm: shared variable %s: %w", g.Name, err)
		}
		spec, err := changes.ParseSpec(g.Spec, t)
		if err != nil {
			return nil, fmt.Errorf("vm: shared variable %s: %w", g.Name, err)
		}
		v := &shadow{Variable: Variable{Name: g.Name, Rule: g.Spec, Type: t, Spec: spec}, addr: g.Addr, typ: g.Type}
		v.keyed = (spec.Kind == changes.MapOf || spec.Kind == changes.Set) && values.Flat(h, h.TypeKey(g.Type)) && values.Flat(h, h.TypeElem(g.Type))
		v.flat = values.Flat(h, g.Type)
		s.vars = append(s.vars, v)
		s.name[g.Name] = v
	}
	return s, s.attach()
}

// attach reads every variable anew, after memory was loaded or undone to another state.
func (s *shared) attach() error {
	for _, v := range s.vars {
		if err := s.read(v); err != nil {
			return err
		}
	}
	return nil
}

func (s *shared) read(v *shadow) error {
	if !v.keyed {
		x, err := values.Read(s.heap, v.typ, v.addr)
		if err != nil {
			return fmt.Errorf("vm: shared variable %s: %w", v.Name, err)
		}
		v.value = x
		return nil
	}
	v.entries = map[string]changes.Entry{}
	v.header = s.mem.Load64(v.addr)
	return s.eachEntry(v, 0, 0, func(e changes.Entry) { v.entries[string(e.Key.Encode())] = e })
}

// eachEntry reads the live entries of a keyed variable that overlap n bytes at addr, all of them when n is 0.
func (s *shared) eachEntry(v *shadow, addr, n uint64, f func(changes.Entry)) error {
	m := s.mem.Load64(v.addr)
	if m == 0 {
		return nil
	}
	kt, vt := s.heap.TypeKey(v.typ), s.heap.TypeElem(v.typ)
	var failed error
	s.heap.MapEntries(m, addr, n, func(key, value uint64) bool {
		var e changes.Entry
		if e.Key, failed = values.Read(s.heap, kt, key); failed == nil {
			e.Value, failed = values.Read(s.heap, vt, value)
		}
		if failed == nil {
			f(e)
		}
		return failed == nil
	})
	if failed != nil {
		return fmt.Errorf("vm: shared variable %s: %w", v.Name, failed)
	}
	return nil
}

// changed is the net change of all shared variables since the turn began, found on the pages touched in the running
// level, and makes the present the base of the next turn. Cost: for keyed variables the touched pages and the entries on
// them, and the whole map in a turn that removed a key; for others the variable, if any page was touched.
func (s *shared) changed() ([]changes.Change, error) {
	var pages []uint64
	s.mem.Touched(func(page uint64, old, now []byte) bool {
		pages = append(pages, page)
		return true
	})
	touched := make(map[uint64]bool, len(pages))
	for _, p := range pages {
		touched[p] = true
	}
	var all []changes.Change
	for _, v := range s.vars {
		var cs []changes.Change
		var err error
		switch {
		case v.keyed:
			cs, err = s.changedEntries(v, pages)
		case v.flat && !s.overlaps(v, touched):
		case len(pages) > 0:
			cs, err = s.changedWhole(v)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, cs...)
	}
	return all, nil
}

func (s *shared) overlaps(v *shadow, touched map[uint64]bool) bool {
	first := (v.addr - code.Base) / mem.PageBytes
	last := (v.addr - code.Base + max(s.heap.TypeSize(v.typ), 1) - 1) / mem.PageBytes
	for p := first; p <= last; p++ {
		if touched[p] {
			return true
		}
	}
	return false
}

func (s *shared) changedWhole(v *shadow) ([]changes.Change, error) {
	now, err := values.Read(s.heap, v.typ, v.addr)
	if err != nil {
		return nil, fmt.Errorf("vm: shared variable %s: %w", v.Name, err)
	}
	cs := changes.Diff(v.Spec, changes.VarPath(v.Name), v.value, now)
	v.value = now
	return cs, nil
}

// changedEntries compares the entries on touched pages with the shadow. Removed keys leave no live entry behind, but the count tells
// that there are some.
func (s *shared) changedEntries(v *shadow, pages []uint64) ([]changes.Change, error) {
	var old, now []changes.Entry
	note := func(e changes.Entry) {
		code := string(e.Key.Encode())
		was, had := v.entries[code]
		if had && was.Value.Equal(e.Value) {
			return
		}
		if had {
			old = append(old, was)
		}
		now = append(now, e)
		v.entries[code] = e
	}
	m := s.mem.Load64(v.addr)
	if m == v.header {
		for _, p := range pages {
			if err := s.eachEntry(v, code.Base+p*mem.PageBytes, mem.PageBytes, note); err != nil {
				return nil, err
			}
		}
	}
	if m != v.header || uint64(len(v.entries)) != s.heap.MapLen(m) {
		v.header = m
		live := make(map[string]bool, len(v.entries))
		if err := s.eachEntry(v, 0, 0, func(e changes.Entry) { live[string(e.Key.Encode())] = true; note(e) }); err != nil {
			return nil, err
		}
		for code, e := range v.entries {
			if !live[code] {
				old = append(old, e)
				delete(v.entries, code)
			}
		}
	}
	if len(old) == 0 && len(now) == 0 {
		return nil, nil
	}
	return changes.Diff(v.Spec, changes.VarPath(v.Name), changes.MapValue(old...), changes.MapValue(now...)), nil
}

// assign writes merged values, between turns; they become part of the base of the next turn.
func (s *shared) assign(as []changes.Assignment, collect func()) error {
	byVar := map[*shadow][]changes.Assignment{}
	var order []*shadow
	for _, a := range as {
		v := s.name[a.Path.Var]
		if v == nil {
			return fmt.Errorf("vm: %s is not a shared variable of this program", a.Path.Var)
		}
		if byVar[v] == nil {
			order = append(order, v)
		}
		byVar[v] = append(byVar[v], a)
	}
	for _, v := range order {
		write := func() error { return s.assignVar(v, byVar[v]) }
		err := write()
		if errors.Is(err, heap.ErrNoSpace) {
			collect()
			err = write()
		}
		if err != nil {
			return fmt.Errorf("vm: shared variable %s: %w", v.Name, err)
		}
	}
	return nil
}

func (s *shared) assignVar(v *shadow, as []changes.Assignment) error {
	if v.keyed {
		return s.assignKeys(v, as)
	}
	now, err := changes.AssignAll(v.Spec, v.value, as)
	if err != nil {
		return err
	}
	if now.Equal(v.value) {
		return nil
	}
	if err := values.Write(s.heap, v.typ, v.addr, now); err != nil {
		return err
	}
	v.value = now
	return nil
}

// assignKeys applies the assignments to the entries they name alone.
func (s *shared) assignKeys(v *shadow, as []changes.Assignment) error {
	var before []changes.Entry
	seen := map[string]changes.Value{}
	for _, a := range as {
		if len(a.Path.Steps) == 0 || a.Path.Steps[0].Kind != changes.KeyStep {
			return fmt.Errorf("%w: %v", changes.ErrPath, a.Path)
		}
		key := a.Path.Steps[0].Key
		code := string(key.Encode())
		if _, dup := seen[code]; dup {
			continue
		}
		seen[code] = key
		if e, ok := v.entries[code]; ok {
			before = append(before, e)
		}
	}
	after, err := changes.AssignAll(v.Spec, changes.MapValue(before...), as)
	if err != nil {
		return err
	}
	for code, key := range seen {
		x, ok := after.Lookup(key)
		if !ok {
			if err := values.DeleteEntry(s.heap, v.typ, v.addr, key); err != nil {
				return err
			}
			delete(v.entries, code)
			continue
		}
		if err := values.SetEntry(s.heap, v.typ, v.addr, key, x); err != nil {
			return err
		}
		v.entries[code] = changes.Entry{Key: key, Value: x}
	}
	v.header = s.mem.Load64(v.addr)
	return nil
}

// valueOf is the value of a shared variable now.
func (s *shared) valueOf(name string) (changes.Value, error) {
	v := s.name[name]
	if v == nil {
		return changes.Value{}, fmt.Errorf("vm: %s is not a shared variable of this program", name)
	}
	return values.Read(s.heap, v.typ, v.addr)
}
