package host

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/check"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/load"
	"github.com/tandemvm/tandem/vm/internal/lower"
	"github.com/tandemvm/tandem/vm/internal/mem"
	vmtext "github.com/tandemvm/tandem/vm/internal/text"
)

const busy = `package main

type shape interface{ area() int }
type square struct{ side int; name string }
func (s square) area() int { return s.side * s.side }
type pair[K comparable, V any] struct { k K; v V }

func sum(xs ...int) (n int) {
	defer func() { if recover() != nil { n = -1 } }()
	for _, x := range xs { n += x / (x - 3) }
	return n
}

func main() {
	m := map[string]pair[int, []int]{}
	for i, w := range []string{"a", "bb", "ccc", "a"} {
		p := m[w]
		p.k += i
		p.v = append(p.v, i, len(w))
		m[w] = p
	}
	c := make(chan int, 2)
	for i := range 3 {
		go func() { c <- sum(i, i+1) }()
	}
	t := 0
	for range 3 { t += <-c }
	var s shape = square{t, "x" + "y"}
	if q, ok := s.(square); ok { println(q.area(), len(q.name), any(s) == any(q)) }
	for k, v := range m { println(len(k), v.k, len(v.v), cap(v.v[1:])) }
	var a [200]int
	b := a
	b[t&127]++
	println(a == b, string([]rune("héllo")[1:]))
}
`

// build compiles a program of one file.
func build(t testing.TB, src string) *code.Image {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := load.Load(load.Config{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	img, err := lower.Build(p, lower.Config{Native: func(s string) bool { _, ok := table[s]; return ok }, Known: code.KnownSymbols})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// execute runs an image that passed the verifier for a while.
func execute(t testing.TB, img *code.Image, w *world) exec.Stop {
	t.Helper()
	defer func(bytes uint64) { mem.GuardBytes = bytes }(mem.GuardBytes)
	mem.GuardBytes = 64 << 30 // a stray access is seen wherever it goes
	p, err := vmtext.NewProgram(img)
	if err != nil {
		t.Fatalf("verified, but refused by the interpreter: %v", err)
	}
	m, err := mem.New(16 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	end := uint64(code.Base + code.DataStart + len(img.Data))
	if err := m.Grow(end - code.Base); err != nil {
		t.Fatal(err)
	}
	copy(m.Writable(code.Base+code.DataStart, uint64(len(img.Data))), img.Data)
	h, err := heap.New(m, end, 1)
	if err != nil {
		t.Fatal(err)
	}
	x, err := exec.New(exec.Config{Program: p, Mem: m, Heap: h, Host: w, Natives: table, Limits: exec.Limits{Gas: 200_000, Goroutines: 100, StackBytes: 1 << 20}})
	if err != nil {
		return exec.Stop{Reason: exec.Failed, Err: err}
	}
	var stop exec.Stop
	m.Try(func() { stop = x.Run(100_000) })
	if err := m.Err(); err != nil {
		t.Error(err)
	}
	// The last instruction may go beyond by what it handled: at most all of memory, value by value.
	if n := x.Count(); n > 200_000+16<<20/4 {
		t.Errorf("%d instruction words with gas for 200000", n)
	}
	if n := x.Live(); n > 100 {
		t.Errorf("%d goroutines of 100", n)
	}
	if m.Size() > 16<<20 {
		t.Errorf("%d bytes of memory in 16 MiB", m.Size())
	}
	return stop
}

// TestVerifiedImagesNeverBreakTheHost damages a compiled program. What the verifier lets pass is run: it may do
// anything but crash the interpreter.
func TestVerifiedImagesNeverBreakTheHost(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	img := build(t, busy)
	lookup := Signature(table)
	if err := check.Image(img, lookup); err != nil {
		t.Fatal(err)
	}
	w := &world{Folder: &Folder{}}
	if stop := execute(t, img, w); stop.Reason != exec.Exited || stop.Status != 0 {
		t.Fatalf("the undamaged program ended with %+v: %s", stop, w.stderr.String())
	}
	valid, err := img.Encode()
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for range 300 {
		bad, err := code.Decode(valid)
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + rng.IntN(4) {
			damage(rng, bad)
		}
		if check.Image(bad, lookup) == nil {
			ran++
			execute(t, bad, &world{Folder: &Folder{}})
		}
	}
	if ran < 30 {
		t.Errorf("only %d damaged images passed the verifier", ran)
	}
	t.Logf("%d of 300 damaged images ran", ran)
}

// damage changes an operand or the op of an instruction, or a word of data.
func damage(rng *rand.Rand, img *code.Image) {
	f := img.Funcs[1+rng.IntN(len(img.Funcs)-1)]
	for !strings.HasPrefix(f.Name, "main.") && rng.IntN(20) > 0 { // mostly what the program runs
		f = img.Funcs[1+rng.IntN(len(img.Funcs)-1)]
	}
	pc := int(f.Entry) + rng.IntN(int(f.End-f.Entry))
	i := &img.Code[pc]
	switch rng.IntN(7) {
	case 0:
		i.A = uint16(rng.IntN(int(f.FrameSlots)))
	case 1:
		i.B = uint16(rng.IntN(int(f.FrameSlots)))
	case 2:
		i.C = uint16(rng.IntN(int(f.FrameSlots)))
	case 3:
		i.Op = code.Op(1 + rng.IntN(int(code.OpCount)-1))
	case 4:
		off := rng.IntN(len(img.Data) - 8)
		binary.LittleEndian.PutUint64(img.Data[off:], rng.Uint64()>>rng.IntN(64))
	case 5: // addresses of what the machine goes by: the root page, the heap's first pages, the main goroutine's frames
		off := rng.IntN(len(img.Data)-8) &^ 7
		binary.LittleEndian.PutUint64(img.Data[off:], machinePart(rng, img))
	case 6: // a constant becomes such an address, and what follows stores through it
		*i = code.Instr{Op: code.LeaF, A: uint16(rng.IntN(int(f.FrameSlots)))}
		if pc+3 < int(f.End) && rng.IntN(2) == 0 {
			*i = code.Instr{Op: code.LdC, A: i.A}
			img.Code[pc+1] = code.ExtWord(machinePart(rng, img))
			pc++
		}
		if pc+1 < int(f.End) {
			img.Code[pc+1] = code.Instr{Op: code.St64, A: i.A, B: uint16(rng.IntN(int(f.FrameSlots))), C: uint16(rng.IntN(16) * 8)}
		}
	}
}

// machinePart is an address of something that the machine keeps in memory.
func machinePart(rng *rand.Rand, img *code.Image) uint64 {
	if rng.IntN(2) == 0 {
		return code.Base + rng.Uint64N(4096)&^7
	}
	return code.Base + (uint64(code.DataStart+len(img.Data))+rng.Uint64N(1<<16))&^7
}

// FuzzVerifiedImages is the same for the fuzzer, in depth: more damage, and limits that have to hold whatever the image does.
func FuzzVerifiedImages(f *testing.F) {
	img := build(f, busy)
	lookup := Signature(table)
	valid, err := img.Encode()
	if err != nil {
		f.Fatal(err)
	}
	for n := range uint8(8) {
		f.Add(uint64(n), n)
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		bad, err := code.Decode(valid)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		for range 1 + n%32 {
			damage(rng, bad)
		}
		if check.Image(bad, lookup) == nil {
			execute(t, bad, &world{Folder: &Folder{}})
		}
	})
}
