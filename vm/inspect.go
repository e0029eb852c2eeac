package vm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/values"
)

// This file reads snapshots for people: what a run holds, where it stands and what changed between two moments. It is for looking, not for
// machines: text is cut, and the cost follows what the run holds.

// HeapType is what a snapshot's heap holds of one type.
type HeapType struct {
	Type    string `json:"type"`
	Objects uint64 `json:"objects"`
	Bytes   uint64 `json:"bytes"`
}

// HeapTypes are the types on the heap, those that take most bytes first. Objects that the collector would free are in it.
func (s *Snapshot) HeapTypes() ([]HeapType, error) {
	return look(s, func(m *Machine) ([]HeapType, error) {
		by := map[string]*HeapType{}
		m.heap.Objects(code.Base, m.mem.Size(), func(o heap.Object) bool {
			name := o.Kind.String()
			switch {
			case o.Type == 0:
			case o.Kind == heap.KindObject:
				name = m.heap.TypeString(o.Type)
			case o.Kind == heap.KindArray:
				name = "[]" + m.heap.TypeString(o.Type)
			default:
				name = m.heap.TypeString(o.Type) + " (" + name + ")"
			}
			h := by[name]
			if h == nil {
				h = &HeapType{Type: name}
				by[name] = h
			}
			h.Objects++
			h.Bytes += o.SizeBytes
			return true
		})
		var list []HeapType
		for _, h := range by {
			list = append(list, *h)
		}
		slices.SortFunc(list, func(a, b HeapType) int {
			return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Type, b.Type))
		})
		return list, nil
	})
}

// VariableText is a variable as one line of text, whatever its type.
type VariableText struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Text string `json:"text"`
}

// GlobalTexts are the variables of the program's own packages, or of all, by name.
func (s *Snapshot) GlobalTexts(all bool) ([]VariableText, error) {
	return look(s, func(m *Machine) ([]VariableText, error) {
		var list []VariableText
		for _, g := range s.prog.globals(all) {
			list = append(list, VariableText{g.Name, m.heap.TypeString(g.Type), values.Text(m.heap, s.prog.img.Funcs, g.Type, g.Addr)})
		}
		return list, nil
	})
}

// globals are the named variables of the program's own packages, or of all, by name.
func (p *Program) globals(all bool) []code.Global {
	std := map[string]bool{}
	for _, f := range p.img.Funcs {
		if f.Flags&code.FuncStd != 0 {
			std[packageOf(f.Name)] = true
		}
	}
	var list []code.Global
	for _, g := range p.img.Globals {
		if g.Name != "" && (all || !std[packageOf(g.Name)]) {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b code.Global) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// packageOf is the import path in a qualified name.
func packageOf(name string) string {
	start := strings.LastIndexByte(name, '/') + 1
	if i := strings.IndexByte(name[start:], '.'); i >= 0 {
		return name[:start+i]
	}
	return name
}

// Difference is a part of a variable that differs between two snapshots; Old or New is empty where the part is not there.
type Difference struct {
	Path string `json:"path"`
	Type string `json:"type"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// leavesMax bounds the parts that Differences compares.
const leavesMax = 1 << 21

// Differences are the parts of the program's variables that differ between two snapshots of one program, by path, whatever they refer to. An
// error that wraps ErrProgram says that the programs differ.
func Differences(a, b *Snapshot, all bool) ([]Difference, error) {
	if a.Program != b.Program {
		return nil, fmt.Errorf("%w: %v and %v; compare snapshots of one program", ErrProgram, short(a.Program), short(b.Program))
	}
	old, err := a.leaves(all)
	if err != nil {
		return nil, err
	}
	now, err := b.leaves(all)
	if err != nil {
		return nil, err
	}
	var list []Difference
	for path, n := range now {
		if o := old[path]; o != n {
			list = append(list, Difference{path, n.Type, o.Text, n.Text})
		}
	}
	for path, o := range old {
		if _, still := now[path]; !still {
			list = append(list, Difference{path, o.Type, o.Text, ""})
		}
	}
	slices.SortFunc(list, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

func (s *Snapshot) leaves(all bool) (map[string]values.Leaf, error) {
	return look(s, func(m *Machine) (map[string]values.Leaf, error) {
		found := map[string]values.Leaf{}
		w := values.NewWalker(m.heap, s.prog.img.Funcs, leavesMax, func(l values.Leaf) bool {
			found[l.Path] = l
			return true
		})
		for _, g := range s.prog.globals(all) {
			if !w.Walk(g.Name, g.Type, g.Addr) {
				return nil, fmt.Errorf("vm: the run's variables have more than %d parts: too many to compare", leavesMax)
			}
		}
		return found, nil
	})
}
