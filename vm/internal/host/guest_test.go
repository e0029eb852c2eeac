package host

import (
	"encoding/binary"
	"go/types"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/check"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/layout"
	"github.com/tandemvm/tandem/vm/internal/mem"
	vmtext "github.com/tandemvm/tandem/vm/internal/text"
)

// world is a host that grants everything the test sets.
type world struct {
	stderr, stdout strings.Builder
	input          []byte
	waits          int // answers of ErrWait before input comes
	args, env      []string
	*Folder
}

func (w *world) Walltime() int64 { return 1234567890123456789 }
func (w *world) Nanotime() int64 { return -5 }
func (w *world) Stderr(p []byte) error {
	w.stderr.Write(p)
	return nil
}
func (w *world) Output(fd int, p []byte) error {
	if fd == 2 {
		return w.Stderr(p)
	}
	if w.stdout.Len() > 1<<20 {
		return &exec.LimitError{Limit: "output", Max: 1 << 20}
	}
	w.stdout.Write(p)
	return nil
}
func (w *world) Input(p []byte) (int, error) {
	if w.waits > 0 {
		w.waits--
		return 0, ErrWait
	}
	n := copy(p, w.input)
	w.input = w.input[n:]
	return n, nil
}
func (w *world) Args() []string    { return w.args }
func (w *world) Environ() []string { return w.env }
func (w *world) Dir() string       { return "/data" }

// bare is a host that grants nothing.
type bare struct{ exec.Host }

// guest is a program that calls natives one after another, with constants, addresses of its scratch memory and earlier results as arguments.
type guest struct {
	t       testing.TB
	b       *layout.Builder
	scratch uint64 // 64 KiB the test may use
	results uint64 // where results go, a word each
	steps   []step
	host    exec.Host
	mem     *mem.Memory
	heap    *heap.Heap
	stop    exec.Stop
	panic   string // known function the machine called, "" if none
	world   *world
}

type step struct {
	symbol string
	args   []any // int, uint64 or result
	first  int   // index of the first result in the results area
}

// result is result slot slot of an earlier step.
type result struct{ step, slot int }

// at is an address in the guest's scratch memory.
type at int

var table = Table()

const (
	scratchBytes = 1 << 16
	window       = 100
)

func newGuest(t testing.TB) *guest {
	w := &world{Folder: &Folder{}}
	return &guest{t: t, b: layout.NewBuilder(), host: w, world: w}
}

// typ is the address of the descriptor of typ.
func (g *guest) typ(typ types.Type) uint64 { return g.b.TypeAddr(typ) }

// call adds a call and returns its number.
func (g *guest) call(symbol string, args ...any) int {
	n, ok := table[symbol]
	if !ok {
		g.t.Fatalf("no native %s", symbol)
	}
	if len(args) != n.Args {
		g.t.Fatalf("%s takes %d slots, not %d", symbol, n.Args, len(args))
	}
	first := 0
	for _, s := range g.steps {
		first += table[s.symbol].Res
	}
	g.steps = append(g.steps, step{symbol, args, first})
	return len(g.steps) - 1
}

// image is the program of the calls added.
func (g *guest) image(initial []byte) *code.Image {
	uint8Type := g.b.TypeAddr(types.Typ[types.Uint8])
	scratch := g.b.Global("main.scratch", types.NewArray(types.Typ[types.Uint64], scratchBytes/8), code.ClassRun, "")
	results := g.b.Global("main.results", types.NewArray(types.Typ[types.Uint64], 4096), code.ClassRun, "")
	g.b.Init(scratch, initial)
	d, err := g.b.Finish(layout.Funcs{TypeEqual: 1, TypeHash: 1, Method: func(types.Type, *types.Selection) (int32, int32) { return 1, 1 }})
	if err != nil {
		g.t.Fatal(err)
	}
	g.scratch, g.results = d.Final(scratch), d.Final(results)
	img := &code.Image{GoVersion: "go1.26", Data: d.Bytes, ROBytes: d.ROBytes, Globals: d.Globals, TypeLinks: d.TypeLinks, Itabs: d.Itabs,
		Funcs: []code.Func{{}}, Code: make([]code.Instr, 1), Entry: 1, Known: map[string]uint64{}, Files: []string{"main.go"}}
	img.Code = append(img.Code, g.body(img)...)
	img.Funcs = append(img.Funcs, code.Func{Name: "main.main", Entry: 1, End: int32(len(img.Code)), FrameSlots: window + 30})
	img.Lines = []code.Line{{PC: 1, File: 0, Line: 7}}
	for i, sym := range code.KnownSymbols {
		if strings.Contains(sym, ":") {
			continue
		}
		// Each notes its number behind the results and ends the program.
		entry := int32(len(img.Code))
		img.Code = append(img.Code, code.Instr{Op: code.LdC, A: 10}, code.ExtWord(g.results+4095*8), code.Instr{Op: code.LdI, A: 11}.WithImm32(int32(i+1)),
			code.Instr{Op: code.St64, A: 10, B: 11}, code.Instr{Op: code.Halt})
		img.Known[sym] = uint64(len(img.Funcs))
		img.Funcs = append(img.Funcs, code.Func{Name: sym, Entry: entry, End: int32(len(img.Code)), FrameSlots: 16, ArgSlots: 3})
	}
	img.Known["type:uint8"] = uint8Type
	return img
}

