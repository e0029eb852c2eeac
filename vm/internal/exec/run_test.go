package exec

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
	"github.com/tandemvm/tandem/vm/internal/text"
)

// Type adds an abi.Type to the data; more words follow its 48 bytes. pointers is the bitmap of pointer words.
func (a *Assembler) Type(kind, size, ptrBytes uint64, flags uint64, pointers uint64, more ...uint64) uint64 {
	bitmap := a.Data(pointers)
	meta := uint64(len(a.img.Data))&0xFFFFFFFF | flags<<32 | 8<<40 | 8<<48 | kind<<56
	at := a.Data(size, ptrBytes, meta, 0, bitmap, 0)
	a.Data(more...)
	return at
}

const (
	tflagDirect  = 1 << 5
	tflagRegular = 1 << 3
)

// basics are types every test program may use.
type basics struct {
	int, int8, int32, str, ptr, slice, chanInt, chanInt8, mapIntInt, empty, big, iface uint64
}

func (a *Assembler) basics() (b basics) {
	b.int = a.Type(2, 8, 0, tflagRegular, 0)
	b.int8 = a.Type(3, 1, 0, tflagRegular, 0)
	b.int32 = a.Type(5, 4, 0, tflagRegular, 0)
	b.str = a.Type(24, 16, 8, 0, 1)
	b.ptr = a.Type(22, 8, 8, tflagDirect|tflagRegular, 1, b.int)
	b.slice = a.Type(23, 24, 8, 0, 1, b.int)
	b.chanInt = a.Type(18, 8, 8, tflagDirect, 1, b.int, 3)
	b.chanInt8 = a.Type(18, 8, 8, tflagDirect, 1, b.int8, 3)
	b.mapIntInt = a.Type(21, 8, 8, tflagDirect, 1, b.int, b.int, 0, 0, 0, 0, 0, 0)
	b.empty = a.Type(20, 16, 16, 0, 3, 0, 0, 0, 0)
	b.big = a.Type(17, 2048, 0, tflagRegular, 0, b.int, b.slice, 256)
	return b
}

// out is a host that collects what a program prints by the native test.print.
type out struct {
	testHost
	lines []string
}

func (o *out) natives() map[string]Native {
	return map[string]Native{
		"test.print": {Args: 1, Call: func(t *Thread, w Window) Action {
			o.lines = append(o.lines, fmt.Sprint(int64(w.Arg(0))))
			return Next
		}},
		"test.exit": {Args: 1, Call: func(t *Thread, w Window) Action { return t.Exit(int(w.Arg(0))) }},
		"test.collect": {Call: func(t *Thread, w Window) Action {
			t.Collect()
			return Next
		}},
		"test.panic": {Args: 2, Call: func(t *Thread, w Window) Action { return t.PanicValue(w.Arg(0), w.Arg(1)) }},
		"test.call1": {Args: 2, Res: 1, Call: func(t *Thread, w Window) Action { return t.Call(w.Arg(0), 0, w.Arg(1)) }},
		"test.block": {Args: 1, Res: 1, Call: func(t *Thread, w Window) Action {
			if o.now < w.Int(0) {
				return t.Block()
			}
			w.Set(0, uint64(o.now))
			return Next
		}},
	}
}

// program is one test program with what Go would print.
type program struct {
	name   string
	build  func(a *Assembler, b basics) int // gives the entry function
	out    string                           // lines joined by spaces
	status int
	stderr string // contained in what goes to stderr
}

func (p *program) image() *code.Image {
	a := newAssembler()
	b := a.basics()
	a.img.Known[code.KnownTypeUint8] = a.Type(8, 1, 0, tflagRegular, 0)
	printingPanics(a)
	return a.finish(p.build(a, b))
}

