package layout

import (
	"encoding/binary"
	"fmt"
	"go/token"
	"go/types"
	"hash/fnv"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Field offsets and sizes of internal/abi structures, Go 1.26, amd64.
const (
	typeSize       = 0
	typePtrBytes   = 8
	typeHash       = 16
	typeTFlag      = 20
	typeAlign      = 21
	typeFieldAlign = 22
	typeKind       = 23
	typeEqual      = 24
	typeGCData     = 32
	typeStr        = 40
	typePtrToThis  = 44
	typeBytes      = 48

	arrayBytes     = 72
	chanBytes      = 64
	funcBytes      = 56
	interfaceBytes = 80
	mapBytes       = 112
	ptrBytes       = 56
	sliceBytes     = 56
	structBytes    = 80
	uncommonBytes  = 16
	methodBytes    = 16
	imethodBytes   = 8
	fieldBytes     = 24
	itabFun        = 24
)

// TFlag bits of internal/abi.
const (
	flagUncommon = 1 << iota
	flagExtraStar
	flagNamed
	flagRegularMemory
	_               // TFlagGCMaskOnDemand, never set: bitmaps are plain
	flagDirectIface // since Go 1.26
)

// kindDirectIface is flagDirectIface of Go 1.25, in the kind.
const kindDirectIface = 1 << 5

// Kind is the internal/abi (and reflect) kind of t.
func Kind(t types.Type) uint8 {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return basicKinds[u.Kind()]
	case *types.Array:
		return 17
	case *types.Chan:
		return 18
	case *types.Signature:
		return 19
	case *types.Interface:
		return 20
	case *types.Map:
		return 21
	case *types.Pointer:
		return 22
	case *types.Slice:
		return 23
	case *types.Struct:
		return 25
	}
	panic("BUG: layout: no kind for " + t.String())
}

var basicKinds = map[types.BasicKind]uint8{
	types.Bool: 1, types.Int: 2, types.Int8: 3, types.Int16: 4, types.Int32: 5, types.Int64: 6,
	types.Uint: 7, types.Uint8: 8, types.Uint16: 9, types.Uint32: 10, types.Uint64: 11, types.Uintptr: 12,
	types.Float32: 13, types.Float64: 14, types.Complex64: 15, types.Complex128: 16,
	types.String: 24, types.UnsafePointer: 26,
}

// shape is the places of a descriptor's parts, from its start (cmd/compile/internal/reflectdata.writeType).
type shape struct {
	uncommon int64 // 0: none
	extra    int64 // parameters, interface methods or struct fields
	methods  int64
	end      int64
}

func (b *Builder) shapeOf(t types.Type) shape {
	var fixed, extra int64 = typeBytes, 0
	switch u := t.Underlying().(type) {
	case *types.Array:
		fixed = arrayBytes
	case *types.Chan:
		fixed = chanBytes
	case *types.Signature:
		fixed, extra = funcBytes, int64(u.Params().Len()+u.Results().Len())*WordBytes
	case *types.Interface:
		fixed, extra = interfaceBytes, int64(u.NumMethods())*imethodBytes
	case *types.Map:
		fixed = mapBytes
	case *types.Pointer:
		fixed = ptrBytes
	case *types.Slice:
		fixed = sliceBytes
	case *types.Struct:
		fixed, extra = structBytes, int64(u.NumFields())*fieldBytes
	}
	methods := int64(len(b.MethodSet(t)))
	var s shape
	s.extra = fixed
	if isNamed(t) || methods > 0 {
		s.uncommon = fixed
		s.extra += uncommonBytes
	}
	s.methods = s.extra + extra
	s.end = s.methods + methods*methodBytes
	return s
}

// TypeAddr is the address of the descriptor of t; identical types have one. Types it refers to get theirs too, and the pointer type
// of a type that has a name or whose pointer has methods, since reflect can reach it.
func (b *Builder) TypeAddr(t types.Type) uint64 {
	t = types.Unalias(t)
	if addr, ok := b.types.Get(t); ok {
		return addr
	}
	if bt, ok := t.(*types.Basic); ok && bt.Info()&types.IsUntyped != 0 {
		panic("BUG: layout: no descriptor for " + t.String())
	}
	addr := roAddr(b.alloc(b.shapeOf(t).end, WordBytes))
	b.types.Set(t, addr)
	if !b.filling {
		b.fill()
	}
	return addr
}

