package layout

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// space is memory that descriptors stand in: this test binary's, or built data.
type space struct {
	at   func(addr uint64, n int) []byte
	base uint64 // what NameOff and TypeOff are relative to
}

func (s space) u64(a uint64) uint64 { return binary.LittleEndian.Uint64(s.at(a, 8)) }
func (s space) u32(a uint64) uint32 { return binary.LittleEndian.Uint32(s.at(a, 4)) }
func (s space) u16(a uint64) uint16 { return binary.LittleEndian.Uint16(s.at(a, 2)) }
func (s space) u8(a uint64) uint8   { return s.at(a, 1)[0] }

func (s space) off(a uint64) uint64 {
	if o := s.u32(a); o != 0 && o != ^uint32(0) {
		return s.base + uint64(o)
	}
	return 0
}

// name decodes an abi.Name completely.
func (s space) name(a uint64) string {
	if a == 0 {
		return "none"
	}
	flags := s.u8(a)
	a++
	text := func() string {
		n, shift := 0, 0
		for {
			c := s.u8(a)
			a++
			n |= int(c&0x7f) << shift
			shift += 7
			if c&0x80 == 0 {
				break
			}
		}
		a += uint64(n)
		return string(s.at(a-uint64(n), n))
	}
	out := fmt.Sprintf("%q", text())
	if flags&1 != 0 {
		out += " exported"
	}
	if flags&2 != 0 {
		out += fmt.Sprintf(" tag %q", text())
	}
	if flags&4 != 0 {
		out += " of " + s.name(s.base+uint64(s.u32(a)))
	}
	if flags&8 != 0 {
		out += " embedded"
	}
	return out
}

// dumper prints a descriptor and everything it reaches, by content and not by address.
type dumper struct {
	space
	b    strings.Builder
	seen map[uint64]int
	todo []uint64
}

// ref numbers a descriptor by order of meeting.
func (d *dumper) ref(a uint64) string {
	if a == 0 {
		return "nil"
	}
	if _, ok := d.seen[a]; !ok {
		d.seen[a] = len(d.todo)
		d.todo = append(d.todo, a)
	}
	return fmt.Sprintf("#%d", d.seen[a])
}

func (d *dumper) dump(a uint64) string {
	d.seen = map[uint64]int{}
	d.ref(a)
	for i := 0; i < len(d.todo); i++ {
		d.one(i, d.todo[i])
	}
	return d.b.String()
}

func (d *dumper) one(i int, a uint64) {
	flags, kind := d.u8(a+20), d.u8(a+23)
	ptrs := d.u64(a + 8)
	fmt.Fprintf(&d.b, "#%d %s size %d ptrs %d flags %b align %d/%d kind %d equal %v\n", i, d.name(d.off(a+40)),
		d.u64(a), ptrs, flags&^16, d.u8(a+21), d.u8(a+22), kind, d.u64(a+24) != 0)
	if ptrs > 0 && flags&16 == 0 {
		m := append([]byte(nil), d.at(d.u64(a+32), int(ptrs/8+7)/8)...)
		if r := ptrs / 8 % 8; r != 0 {
			m[len(m)-1] &= 1<<r - 1
		}
		d.clearTypeWords(a, 0, m)
		fmt.Fprintf(&d.b, "  bitmap %x\n", m)
	}
	fixed := uint64(48)
	switch reflect.Kind(kind) {
	case reflect.Array:
		fixed = 72
		fmt.Fprintf(&d.b, "  array %s slice %s len %d\n", d.ref(d.u64(a+48)), d.ref(d.u64(a+56)), d.u64(a+64))
	case reflect.Chan:
		fixed = 64
		fmt.Fprintf(&d.b, "  chan %s dir %d\n", d.ref(d.u64(a+48)), d.u64(a+56))
	case reflect.Func:
		fixed = 56
		d.function(a, flags)
	case reflect.Interface:
		fixed = 80
		fmt.Fprintf(&d.b, "  interface package %s methods %d\n", d.name(d.u64(a+48)), d.u64(a+64))
		for j := range d.u64(a + 64) {
			m := d.u64(a+56) + 8*j
			fmt.Fprintf(&d.b, "    %s %s\n", d.name(d.off(m)), d.ref(d.off(m+4)))
		}
	case reflect.Map:
		fixed = 112
		fmt.Fprintf(&d.b, "  map %s %s hasher %v flags %b\n", d.ref(d.u64(a+48)), d.ref(d.u64(a+56)), d.u64(a+72) != 0, d.u32(a+104)&3)
	case reflect.Pointer, reflect.Slice:
		fixed = 56
		fmt.Fprintf(&d.b, "  elem %s\n", d.ref(d.u64(a+48)))
	case reflect.Struct:
		fixed = 80
		fmt.Fprintf(&d.b, "  struct package %s fields %d\n", d.name(d.u64(a+48)), d.u64(a+64))
		for j := range d.u64(a + 64) {
			f := d.u64(a+56) + 24*j
			fmt.Fprintf(&d.b, "    %s %s at %d\n", d.name(d.u64(f)), d.ref(d.u64(f+8)), d.u64(f+16))
		}
	}
	if flags&1 != 0 {
		d.uncommon(a + fixed)
	}
}

// clearTypeWords clears in m the first words of interfaces, which gc leaves out of bitmaps and we do not.
func (d *dumper) clearTypeWords(a, off uint64, m []byte) {
	switch reflect.Kind(d.u8(a + 23)) {
	case reflect.Interface:
		m[off/64] &^= 1 << (off / 8 % 8)
	case reflect.Array:
		for i := range d.u64(a + 64) {
			d.clearTypeWords(d.u64(a+48), off+i*d.u64(d.u64(a+48)), m)
		}
	case reflect.Struct:
		for j := range d.u64(a + 64) {
			f := d.u64(a+56) + 24*j
			d.clearTypeWords(d.u64(f+8), off+d.u64(f+16), m)
		}
	}
}

