package check

import (
	"encoding/binary"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

const source = `package main
type Point struct{ X, Y int; next *Point; name string }
func (p *Point) String() string { return "" }
func (p Point) Add(int) {}
type Stringer interface{ String() string }
type Big [200]int
var (
	m map[string]Point
	c chan<- [3]int32
	f func(int, ...string) error
	e struct{}
	any1 any
	big *Big
)`

// sample is an image with data of the layout builder and code that uses operands of every width.
type sample struct {
	img   *code.Image
	addrs map[string]uint64
}

func (s *sample) addr(name string) uint64 { return s.addrs[name] }

var natives = map[string]Signature{"runtime.nanotime": {1, 0}, "os.write": {2, 4}}

func lookup(symbol string) (Signature, bool) {
	s, ok := natives[symbol]
	return s, ok
}

func newSample(t testing.TB) *sample {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "main.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := (&types.Config{Importer: importer.Default(), Sizes: layout.Sizes}).Check("main", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := layout.NewBuilder()
	s := &sample{addrs: map[string]uint64{}}
	for _, name := range []string{"Point", "Stringer", "Big", "m", "c", "f", "e", "any1", "big"} {
		s.addrs[name] = b.TypeAddr(pkg.Scope().Lookup(name).Type())
	}
	s.addrs["int"] = b.TypeAddr(types.Typ[types.Int])
	s.addrs["itab"] = b.ItabAddr(pkg.Scope().Lookup("Stringer").Type(), types.NewPointer(pkg.Scope().Lookup("Point").Type()))
	b.String("hello")
	s.addrs["x"] = b.Global("main.x", types.Typ[types.String], code.ClassRun, "")
	s.addrs["y"] = b.Global("main.y", pkg.Scope().Lookup("Point").Type(), code.ClassRun, "")
	d, err := b.Finish(layout.Funcs{TypeEqual: 2, TypeHash: 2, Method: func(types.Type, *types.Selection) (int32, int32) { return 2, 3 }})
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range s.addrs {
		s.addrs[name] = d.Final(a)
	}
	s.img = &code.Image{
		Natives: []string{"runtime.nanotime", "os.write"},
		Files:   []string{"main.go"},
		Data:    d.Bytes, ROBytes: d.ROBytes, Globals: d.Globals, TypeLinks: d.TypeLinks, Itabs: d.Itabs,
		Known: map[string]uint64{"runtime.panicIndex": 2, "type:int": s.addrs["int"]},
		Entry: 1,
		Funcs: []code.Func{{}},
	}
	x := func(a uint64) code.Instr { return code.ExtWord(a) }
	in := func(op code.Op, a, b, c uint16) code.Instr { return code.Instr{Op: op, A: a, B: b, C: c} }
	im := func(op code.Op, a uint16, v int64) code.Instr { return code.Instr{Op: op, A: a}.WithImm32(int32(v)) }
	s.function("main.main", 40, 0, 0, code.FuncDefers,
		im(code.LdI, 3, 5),
		im(code.Zero, 3, 30),
		in(code.Mov3, 37, 3, 0),
		in(code.MapGet, 3, 4, 10), x(s.addr("m")),
		in(code.MapGet2, 3, 4, 10), x(s.addr("m")),
		in(code.MapNext, 3, 20, 0), x(s.addr("m")),
		in(code.Recv, 3, 9, 1), x(s.addr("Point")),
		in(code.New, 4, 0, 0), x(s.addr("e")),
		in(code.EqVal, 4, 39, 38), x(s.addr("Big")),
		in(code.MkIB, 4, 35, 0), x(s.addr("Point")),
		in(code.MkIP, 4, 39, 0), x(s.addr("itab")),
		in(code.AssertT, 34, 10, 1), x(s.addr("Point")),
		in(code.AssertT, 38, 10, 5), x(s.addr("Point")),
		in(code.AssertI, 37, 10, 1), x(s.addr("Stringer")),
		in(code.LdN, 37, 10, 8), x(20),
		in(code.MkClo, 4, 30, 10), x(2),
		in(code.Slice, 37, 20, 0), x(5|code.NoSlot<<16|39<<32), x(8),
		in(code.Div128, 38, 3, 4), x(39),
		im(code.LdG128, 38, int64(s.addr("x")-code.Base)),
		im(code.StG128, 38, int64(s.addr("x")-code.Base)),
		im(code.LdGU8, 38, code.DataStart+10),
		im(code.Call, 33, 2),
		im(code.Native, 31, 1),
		in(code.CallC, 37, 3, 0),
		in(code.CallI, 37, 38, 0),
		in(code.Defer, 34, 38, 3),
		in(code.DeferL, 30, 0, 0), x(4<<32|1),
		in(code.RunDefers, 37, 0, 0),
		in(code.CallR, 37, 34, 0),
		in(code.CallRFin, 37, 34, 0),
		in(code.Select, 38, 34, 2), x(1),
		in(code.ShlI, 3, 3, 63),
		in(code.JEqI, 3, 7, 2),
		im(code.Jmp, 0, -1),
		in(code.Halt, 0, 0, 0),
	)
	s.function("main.f", 8, 2, 2, 0, in(code.Ret1, 5, 0, 0))
	s.function("main.g", 3, 0, 0, 0, im(code.JT, 0, 1), in(code.Trap, 0, 0, 0))
	s.img.Lines = []code.Line{{PC: 1, Line: 3}, {PC: 4, Line: 4}}
	return s
}

func (s *sample) function(name string, frame, res, args int32, flags code.FuncFlag, body ...code.Instr) {
	if len(s.img.Code) == 0 {
		s.img.Code = make([]code.Instr, 1)
	}
	entry := int32(len(s.img.Code))
	s.img.Code = append(s.img.Code, body...)
	s.img.Funcs = append(s.img.Funcs, code.Func{Name: name, Entry: entry, End: entry + int32(len(body)), FrameSlots: frame, ResSlots: res, ArgSlots: args, Flags: flags})
}

// find is the word of the first instruction op of main.main.
func (s *sample) find(op code.Op) *code.Instr {
	for pc := s.img.Funcs[1].Entry; pc < s.img.Funcs[1].End; pc += int32(code.Table[s.img.Code[pc].Op].Form.Words()) {
		if s.img.Code[pc].Op == op {
			return &s.img.Code[pc]
		}
	}
	panic("no " + code.Table[op].Name)
}

// ext is the word after the first instruction op of main.main.
func (s *sample) ext(op code.Op) *code.Instr {
	for pc := range s.img.Code {
		if &s.img.Code[pc] == s.find(op) {
			return &s.img.Code[pc+1]
		}
	}
	panic("no word after " + code.Table[op].Name)
}

// data is the image's data at a guest address.
func (s *sample) data(addr uint64) []byte { return s.img.Data[addr-code.Base-code.DataStart:] }

func TestValidImage(t *testing.T) {
	if err := Image(newSample(t).img, lookup); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedImages(t *testing.T) {
	put32 := func(s *sample, name string, off int, v uint32) {
		binary.LittleEndian.PutUint32(s.data(s.addr(name))[off:], v)
	}
	put64 := func(s *sample, name string, off int, v uint64) {
		binary.LittleEndian.PutUint64(s.data(s.addr(name))[off:], v)
	}
	for _, c := range []struct {
		want   string
		damage func(s *sample)
	}{
		{"outside the frame", func(s *sample) { s.find(code.LdI).A = 40 }},
		{"outside the frame", func(s *sample) { s.find(code.Mov3).A = 38 }},
		{"outside the frame", func(s *sample) { s.find(code.Mov3).B = 0xffff }},
		{"outside the frame", func(s *sample) { *s.find(code.Zero) = s.find(code.Zero).WithImm32(38) }},
		{"outside the frame", func(s *sample) { *s.find(code.Zero) = s.find(code.Zero).WithImm32(-1) }},
		{"outside the frame", func(s *sample) { s.find(code.MapGet).A = 36 }},
		{"outside the frame", func(s *sample) { s.find(code.MapGet).C = 39 }},
		{"outside the frame", func(s *sample) { s.find(code.MapGet2).A = 35 }},
		{"outside the frame", func(s *sample) { s.find(code.MapNext).A = 33 }},
		{"outside the frame", func(s *sample) { s.find(code.Recv).A = 35 }},
		{"outside the frame", func(s *sample) { s.find(code.EqVal).B = 40 }},
		{"outside the frame", func(s *sample) { s.find(code.MkIB).B = 36 }},
		{"outside the frame", func(s *sample) { s.find(code.AssertT).A = 35 }},
		{"outside the frame", func(s *sample) { s.find(code.AssertI).A = 38 }},
		{"outside the frame", func(s *sample) { s.find(code.LdN).A = 38 }},
		{"outside the frame", func(s *sample) { s.find(code.MkClo).C = 11 }},
		{"outside the frame", func(s *sample) { s.find(code.Select).B = 35 }},
		{"outside the frame", func(s *sample) { *s.ext(code.Slice) = code.ExtWord(40) }},
		{"outside the frame", func(s *sample) { *s.ext(code.Div128) = code.ExtWord(40) }},
		{"outside the frame", func(s *sample) { s.find(code.CallR).B = 35; s.find(code.CallRFin).B = 35 }},
		{"outside the frame", func(s *sample) { s.find(code.CallI).B = 39 }},
		{"outside the frame", func(s *sample) { *s.ext(code.DeferL) = code.ExtWord(5<<32 | 1) }},
		{"outside the frame", func(s *sample) { *s.ext(code.DeferL) = code.ExtWord(0xffffffff<<32 | 1) }},
		{"not the one this is in", func(s *sample) { *s.ext(code.DeferL) = code.ExtWord(2) }},
		{"not the one this is in", func(s *sample) { *s.ext(code.DeferL) = code.ExtWord(0) }},
		{"not the one this is in", func(s *sample) { *s.ext(code.DeferL) = code.ExtWord(0xffffffff) }},
		{"call window", func(s *sample) { s.find(code.Call).A = 34 }},
		{"call window", func(s *sample) { s.find(code.Native).A = 32 }},
		{"call window", func(s *sample) { s.find(code.CallC).A = 38 }},
		{"call window", func(s *sample) { s.find(code.Defer).A = 35 }},
		{"call window", func(s *sample) { s.find(code.RunDefers).A = 38 }},
		{"not followed by CallRFin", func(s *sample) { s.find(code.CallRFin).A = 30 }},
		{"does not follow a CallR", func(s *sample) { *s.find(code.CallR) = code.Instr{Op: code.Nop} }},
		{"only the machine", func(s *sample) { s.find(code.Halt).Op = code.GoExit }},
		{"function 9 does not exist", func(s *sample) { *s.find(code.Call) = s.find(code.Call).WithImm32(9) }},
		{"function 0 does not exist", func(s *sample) { *s.ext(code.MkClo) = code.ExtWord(0) }},
		{"native -1", func(s *sample) { *s.find(code.Native) = s.find(code.Native).WithImm32(-1) }},
		{"no type at", func(s *sample) { *s.ext(code.New) = code.ExtWord(s.addr("int") + 8) }},
		{"no type at", func(s *sample) { *s.ext(code.New) = code.ExtWord(s.addr("itab")) }},
		{"no type or itab", func(s *sample) { *s.ext(code.MkIP) = code.ExtWord(0) }},
		{"no type or itab", func(s *sample) { s.find(code.MkIB).C = 1 }},
		{"no map type", func(s *sample) { *s.ext(code.MapGet) = code.ExtWord(s.addr("int")) }},
		{"no interface type", func(s *sample) { *s.ext(code.AssertI) = code.ExtWord(s.addr("int")) }},
		{"size", func(s *sample) { *s.ext(code.LdN) = code.ExtWord(1 << 63) }},
		{"shift count", func(s *sample) { s.find(code.ShlI).C = 64 }},
		{"jump to", func(s *sample) { s.find(code.JEqI).C = 0x7fff }},
		{"jump to", func(s *sample) { s.find(code.JEqI).C = 0x8000 }},
		{"jump to", func(s *sample) { *s.find(code.Jmp) = s.find(code.Jmp).WithImm32(-3) }},
		{"jump to", func(s *sample) { *s.find(code.Jmp) = s.find(code.Jmp).WithImm32(1<<31 - 1) }},
		{"jump to", func(s *sample) { *s.find(code.Jmp) = s.find(code.Jmp).WithImm32(-1 << 31) }},
		{"outside the image's variables", func(s *sample) { *s.find(code.StG128) = s.find(code.StG128).WithImm32(code.DataStart + 16) }},
		{"outside the image's variables", func(s *sample) {
			*s.find(code.LdG128) = s.find(code.LdG128).WithImm32(int32(code.DataStart + len(s.img.Data) - 8))
		}},
		{"outside the image's variables", func(s *sample) { *s.find(code.LdGU8) = s.find(code.LdGU8).WithImm32(100) }},
		{"no op", func(s *sample) { s.find(code.LdI).Op = 0 }},
		{"no op", func(s *sample) { s.find(code.LdI).Op = code.OpCount }},
		{"no op", func(s *sample) { s.find(code.LdI).Op |= 0x8000 }},
		{"no op", func(s *sample) { s.img.Ops = code.LdI }},
		{"runs off its end", func(s *sample) { s.find(code.Halt).Op = code.Nop }},
		{"cut off", func(s *sample) { s.find(code.Halt).Op = code.LdC }},
		{"no result", func(s *sample) { s.img.Funcs[2].ResSlots = 0 }},
		{"recover", func(s *sample) { s.img.Funcs[1].Recover = 5 }},
		{"recover", func(s *sample) { s.img.Funcs[2].Recover = 1 }},
		{"share code", func(s *sample) { s.img.Funcs[2].Entry-- }},
		{"outside the image", func(s *sample) { s.img.Funcs[3].End++ }},
		{"outside the image", func(s *sample) { s.img.Funcs[3].Entry = -5 }},
		{"cannot hold", func(s *sample) { s.img.Funcs[2].ArgSlots = 1 << 30 }},
		{"cannot hold", func(s *sample) { s.img.Funcs[1].FrameSlots = 1<<16 + 1 }},
		{"unknown flags", func(s *sample) { s.img.Funcs[1].Flags = 64 }},
		{"file 1", func(s *sample) { s.img.Funcs[1].File = 1 }},
		{"no functions", func(s *sample) { s.img.Funcs = nil }},
		{"function 0", func(s *sample) { s.img.Funcs[0].Name = "x" }},
		{"entry function 0", func(s *sample) { s.img.Entry = 0 }},
		{"entry function has", func(s *sample) { s.img.Entry = 2 }},
		{"native function os.fly", func(s *sample) { s.img.Natives[0] = "os.fly" }},
		{"stands nowhere", func(s *sample) { s.img.Locals = s.local(0, 1, code.PlaceFrame, 2) }},
		{"stands nowhere", func(s *sample) { s.img.Locals = s.local(0, 1, code.PlaceFrame, s.img.Funcs[1].FrameSlots) }},
		{"stands nowhere", func(s *sample) { s.img.Locals = s.local(0, 1, code.PlacePointer, s.img.Funcs[1].FrameSlots) }},
		{"stands nowhere", func(s *sample) { s.img.Locals = s.local(0, 1, code.PlaceClosure, 9) }},
		{"stands nowhere", func(s *sample) { s.img.Locals = s.local(0, 1, code.PlaceData, int32(code.DataStart+s.img.ROBytes)) }},
		{"stands nowhere", func(s *sample) { s.img.Locals = s.local(0, 1, 4, 8) }},
		{"local variable 0", func(s *sample) { s.img.Locals = s.local(1, 1, code.PlaceFrame, code.FrameHeader) }},
		{"local variable 0", func(s *sample) { s.img.Locals = s.local(-1, 1, code.PlaceFrame, code.FrameHeader) }},
		{"local variable 0", func(s *sample) { s.img.Locals = s.local(0, 1<<20, code.PlaceFrame, code.FrameHeader) }},
		{"local variable 0", func(s *sample) {
			s.img.Locals = s.local(0, 1, code.PlaceFrame, code.FrameHeader)
			s.img.Locals[0].Type++
		}},
		{"local variable 1", func(s *sample) {
			s.img.Locals = append(s.local(1, 2, code.PlaceData, code.DataStart), s.local(0, 1, code.PlaceData, code.DataStart)...)
		}},
		{"line entry 1", func(s *sample) { s.img.Lines[1].PC = 0 }},
		{"line entry 0", func(s *sample) { s.img.Lines[0].File = 1 }},
		{"variable main.x", func(s *sample) { s.img.Globals[0].Addr = s.addr("int") }},
		{"variable main.y", func(s *sample) { s.img.Globals[1].Addr += 1 << 20 }},
		{"variable main.x has no type", func(s *sample) { s.img.Globals[0].Type++ }},
		{"share memory", func(s *sample) { s.img.Globals[1].Addr = s.img.Globals[0].Addr + 8 }},
		{"has class", func(s *sample) { s.img.Globals[1].Class = 9 }},
		{"known symbol", func(s *sample) { s.img.Known["x"] = 77 }},
		{"known symbol", func(s *sample) { s.img.Known["type:int"] = 1 }},
		{"outside the read-only data", func(s *sample) { s.img.TypeLinks[0] = s.addr("x") }},
		{"stands twice", func(s *sample) { s.img.TypeLinks[0] = s.img.TypeLinks[1] }},
		{"", func(s *sample) { s.img.TypeLinks[0] += 8 }},
		{"", func(s *sample) { s.img.TypeLinks = s.img.TypeLinks[1:] }},
		{"read-only bytes", func(s *sample) { s.img.ROBytes = 1 << 40 }},
		{"kind", func(s *sample) { s.data(s.addr("int"))[23] = 27 }},
		{"size 8 of kind 3", func(s *sample) { s.data(s.addr("int"))[23] = 3 }},
		{"with pointers", func(s *sample) { put64(s, "Point", 8, 1<<20) }},
		{"pointer bitmap", func(s *sample) { put64(s, "Point", 32, 0) }},
		{"alignment", func(s *sample) { s.data(s.addr("Point"))[21] = 3 }},
		{"flags", func(s *sample) { s.data(s.addr("Point"))[20] |= 16 }},
		{"equality", func(s *sample) { put64(s, "Point", 24, 5) }},
		{"name", func(s *sample) { put32(s, "Point", 40, 1<<31) }},
		{"do not follow it", func(s *sample) { put64(s, "Point", 64, 1<<40) }},
		{"do not follow it", func(s *sample) { put64(s, "Point", 56, s.addr("Stringer")) }},
		{"do not follow it", func(s *sample) { put32(s, "Point", 80+8, 4) }},
		{"field 1 at 0", func(s *sample) { put64(s, "Point", 96+24+16, 0) }},
		{"field 3 at", func(s *sample) { put64(s, "Point", 96+3*24+16, 1<<50) }},
		{"contains itself", func(s *sample) { put64(s, "Point", 96+8, s.addr("Point")) }},
		{"no type at", func(s *sample) { put64(s, "Point", 96+8, s.addr("Point")+8) }},
		{"the name of field 0", func(s *sample) { put64(s, "Point", 96, 3) }},
		{"bytes behind the last field", func(s *sample) { put64(s, "Point", 0, 4096) }},
		{"size 1600 of an array", func(s *sample) { put64(s, "Big", 64, 100) }},
		{"channel direction", func(s *sample) { put64(s, "c", 56, 4) }},
		{"hash function", func(s *sample) { put64(s, "m", 72, 0) }},
		{"no type at", func(s *sample) { put64(s, "m", 48, 0) }},
		{"pointer type", func(s *sample) { put32(s, "Point", 44, uint32(s.addr("int")-code.Base)) }},
		{"joins no types", func(s *sample) { put64(s, "itab", 0, s.addr("any1")) }},
		{"method 0 is function", func(s *sample) { put64(s, "itab", 24, 99) }},
		{"stands twice in the list", func(s *sample) { s.img.Itabs = append(s.img.Itabs, s.img.Itabs[0]) }},
	} {
		s := newSample(t)
		c.damage(s)
		err := Image(s.img, lookup)
		if !errors.Is(err, ErrImage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q, have %v", c.want, err)
		}
	}
}

func TestWidthsFollowTheSpecification(t *testing.T) {
	for op, want := range map[code.Op]widths{
		code.Mov3: {3, 3, 0}, code.Add: {1, 1, 1}, code.LdX128: {2, 2, 1}, code.StX192: {2, 3, 1}, code.EqStr: {1, 2, 2}, code.Ld192: {3, 1, 0},
		code.Append: {3, 3, 3}, code.Copy: {1, 3, 2}, code.NextStr: {3, 3, 0}, code.Add128: {2, 1, 1}, code.CallR: {0, 6, 0}, code.Go: {0, 2, 0},
		code.CallI: {0, 2, 0}, code.CallC: {0, 1, 0}, code.Ret1: {1, 0, 0}, code.LeaF: {1, 1, 0}, code.Panic: {2, 0, 0}, code.Slice: {3, 3, 0},
		code.SliceArr: {3, 1, 0}, code.FnI: {2, 2, 0}, code.IToE: {2, 2, 0}, code.MakeSlice: {3, 1, 1}, code.CopyM: {1, 1, 0}, code.StG192: {3, 0, 0},
	} {
		if opWidths[op] != want {
			t.Errorf("%s: %v, want %v (%s)", code.Table[op].Name, opWidths[op], want, code.Table[op].Effect)
		}
	}
	// An op whose slots are not named by its effect needs a rule in wide.
	for op := code.Op(1); op < code.OpCount; op++ {
		isSlot := slotOperands(code.Table[op].Form)
		w := opWidths[op]
		if code.Table[op].Form.Words() < 3 && op != code.RunDefers && op != code.CallR && op != code.CallRFin {
			one := &descriptor{size: 8, kind: 2}
			m := &descriptor{size: 8, kind: kindMap, key: one, elem: one}
			w = wide(w, code.Instr{Op: op, C: 1}.WithImm32(1<<16|1), 8, m)
		}
		for k := range isSlot {
			if isSlot[k] && w[k] == 0 && op != code.RunDefers && op != code.CallR && op != code.CallRFin {
				t.Errorf("%s: operand %c has no width", code.Table[op].Name, 'A'+k)
			}
		}
	}
}

// TestRandomDamageNeverPanics flips bytes of code, data and tables; whatever is accepted must be sound, whatever is not
// an ErrImage.
func TestRandomDamageNeverPanics(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := newSample(t)
	valid, err := s.img.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for range 4000 {
		img, err := code.Decode(valid)
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + rng.IntN(3) {
			mutate(rng, img)
		}
		if err := Image(img, lookup); err != nil && !errors.Is(err, ErrImage) {
			t.Fatalf("error %v", err)
		}
	}
}

func mutate(rng *rand.Rand, img *code.Image) {
	odd := []uint64{0, 1, 7, 0xff, 0xffff, 1 << 31, 1<<32 - 1, 1 << 40, 1 << 63, ^uint64(0), code.Base, code.Base + code.DataStart}
	v := odd[rng.IntN(len(odd))]
	switch rng.IntN(6) {
	case 0, 1:
		i := &img.Code[rng.IntN(len(img.Code))]
		*i = code.ExtWord(i.Ext() ^ 1<<rng.IntN(64))
	case 2:
		img.Data[rng.IntN(int(img.ROBytes))] ^= byte(1 << rng.IntN(8))
	case 3:
		binary.LittleEndian.PutUint64(img.Data[rng.IntN(int(img.ROBytes)/8)*8:], v)
	case 4:
		f := &img.Funcs[rng.IntN(len(img.Funcs))]
		*[]*int32{&f.Entry, &f.End, &f.FrameSlots, &f.ResSlots, &f.ArgSlots, &f.Recover}[rng.IntN(6)] = int32(v) + int32(rng.IntN(50))
	case 5:
		img.TypeLinks[rng.IntN(len(img.TypeLinks))] = v + uint64(rng.IntN(100))
	}
}

func FuzzImage(f *testing.F) {
	data, err := newSample(f).img.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint64(1), uint16(3))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16) {
		img, err := code.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		for range n % 64 {
			mutate(rng, img)
		}
		if err := Image(img, lookup); err != nil && !errors.Is(err, ErrImage) {
			t.Fatalf("error %v", err)
		}
	})
}

func BenchmarkImage(b *testing.B) {
	s := newSample(b)
	words := len(s.img.Code)
	for b.Loop() {
		if err := Image(s.img, lookup); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(words), "words")
}

// local is a variable of type int of the entry function, at words from its entry on.
func (s *sample) local(from, to int32, place code.Place, at int32) []code.Local {
	entry := s.img.Funcs[s.img.Entry].Entry
	return []code.Local{{From: entry + from, To: entry + to, Name: "x", Type: s.addr("int"), Place: place, At: at}}
}