// fill writes the descriptors that were placed and not written yet; writing one may place others.
func (b *Builder) fill() {
	b.filling = true
	for b.pending < b.types.Len() {
		t := b.types.Keys()[b.pending]
		b.pending++
		addr, _ := b.types.Get(t)
		b.describe(roIndex(addr), t)
	}
	b.filling = false
}

func isNamed(t types.Type) bool {
	switch t.(type) {
	case *types.Named, *types.Basic:
		return true
	}
	return false
}

// typeName is the declared name of t, nil when it has none or is predeclared.
func typeName(t types.Type) *types.TypeName {
	if n, ok := types.Unalias(t).(*types.Named); ok {
		return n.Obj()
	}
	return nil
}

func hasExportedName(t types.Type) bool {
	if u, ok := types.Unalias(t).(*types.Basic); ok {
		return u.Kind() == types.UnsafePointer
	}
	tn := typeName(t)
	return tn != nil && tn.Exported()
}

// typePackage is the package a descriptor names (reflectdata.typePkg): that of the type's name, or of its element's.
func typePackage(t types.Type) *types.Package {
	tn := typeName(t)
	if tn == nil {
		switch u := t.(type) {
		case *types.Basic:
			if u.Kind() == types.UnsafePointer {
				return types.Unsafe
			}
		case *types.Array:
			tn = typeName(u.Elem())
		case *types.Slice:
			tn = typeName(u.Elem())
		case *types.Pointer:
			tn = typeName(u.Elem())
		case *types.Chan:
			tn = typeName(u.Elem())
		}
	}
	if tn == nil {
		return nil
	}
	return tn.Pkg()
}

// PackagePath is the import path reflect reports: "main" for the program's main package wherever it lies.
func PackagePath(p *types.Package) string {
	if p.Name() == "main" {
		return "main"
	}
	return p.Path()
}

// TypeHash is the Hash field of t's descriptor.
func TypeHash(t types.Type) uint32 {
	h := fnv.New32a()
	h.Write([]byte(LinkString(t)))
	return h.Sum32()
}

// describe writes the descriptor of t at offset at.
func (b *Builder) describe(at uint64, t types.Type) {
	s := b.shapeOf(t)
	b.describeCommon(at, t, s)
	extra := at + uint64(s.extra)
	switch u := t.Underlying().(type) {
	case *types.Array:
		b.put64(at+48, b.TypeAddr(u.Elem()))
		b.put64(at+56, b.TypeAddr(types.NewSlice(u.Elem())))
		b.put64(at+64, uint64(u.Len()))
	case *types.Chan:
		b.put64(at+48, b.TypeAddr(u.Elem()))
		b.put64(at+56, map[types.ChanDir]uint64{types.RecvOnly: 1, types.SendOnly: 2, types.SendRecv: 3}[u.Dir()])
	case *types.Signature:
		b.describeFunc(at, extra, u)
	case *types.Interface:
		b.describeInterface(at, extra, t, u)
	case *types.Map:
		b.describeMap(at, u)
	case *types.Pointer:
		b.put64(at+48, b.TypeAddr(u.Elem()))
	case *types.Slice:
		b.put64(at+48, b.TypeAddr(u.Elem()))
	case *types.Struct:
		b.describeStruct(at, extra, u)
	}
	if s.uncommon != 0 {
		b.describeUncommon(at, t, s)
	}
	if isNamed(t) {
		b.TypeAddr(types.NewPointer(t))
	} else if _, ptr := t.(*types.Pointer); !ptr && len(b.MethodSet(types.NewPointer(t))) > 0 {
		b.TypeAddr(types.NewPointer(t))
	}
}

