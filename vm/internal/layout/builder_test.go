package layout

import (
	"bytes"
	"encoding/binary"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strconv"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// checkSource type-checks one file as package main.
func checkSource(t *testing.T, src string) *types.Package {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "main.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := (&types.Config{Importer: importer.ForCompiler(fset, "source", nil), Sizes: Sizes}).Check("example.com/prog", fset, []*ast.File{f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

func typeOf(pkg *types.Package, name string) types.Type { return pkg.Scope().Lookup(name).Type() }

const shapes = `package main
type S interface { Zoom(); b(); Area() int; a() }
type T struct{ Base; n int }
type Base struct{ k *int }
func (Base) Area() int { return 1 }
func (*T) Zoom() {}
func (T) a() {}
func (T) b() {}
func (T) Unrelated() {}
type U struct{ *T }
`

func TestItabsHoldMethodsInInterfaceOrder(t *testing.T) {
	pkg := checkSource(t, shapes)
	iface, ptr, u := typeOf(pkg, "S"), types.NewPointer(typeOf(pkg, "T")), typeOf(pkg, "U")
	b := NewBuilder()
	itab := b.ItabAddr(iface, ptr)
	if b.ItabAddr(iface, types.NewPointer(typeOf(pkg, "T"))) != itab {
		t.Error("one pair of types has two itabs")
	}
	other := b.ItabAddr(iface, u)
	number := map[string]int32{"Area": 10, "Zoom": 20, "a": 30, "b": 40, "Unrelated": 50}
	d, err := b.Finish(Funcs{TypeEqual: 3, TypeHash: 4, Method: func(recv types.Type, sel *types.Selection) (int32, int32) {
		n := number[sel.Obj().Name()]
		if types.Identical(recv, u) {
			n += 5
		}
		return n, n + 1
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := dataSpace(d)
	for i, want := range []uint64{10, 20, 30, 40} {
		if got := s.u64(itab + itabFun + uint64(i)*8); got != want {
			t.Errorf("itab of *T: method %d is function %d, want %d", i, got, want)
		}
		if got := s.u64(other + itabFun + uint64(i)*8); got != want+5 {
			t.Errorf("itab of U: method %d is function %d, want %d", i, got, want+5)
		}
	}
	typ := s.u64(itab + 8)
	if typ != b.mustAddr(ptr) || s.u64(itab) != b.mustAddr(iface) || s.u32(itab+16) != s.u32(typ+typeHash) {
		t.Error("itab names wrong types or hash")
	}
	if len(d.Itabs) != 2 || d.Itabs[0] != itab || d.Itabs[1] != other {
		t.Errorf("Itabs = %#x", d.Itabs)
	}
	// The descriptor of *T: exported methods first, each with both functions.
	m := typ + ptrBytes + uncommonBytes
	for i, want := range []uint32{10, 50, 20, 30, 40} {
		if ifn, tfn := s.u32(m+uint64(i)*16+8), s.u32(m+uint64(i)*16+12); ifn != want || tfn != want+1 {
			t.Errorf("*T method %d: ifn %d tfn %d, want %d", i, ifn, tfn, want)
		}
	}
	if got := s.name(s.off(typ + ptrBytes)); got != `"main"` {
		t.Errorf("package of *T is %s, want main whatever its import path", got)
	}
	equal := s.u64(typ + typeEqual)
	if s.u64(equal) != 3 || s.u64(equal+8) != typ {
		t.Errorf("Equal of *T is closure {%d, %#x}", s.u64(equal), s.u64(equal+8))
	}
	im := InterfaceMethods(iface.Underlying().(*types.Interface))
	for i, f := range im {
		if MethodIndex(iface.Underlying().(*types.Interface), f) != i {
			t.Errorf("MethodIndex(%s) is not %d", f.Name(), i)
		}
	}
}

func (b *Builder) mustAddr(t types.Type) uint64 {
	a, ok := b.types.Get(t)
	if !ok {
		panic("no descriptor of " + t.String())
	}
	return a
}

func TestGlobalsAndReferences(t *testing.T) {
	b := NewBuilder()
	flag := b.Global("main.flag", types.Typ[types.Bool], code.ClassRun, "")
	count := b.Global("main.count", types.Typ[types.Int], code.ClassShared, "counter")
	name := b.Global("main.name", types.Typ[types.String], code.ClassLocal, "")
	none := b.Global("main.none", types.NewStruct(nil, nil), code.ClassRun, "")
	hello := b.String("hello")
	if b.String("hello") != hello || b.String("") != 0 {
		t.Error("strings are not placed once")
	}
	words := binary.LittleEndian.AppendUint64(nil, hello)
	words = binary.LittleEndian.AppendUint64(words, 5)
	b.Init(name, words, 0)
	b.Init(count, []byte{42})
	table := b.ReadOnly(binary.LittleEndian.AppendUint64(make([]byte, 8), count), 8, 8)
	blob := b.ReadOnly([]byte{1, 2, 3}, 16)
	if b.ReadOnly([]byte{1, 2, 3}, 16) != blob || blob%16 != 0 {
		t.Errorf("read-only data at %#x", blob)
	}
	clo := b.StaticClosure(9, name, 77)
	if b.StaticClosure(9, name, 77) != clo || b.StaticClosure(9) == clo {
		t.Error("closures are not placed once each")
	}
	d, err := b.Finish(testFuncs())
	if err != nil {
		t.Fatal(err)
	}
	s := dataSpace(d)
	if d.ROBytes%pageBytes != 0 || uint64(len(d.Bytes)) < d.ROBytes {
		t.Fatalf("ROBytes %d of %d", d.ROBytes, len(d.Bytes))
	}
	for i, g := range []struct {
		name string
		at   uint64
	}{{"main.flag", flag}, {"main.count", count}, {"main.name", name}, {"main.none", none}} {
		final := d.Final(g.at)
		if d.Globals[i].Name != g.name || d.Globals[i].Addr != final || final < roAddr(d.ROBytes) || final >= roAddr(uint64(len(d.Bytes))) {
			t.Errorf("global %s: %+v, final address %#x", g.name, d.Globals[i], final)
		}
		if got := d.FinalOffset(int32(uint32(g.at - code.Base))); uint64(uint32(got)) != final-code.Base {
			t.Errorf("FinalOffset of %s is %#x", g.name, got)
		}
	}
	if d.Final(hello) != hello || d.Final(12345) != 12345 {
		t.Error("Final changes what is final")
	}
	if got := d.Final(count); got%8 != 0 || s.u64(got) != 42 {
		t.Errorf("count at %#x holds %d", got, s.u64(got))
	}
	if p := s.u64(d.Final(name)); string(s.at(p, 5)) != "hello" {
		t.Errorf("name points to %#x", p)
	}
	if got := s.u64(table + 8); got != d.Final(count) {
		t.Errorf("reference to count is %#x, want %#x", got, d.Final(count))
	}
	if s.u64(clo) != 9 || s.u64(clo+8) != d.Final(name) || s.u64(clo+16) != 77 {
		t.Errorf("closure {%d %#x %d}", s.u64(clo), s.u64(clo+8), s.u64(clo+16))
	}
	if g := d.Globals[1]; g.Class != code.ClassShared || g.Spec != "counter" || s.u8(g.Type+typeKind) != 2 {
		t.Errorf("count: %+v", g)
	}
}

func TestSameCallsGiveSameBytes(t *testing.T) {
	ours, _ := checkedSamples(t)
	build := func() *Data {
		b := NewBuilder()
		for i, x := range ours {
			b.Global("g", x, code.ClassRun, "")
			b.String(string(rune('a' + i)))
		}
		d, err := b.Finish(testFuncs())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, b := build(), build()
	if !bytes.Equal(a.Bytes, b.Bytes) || a.ROBytes != b.ROBytes {
		t.Error("two builds differ")
	}
	s := dataSpace(a)
	for i, l := range a.TypeLinks {
		if l != b.TypeLinks[i] {
			t.Fatal("type links differ")
		}
		text := func(addr uint64) string {
			name, err := strconv.QuotedPrefix(s.name(s.off(addr + typeStr)))
			if err != nil {
				t.Fatal(err)
			}
			name, _ = strconv.Unquote(name)
			return name[s.u8(addr+typeTFlag)&flagExtraStar>>1:]
		}
		if i > 0 && text(l) < text(a.TypeLinks[i-1]) {
			t.Errorf("type links out of order: %s after %s", text(l), text(a.TypeLinks[i-1]))
		}
	}
}

func TestHashesTellTypesApart(t *testing.T) {
	ours, _ := checkedSamples(t)
	b := NewBuilder()
	for _, x := range ours {
		b.TypeAddr(x)
	}
	seen := map[uint32]types.Type{}
	for _, x := range b.Types() {
		if y := seen[TypeHash(x)]; y != nil {
			t.Errorf("%s and %s have one hash", x, y)
		}
		seen[TypeHash(x)] = x
	}
}

func TestIdentity(t *testing.T) {
	pkg := checkSource(t, `package main
type A struct{ X int }
type L[T any] []T
type E = struct{ A }
var (
	v1 map[string][]L[A]
	v2 map[string][]L[A]
	v3 func(a int, b ...byte) (r error)
	v4 func(x int, y ...uint8) error
	v5 struct{ A }
	v6 E
	v7 struct{ A A }
	v8 interface{ M(); N() }
	v9 interface{ N(); M() }
)`)
	var m TypeMap[int]
	for i, pair := range [][2]string{{"v1", "v2"}, {"v3", "v4"}, {"v5", "v6"}, {"v8", "v9"}} {
		m.Set(typeOf(pkg, pair[0]), i)
		if v, ok := m.Get(typeOf(pkg, pair[1])); !ok || v != i {
			t.Errorf("%s and %s are not found identical", pair[0], pair[1])
		}
		m.Set(typeOf(pkg, pair[1]), i+10)
		if v, _ := m.Get(typeOf(pkg, pair[0])); v != i+10 || m.Key(typeOf(pkg, pair[1])) != typeOf(pkg, pair[0]) {
			t.Errorf("%s is stored apart from %s", pair[1], pair[0])
		}
	}
	if _, ok := m.Get(typeOf(pkg, "v7")); ok || m.Len() != 4 {
		t.Errorf("embedded and named field are one type; %d types", m.Len())
	}
}

func TestSlots(t *testing.T) {
	pkg := checkSource(t, `package main
import "unsafe"
type Big [128]int
var (
	a bool; b string; c []int; d any; e error; f complex128; g complex64; h struct{}
	i struct{ a int8; b int64; c int8 }; j [3]byte; k Big; l [127]int; m func(); n unsafe.Pointer; o [0]int
	p struct{ p *int }; q [1]map[int]int; r struct{ f float64 }; s struct{ a, b *int }; u struct{ _ struct{}; p *int }; w [1]struct{ c chan int }
)
func fn() (int, string, []byte, Big) { panic(0) }
`)
	for name, want := range map[string]struct {
		slots  int
		boxed  bool
		direct bool
	}{
		"a": {1, false, false}, "b": {2, false, false}, "c": {3, false, false}, "d": {2, false, false}, "e": {2, false, false},
		"f": {2, false, false}, "g": {1, false, false}, "h": {0, false, false}, "i": {3, false, false}, "j": {1, false, false},
		"k": {1, true, false}, "l": {127, false, false}, "m": {1, false, true}, "n": {1, false, true}, "o": {0, false, false},
		"p": {1, false, true}, "q": {1, false, true}, "r": {1, false, false}, "s": {2, false, false}, "u": {1, false, true}, "w": {1, false, true},
	} {
		x := typeOf(pkg, name)
		if Slots(x) != want.slots || Boxed(x) != want.boxed || PointerShaped(x) != want.direct {
			t.Errorf("%s %s: slots %d boxed %v pointer-shaped %v", name, x, Slots(x), Boxed(x), PointerShaped(x))
		}
	}
	if got := Slots(typeOf(pkg, "fn").(*types.Signature).Results()); got != 1+2+3+1 {
		t.Errorf("result tuple takes %d slots", got)
	}
}
