package host

import (
	"bytes"
	"fmt"
	"go/token"
	"go/types"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
	vmexec "github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

func TestMemory(t *testing.T) {
	g := newGuest(t)
	g.call("runtime.memmove", at(1), at(0), 5) // overlap forwards
	g.call("runtime.memmove", at(16), at(17), 5)
	g.call("runtime.memclr", at(32), 3)
	same := g.call("runtime.memequal", at(40), at(48), 4)
	other := g.call("runtime.memequal", at(40), at(48), 5)
	none := g.call("runtime.memequal", 0, 1, 0)
	g.call("runtime.memmove", 3, 5, 0)
	g.call("runtime.memclr", 3, 0)
	g.run("abcdefgh        " + "ABCDEFGH        " + "12345678" + "wxyz1   wxyz2   ")
	g.ended("")
	got := string(g.mem.Bytes(g.scratch, 40))
	if want := "aabcdegh        BCDEFFGH        \x00\x00\x0045678"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if g.res(same, 0) != 1 || g.res(other, 0) != 0 || g.res(none, 0) != 1 {
		t.Error("memequal is wrong")
	}
}

func TestRangesOutsideMemoryAreNilDereferences(t *testing.T) {
	bad := []struct {
		symbol string
		args   func(a uint64) []any
	}{
		{"runtime.memmove", func(a uint64) []any { return []any{a, at(0), 4} }},
		{"runtime.memmove", func(a uint64) []any { return []any{at(0), a, 4} }},
		{"runtime.memclr", func(a uint64) []any { return []any{a, 4} }},
		{"runtime.memequal", func(a uint64) []any { return []any{at(0), a, 4} }},
		{"internal/bytealg.Compare", func(a uint64) []any { return []any{at(0), 4, 4, a, 4, 4} }},
		{"internal/bytealg.CountString", func(a uint64) []any { return []any{a, 4, 65} }},
		{"internal/bytealg.IndexByte", func(a uint64) []any { return []any{a, 4, 4, 65} }},
		{"internal/bytealg.IndexString", func(a uint64) []any { return []any{at(0), a, at(0), 4} }},
		{"crypto/md5.block", func(a uint64) []any { return []any{a, at(0), 4, 4} }},
		{"crypto/internal/fips140/sha512.block", func(a uint64) []any { return []any{at(0), a, 4, 4} }},
		{"hash/crc32.archUpdateIEEE", func(a uint64) []any { return []any{0, a, 4, 4} }},
		{"crypto/internal/fips140/aes.encryptBlock", func(a uint64) []any { return []any{a, at(0), 4, 4, at(0), 4, 4} }},
		{"crypto/internal/fips140/aes.ctrBlocks", func(a uint64) []any { return []any{at(0), a, 4, 4, at(0), 4, 4, 0, 0} }},
		{"crypto/internal/fips140/aes/gcm.sealWhole", func(a uint64) []any {
			return []any{a, 4, 4, at(0), at(0), 4, 4, at(0), 4, 4, at(0), 4, 4}
		}},
		{"crypto/internal/fips140/subtle.xorBytes", func(a uint64) []any { return []any{at(0), a, at(0), 4} }},
		{"math/big.addVV", func(a uint64) []any { return []any{at(0), 2, 2, a, 2, 2, at(0), 2, 2} }},
		{"math/big.lshVU", func(a uint64) []any { return []any{a, 2, 2, at(0), 2, 2, 3} }},
		{"math/big.mulAddVWW", func(a uint64) []any { return []any{a, 2, 2, at(0), 2, 2, 3, 4} }},
		{"runtime.printstring", func(a uint64) []any { return []any{a, 4} }},
		{"runtime.mapiternext", func(a uint64) []any { return []any{a, 0, 0} }},
		{"runtime.heapStats", func(a uint64) []any { return []any{a} }},
		{"runtime.callers", func(a uint64) []any { return []any{0, a, 4, 4} }},
		{"os.hostWrite", func(a uint64) []any { return []any{1, a, 4, 4} }},
		{"os.hostRead", func(a uint64) []any { return []any{a, 4, 4} }},
		{"os.hostStat", func(a uint64) []any { return []any{a, 4} }},
		{"os.hostReadAt", func(a uint64) []any { return []any{a, 4, at(0), 4, 4, 0} }},
		{"os.hostReadFile", func(a uint64) []any { return []any{a, 4} }},
		{"os.hostReadDir", func(a uint64) []any { return []any{a, 4} }},
	}
	for _, c := range bad {
		for _, a := range wild {
			if c.symbol == "internal/bytealg.IndexString" && a < code.Base {
				continue // there the bad number is a length, and a short one is none
			}
			g := newGuest(t)
			g.call(c.symbol, c.args(a)...)
			g.run("text")
			if g.panic != code.KnownPanicMem {
				t.Errorf("%s with %#x: panic %q, stop %+v", c.symbol, a, g.panic, g.stop)
			}
		}
	}
}

func TestByteSearchesAgreeWithGo(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	text := func(n int) string {
		b := make([]byte, rng.IntN(n))
		for i := range b {
			b[i] = "ab\x00"[rng.IntN(3)]
		}
		return string(b)
	}
	g := newGuest(t)
	var want []int
	memory := ""
	for range 25 {
		a, b, c := text(12), text(4), byte('a'+rng.IntN(2))
		p, q := at(len(memory)), at(len(memory)+len(a))
		memory += a + b
		g.call("internal/bytealg.Compare", p, len(a), 99, q, len(b), 99)
		g.call("internal/bytealg.CompareString", p, len(a), q, len(b))
		g.call("internal/bytealg.Index", p, len(a), 99, q, len(b), 99)
		g.call("internal/bytealg.IndexString", p, len(a), q, len(b))
		g.call("internal/bytealg.Count", p, len(a), 99, int(c))
		g.call("internal/bytealg.CountString", p, len(a), int(c))
		g.call("internal/bytealg.IndexByte", p, len(a), 99, int(c))
		g.call("internal/bytealg.IndexByteString", p, len(a), int(c))
		g.call("internal/bytealg.LastIndexByte", p, len(a), 99, int(c))
		g.call("internal/bytealg.LastIndexByteString", p, len(a), int(c))
		index, n, first, last := strings.Index(a, b), strings.Count(a, string(c)), strings.IndexByte(a, c), strings.LastIndexByte(a, c)
		order := bytes.Compare([]byte(a), []byte(b))
		want = append(want, order, order, index, index, n, n, first, first, last, last)
	}
	g.run(memory)
	g.ended("")
	for i, w := range want {
		if got := int(g.res(i, 0)); got != w {
			t.Errorf("%s %v: %d, want %d", g.steps[i].symbol, g.steps[i].args, got, w)
		}
	}
}

var printed = []float64{0, math.Copysign(0, -1), 1, -1.5, 123456789, 1e-7, 9.9999999e99, 1e100, 1e-100, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, 5e-324, 1.0 / 3}

// TestPrintChild is what TestPrintAgreesWithGo runs: the compiler's own print.
func TestPrintChild(t *testing.T) {
	if os.Getenv("TANDEM_PRINT_CHILD") == "" {
		t.Skip("not the child of TestPrintAgreesWithGo")
	}
	for _, f := range printed {
		println(f, -7, uint(1<<63), true, "text", complex(f, 2), float32(f), complex64(complex(f, 0.1)), "")
	}
}

func TestPrintAgreesWithGo(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^TestPrintChild$")
	child.Env = append(os.Environ(), "TANDEM_PRINT_CHILD=1")
	var want bytes.Buffer
	child.Stderr = &want
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	g := newGuest(t)
	sp := func() { g.call("runtime.printsp") }
	for _, f := range printed {
		g.call("runtime.printlock")
		g.call("runtime.printfloat", math.Float64bits(f))
		sp()
		g.call("runtime.printint", -7)
		sp()
		g.call("runtime.printuint", uint64(1<<63))
		sp()
		g.call("runtime.printbool", 1)
		sp()
		g.call("runtime.printstring", at(0), 4)
		sp()
		g.call("runtime.printcomplex", math.Float64bits(f), math.Float64bits(2))
		sp()
		single := uint64(math.Float32bits(float32(f)))
		g.call("runtime.printfloat32", single)
		sp()
		g.call("runtime.printcomplex64", single|uint64(math.Float32bits(0.1))<<32)
		sp()
		g.call("runtime.printstring", 0, 0)
		g.call("runtime.printnl")
		g.call("runtime.printunlock")
	}
	g.call("runtime.printquoted", at(8), 20)
	g.call("runtime.printhex", 255)
	g.call("runtime.printpointer", 0)
	g.call("runtime.printslice", 16, 2, 3)
	g.call("runtime.printeface", 1, 2)
	g.run("text    a\n\t\r\"\\\x00\x7fé世😀---")
	g.ended("")
	if got, want := g.world.stderr.String(), want.String()+`"a\n\t\r\"\\\x00\u007f\u00e9\u4e16\U0001f600---"`+"0xff0x0[2/3]0x10(0x1,0x2)"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestObjectsByType(t *testing.T) {
	g := newGuest(t)
	intType, strType := g.typ(types.Typ[types.Int]), g.typ(types.Typ[types.String])
	anyType := g.typ(types.NewInterfaceType(nil, nil))
	sliceType := g.typ(types.NewSlice(types.Typ[types.Int]))
	o := g.call("runtime.newobject", strType)
	a := g.call("runtime.newarray", intType, 10)
	none := g.call("runtime.newarray", intType, 0)
	grown := g.call("runtime.growslice", intType, at(0), 3, 3, 1)
	equal := g.call("runtime.valuesEqual", strType, at(32), at(48))
	differ := g.call("runtime.valuesEqual", intType, at(0), at(8))
	h1 := g.call("runtime.valueHash", intType, at(8), 42)
	h2 := g.call("runtime.valueHash", intType, at(24), 42)
	h3 := g.call("runtime.valueHash", intType, at(24), 43)
	links := g.call("runtime.typeoffsets")
	g.call("runtime.valueHash", anyType, at(64), 1)
	g.run(words(0, 5, 0, 5, 0, 0, 0, 0, sliceType, 0))
	g.ended(code.KnownPanicUnhashable)
	if x, ok := g.heap.Find(g.res(o, 0)); !ok || x.Type != strType || x.Addr != g.res(o, 0) {
		t.Errorf("new object: %+v", x)
	}
	if x, ok := g.heap.Find(g.res(a, 0)); !ok || x.Kind != heap.KindArray || x.SizeBytes < 80 {
		t.Errorf("new array: %+v", x)
	}
	if g.res(none, 0) == 0 {
		t.Error("an array of no elements has no address")
	}
	if p := g.res(grown, 0); g.res(grown, 1) != 3 || g.res(grown, 2) < 4 || g.mem.Load64(p+8) != 5 {
		t.Errorf("grown slice: %#x %d %d", p, g.res(grown, 1), g.res(grown, 2))
	}
	if g.res(equal, 0) != 1 || g.res(differ, 0) != 0 || g.res(h1, 0) != g.res(h2, 0) || g.res(h2, 0) == g.res(h3, 0) {
		t.Error("equality or hash is wrong")
	}
	for i := range g.res(links, 1) {
		addr := code.Base + uint64(g.mem.Load32(g.res(links, 0)+4*i))
		if kind := g.mem.Load8(addr + 23); kind == 0 || kind > 26 {
			t.Errorf("type offset %d leads to kind %d", i, kind)
		}
	}
}

func TestObjectPanics(t *testing.T) {
	for _, c := range []struct {
		want string
		call func(g *guest)
	}{
		{code.KnownPanicMakeLen, func(g *guest) { g.call("runtime.newarray", g.typ(types.Typ[types.Int]), -1) }},
		{code.KnownPanicMakeLen, func(g *guest) { g.call("runtime.newarray", g.typ(types.Typ[types.Int]), 1<<60) }},
		{code.KnownPanicMakeLen, func(g *guest) { g.call("runtime.growslice", g.typ(types.Typ[types.Int]), 0, 0, 0, -1) }},
		{code.KnownPanicMem, func(g *guest) { g.call("runtime.valuesEqual", g.typ(types.Typ[types.Int]), 0, at(0)) }},
		{code.KnownPanicMem, func(g *guest) { g.call("runtime.valueHash", g.typ(types.Typ[types.Int]), 0, 0) }},
		{code.KnownPanicNilMapWrite, func(g *guest) {
			g.call("runtime.mapassign", g.typ(types.NewMap(types.Typ[types.Int], types.Typ[types.Int])), 0, at(0), at(0))
		}},
		{code.KnownPanicMem, func(g *guest) {
			m := g.typ(types.NewMap(types.Typ[types.Int], types.Typ[types.Int]))
			g.call("runtime.mapassign", m, result{g.call("runtime.makemap", m, 0), 0}, at(0), 0)
		}},
	} {
		g := newGuest(t)
		c.call(g)
		g.run("")
		g.ended(c.want)
	}
}

func TestItabs(t *testing.T) {
	g := newGuest(t)
	pkg := types.NewPackage("main", "main")
	str := types.NewTuple(types.NewParam(token.NoPos, nil, "", types.Typ[types.String]))
	method := func(name string, recv *types.Var) *types.Func {
		return types.NewFunc(token.NoPos, pkg, name, types.NewSignatureType(recv, nil, nil, nil, str, false))
	}
	stringer := types.NewInterfaceType([]*types.Func{method("String", nil)}, nil)
	namer := types.NewInterfaceType([]*types.Func{method("Name", nil)}, nil)
	named := types.NewNamed(types.NewTypeName(token.NoPos, pkg, "T", nil), types.Typ[types.Int], nil)
	named.AddMethod(method("String", types.NewParam(token.NoPos, pkg, "", named)))
	typ := g.typ(named)
	yes := g.call("runtime.getitab", g.typ(stringer), typ)
	again := g.call("runtime.getitab", g.typ(stringer), typ)
	no := g.call("runtime.getitab", g.typ(namer), typ)
	g.run("")
	g.ended("")
	if tab := g.res(yes, 0); tab == 0 || tab != g.res(again, 0) || g.mem.Load64(tab+8) != typ || g.mem.Load64(tab+24) != 1 {
		t.Errorf("itab %#x, then %#x", tab, g.res(again, 0))
	}
	if g.res(no, 0) != 0 {
		t.Error("a type that lacks the method has an itab")
	}
}

func TestMaps(t *testing.T) {
	g := newGuest(t)
	typ := g.typ(types.NewMap(types.Typ[types.Int], types.NewArray(types.Typ[types.Int], 2)))
	m := g.call("runtime.makemap", typ, 4)
	mp := result{m, 0}
	g.call("runtime.mapassign", typ, mp, at(0), at(16))
	g.call("runtime.mapassign", typ, mp, at(8), at(32))
	g.call("runtime.mapassign", typ, mp, at(0), at(32))
	two := g.call("runtime.maplen", mp)
	hit := g.call("runtime.mapaccess", typ, mp, at(0))
	miss := g.call("runtime.mapaccess", typ, mp, at(24))
	nilMiss := g.call("runtime.mapaccess", typ, 0, at(0))
	it := result{g.call("runtime.mapiterinit", typ, mp), 0}
	n1 := g.call("runtime.mapiternext", it, at(64), at(72))
	n2 := g.call("runtime.mapiternext", it, at(88), 0)
	n3 := g.call("runtime.mapiternext", it, 0, 0)
	empty := result{g.call("runtime.mapiterinit", typ, 0), 0}
	n4 := g.call("runtime.mapiternext", empty, at(64), at(72))
	g.call("runtime.mapdelete", typ, mp, at(0))
	one := g.call("runtime.maplen", mp)
	g.call("runtime.mapclear", typ, mp)
	zero := g.call("runtime.maplen", mp)
	nilLen := g.call("runtime.maplen", 0)
	g.run(words(1, 2, 10, 11, 20, 21))
	g.ended("")
	if g.res(two, 0) != 2 || g.res(one, 0) != 1 || g.res(zero, 0) != 0 || g.res(nilLen, 0) != 0 {
		t.Errorf("lengths %d %d %d %d", g.res(two, 0), g.res(one, 0), g.res(zero, 0), g.res(nilLen, 0))
	}
	if g.res(hit, 0) == 0 || g.res(miss, 0) != 0 || g.res(nilMiss, 0) != 0 {
		t.Error("lookups are wrong")
	}
	if g.res(n1, 0) != 1 || g.res(n2, 0) != 1 || g.res(n3, 0) != 0 || g.res(n4, 0) != 0 {
		t.Errorf("iteration %d %d %d %d", g.res(n1, 0), g.res(n2, 0), g.res(n3, 0), g.res(n4, 0))
	}
	k1, k2 := g.mem.Load64(g.scratch+64), g.mem.Load64(g.scratch+88)
	if k1+k2 != 3 || g.mem.Load64(g.scratch+72) != 20 || g.mem.Load64(g.scratch+80) != 21 {
		t.Errorf("keys %d %d, value %d %d", k1, k2, g.mem.Load64(g.scratch+72), g.mem.Load64(g.scratch+80))
	}
}

func TestStack(t *testing.T) {
	g := newGuest(t)
	n := g.call("runtime.callers", 0, at(0), 8, 8)
	none := g.call("runtime.callers", 1, at(64), 8, 8)
	full := g.call("runtime.callers", 0, 0, 0, 0)
	main := g.call("runtime.symbol", code.TextBase+1)
	nothing := g.call("runtime.symbol", 0)
	beyond := g.call("runtime.symbol", code.TextBase+1<<40)
	version := g.call("runtime.version")
	g.run("")
	g.ended("")
	if g.res(n, 0) != 1 || g.res(none, 0) != 0 || g.res(full, 0) != 0 {
		t.Errorf("callers %d, skipping one %d, without room %d", g.res(n, 0), g.res(none, 0), g.res(full, 0))
	}
	if pc := g.mem.Load64(g.scratch) - code.TextBase; pc < 1 || pc > 60 {
		t.Errorf("caller at word %d", pc)
	}
	if g.str(main, 0) != "main.main" || g.str(main, 2) != "main.go" || g.res(main, 4) != 7 || g.res(main, 5) != code.TextBase+1 {
		t.Errorf("symbol %q %q %d %#x", g.str(main, 0), g.str(main, 2), g.res(main, 4), g.res(main, 5))
	}
	if g.res(nothing, 1) != 0 || g.res(beyond, 1) != 0 || g.str(version, 0) != "go1.26" {
		t.Error("symbol of no code has a name, or version is wrong")
	}
}

func TestClocksAndNumbers(t *testing.T) {
	g := newGuest(t)
	wall := g.call("runtime.walltime")
	nano := g.call("runtime.nanotime")
	r1 := g.call("runtime.rand64")
	r2 := g.call("runtime.rand64")
	g.call("runtime.newobject", g.typ(types.NewArray(types.Typ[types.Int], 100)))
	g.call("runtime.heapStats", at(0))
	p1 := g.call("runtime.setGCPercent", 50)
	p2 := g.call("runtime.setGCPercent", -1)
	p3 := g.call("runtime.setGCPercent", 100)
	g.call("runtime.exit", 7)
	g.run("")
	if g.stop.Reason != vmexec.Exited || g.stop.Status != 7 {
		t.Fatalf("%+v", g.stop)
	}
	if int64(g.res(wall, 0)) != g.world.Walltime() || int64(g.res(nano, 0)) != g.world.Nanotime() {
		t.Error("clocks are not the host's")
	}
	if g.res(r1, 0) == g.res(r2, 0) {
		t.Error("two random numbers are equal")
	}
	if alloc, mallocs := g.mem.Load64(g.scratch), g.mem.Load64(g.scratch+16); alloc < 800 || mallocs < 1 {
		t.Errorf("allocated %d bytes, %d objects", alloc, mallocs)
	}
	if int64(g.res(p1, 0)) != 100 || g.res(p2, 0) != 50 || int64(g.res(p3, 0)) != -1 {
		t.Errorf("percentages %d %d %d", g.res(p1, 0), g.res(p2, 0), int64(g.res(p3, 0)))
	}
}

// TestGarbageArguments calls every native with whatever arguments: the run may end in any way but a panic of the host, and the
// heap stays sound unless the guest itself was told to overwrite it.
func TestGarbageArguments(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for symbol, n := range table {
		for range 6 {
			g := newGuest(t)
			typ := g.typ(types.NewMap(types.Typ[types.String], types.NewSlice(types.Typ[types.Int])))
			m := g.call("runtime.makemap", typ, 1)
			it := g.call("runtime.mapiterinit", typ, result{m, 0})
			args := make([]any, n.Args)
			for i := range args {
				switch rng.IntN(8) {
				case 0:
					args[i] = wild[rng.IntN(len(wild))]
				case 1:
					args[i] = typ
				case 2:
					args[i] = result{m, 0}
				case 3:
					args[i] = result{it, 0}
				case 4:
					args[i] = at(rng.IntN(200))
				case 5:
					args[i] = rng.Uint64()
				default:
					args[i] = rng.IntN(40)
				}
			}
			g.call(symbol, args...)
			func() {
				defer func() {
					if x := recover(); x != nil {
						t.Fatalf("%s%v: the host panics: %v", symbol, args, x)
					}
				}()
				g.run(fmt.Sprintf("%200d", 7))
			}()
			g.mem.Close()
		}
	}
}