func (b *Builder) describeCommon(at uint64, t types.Type, s shape) {
	b.put64(at+typeSize, uint64(Size(t)))
	b.put64(at+typePtrBytes, uint64(PtrBytes(t)))
	b.put32(at+typeHash, TypeHash(t))
	b.put8(at+typeAlign, uint8(Align(t)))
	b.put8(at+typeFieldAlign, uint8(Align(t)))
	kind := Kind(t)
	if b.DirectKinds && PointerShaped(t) {
		kind |= kindDirectIface
	}
	b.put8(at+typeKind, kind)

	var flags uint8
	if s.uncommon != 0 {
		flags |= flagUncommon
	}
	if isNamed(t) {
		flags |= flagNamed
	}
	if RegularMemory(t) {
		flags |= flagRegularMemory
	}
	if PointerShaped(t) {
		flags |= flagDirectIface
	}
	name, named := TypeString(t), t
	if p, ok := t.(*types.Pointer); ok {
		named = p.Elem()
	} else {
		name, flags = "*"+name, flags|flagExtraStar
	}
	b.put8(at+typeTFlag, flags)
	b.put32(at+typeStr, nameOff(b.name(name, "", nil, hasExportedName(named), false)))

	if Comparable(t) {
		b.put64(at+typeEqual, b.typeClosure(&b.equals, roAddr(at)))
	}
	if bits := PtrBitmap(t); len(bits) > 0 {
		bits = append(bits, make([]byte, -len(bits)&7)...) // whole words, so that the collector may read words
		b.put64(at+typeGCData, b.pool('g', bits, WordBytes))
	}
}

// typeClosure places a closure capturing a type, whose function is filled in at Finish.
func (b *Builder) typeClosure(slots *[]closureSlot, typ uint64) uint64 {
	off := b.alloc(2*WordBytes, WordBytes)
	b.put64(off+WordBytes, typ)
	*slots = append(*slots, closureSlot{off})
	return roAddr(off)
}

func nameOff(addr uint64) uint32 {
	if addr == 0 {
		return 0
	}
	return uint32(addr - code.Base)
}

// name is the address of an abi.Name.
func (b *Builder) name(name, tag string, pkg *types.Package, exported, embedded bool) uint64 {
	data := []byte{0}
	data = append(binary.AppendUvarint(data, uint64(len(name))), name...)
	if exported {
		data[0] |= 1 << 0
	}
	if tag != "" {
		data[0] |= 1 << 1
		data = append(binary.AppendUvarint(data, uint64(len(tag))), tag...)
	}
	if pkg != nil {
		data[0] |= 1 << 2
		data = binary.LittleEndian.AppendUint32(data, nameOff(b.packageName(pkg)))
	}
	if embedded {
		data[0] |= 1 << 3
	}
	return b.pool('n', data, 1)
}

// packageName is the address of the abi.Name holding a package's path, 0 for none.
func (b *Builder) packageName(p *types.Package) uint64 {
	if p == nil {
		return 0
	}
	return b.name(PackagePath(p), "", nil, false, false)
}

func (b *Builder) describeFunc(at, extra uint64, s *types.Signature) {
	out := uint16(s.Results().Len())
	if s.Variadic() {
		out |= 1 << 15
	}
	b.put16(at+48, uint16(s.Params().Len()))
	b.put16(at+50, out)
	for _, tuple := range []*types.Tuple{s.Params(), s.Results()} {
		for v := range tuple.Variables() {
			b.put64(extra, b.TypeAddr(v.Type()))
			extra += WordBytes
		}
	}
}

// putSlice writes the header of a slice of n elements at offset data; an empty one points behind the descriptor, as gc has it.
func (b *Builder) putSlice(at, data uint64, n int) {
	b.put64(at, roAddr(data))
	b.put64(at+8, uint64(n))
	b.put64(at+16, uint64(n))
}

func (b *Builder) describeInterface(at, extra uint64, t types.Type, u *types.Interface) {
	var pkg *types.Package
	if tn := typeName(t); tn != nil {
		pkg = tn.Pkg()
	}
	b.put64(at+48, b.packageName(pkg))
	b.putSlice(at+56, extra, u.NumMethods())
	for _, m := range InterfaceMethods(u) {
		b.put32(extra, nameOff(b.name(m.Name(), "", foreign(m, pkg), m.Exported(), false)))
		b.put32(extra+4, nameOff(b.TypeAddr(withoutReceiver(m.Signature()))))
		extra += imethodBytes
	}
}

// foreign is the package to write behind the name of an unexported method of another package than the type's.
func foreign(m types.Object, pkg *types.Package) *types.Package {
	if m.Exported() || m.Pkg() == pkg {
		return nil
	}
	return m.Pkg()
}

func withoutReceiver(s *types.Signature) *types.Signature {
	return types.NewSignatureType(nil, nil, nil, s.Params(), s.Results(), s.Variadic())
}

// Flags of abi.MapType.
const (
	mapNeedKeyUpdate  = 1 << 0
	mapHashMightPanic = 1 << 1
)

