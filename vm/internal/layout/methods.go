package layout

import (
	"go/types"
	"slices"
	"strings"
)

// compareMethods is the order of methods in descriptors and itabs (cmd/compile/internal/types.CompareSyms): exported
// before unexported, then by name, unexported ones of one name by package path.
func compareMethods(a, b types.Object) int {
	if a.Exported() != b.Exported() {
		if a.Exported() {
			return -1
		}
		return 1
	}
	if r := strings.Compare(a.Name(), b.Name()); r != 0 || a.Exported() {
		return r
	}
	return strings.Compare(a.Pkg().Path(), b.Pkg().Path())
}

// InterfaceMethods are the methods of t, embedded ones included, in the order of its itabs: the index of a method here is
// the operand of CallI and FnI.
func InterfaceMethods(t *types.Interface) []*types.Func {
	ms := make([]*types.Func, 0, t.NumMethods())
	for m := range t.Methods() {
		ms = append(ms, m)
	}
	slices.SortFunc(ms, func(a, b *types.Func) int { return compareMethods(a, b) })
	return ms
}

// MethodIndex is the index of m in InterfaceMethods(t), -1 when t does not have it.
func MethodIndex(t *types.Interface, m *types.Func) int {
	return slices.IndexFunc(InterfaceMethods(t), func(x *types.Func) bool { return x.Id() == m.Id() })
}

// Methods is the method set of the non-interface type t in the order of its descriptor, promoted methods included.
func Methods(t types.Type) []*types.Selection {
	set := types.NewMethodSet(t)
	ms := make([]*types.Selection, 0, set.Len())
	for s := range set.Methods() {
		if s.Obj().Name() != "_" {
			ms = append(ms, s)
		}
	}
	slices.SortFunc(ms, func(a, b *types.Selection) int { return compareMethods(a.Obj(), b.Obj()) })
	return ms
}
