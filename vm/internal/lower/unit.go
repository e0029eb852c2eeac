package lower

import (
	"encoding/binary"
	"fmt"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
	"github.com/tandemvm/tandem/vm/internal/load"
)

// unit is a program being lowered.
type unit struct {
	prog *load.Program
	cfg  Config
	data *layout.Builder

	funcs   []*function // by function index; 0 is none
	index   map[*ssa.Function]int32
	synth   map[string]int32
	done    int // funcs[:done] are lowered
	natives map[string]int32
	symbols []string // natives by index
	globals map[*ssa.Global]uint64
	traits  map[types.Type]*trait

	reach reach
	known map[string]uint64
	costs map[*ssa.Function]int
}

// function is one entry of the image's function table on its way there.
type function struct {
	fn      *ssa.Function // nil when only gen makes it
	gen     func(*sel)    // makes the body when it is not fn's own
	sig     shape
	name    string
	flags   code.FuncFlag
	chunk   *ir.Chunk
	lines   []ir.LinePos
	inlined []ir.InlinedCall
	file    string
	line    int32
}

// shape is the sizes in slots of a function's results and parameters (receiver first).
type shape struct{ res, args []int64 }

func sum(ns []int64) (n int64) {
	for _, x := range ns {
		n += x
	}
	return n
}

// trait is what the lowering asks about a type.
type trait struct {
	size  int64
	slots int64
	boxed bool
	ptr   bool // pointer-shaped
}

func (u *unit) trait(t types.Type) *trait {
	if x, ok := u.traits[t]; ok {
		return x
	}
	x := &trait{}
	if _, ok := t.(*types.Tuple); !ok {
		if b, ok := t.(*types.Basic); ok && (b.Kind() == types.UntypedNil || b.Kind() == types.Invalid) {
			x.size, x.slots = 8, 1
		} else {
			t := types.Default(t)
			if !opaque(t) {
				x.size, x.slots, x.boxed, x.ptr = layout.Size(t), int64(layout.Slots(t)), layout.Boxed(t), layout.PointerShaped(t)
			} else {
				x.size, x.slots = 8, 1
			}
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

func (u *unit) slots(t types.Type) int64 { return u.trait(t).slots }
func (u *unit) size(t types.Type) int64  { return u.trait(t).size }

// shapeOf is the frame shape of functions with signature sig.
func (u *unit) shapeOf(sig *types.Signature) (s shape) {
	for v := range sig.Results().Variables() {
		s.res = append(s.res, u.slots(v.Type()))
	}
	if r := sig.Recv(); r != nil {
		s.args = append(s.args, u.slots(r.Type()))
	}
	for v := range sig.Params().Variables() {
		s.args = append(s.args, u.slots(v.Type()))
	}
	return s
}

// funcIndex is the index of fn, which is lowered later if it has not been.
func (u *unit) funcIndex(fn *ssa.Function) int32 {
	if body := u.body(fn); body != nil {
		fn = body
	}
	if i, ok := u.index[fn]; ok {
		return i
	}
	x := &function{fn: fn, name: u.nameOf(fn), sig: u.shapeOf(fn.Signature)}
	if len(fn.Blocks) == 0 {
		x.gen = func(s *sel) { s.bodyless(fn) }
		x.flags |= code.FuncWrapper
		if isStub(u.prog.Symbol(fn)) {
			x.sig = shape{args: []int64{stubSlots}}
			x.flags |= code.FuncAnySignature
		}
	}
	if isWrapper(fn) {
		x.flags |= code.FuncWrapper
	}
	if u.isStd(fn) {
		x.flags |= code.FuncStd
	}
	x.file, x.line = u.declaredAt(fn)
	i := u.add(x)
	u.index[fn] = i
	return i
}

func (u *unit) add(x *function) int32 {
	u.funcs = append(u.funcs, x)
	return int32(len(u.funcs) - 1)
}

// synthetic is the index of a function made by the lowering, one per key.
func (u *unit) synthetic(key, name string, sig shape, gen func(*sel)) int32 {
	if i, ok := u.synth[key]; ok {
		return i
	}
	i := u.add(&function{name: name, sig: sig, gen: gen, flags: code.FuncWrapper})
	u.synth[key] = i
	return i
}

// body is the function whose blocks are run for fn: itself, or the one linked to its symbol; nil if there is none.
func (u *unit) body(fn *ssa.Function) *ssa.Function {
	if len(fn.Blocks) > 0 {
		return fn
	}
	if fn.Signature.Recv() != nil && fn.Object() == nil {
		return nil
	}
	if b := u.prog.Body(u.prog.Symbol(fn)); b != nil && len(b.Blocks) > 0 {
		return b
	}
	return nil
}

// closure is the address of the static closure of fn.
func (u *unit) closure(fn int32) uint64 { return u.data.StaticClosure(fn) }

func (u *unit) native(symbol string) int32 {
	if i, ok := u.natives[symbol]; ok {
		return i
	}
	i := int32(len(u.symbols))
	u.symbols = append(u.symbols, symbol)
	u.natives[symbol] = i
	return i
}

// global is the provisional address of g.
func (u *unit) global(g *ssa.Global) uint64 {
	if v := u.prog.Global(g); v != nil {
		g = v
	}
	if a, ok := u.globals[g]; ok {
		return a
	}
	name := g.Name()
	if g.Pkg != nil {
		name = g.Pkg.Pkg.Path() + "." + name
	}
	class, spec := u.classOf(g)
	a := u.data.Global(name, deref(g.Type()), class, spec)
	u.globals[g] = a
	return a
}

// stringHeader is the address of a string header in the read-only data.
func (u *unit) stringHeader(s string) uint64 {
	var h []byte
	h = binary.LittleEndian.AppendUint64(h, u.data.String(s))
	h = binary.LittleEndian.AppendUint64(h, uint64(len(s)))
	return u.data.ReadOnly(h, 8)
}

// words is the address of words in the read-only data.
func (u *unit) words(ws ...uint64) uint64 {
	var b []byte
	for _, w := range ws {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return u.data.ReadOnly(b, 8)
}

func deref(t types.Type) types.Type {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		return p.Elem()
	}
	panic(fmt.Sprintf("BUG: lower: %v is no pointer", t))
}
