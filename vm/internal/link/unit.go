// Package link knows a program that is being lowered as a whole: which functions, types and variables of it get into the image, under which
// names and numbers, and what package initialisers leave in its data. It is what a linker is to a compiler; but since only what
// is reachable is lowered at all, both work hand in hand: the lowering (package lower) asks for the number of each function that it
// sees called, and goes on until no function is left without code.
//
// It makes no code, and knows nothing of frames beyond the sizes of results and arguments.
//
// Numbers are given in the order of asking, so an image depends on nothing but the program. Costs: each question about a type or
// a function is answered once and remembered.
package link

import (
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/layout"
	"github.com/tandemvm/tandem/vm/internal/load"
)

// Unit is a program being lowered.
type Unit struct {
	Prog    *load.Program
	Data    *layout.Builder
	Funcs   []*Func // by number; 0 is none
	Natives []string
	Known   map[string]uint64 // what Resolve found
	Reach   Reach

	index   map[*ssa.Function]int32
	synth   map[string]int32
	natives map[string]int32
	globals map[*ssa.Global]uint64
	traits  map[types.Type]*Trait

	instances map[*ssa.Function]bool // of generic functions whose types have been named
}

// New begins with nothing of p reached.
func New(p *load.Program) *Unit {
	u := &Unit{
		Prog:    p,
		Data:    layout.NewBuilder(),
		Funcs:   []*Func{nil},
		Known:   map[string]uint64{},
		Reach:   Reach{called: map[string]bool{}, seen: map[types.Type]bool{}},
		index:   map[*ssa.Function]int32{},
		synth:   map[string]int32{},
		natives: map[string]int32{},
		globals: map[*ssa.Global]uint64{},
		traits:  map[types.Type]*Trait{},

		instances: map[*ssa.Function]bool{},
	}
	u.Data.DirectKinds = p.DirectKinds
	return u
}

// Func is one entry of the image's function table on its way there.
type Func struct {
	SSA   *ssa.Function // nil: the lowering makes the body
	Name  string        // as Go's tracebacks print it
	Shape Shape
	Flags code.FuncFlag
	File  string // where it is declared
	Line  int32
}

// Shape is the sizes in slots of a function's results and parameters (receiver first).
type Shape struct{ Res, Args []int64 }

// Trait is what is asked about a type most often.
type Trait struct {
	Size  int64 // in bytes
	Slots int64
	Boxed bool
	Ptr   bool // pointer-shaped
}

// Trait is that of t, also of go/ssa's own types.
func (u *Unit) Trait(t types.Type) *Trait {
	if x, ok := u.traits[t]; ok {
		return x
	}
	x := &Trait{}
	if _, ok := t.(*types.Tuple); !ok {
		if b, ok := t.(*types.Basic); ok && (b.Kind() == types.UntypedNil || b.Kind() == types.Invalid) {
			x.Size, x.Slots = 8, 1
		} else if t := types.Default(t); opaque(t) {
			x.Size, x.Slots = 8, 1
		} else {
			x.Size, x.Slots, x.Boxed, x.Ptr = layout.Size(t), int64(layout.Slots(t)), layout.Boxed(t), layout.PointerShaped(t)
		}
	}
	u.traits[t] = x
	return x
}

// opaque says whether t is one of go/ssa's own types (map iterators).
func opaque(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Basic, *types.Pointer, *types.Slice, *types.Array, *types.Map, *types.Chan, *types.Struct, *types.Interface, *types.Signature:
		return false
	}
	return true
}

// Slots is the number of frame slots of a value of type t.
func (u *Unit) Slots(t types.Type) int64 { return u.Trait(t).Slots }

// Size is the number of bytes of a value of type t in memory.
func (u *Unit) Size(t types.Type) int64 { return u.Trait(t).Size }

// ShapeOf is the frame shape of functions with signature sig.
func (u *Unit) ShapeOf(sig *types.Signature) (s Shape) {
	for v := range sig.Results().Variables() {
		s.Res = append(s.Res, u.Slots(v.Type()))
	}
	if r := sig.Recv(); r != nil {
		s.Args = append(s.Args, u.Slots(r.Type()))
	}
	for v := range sig.Params().Variables() {
		s.Args = append(s.Args, u.Slots(v.Type()))
	}
	return s
}

// FuncIndex is the number of fn, which is in Funcs from then on.
func (u *Unit) FuncIndex(fn *ssa.Function) int32 {
	if body := u.Body(fn); body != nil {
		fn = body
	}
	if i, ok := u.index[fn]; ok {
		return i
	}
	u.Instance(fn)
	x := &Func{SSA: fn, Name: u.NameOf(fn), Shape: u.ShapeOf(fn.Signature)}
	if len(fn.Blocks) == 0 {
		x.Flags |= code.FuncWrapper
		if IsStub(u.Prog.Symbol(fn)) {
			x.Shape = Shape{Args: []int64{stubSlots}}
			x.Flags |= code.FuncAnySignature
		}
	}
	if flow.IsWrapper(fn) {
		x.Flags |= code.FuncWrapper
	}
	if u.isStd(fn) {
		x.Flags |= code.FuncStd
	}
	x.File, x.Line = u.declaredAt(fn)
	i := u.add(x)
	u.index[fn] = i
	return i
}

func (u *Unit) add(x *Func) int32 {
	u.Funcs = append(u.Funcs, x)
	return int32(len(u.Funcs) - 1)
}

// Synthetic is the number of a function made by the lowering, one per key; fresh says that it was not asked for before.
func (u *Unit) Synthetic(key, name string, shape Shape) (i int32, fresh bool) {
	if i, ok := u.synth[key]; ok {
		return i, false
	}
	i = u.add(&Func{Name: name, Shape: shape, Flags: code.FuncWrapper})
	u.synth[key] = i
	return i, true
}

// Body is the function whose blocks are run for fn: itself, or the one linked to its symbol; nil if there is none.
func (u *Unit) Body(fn *ssa.Function) *ssa.Function {
	if len(fn.Blocks) > 0 {
		return fn
	}
	if fn.Signature.Recv() != nil && fn.Object() == nil {
		return nil
	}
	if b := u.Prog.Body(u.Prog.Symbol(fn)); b != nil && len(b.Blocks) > 0 {
		return b
	}
	return nil
}

// stubSlots is the room for results and arguments in the frame of a function of any signature.
const stubSlots = 512

// IsStub says whether symbol is a function that takes any signature: those that package reflect makes functions with.
func IsStub(symbol string) bool {
	return symbol == "reflect.makeFuncStub" || symbol == "reflect.methodValueCall"
}

// Native is the number of the native with that symbol.
func (u *Unit) Native(symbol string) int32 {
	if i, ok := u.natives[symbol]; ok {
		return i
	}
	i := int32(len(u.Natives))
	u.Natives = append(u.Natives, symbol)
	u.natives[symbol] = i
	return i
}