func (b *Builder) describeMap(at uint64, m *types.Map) {
	key := b.TypeAddr(m.Key())
	b.put64(at+48, key)
	b.put64(at+56, b.TypeAddr(m.Elem()))
	b.put64(at+72, b.typeClosure(&b.hashes, key))
	var flags uint32
	if contains(m.Key(), types.IsFloat|types.IsComplex|types.IsString, true) {
		flags |= mapNeedKeyUpdate
	}
	if contains(m.Key(), 0, true) {
		flags |= mapHashMightPanic
	}
	b.put32(at+104, flags)
}

// contains says whether a value of type t holds, in itself, a basic value with one of the properties, or an interface.
func contains(t types.Type, info types.BasicInfo, iface bool) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Info()&info != 0
	case *types.Interface:
		return iface
	case *types.Array:
		return contains(u.Elem(), info, iface)
	case *types.Struct:
		for f := range u.Fields() {
			if contains(f.Type(), info, iface) {
				return true
			}
		}
	}
	return false
}

func (b *Builder) describeStruct(at, extra uint64, s *types.Struct) {
	var pkg *types.Package
	for f := range s.Fields() {
		if !f.Exported() {
			pkg = f.Pkg()
			break
		}
	}
	b.put64(at+48, b.packageName(pkg))
	b.putSlice(at+56, extra, s.NumFields())
	for i, off := range Offsets(s) {
		f := s.Field(i)
		b.put64(extra, b.name(f.Name(), s.Tag(i), nil, token.IsExported(f.Name()), f.Embedded()))
		b.put64(extra+8, b.TypeAddr(f.Type()))
		b.put64(extra+16, uint64(off))
		extra += fieldBytes
	}
}

func (b *Builder) describeUncommon(at uint64, t types.Type, s shape) {
	u, pkg, ms := at+uint64(s.uncommon), typePackage(t), b.MethodSet(t)
	if len(ms) > 1<<16-1 {
		panic(fmt.Sprintf("BUG: layout: %s has %d methods", t, len(ms)))
	}
	exported := 0
	for exported < len(ms) && ms[exported].Obj().Exported() {
		exported++
	}
	b.put32(u, nameOff(b.packageName(pkg)))
	b.put16(u+4, uint16(len(ms)))
	b.put16(u+6, uint16(exported))
	b.put32(u+8, uint32(s.methods-s.uncommon))
	m := at + uint64(s.methods)
	for _, sel := range ms {
		fn := sel.Obj().(*types.Func)
		b.put32(m, nameOff(b.name(fn.Name(), "", foreign(fn, pkg), fn.Exported(), false)))
		b.put32(m+4, nameOff(b.TypeAddr(withoutReceiver(fn.Signature()))))
		b.methods = append(b.methods, methodSlot{m + 8, slotIfn, t, sel}, methodSlot{m + 12, slotTfn, t, sel})
		m += methodBytes
	}
}

// ItabAddr is the address of the itab of concrete type t for the non-empty interface type iface, which t implements.
func (b *Builder) ItabAddr(iface, t types.Type) uint64 {
	key := [2]uint64{b.TypeAddr(iface), b.TypeAddr(t)}
	if addr, ok := b.itabOf[key]; ok {
		return addr
	}
	wanted := InterfaceMethods(iface.Underlying().(*types.Interface))
	at := b.alloc(itabFun+int64(max(len(wanted), 1))*WordBytes, WordBytes)
	b.put64(at, key[0])
	b.put64(at+8, key[1])
	b.put32(at+16, TypeHash(t))
	have := b.MethodSet(t)
	for i, m := range wanted {
		for len(have) > 0 && have[0].Obj().Id() != m.Id() {
			have = have[1:]
		}
		if len(have) == 0 {
			panic(fmt.Sprintf("BUG: layout: %s does not implement %s (method %s)", t, iface, m.Name()))
		}
		b.methods = append(b.methods, methodSlot{at + itabFun + uint64(i)*WordBytes, slotItab, t, have[0]})
	}
	b.itabOf[key] = roAddr(at)
	b.itabs = append(b.itabs, roAddr(at))
	return roAddr(at)
}

// linkPointers sets PtrToThis of every type whose pointer type has a descriptor.
func (b *Builder) linkPointers() {
	for _, t := range b.types.Keys() {
		if p, ok := t.(*types.Pointer); ok {
			elem, _ := b.types.Get(p.Elem())
			addr, _ := b.types.Get(t)
			b.put32(roIndex(elem)+typePtrToThis, nameOff(addr))
		}
	}
}