func (d *dumper) function(a uint64, flags uint8) {
	in, out := d.u16(a+48), d.u16(a+50)
	fmt.Fprintf(&d.b, "  func in %d out %#x:", in, out)
	p := a + 56
	if flags&1 != 0 {
		p += 16
	}
	for range in + out&0x7fff {
		fmt.Fprintf(&d.b, " %s", d.ref(d.u64(p)))
		p += 8
	}
	d.b.WriteByte('\n')
}

// uncommon prints methods without their types, which the linker drops for methods it finds unreachable.
func (d *dumper) uncommon(u uint64) {
	n := d.u16(u + 4)
	fmt.Fprintf(&d.b, "  package %s methods %d exported %d\n", d.name(d.off(u)), n, d.u16(u+6))
	for j := range uint64(n) {
		fmt.Fprintf(&d.b, "    %s\n", d.name(d.off(u+uint64(d.u32(u+8))+16*j)))
	}
}

func hostSpace() space {
	at := func(addr uint64, n int) []byte { return unsafe.Slice((*byte)(hostPointer(addr)), n) }
	// Where offsets count from follows from one type whose string we can take the address of: the name's text
	// follows a flag byte and the length.
	t := reflect.TypeFor[*int]()
	name := uint64(uintptr(unsafe.Pointer(unsafe.StringData(t.String())))) - 2
	s := space{at: at}
	s.base = name - uint64(s.u32(hostAddr(t)+40))
	return s
}

func hostAddr(t reflect.Type) uint64 {
	return uint64((*[2]uintptr)(unsafe.Pointer(&t))[1])
}

// hostPointer makes a pointer of an address of the binary's read-only data, which never moves.
func hostPointer(addr uint64) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&addr))
}

func dataSpace(d *Data) space {
	return space{base: code.Base, at: func(addr uint64, n int) []byte {
		return d.Bytes[roIndex(addr):][:n]
	}}
}

// checkedSamples are the go/types types of the samples with the reflect types of the same.
func checkedSamples(t *testing.T) (ours []types.Type, theirs []reflect.Type) {
	t.Helper()
	fset := token.NewFileSet()
	// The whole package in the order the compiler gets its files: function-scope types are numbered through all of them.
	sources, _ := filepath.Glob("*.go")
	slices.SortStableFunc(sources, func(a, b string) int {
		return cmp.Compare(strings.Count(a, "_test.go"), strings.Count(b, "_test.go"))
	})
	var files []*ast.File
	var f *ast.File
	for _, name := range sources {
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		if name == "samples_test.go" {
			f = file
		}
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil), Sizes: Sizes}
	if _, err := conf.Check(reflect.TypeFor[Builder]().PkgPath(), fset, files, info); err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if ok && types.Identical(info.TypeOf(lit), types.NewSlice(types.NewInterfaceType(nil, nil))) {
			for _, e := range lit.Elts {
				ours = append(ours, types.Unalias(info.TypeOf(e)).(*types.Pointer).Elem())
			}
			return false
		}
		return true
	})
	for _, list := range [][]any{samples, localSamples(), moreLocalSamples()} {
		for _, v := range list {
			theirs = append(theirs, reflect.TypeOf(v).Elem())
		}
	}
	if len(ours) != len(theirs) || len(ours) < 80 {
		t.Fatalf("%d samples checked, %d in the binary", len(ours), len(theirs))
	}
	return ours, theirs
}

func testFuncs() Funcs {
	n := int32(100)
	return Funcs{TypeEqual: 7, TypeHash: 8, Method: func(types.Type, *types.Selection) (int32, int32) {
		n += 2
		return n, n + 1
	}}
}

func TestDescriptorsAgainstCompiler(t *testing.T) {
	ours, theirs := checkedSamples(t)
	host := hostSpace()
	b := NewBuilder()
	for _, x := range ours {
		b.TypeAddr(x)
	}
	d, err := b.Finish(testFuncs())
	if err != nil {
		t.Fatal(err)
	}
	data := dataSpace(d)
	for i, x := range ours {
		addr, _ := b.types.Get(x)
		got := (&dumper{space: data}).dump(addr)
		want := (&dumper{space: host}).dump(hostAddr(theirs[i]))
		if got != want {
			t.Errorf("%s:\n%s", theirs[i], firstDifference(got, want))
		}
		if p := data.off(addr + typePtrToThis); p != 0 && data.u64(p+48) != addr {
			t.Errorf("%s: PtrToThis points to %s", theirs[i], data.name(data.off(p+typeStr)))
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf(" line %d\n  got  %s\n  want %s\n  after %s", i, g[i], w[i], g[max(i-1, 0)])
		}
	}
	return fmt.Sprintf("  got %d lines, want %d", len(g), len(w))
}

func TestSizesAgainstCompiler(t *testing.T) {
	ours, theirs := checkedSamples(t)
	for i, x := range ours {
		r := theirs[i]
		if Size(x) != int64(r.Size()) || Align(x) != int64(r.Align()) || Comparable(x) != r.Comparable() || TypeString(x) != r.String() {
			t.Errorf("%s: size %d align %d comparable %v string %s", r, Size(x), Align(x), Comparable(x), TypeString(x))
		}
		if r.Kind() == reflect.Struct || r.Kind() == reflect.Array {
			if Boxed(x) != (r.Size() >= code.BoxedBytes) {
				t.Errorf("%s: boxed %v", r, Boxed(x))
			}
		}
	}
}
