package exec

import (
	"errors"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

func endless(body func(a *Assembler, b basics, main int)) *code.Image {
	p := program{build: func(a *Assembler, b basics) int {
		main := a.Declare("main.main", 0, 0, 64)
		a.Begin(main)
		body(a, b, main)
		return main
	}}
	return p.image()
}

func wantLimit(t *testing.T, s Stop, limit string) {
	t.Helper()
	var e *LimitError
	if s.Reason != Failed || !errors.As(s.Err, &e) || e.Limit != limit {
		t.Fatalf("stop %+v, want the %s limit", s, limit)
	}
}

func TestGas(t *testing.T) {
	img := endless(func(a *Assembler, b basics, main int) {
		a.L("top")
		a.J(code.Jmp, 0, 0, "top")
	})
	r := newRig(t, img, Limits{Gas: 1000}, nil)
	for range 3 {
		wantLimit(t, r.m.Run(1<<40), "gas")
		if r.m.Count() != 1000 {
			t.Fatalf("stopped after %d words, not 1000", r.m.Count())
		}
	}
	r.move(t)
	wantLimit(t, r.m.Run(1<<40), "gas")
}

func TestGoroutineLimit(t *testing.T) {
	img := endless(func(a *Assembler, b basics, main int) {
		f := a.Declare("main.f", 0, 0, 8)
		a.L("top")
		a.spawn(code.Go, f, 4, 40)
		a.J(code.Jmp, 0, 0, "top")
		a.Begin(f)
		a.II(code.LdI, 3, 0)
		a.I(code.Recv, 4, 3, 0, b.int)
		a.I(code.Ret, 0, 0, 0)
	})
	r := newRig(t, img, Limits{Goroutines: 10}, nil)
	wantLimit(t, r.m.Run(1<<40), "goroutines")
	if r.m.Live() != 10 {
		t.Fatalf("%d goroutines", r.m.Live())
	}
}

func TestMemoryLimit(t *testing.T) {
	img := endless(func(a *Assembler, b basics, main int) { // a list that grows: nothing can be collected
		node := a.Type(23, 24, 8, 0, 1, b.int)
		a.II(code.LdI, 4, 0)
		a.L("top")
		a.I(code.New, 5, 0, 0, node)
		a.I(code.St64, 5, 4, 0)
		a.I(code.Mov, 4, 5, 0)
		a.J(code.Jmp, 0, 0, "top")
	})
	r := newRig(t, img, Limits{}, nil)
	wantLimit(t, r.m.Run(1<<40), "memory")
	wantLimit(t, r.m.Run(1<<40), "memory")
	img = endless(func(a *Assembler, b basics, main int) { // garbage only: never the limit
		a.II(code.LdI, 4, 0)
		a.I(code.LdC, 6, 0, 0, 100000)
		a.L("top")
		a.I(code.New, 5, 0, 0, b.big)
		a.I(code.AddI, 4, 4, 1)
		a.J(code.JLtS, 4, 6, "top")
		a.I(code.Halt, 0, 0, 0)
	})
	r = newRig(t, img, Limits{}, nil)
	if s := r.m.Run(1 << 40); s.Reason != Exited {
		t.Fatalf("garbage: %+v", s)
	}
}

// TestLimitsAreTheMachines: a program made by hand that writes to the root page neither lifts its limits nor resets what it used of them, here and
// where it moves to.
func TestLimitsAreTheMachines(t *testing.T) {
	img := endless(func(a *Assembler, b basics, main int) {
		f := a.Declare("main.f", 0, 0, 8)
		a.L("top")
		for _, at := range []uint64{rootGas, rootLive, rootCount} {
			a.I(code.LdC, 4, 0, 0, at)
			a.II(code.LdI, 5, 0)
			a.I(code.St64, 4, 5, 0)
		}
		for _, at := range []uint64{rootGoroutineMax, rootSliceEnd, rootSliceWords} {
			a.I(code.LdC, 4, 0, 0, at)
			a.II(code.LdI, 5, -1)
			a.I(code.St64, 4, 5, 0)
		}
		a.spawn(code.Go, f, 4, 40)
		a.J(code.Jmp, 0, 0, "top")
		a.Begin(f)
		a.II(code.LdI, 3, 0)
		a.I(code.Recv, 4, 3, 0, b.int)
		a.I(code.Ret, 0, 0, 0)
	})
	r := newRig(t, img, Limits{Goroutines: 10}, nil)
	wantLimit(t, r.m.Run(1<<40), "goroutines")
	r.move(t)
	wantLimit(t, r.m.Run(1<<40), "goroutines")
	if r.m.Live() != 10 {
		t.Errorf("%d goroutines", r.m.Live())
	}
	r = newRig(t, img, Limits{Gas: 1000, Goroutines: 1 << 30}, nil)
	wantLimit(t, r.m.Run(1<<40), "gas")
	count := r.m.Count()
	r.move(t)
	wantLimit(t, r.m.Run(1<<40), "gas")
	if r.m.Count() != count || count < 1000 || count > 1100 {
		t.Errorf("%d instruction words, then %d", count, r.m.Count())
	}
}

// TestReturnsDoNotSpin: frames that lead in a circle are an error. A return is no safe point, so they would hold the host for ever.
func TestReturnsDoNotSpin(t *testing.T) {
	damage := func(a *Assembler, frame int, ret uint64) { // makes the running frame one that was called from the frame in a slot
		a.I(code.LeaF, 20, 0, 0)
		a.I(code.St64, 20, frame, 0)
		a.I(code.LdC, 21, 0, 0, ret)
		a.I(code.St64, 20, 21, 8)
		a.I(code.Ret, 0, 0, 0)
	}
	for name, body := range map[string]func(a *Assembler, main int){
		"itself": func(a *Assembler, main int) {
			a.I(code.LeaF, 22, 0, 0)
			damage(a, 22, uint64(len(a.img.Code))+5)
		},
		"one another": func(a *Assembler, main int) {
			f := a.Declare("main.f", 0, 0, 64)
			a.I(code.LeaF, 22, 40, 0) // the callee's frame
			a.II(code.Call, 40, int32(f))
			damage(a, 22, uint64(len(a.img.Code))+5)
			a.Begin(f)
			a.I(code.Ret, 0, 0, 0)
		},
	} {
		r := newRig(t, endless(func(a *Assembler, b basics, main int) { body(a, main) }), Limits{}, nil)
		if s := r.m.Run(1 << 20); s.Reason != Failed || !strings.Contains(s.Err.Error(), "caller's frame in memory is damaged") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestStackOverflow(t *testing.T) {
	img := endless(func(a *Assembler, b basics, main int) {
		a.II(code.Call, 40, int32(main))
		a.I(code.Ret, 0, 0, 0)
	})
	r := newRig(t, img, Limits{StackBytes: 1 << 20}, nil)
	s := r.m.Run(1 << 40)
	text := string(r.host.text)
	if s.Reason != Exited || s.Status != 2 ||
		!strings.HasPrefix(text, "runtime: goroutine stack exceeds 1048576-byte limit\nfatal error: stack overflow\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/a.go:") {
		t.Fatalf("stop %+v\n%.300s", s, text)
	}
	if n := strings.Count(text, "main.main()"); n != framesMax || !strings.Contains(text, "frames elided...\n") {
		t.Fatalf("%d frames in the traceback", n)
	}
}

// TestEveryOpRuns proves that each op of the table is carried out by a test of this package: by a model, or by a program that is compared.
func TestEveryOpRuns(t *testing.T) {
	seen := map[code.Op]string{}
	for op := range numberModel {
		seen[op] = "TestNumberOps"
	}
	for op := range shiftModel {
		seen[op] = "TestShiftOps"
	}
	for op := range complexModel {
		seen[op] = "TestComplexOps"
	}
	for op := range jumpModel {
		seen[op] = "TestJumps"
	}
	for op := range code.Accesses {
		if code.Accesses[op].Bytes != 0 {
			seen[code.Op(op)] = "TestAccesses"
		}
	}
	for name, ops := range map[string][]code.Op{
		"TestComplexOps":          {code.C128ToC64},
		"TestMoves":               {code.Nop, code.Mov2, code.Mov3, code.MovN, code.Zero},
		"TestDivisionByConstants": {code.DivSC, code.DivUC, code.RemSC, code.RemUC},
		"TestDivision":            {code.DivS, code.DivU, code.RemS, code.RemU, code.Div128},
		"TestBlockMemory":         {code.LdN, code.StN, code.CopyM, code.ZeroM, code.AddM64},
		"TestFaults":              {code.ShChk, code.Bound, code.BoundR, code.NilChk, code.LeaX, code.LeaP},
	} {
		for _, op := range ops {
			seen[op] = name
		}
	}
	o := opSeer{}
	for _, p := range allPrograms() {
		newRig(t, p.image(), Limits{}, o).finish(t, 1<<40, nil)
	}
	for op := range o {
		seen[op] = "TestPrograms"
	}
	// The trampolines are reached by returns only; programs that end goroutines and recover pass through them.
	seen[code.GoExit], seen[code.PanicNext] = "TestPrograms", "TestPrograms"
	for op := code.Op(1); op < code.OpCount; op++ {
		if seen[op] == "" {
			t.Errorf("no test carries out %s: %s", op, code.Table[op].Effect)
		}
	}
}

type opSeer map[code.Op]bool

func (o opSeer) Step(s *Step) { o[s.Instr.Op] = true }

// TestGasFollowsOperands: what an instruction with very many operands goes through one by one counts, which only code made by hand or by a program has.
func TestGasFollowsOperands(t *testing.T) {
	const n = 12000
	for name, op := range map[string]func(a *Assembler, f int){
		"nothing": func(a *Assembler, f int) {},
		"select":  func(a *Assembler, f int) { a.I(code.Select, 10, 20, n, 0) },
		"concat":  func(a *Assembler, f int) { a.I(code.Concat, 10, 20, n) },
		"closure": func(a *Assembler, f int) { a.I(code.MkClo, 10, 20, n, uint64(f)) },
		"go":      func(a *Assembler, f int) { a.II(code.LdI, 10, int32(f)); a.I(code.Go, 20, 10, n) },
	} {
		p := program{build: func(a *Assembler, b basics) int {
			main, f := a.Declare("main.main", 0, 0, 1<<16), a.Declare("main.f", 0, n, n+8)
			a.Begin(f)
			a.I(code.Ret, 0, 0, 0)
			a.Begin(main)
			a.II(code.Zero, 3, 1<<16-3)
			op(a, f)
			a.I(code.Halt, 0, 0, 0)
			return main
		}}
		r := newRig(t, p.image(), Limits{}, nil)
		if s := r.m.Run(1 << 40); s.Reason != Exited {
			t.Fatalf("%s: %+v", name, s)
		}
		zeroing := uint64((1<<16 - 3) * 8 / workBytes)
		if got := r.m.Count() - zeroing; name != "nothing" && got < n*8/workBytes || name == "nothing" && got > 100 {
			t.Errorf("%s: %d words", name, got)
		}
	}
}