// printingPanics gives the image Known functions that panic with the number of the function (its place in code.KnownSymbols) as an int, and a fatalpanic that prints each
// panic of the chain, oldest first, as value, then 1000 times recovered plus goexit, and exits with 2.
func printingPanics(a *Assembler) {
	typ := a.Type(2, 8, 0, tflagRegular, 0)
	for i, sym := range code.KnownSymbols {
		n, ok := knownArgs[sym]
		if !ok {
			continue
		}
		num := a.Data(uint64(i))
		a.img.Known[sym] = uint64(a.Func(sym, 0, n, 12))
		a.I(code.LdC, 8, 0, 0, typ)
		a.I(code.LdC, 9, 0, 0, num)
		a.I(code.Panic, 8, 0, 0)
	}
	chain := a.Declare("runtime.printpanics", 0, 1, 16)
	a.Begin(chain)
	a.J(code.JF, 3, 0, "end")
	a.I(code.Ld64, 10, 3, panicLink)
	a.I(code.Mov, 7+3-0, 10, 0) // argument of the window at 7
	a.II(code.Call, 7, int32(chain))
	a.I(code.Ld64, 5, 3, panicArg+8)
	a.J(code.JF, 5, 0, "goexit")
	a.I(code.Ld64, 5, 5, 0)
	a.L("goexit")
	a.print(7, 5)
	a.I(code.LdU8, 5, 3, panicRecovered)
	a.I(code.MulI, 5, 5, 1000)
	a.I(code.LdU8, 6, 3, panicGoexit)
	a.I(code.Add, 5, 5, 6)
	a.print(7, 5)
	a.L("end")
	a.I(code.Ret, 0, 0, 0)
	a.img.Known[code.KnownFatalPanic] = uint64(a.Func("runtime.fatalpanic", 0, 1, 16))
	a.I(code.Mov, 10, 3, 0)
	a.II(code.Call, 7, int32(chain))
	a.II(code.LdI, 10, 2)
	a.II(code.Native, 7, a.Native("test.exit"))
	a.I(code.Trap, 0, 0, 0)
}

// print prints a slot, using a window at w.
func (a *Assembler) print(w, slot int) {
	if slot != w+3 {
		a.I(code.Mov, w+3, slot, 0)
	}
	a.II(code.Native, w, a.Native("test.print"))
}

// rig is a program in memory.
type rig struct {
	p    *text.Program
	m    *Machine
	host *out
}

func newRig(t testing.TB, img *code.Image, l Limits, o Observer) *rig {
	t.Helper()
	prog, err := text.NewProgram(img)
	if err != nil {
		t.Fatal(err)
	}
	mm, err := mem.New(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mm.Close() })
	h, err := heap.New(mm, prog.DataEnd, 1)
	if err != nil {
		t.Fatal(err)
	}
	copy(mm.Writable(code.Base+code.DataStart, uint64(len(img.Data))), img.Data)
	host := &out{}
	m, err := New(Config{Program: prog, Mem: mm, Heap: h, Host: host, Natives: host.natives(), Limits: l, Observer: o})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{prog, m, host}
}

// move takes the memory to another machine and leaves the old one useless.
func (r *rig) move(t testing.TB) {
	t.Helper()
	old := r.m.mem
	mm, err := mem.New(old.Limit())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mm.Close() })
	if err := mm.Grow(old.Size()); err != nil {
		t.Fatal(err)
	}
	copy(mm.Writable(code.Base, old.Size()), old.Bytes(code.Base, old.Size()))
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := heap.Attach(mm)
	if err != nil {
		t.Fatal(err)
	}
	if r.m, err = Attach(Config{Program: r.p, Mem: mm, Heap: h, Host: r.host, Natives: r.host.natives()}); err != nil {
		t.Fatal(err)
	}
}

// finish runs to the end, moving the clock when the program waits. each is called after every stop.
func (r *rig) finish(t testing.TB, budget uint64, each func()) Stop {
	t.Helper()
	for range 1 << 22 {
		s := r.m.Run(budget)
		switch s.Reason {
		case Exited, Failed:
			return s
		case Idle:
			r.host.now = s.Wake
		case HostCall:
			r.host.now += 10
		}
		if each != nil {
			each()
		}
	}
	t.Fatal("the program does not end")
	return Stop{}
}

