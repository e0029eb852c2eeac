package link

import (
	"go/constant"
	"go/token"
	"go/types"
	"math"
	"slices"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// Static initialisation: what a package's initialiser would store without computing anything is in the image's data from the start, and what
// it would allocate is a variable there, as gc has it. A table of package unicode is data then, not a thousand instructions.
//
// The blocks looked at are those that run once whenever the initialiser runs to its end. A store moves before everything the program
// does, so it has to be of a known value to a place of run class (shared and local variables are set by code, where turns see it) that no
// instruction wrote before it. go/ssa names composite literals in local variables and copies those: their contents are
// followed, and when every copy is known the variable is not there at all.

// contents is a known value as it stands in memory; the words at refs are addresses that may be provisional.
type contents struct {
	data []byte
	refs []int
}

// piece is a stretch of an object.
type piece struct {
	of        *object
	off, size int64
}

// object is memory whose address is known, or a local variable of the initialiser.
type object struct {
	addr    uint64   // provisional address, 0 for a local variable
	local   contents // of a local variable
	loose   bool     // a local variable: something unknown was written to it
	written []piece
}

// Statics is what of a package initialiser is in the data and not in its code.
type Statics struct {
	Done map[ssa.Instruction]bool // need no code
	Vars map[*ssa.Alloc]uint64    // addresses of variables that would be allocated
}

type statics struct {
	Statics
	u       *Unit
	objects map[ssa.Value]*object
	places  map[ssa.Value]piece // addresses within objects
	values  map[ssa.Value]contents
	seen    []ssa.Instruction
}

// Statics moves to the data what the package initialiser fn need not do.
func (u *Unit) Statics(fn *ssa.Function) Statics {
	st := &statics{
		Statics: Statics{Done: map[ssa.Instruction]bool{}, Vars: map[*ssa.Alloc]uint64{}},
		u:       u,
		objects: map[ssa.Value]*object{},
		places:  map[ssa.Value]piece{},
		values:  map[ssa.Value]contents{},
	}
	for _, b := range flow.Once(fn) {
		for _, i := range b.Instrs {
			st.instr(i)
			st.seen = append(st.seen, i)
		}
	}
	st.drop()
	for v, o := range st.objects {
		if a, ok := v.(*ssa.Alloc); ok && !o.loose && o.addr == 0 && st.unread(a) {
			st.forget(a)
		}
	}
	st.drop()
	return st.Statics
}

func (st *statics) instr(i ssa.Instruction) {
	switch i := i.(type) {
	case *ssa.Alloc:
		t := layout.Pointee(i.Type())
		switch {
		case i.Heap:
			st.objects[i] = &object{addr: st.u.anonymous(t)}
			st.Vars[i] = st.objects[i].addr
			st.Done[i] = true
		case flow.OnlyAccessed(i, constIndex):
			st.objects[i] = &object{local: contents{data: make([]byte, layout.Size(t))}}
		default:
			return
		}
		st.places[i] = piece{st.objects[i], 0, layout.Size(t)}
	case *ssa.FieldAddr:
		if p, ok := st.place(i.X); ok {
			f := layout.StructOf(layout.Pointee(i.X.Type()))
			st.places[i] = piece{p.of, p.off + layout.Offsets(f)[i.Field], layout.Size(f.Field(i.Field).Type())}
		}
	case *ssa.IndexAddr:
		c, known := i.Index.(*ssa.Const)
		ptr, array := i.X.Type().Underlying().(*types.Pointer)
		if p, ok := st.place(i.X); ok && known && array {
			arr := layout.ArrayOf(ptr.Elem())
			if k, ok := st.u.ConstWord(c); ok && k < uint64(arr.Len()) {
				size := layout.Size(arr.Elem())
				st.places[i] = piece{p.of, p.off + int64(k)*size, size}
			}
		}
	case *ssa.Store:
		st.store(i)
	case *ssa.UnOp:
		if p, ok := st.places[i.X]; ok && i.Op == token.MUL && p.of.addr == 0 && !p.of.loose {
			st.values[i] = p.of.local.cut(p.off, p.size)
		}
	case *ssa.Slice:
		p, ok := st.places[i.X]
		if ok && p.of.addr != 0 && i.Low == nil && i.High == nil && i.Max == nil {
			n := uint64(layout.ArrayOf(layout.Pointee(i.X.Type())).Len())
			st.values[i] = contents{words(p.of.addr+uint64(p.off), n, n), []int{0}}
		}
	case *ssa.ChangeType:
		if v, ok := st.value(i.X); ok {
			st.values[i] = v
		}
	case *ssa.MakeInterface:
		if v, ok := st.value(i.X); ok {
			st.values[i] = st.u.boxed(i, v)
		}
	}
}

// place is what v, an address, points to, if that is known.
func (st *statics) place(v ssa.Value) (piece, bool) {
	if p, ok := st.places[v]; ok {
		return p, true
	}
	g, ok := v.(*ssa.Global)
	if !ok {
		return piece{}, false
	}
	if to := st.u.Prog.Global(g); to != nil {
		g = to
	}
	if st.objects[g] == nil {
		if class, _ := st.u.classOf(g); class != code.ClassRun || flow.IsGuard(g) {
			return piece{}, false
		}
		st.objects[g] = &object{addr: st.u.Global(g)}
	}
	return piece{st.objects[g], 0, layout.Size(layout.Pointee(g.Type()))}, true
}

func (st *statics) store(i *ssa.Store) {
	p, ok := st.place(i.Addr)
	if !ok || flow.InBlankField(i.Addr) {
		return
	}
	v, known := st.value(i.Val)
	switch {
	case p.of.addr == 0 && known:
		p.of.local.paste(p.off, v)
	case p.of.addr == 0:
		p.of.loose = true
	case !known || p.overwrites():
		p.of.written = append(p.of.written, p)
	default:
		if len(v.data) > 0 {
			st.u.Data.Init(p.of.addr+uint64(p.off), v.data, v.refs...)
		}
		st.Done[i] = true
	}
}

// overwrites says whether an instruction writes to p before.
func (p piece) overwrites() bool {
	for _, w := range p.of.written {
		if w.off < p.off+p.size && p.off < w.off+w.size {
			return true
		}
	}
	return false
}

// cut is the size bytes of m at off.
func (m contents) cut(off, size int64) (part contents) {
	part.data = slices.Clone(m.data[off : off+size])
	for _, r := range m.refs {
		if int64(r) >= off && int64(r) < off+size {
			part.refs = append(part.refs, r-int(off))
		}
	}
	return part
}

// paste writes v to m at off.
func (m *contents) paste(off int64, v contents) {
	copy(m.data[off:], v.data)
	m.refs = slices.DeleteFunc(m.refs, func(r int) bool { return int64(r) >= off && int64(r) < off+int64(len(v.data)) })
	for _, r := range v.refs {
		m.refs = append(m.refs, r+int(off))
	}
}

// value is v as it stands in memory, if that is known.
func (st *statics) value(v ssa.Value) (contents, bool) {
	if m, ok := st.values[v]; ok {
		return m, true
	}
	switch v := v.(type) {
	case *ssa.Const:
		return st.u.constContents(v)
	case *ssa.Function:
		return contents{words(st.u.Closure(st.u.FuncIndex(v))), []int{0}}, true
	case *ssa.Global:
		return contents{words(st.u.Global(v)), []int{0}}, true
	}
	if p, ok := st.places[v]; ok && p.of.addr != 0 {
		return contents{words(p.of.addr + uint64(p.off)), []int{0}}, true
	}
	return contents{}, false
}

func (u *Unit) constContents(c *ssa.Const) (contents, bool) {
	size := u.Size(c.Type())
	if c.Value == nil {
		return contents{data: make([]byte, size)}, true
	}
	if w, ok := u.ConstWord(c); ok {
		return contents{data: words(w)[:size]}, true
	}
	switch c.Value.Kind() {
	case constant.String:
		text := constant.StringVal(c.Value)
		return contents{data: words(u.Data.String(text), uint64(len(text)))}, true
	case constant.Complex, constant.Float, constant.Int:
		re, _ := constant.Float64Val(constant.Real(c.Value))
		im, _ := constant.Float64Val(constant.Imag(c.Value))
		return contents{data: words(math.Float64bits(re), math.Float64bits(im))}, true
	}
	return contents{}, false
}

// boxed is the interface value that i makes of v.
func (u *Unit) boxed(i *ssa.MakeInterface, v contents) contents {
	t := i.X.Type()
	word, _ := u.IfaceWord(i.Type(), t)
	switch {
	case u.Trait(t).Ptr:
		return contents{append(words(word), v.data...), []int{0, 8}}
	case u.Trait(t).Slots == 0:
		return contents{words(word, u.Zeros(8)), []int{0}}
	}
	return contents{words(word, u.Data.ReadOnly(v.data, layout.WordBytes, v.refs...)), []int{0, 8}}
}

// drop leaves out the known values that only instructions left out use.
func (st *statics) drop() {
	for _, i := range slices.Backward(st.seen) {
		v, ok := i.(ssa.Value)
		if !ok {
			continue
		}
		_, place := st.places[v]
		_, value := st.values[v]
		if (place || value) && st.objects[v] == nil && st.unused(v) {
			st.Done[i] = true
		}
	}
}

func (st *statics) unused(v ssa.Value) bool {
	for _, r := range *v.Referrers() {
		if _, debug := r.(*ssa.DebugRef); !debug && !st.Done[r] {
			return false
		}
	}
	return true
}

// unread says whether no instruction that stays reads the local variable at a.
func (st *statics) unread(a ssa.Value) bool {
	for _, r := range *a.Referrers() {
		switch r := r.(type) {
		case *ssa.UnOp:
			if !st.Done[r] {
				return false
			}
		case *ssa.FieldAddr:
			if !st.unread(r) {
				return false
			}
		case *ssa.IndexAddr:
			if !st.unread(r) {
				return false
			}
		}
	}
	return true
}

// forget leaves out the variable at a and all that is done with it.
func (st *statics) forget(a ssa.Value) {
	st.Done[a.(ssa.Instruction)] = true
	for _, r := range *a.Referrers() {
		st.Done[r] = true
		switch r := r.(type) {
		case *ssa.FieldAddr:
			st.forget(r)
		case *ssa.IndexAddr:
			st.forget(r)
		}
	}
}

// constIndex says whether use is an element at a constant place.
func constIndex(use ssa.Instruction) bool {
	i, ok := use.(*ssa.IndexAddr)
	if !ok {
		return false
	}
	_, ok = i.Index.(*ssa.Const)
	return ok
}
