package exec

import (
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
	"github.com/tandemvm/tandem/vm/internal/text"
)

// bare is a machine on memory without a heap: one goroutine with a stack, enough for code that allocates nothing. extra bytes
// of memory follow at the returned address.
func bare(tb testing.TB, img *code.Image, extra uint64) (*Machine, uint64) {
	tb.Helper()
	prog, err := text.NewProgram(img)
	if err != nil {
		tb.Fatal(err)
	}
	mm, err := mem.New(256 << 20)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { mm.Close() })
	const g, stack, stackBytes = code.Base + 1<<16, code.Base + 1<<17, 1 << 20
	data := uint64(stack + stackBytes)
	if err := mm.Grow(data - code.Base + extra); err != nil {
		tb.Fatal(err)
	}
	copy(mm.Writable(code.Base+code.DataStart, uint64(len(img.Data))), img.Data)
	m, err := prepare(Config{Program: prog, Mem: mm, Heap: &heap.Heap{}, Host: &testHost{}})
	if err != nil {
		tb.Fatal(err)
	}
	m.store(rootSliceWords, 20000)
	m.store(stack+chunkBytes, stackBytes)
	m.store(g+gID, 1)
	m.store(g+gChunk, stack)
	m.store(g+gFP, stack+chunkHead)
	m.store(g+gPC, uint64(img.Funcs[img.Entry].Entry))
	m.store(stack+chunkHead+8, prog.Tramp(text.TrampGoExit))
	m.store(rootAll, g)
	m.enqueue(g)
	return m, data
}

// fibCode is fib(n) as the lowering would emit it, and a main that calls it and leaves the result in slot 3.
func fibCode(n int) *code.Image {
	a := newAssembler()
	fib := a.Func("main.fib", 1, 1, 12) // result 3, n 4; window at 6: its result 9, argument 10
	a.J(code.JGeSI, 4, 2, "rec")
	a.I(code.Ret1, 4, 0, 0)
	a.L("rec")
	a.I(code.AddI, 10, 4, 0xFFFF)
	a.II(code.Call, 6, int32(fib))
	a.I(code.Mov, 5, 9, 0)
	a.I(code.AddI, 10, 4, 0xFFFE)
	a.II(code.Call, 6, int32(fib))
	a.I(code.Add, 3, 5, 9)
	a.I(code.Ret, 0, 0, 0)
	main := a.Func("main.main", 1, 0, 12)
	a.II(code.LdI, 8, int32(n))
	a.II(code.Call, 4, int32(fib))
	a.I(code.Mov, 3, 7, 0)
	a.I(code.Halt, 0, 0, 0)
	return a.finish(main)
}

// sieveCode is a sieve of Eratosthenes over n bytes at the address in data word 0; the count of primes ends in slot 3.
func sieveCode(n int) *code.Image {
	a := newAssembler()
	at := a.Global(1)
	main := a.Func("main.main", 1, 0, 16)
	const cnt, buf, i, j, one, lim, v, p = 3, 4, 6, 7, 8, 9, 10, 11
	a.II(code.LdG64, buf, int32(at-code.Base))
	a.II(code.LdI, buf+1, int32(n))
	a.II(code.LdI, lim, int32(n))
	a.II(code.LdI, one, 1)
	a.II(code.LdI, cnt, 0)
	a.II(code.LdI, i, 2)
	a.J(code.Jmp, 0, 0, "test")
	a.L("loop")
	a.I(code.LdXU8, v, buf, i)
	a.J(code.JT, v, 0, "next")
	a.I(code.AddI, cnt, cnt, 1)
	a.I(code.Mul, j, i, i)
	a.J(code.Jmp, 0, 0, "itest")
	a.L("inner")
	a.I(code.StX8, buf, one, j)
	a.I(code.Add, j, j, i)
	a.L("itest")
	a.J(code.JLtS, j, lim, "inner")
	a.L("next")
	a.I(code.AddI, i, i, 1)
	a.L("test")
	a.J(code.JLtS, i, lim, "loop")
	a.I(code.Halt, 0, 0, 0)
	return a.finish(main)
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

//go:noinline
func sieve(b []byte) int {
	n := 0
	for i := 2; i < len(b); i++ {
		if b[i] == 0 {
			n++
			for j := i * i; j < len(b); j += i {
				b[j] = 1
			}
		}
	}
	return n
}

type testHost struct {
	now  int64
	text []byte
}

func (h *testHost) Walltime() int64 { return h.now + 1e18 }
func (h *testHost) Nanotime() int64 { return h.now }
func (h *testHost) Stderr(p []byte) error {
	h.text = append(h.text, p...)
	return nil
}

func runFib(tb testing.TB, n int) uint64 {
	m, _ := bare(tb, fibCode(n), 0)
	if s := m.Run(1 << 60); s.Reason != Exited {
		tb.Fatalf("stop: %+v", s)
	}
	return *m.reg(3)
}

func runSieve(tb testing.TB, n int) uint64 {
	m, data := bare(tb, sieveCode(n), uint64(n))
	m.store(code.Base+code.DataStart, data)
	if s := m.Run(1 << 60); s.Reason != Exited {
		tb.Fatalf("stop: %+v", s)
	}
	return *m.reg(3)
}

func TestFibSieve(t *testing.T) {
	if v := runFib(t, 20); v != uint64(fib(20)) {
		t.Fatalf("fib(20) = %d", v)
	}
	if v := runSieve(t, 10000); v != uint64(sieve(make([]byte, 10000))) {
		t.Fatalf("sieve(10000) = %d", v)
	}
}

func BenchmarkFib(b *testing.B) {
	for range b.N {
		runFib(b, 30)
	}
}

var sink int

func BenchmarkFibNative(b *testing.B) {
	for range b.N {
		sink = fib(30)
	}
}

func BenchmarkSieve(b *testing.B) {
	for range b.N {
		runSieve(b, 5000000)
	}
}

func BenchmarkSieveNative(b *testing.B) {
	for range b.N {
		sink = sieve(make([]byte, 5000000))
	}
}