func (g *guest) body(img *code.Image) []code.Instr {
	var c []code.Instr
	constant := func(slot int, v uint64) {
		c = append(c, code.Instr{Op: code.LdC, A: uint16(slot)}, code.ExtWord(v))
	}
	for i, s := range g.steps {
		n := table[s.symbol]
		for k, a := range s.args {
			slot := window + code.FrameHeader + n.Res + k
			switch a := a.(type) {
			case int:
				constant(slot, uint64(a))
			case uint64:
				constant(slot, a)
			case at:
				constant(slot, g.scratch+uint64(a))
			case result:
				constant(50, g.results+uint64(g.steps[a.step].first+a.slot)*8)
				c = append(c, code.Instr{Op: code.Ld64, A: uint16(slot), B: 50})
			default:
				g.t.Fatalf("argument %T", a)
			}
		}
		c = append(c, code.Instr{Op: code.Native, A: window}.WithImm32(int32(i)))
		img.Natives = append(img.Natives, s.symbol)
		for k := range n.Res {
			constant(50, g.results+uint64(s.first+k)*8)
			c = append(c, code.Instr{Op: code.St64, A: 50, B: uint16(window + code.FrameHeader + k)})
		}
	}
	return append(c, code.Instr{Op: code.Halt})
}

// run runs the calls with scratch memory holding initial.
func (g *guest) run(initial string) {
	g.t.Helper()
	img := g.image([]byte(initial))
	if err := check.Image(img, Signature(table)); err != nil {
		g.t.Fatal(err)
	}
	p, err := vmtext.NewProgram(img)
	if err != nil {
		g.t.Fatal(err)
	}
	g.mem, err = mem.New(8 << 20)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { g.mem.Close() })
	end := uint64(code.Base + code.DataStart + len(img.Data))
	if err := g.mem.Grow(end - code.Base); err != nil {
		g.t.Fatal(err)
	}
	copy(g.mem.Writable(code.Base+code.DataStart, uint64(len(img.Data))), img.Data)
	if g.heap, err = heap.New(g.mem, end, 1); err != nil {
		g.t.Fatal(err)
	}
	m, err := exec.New(exec.Config{Program: p, Mem: g.mem, Heap: g.heap, Host: g.host, Natives: table})
	if err != nil {
		g.t.Fatal(err)
	}
	for range 100 {
		if g.stop = m.Run(1 << 20); g.stop.Reason != exec.HostCall && g.stop.Reason != exec.Budget {
			break
		}
	}
	if n := g.mem.Load64(g.results + 4095*8); n > 0 {
		g.panic = code.KnownSymbols[n-1]
	}
}

// res is result slot slot of a step.
func (g *guest) res(step, slot int) uint64 {
	return g.mem.Load64(g.results + uint64(g.steps[step].first+slot)*8)
}

// str is the string whose pointer is result slot slot of a step.
func (g *guest) str(step, slot int) string {
	return string(g.mem.Bytes(g.res(step, slot), g.res(step, slot+1)))
}

// strs is the []string that begins at result slot 0 of a step.
func (g *guest) strs(step int) []string {
	var list []string
	for i := range g.res(step, 1) {
		a := g.res(step, 0) + i*16
		list = append(list, string(g.mem.Bytes(g.mem.Load64(a), g.mem.Load64(a+8))))
	}
	return list
}

// ended checks that the run ended by the program's end, or by the panic wanted.
func (g *guest) ended(panic string) {
	g.t.Helper()
	if g.panic != panic || g.stop.Reason != exec.Exited || g.stop.Status != 0 {
		g.t.Errorf("ended with %+v after %q, want panic %q; stderr %q", g.stop, g.panic, panic, g.world.stderr.String())
	}
}

// words are numbers as scratch memory.
func words(v ...uint64) string {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return string(b)
}

// addresses that are none.
var wild = []uint64{0, 8, code.Base - 1, code.Base + 7<<20, code.Base + 1<<40, 1 << 63, ^uint64(0)}

func TestSignaturesMatchNatives(t *testing.T) {
	lookup := Signature(table)
	for sym, n := range table {
		if sig, ok := lookup(sym); !ok || sig.Res != n.Res || sig.Args != n.Args || n.Call == nil {
			t.Errorf("%s: %+v", sym, sig)
		}
	}
	if _, ok := lookup("os.fly"); ok {
		t.Error("a native that does not exist has a signature")
	}
}