func (p *program) check(t *testing.T, r *rig, s Stop, how string) {
	t.Helper()
	got := strings.Join(r.host.lines, " ")
	if s.Reason != Exited || s.Status != p.status || got != p.out {
		t.Fatalf("%s: stop %+v\n out %s\nwant %s\nstderr: %s", how, s, got, p.out, r.host.text)
	}
	if !strings.Contains(string(r.host.text), p.stderr) || p.stderr == "" && len(r.host.text) > 0 {
		t.Fatalf("%s: stderr is\n%s\nwant\n%s", how, r.host.text, p.stderr)
	}
}

type stepCounter struct{ words uint64 }

func (c *stepCounter) Step(s *Step) {
	c.words += uint64(code.Table[s.Instr.Op].Form.Words())
	s.Operands()
	s.Access()
}

func allPrograms() (all []*program) {
	for _, list := range [][]program{programs, waitPrograms, heapPrograms, ifacePrograms} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	return all
}

// TestPrograms runs every program undisturbed; stopping at every safe point; moving to another machine at every safe point (every third for
// long ones); with an observer; and inside a save that is then undone. Output, status and instruction count are the same.
func TestPrograms(t *testing.T) {
	for _, p := range allPrograms() {
		t.Run(p.name, func(t *testing.T) {
			img := p.image()
			r := newRig(t, img, Limits{SliceWords: 50}, nil)
			s := r.finish(t, 1<<40, nil)
			p.check(t, r, s, "undisturbed")
			count := r.m.Count()
			final := bytes.Clone(r.m.mem.Bytes(code.Base, r.m.mem.Size()))

			r = newRig(t, img, Limits{SliceWords: 50}, nil)
			points := 0
			s = r.finish(t, 1, func() { points++ })
			p.check(t, r, s, "stopping")
			if r.m.Count() != count {
				t.Fatalf("stopping: %d words, undisturbed %d", r.m.Count(), count)
			}
			if !bytes.Equal(final, r.m.mem.Bytes(code.Base, r.m.mem.Size())) {
				t.Fatal("stopping left other memory behind")
			}

			r = newRig(t, img, Limits{SliceWords: 50}, nil)
			n := 0
			s = r.finish(t, 1, func() {
				if n++; n%(1+points/60) == 0 {
					r.move(t)
				}
			})
			p.check(t, r, s, "moving")
			if r.m.Count() != count {
				t.Fatalf("moving: %d words, undisturbed %d", r.m.Count(), count)
			}

			c := &stepCounter{}
			r = newRig(t, img, Limits{SliceWords: 50}, c)
			s = r.finish(t, 1<<40, nil)
			p.check(t, r, s, "observed")
			if r.m.Count() != count || c.words == 0 {
				t.Fatalf("observed: %d words, undisturbed %d; %d reported", r.m.Count(), count, c.words)
			}

			r = newRig(t, img, Limits{SliceWords: 50}, nil)
			r.m.Run(uint64(points) / 2)
			lines, text, now := len(r.host.lines), len(r.host.text), r.host.now
			if err := r.m.mem.Save(); err != nil {
				t.Fatal(err)
			}
			r.finish(t, 7, nil)
			if err := r.m.mem.Undo(); err != nil {
				t.Fatal(err)
			}
			if err := r.m.Reload(); err != nil {
				t.Fatal(err)
			}
			r.host.lines, r.host.text, r.host.now = r.host.lines[:lines], r.host.text[:text], now
			s = r.finish(t, 1<<40, nil)
			p.check(t, r, s, "undone")
			if r.m.Count() != count {
				t.Fatalf("undone: %d words, undisturbed %d", r.m.Count(), count)
			}
		})
	}
}
