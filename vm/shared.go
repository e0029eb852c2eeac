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

// sharedVar is a shared variable and where it is.
type sharedVar struct {
	Variable
	addr, typ uint64
}

// shared is the table of a machine's shared variables. It holds no values: memory knows what they were when the turn began.
type shared struct {
	heap *heap.Heap
	vars []*sharedVar
	name map[string]*sharedVar
}

// newShared reads the shared variables of an image whose data is in memory.
func newShared(h *heap.Heap, globals []code.Global) (*shared, error) {
	s := &shared{heap: h, name: map[string]*sharedVar{}}
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
		v := &sharedVar{Variable: Variable{Name: g.Name, Rule: g.Spec, Type: t, Spec: spec}, addr: g.Addr, typ: g.Type}
		s.vars = append(s.vars, v)
		s.name[g.Name] = v
	}
	return s, nil
}

// changed is the net change of all shared variables since base was taken, by path. The cost follows what was written (values.Differ).
func (s *shared) changed(base *mem.Pages) ([]changes.Change, error) {
	if len(s.vars) == 0 {
		return nil, nil
	}
	d, err := values.NewDiffer(s.heap, base)
	if err != nil {
		return nil, err
	}
	for _, v := range s.vars {
		if err := d.Add(v.Name, v.Spec, v.typ, v.addr); err != nil {
			return nil, fmt.Errorf("vm: shared variable %s: %w", v.Name, err)
		}
	}
	cs, err := d.Changes()
	if err != nil {
		return nil, fmt.Errorf("vm: shared variables: %w", err)
	}
	return cs, nil
}

// assign writes merged values, between turns; they become part of the base of the next turn.
func (s *shared) assign(as []changes.Assignment, collect func()) error {
	byVar := map[*sharedVar][]changes.Assignment{}
	var order []*sharedVar
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

func (s *shared) assignVar(v *sharedVar, as []changes.Assignment) error {
	if v.Spec.Kind == changes.MapOf || v.Spec.Kind == changes.Set {
		return s.assignKeys(v, as)
	}
	was, err := values.Read(s.heap, v.typ, v.addr)
	if err != nil {
		return err
	}
	now, err := changes.AssignAll(v.Spec, was, as)
	if err != nil || now.Equal(was) {
		return err
	}
	return values.Write(s.heap, v.typ, v.addr, now)
}

// assignKeys applies the assignments to the entries they name alone.
func (s *shared) assignKeys(v *sharedVar, as []changes.Assignment) error {
	var before []changes.Entry
	var keys []changes.Value
	seen := map[string]bool{}
	for _, a := range as {
		if len(a.Path.Steps) == 0 || a.Path.Steps[0].Kind != changes.KeyStep {
			return fmt.Errorf("%w: %v", changes.ErrPath, a.Path)
		}
		key := a.Path.Steps[0].Key
		code := string(key.Encode())
		if seen[code] {
			continue
		}
		seen[code] = true
		keys = append(keys, key)
		x, ok, err := values.ReadEntry(s.heap, v.typ, v.addr, key)
		if err != nil {
			return err
		}
		if ok {
			before = append(before, changes.Entry{Key: key, Value: x})
		}
	}
	after, err := changes.AssignAll(v.Spec, changes.MapValue(before...), as)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if x, ok := after.Lookup(key); ok {
			err = values.SetEntry(s.heap, v.typ, v.addr, key, x)
		} else {
			err = values.DeleteEntry(s.heap, v.typ, v.addr, key)
		}
		if err != nil {
			return err
		}
	}
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
