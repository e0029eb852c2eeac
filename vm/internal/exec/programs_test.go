package exec

import "github.com/tandemvm/tandem/vm/internal/code"

// num loads an empty interface holding the int v into slots x and x+1.
func (a *Assembler) num(b basics, x int, v uint64) {
	a.I(code.LdC, x, 0, 0, b.int)
	a.I(code.LdC, x+1, 0, 0, a.Data(v))
}

// printer is a function of one argument that prints it.
func (a *Assembler) printer() int {
	f := a.Func("main.print", 0, 1, 12)
	a.print(6, 3)
	a.I(code.Ret, 0, 0, 0)
	return f
}

// deferred pushes a deferred call of fn with argument slots from values, through slots ref, ref+1 and a window at w.
func (a *Assembler) spawn(op code.Op, fn, ref, w int, args ...int) {
	a.II(code.FnS, ref, int32(fn))
	for i, s := range args {
		a.I(code.Mov, w+3+i, s, 0)
	}
	a.I(op, w, ref, len(args))
}

// local defers fn with the record in slots from rec of the function being written.
func (a *Assembler) local(fn, rec int, args ...int) {
	a.II(code.FnS, rec+code.DeferFunc, int32(fn))
	for i, s := range args {
		a.I(code.Mov, rec+code.DeferHeader+i, s, 0)
	}
	a.I(code.DeferL, rec, 0, 0, uint64(len(args))<<32|uint64(a.cur))
}

// recoverer is a function that prints what it recovers (the int in the interface), or -1.
func (a *Assembler) recoverer(name string, flags code.FuncFlag) int {
	f := a.Func(name, 0, 0, 16)
	a.img.Funcs[f].Flags = flags
	a.I(code.Recover, 4, 0, 0)
	a.II(code.LdI, 11, -1)
	a.J(code.JF, 4, 0, "none")
	a.I(code.Ld64, 11, 5, 0)
	a.L("none")
	a.print(8, 11)
	a.I(code.Ret, 0, 0, 0)
	return f
}

// setRecover makes the next word the one where the function being written goes on after a recovered panic.
func (a *Assembler) setRecover() { a.img.Funcs[a.cur].Recover = int32(len(a.img.Code)) }

var programs = []program{
	{name: "deep recursion and results across chunks", out: "500500 3 500500", build: func(a *Assembler, b basics) int {
		sum := a.Func("main.sum", 1, 1, 12)
		a.J(code.JGtSI, 4, 0, "more")
		a.II(code.LdI, 3, 0)
		a.I(code.Ret, 0, 0, 0)
		a.L("more")
		a.I(code.AddI, 11, 4, 0xFFFF)
		a.II(code.Call, 7, int32(sum))
		a.I(code.Add, 3, 10, 4)
		a.I(code.Ret, 0, 0, 0)
		child := a.Func("main.child", 0, 1, 16)
		a.II(code.LdI, 9, 1000)
		a.II(code.Call, 5, int32(sum))
		a.I(code.Send, 3, 8, 0, b.int)
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		a.II(code.LdI, 4, 0)
		a.I(code.ChanNew, 5, 4, 0, b.chanInt)
		a.spawn(code.Go, child, 7, 10, 5)
		a.II(code.LdI, 14, 1000)
		a.II(code.Call, 10, int32(sum))
		a.I(code.Mov, 6, 13, 0)
		a.print(10, 6)
		a.II(code.LdI, 14, 2)
		a.II(code.Call, 10, int32(sum))
		a.I(code.Mov, 6, 13, 0)
		a.print(10, 6)
		a.I(code.Recv, 6, 5, 0, b.int)
		a.print(10, 6)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "closures, interfaces, references", out: "42 42 7 42 7", build: func(a *Assembler, b basics) int {
		add := a.Func("main.add", 1, 1, 8) // captures one word
		a.I(code.Ld64, 5, 2, 8)
		a.I(code.Add, 3, 5, 4)
		a.I(code.Ret, 0, 0, 0)
		method := a.Func("main.T.get", 1, 1, 8)
		a.I(code.Ld64, 5, 4, 0)
		a.I(code.Ret1, 5, 0, 0)
		itab := a.Data(0, b.int, 0, uint64(method))
		seven := a.Data(7)
		deferred := a.printer()
		main := a.Func("main.main", 0, 0, 40)
		a.II(code.LdI, 4, 40)
		a.I(code.MkClo, 5, 4, 1, uint64(add))
		a.II(code.LdI, 24, 2)
		a.I(code.CallC, 20, 5, 0)
		a.I(code.Mov, 6, 23, 0)
		a.print(20, 6)
		a.I(code.FnC, 7, 5, 0)
		a.II(code.LdI, 24, 2)
		a.I(code.LeaF, 9, 24, 0)
		a.II(code.LdI, 10, 1)
		a.I(code.LeaF, 11, 13, 0)
		a.II(code.LdI, 12, 1)
		a.I(code.CallR, 20, 7, 0)
		a.I(code.CallRFin, 20, 7, 0)
		a.print(20, 13)
		a.I(code.LdC, 14, 0, 0, itab)
		a.I(code.LdC, 15, 0, 0, seven)
		a.I(code.Mov, 24, 15, 0)
		a.I(code.CallI, 20, 14, 0)
		a.I(code.Mov, 6, 23, 0)
		a.print(20, 6)
		a.spawn(code.Defer, deferred, 16, 20, 6)
		a.print(20, 13)
		a.I(code.FnI, 16, 14, 0)
		a.I(code.Mov, 24, 15, 0)
		a.I(code.Defer, 20, 16, 1) // its result is thrown away
		a.I(code.RunDefers, 20, 0, 0)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "defer, recover, go on with results", out: "3 2 11 1 5", build: func(a *Assembler, b basics) int {
		pr, rec := a.printer(), a.recoverer("main.rec", 0)
		f := a.Func("main.f", 1, 0, 24)
		a.II(code.LdI, 5, 1)
		a.spawn(code.Defer, pr, 6, 10, 5)
		a.spawn(code.Defer, rec, 6, 10)
		a.II(code.LdI, 5, 2)
		a.spawn(code.Defer, pr, 6, 10, 5)
		a.II(code.LdI, 5, 3)
		a.spawn(code.Defer, pr, 6, 10, 5)
		a.II(code.LdI, 3, 4)
		a.num(b, 8, 11)
		a.I(code.Panic, 8, 0, 0)
		a.setRecover()
		a.I(code.AddI, 3, 3, 1)
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		a.II(code.Call, 8, int32(f))
		a.I(code.Mov, 4, 11, 0)
		a.print(8, 4)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "defer in the frame, among others, panicking and not", out: "5 4 3 2 1 9 5 4 3 2 1 120 120", build: func(a *Assembler, b basics) int {
		pr, rec := a.printer(), a.recoverer("main.rec", 0)
		many := a.Func("main.many", 1, 15, 24) // more arguments than the loop copies
		for i := range 14 {
			a.I(code.Add, 4, 4, 5+i)
		}
		a.print(20, 4)
		a.I(code.Ret1, 4, 0, 0)
		f := a.Func("main.f", 0, 1, 100)
		for i, local := range []bool{true, false, true, true, false} {
			a.II(code.LdI, 10, int32(i+1))
			if local {
				a.local(pr, 12+10*i, 10)
			} else {
				a.spawn(code.Defer, pr, 4, 70, 10)
			}
		}
		a.J(code.JF, 3, 0, "quiet")
		a.local(rec, 62)
		a.num(b, 8, 9)
		a.I(code.Panic, 8, 0, 0)
		a.L("quiet")
		a.I(code.RunDefers, 70, 0, 0)
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		g := a.Func("main.g", 0, 1, 100)
		for i := range 15 {
			a.II(code.LdI, 20+i, int32(i+1))
		}
		a.local(many, 40, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34)
		a.J(code.JF, 3, 0, "quiet")
		a.num(b, 8, 9)
		a.II(code.FnS, 10, int32(rec))
		a.I(code.Defer, 70, 10, 0)
		a.I(code.Panic, 8, 0, 0)
		a.L("quiet")
		a.I(code.RunDefers, 70, 0, 0)
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		for _, c := range [][2]int{{f, 0}, {f, 1}, {g, 0}} {
			a.II(code.LdI, 13, int32(c[1]))
			a.II(code.Call, 10, int32(c[0]))
		}
		a.II(code.LdI, 13, 0)
		a.II(code.Call, 10, int32(g))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "defer with a closure of its own, for this frame and the caller's", out: "6 5 8 7 3", build: func(a *Assembler, b basics) int {
		show := a.Func("main.show", 0, 2, 24) // collects garbage, then prints two captured variables and the sum of its arguments
		a.II(code.Native, 10, a.Native("test.collect"))
		a.I(code.Ld64, 5, 2, 8)
		a.I(code.Ld64, 6, 2, 16)
		a.print(10, 5)
		a.print(10, 6)
		a.I(code.Add, 5, 3, 4)
		a.J(code.JF, 5, 0, "end")
		a.print(10, 5)
		a.L("end")
		a.I(code.Ret, 0, 0, 0)
		f := a.Func("main.f", 0, 1, 40) // its caller's frame
		for i, v := range []int32{0, 0, 6, 5} {
			a.II(code.LdI, 23+i, v)
		}
		a.II(code.LdI, 10, int32(show))
		a.II(code.LdI, 11, 2)
		a.II(code.LdI, 12, 0)
		a.I(code.DeferC, 20, 10, 4)
		for i, v := range []int32{1, 2, 8, 7} {
			a.II(code.LdI, 23+i, v)
		}
		a.I(code.Mov, 12, 3, 0)
		a.I(code.DeferC, 20, 10, 4)
		a.I(code.RunDefers, 20, 0, 0)
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 40)
		a.I(code.LeaF, 23, 0, 0)
		a.II(code.Call, 20, int32(f))
		a.I(code.RunDefers, 20, 0, 0)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "recover only by the deferred function, through wrappers", out: "-1 -1 5 -1", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		// calls recoverer one level down: must not recover
		nested := a.Func("main.nested", 0, 0, 16)
		a.II(code.Call, 8, int32(rec))
		a.I(code.Ret, 0, 0, 0)
		// a deferred function whose own deferred function calls recover: not directly called by the panic
		inner := a.Func("main.inner", 0, 0, 24)
		a.spawn(code.Defer, rec, 6, 10)
		a.I(code.RunDefers, 10, 0, 0)
		a.I(code.Ret, 0, 0, 0)
		wrap := a.Func("main.wrap", 0, 0, 16)
		a.img.Funcs[wrap].Flags = code.FuncWrapper
		a.II(code.Call, 8, int32(rec))
		a.I(code.Ret, 0, 0, 0)
		f := a.Func("main.f", 0, 0, 24)
		a.spawn(code.Defer, wrap, 6, 10)
		a.spawn(code.Defer, inner, 6, 10)
		a.spawn(code.Defer, nested, 6, 10)
		a.num(b, 8, 5)
		a.I(code.Panic, 8, 0, 0)
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		a.II(code.Call, 8, int32(f))
		a.II(code.Call, 8, int32(rec))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "deferred recover() stands for its caller, or is too early", out: "6", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		builtin := a.Func("runtime.recover", 0, 0, 8)
		a.img.Funcs[builtin].Flags = code.FuncWrapper
		a.I(code.Recover, 4, 0, 0)
		a.I(code.Ret, 0, 0, 0)
		inner := a.Func("main.inner", 0, 0, 24) // its deferred recover() recovers, as if called here
		a.spawn(code.Defer, builtin, 6, 10)
		a.I(code.RunDefers, 10, 0, 0)
		a.I(code.Ret, 0, 0, 0)
		f := a.Func("main.f", 0, 0, 24)
		a.spawn(code.Defer, inner, 6, 10)
		a.num(b, 8, 5)
		a.I(code.Panic, 8, 0, 0)
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		g := a.Func("main.g", 0, 0, 24) // too early: rec gets it
		a.spawn(code.Defer, rec, 6, 10)
		a.spawn(code.Defer, builtin, 6, 10)
		a.num(b, 8, 6)
		a.I(code.Panic, 8, 0, 0)
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		a.II(code.Call, 8, int32(f))
		a.II(code.Call, 8, int32(g))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "deferred recover() after a recovered panic of its frame", out: "3", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		builtin := a.Func("runtime.recover", 0, 0, 8)
		a.img.Funcs[builtin].Flags = code.FuncWrapper
		a.I(code.Recover, 4, 0, 0)
		a.I(code.Ret, 0, 0, 0)
		boom := a.Func("main.boom", 0, 0, 16)
		a.num(b, 8, 3)
		a.I(code.Panic, 8, 0, 0)
		inner := a.Func("main.inner", 0, 0, 24) // panics 3 in a callee, recovers it, then recovers 2 of its caller
		a.spawn(code.Defer, builtin, 6, 10)
		a.spawn(code.Defer, rec, 6, 10)
		a.II(code.Call, 10, int32(boom))
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		f := a.Func("main.f", 0, 0, 24)
		a.spawn(code.Defer, inner, 6, 10)
		a.num(b, 8, 2)
		a.I(code.Panic, 8, 0, 0)
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		a.II(code.Call, 8, int32(f))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "panic replaces panic", out: "2 -1", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		again := a.Func("main.again", 0, 0, 16)
		a.num(b, 8, 2)
		a.I(code.Panic, 8, 0, 0)
		f := a.Func("main.f", 0, 0, 24)
		a.spawn(code.Defer, rec, 6, 10)
		a.spawn(code.Defer, again, 6, 10)
		a.num(b, 8, 1)
		a.I(code.Panic, 8, 0, 0)
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		a.II(code.Call, 8, int32(f))
		a.II(code.Call, 8, int32(rec))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "panic in a deferred call recovered inside it", out: "2 1", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		inner := a.Func("main.inner", 0, 0, 24)
		a.spawn(code.Defer, rec, 6, 10)
		a.num(b, 8, 2)
		a.I(code.Panic, 8, 0, 0)
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		f := a.Func("main.f", 0, 0, 24)
		a.spawn(code.Defer, rec, 6, 10)
		a.spawn(code.Defer, inner, 6, 10)
		a.num(b, 8, 1)
		a.I(code.Panic, 8, 0, 0)
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		a.II(code.Call, 8, int32(f))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "uncaught: recovered, then panicked again", out: "1 1 1000 2 0", status: 2, build: func(a *Assembler, b basics) int {
		rec := a.Func("main.rec", 0, 0, 16) // recovers 1, prints it, panics 2
		a.I(code.Recover, 4, 0, 0)
		a.I(code.Ld64, 6, 5, 0)
		a.print(8, 6)
		a.num(b, 8, 2)
		a.I(code.Panic, 8, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		a.spawn(code.Defer, rec, 6, 10)
		a.num(b, 8, 1)
		a.I(code.Panic, 8, 0, 0)
		a.setRecover()
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "Goexit runs deferred calls and survives recovered panics", out: "-1 9 4 77", build: func(a *Assembler, b basics) int {
		pr, rec := a.printer(), a.recoverer("main.rec", 0)
		boom := a.Func("main.boom", 0, 0, 16)
		a.num(b, 8, 9)
		a.I(code.Panic, 8, 0, 0)
		g := a.Func("main.g", 0, 1, 32)
		a.II(code.LdI, 5, 77)
		a.I(code.MovN, 20, 3, 1)
		a.spawn(code.Defer, pr, 6, 10, 5) // prints 77 last
		a.II(code.LdI, 5, 4)
		a.spawn(code.Defer, pr, 6, 10, 5)
		a.spawn(code.Defer, rec, 6, 10)  // recovers 9
		a.spawn(code.Defer, boom, 6, 10) // panics while Goexit runs
		a.spawn(code.Defer, rec, 6, 10)  // nothing to recover: Goexit
		a.II(code.Native, 10, a.Native("runtime.Goexit"))
		a.setRecover()
		a.II(code.LdI, 5, 666) // never reached: Goexit goes on
		a.print(10, 5)
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		a.spawn(code.Go, g, 6, 10, 5)
		a.II(code.LdI, 13, 5)
		a.II(code.Native, 10, a.Native("time.Sleep"))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "main Goexit is a deadlock", status: 2, stderr: "fatal error: no goroutines (main called runtime.Goexit) - deadlock!\n", build: func(a *Assembler, b basics) int {
		main := a.Func("main.main", 0, 0, 24)
		a.II(code.Native, 10, a.Native("runtime.Goexit"))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "deadlock", status: 2, stderr: "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t/src/a.go:", build: func(a *Assembler, b basics) int {
		main := a.Func("main.main", 0, 0, 24)
		a.II(code.LdI, 4, 0)
		a.I(code.ChanNew, 5, 4, 0, b.chanInt)
		a.I(code.Recv, 6, 5, 0, b.int)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "range over a function defers for the outer frame", out: "3 2 1", build: func(a *Assembler, b basics) int {
		pr := a.printer()
		body := a.Func("main.f-range1", 0, 2, 24) // owner's frame, value: defer print(value) for the owner
		a.II(code.FnS, 6, int32(pr))
		a.I(code.Mov, 8, 3, 0)
		a.I(code.Mov, 13, 4, 0)
		a.I(code.DeferF, 10, 6, 1)
		a.I(code.Ret, 0, 0, 0)
		iter := a.Func("main.iter", 0, 1, 24) // has a deferred call of its own
		a.II(code.LdI, 5, 3)
		a.spawn(code.Defer, pr, 6, 10, 5)
		a.I(code.Mov, 13, 3, 0)
		a.II(code.LdI, 14, 2)
		a.II(code.Call, 10, int32(body))
		a.I(code.RunDefers, 10, 0, 0)
		a.I(code.Ret, 0, 0, 0)
		f := a.Func("main.f", 0, 0, 24)
		a.II(code.LdI, 5, 1)
		a.spawn(code.Defer, pr, 6, 10, 5)
		a.I(code.LeaF, 13, 0, 0)
		a.II(code.Call, 10, int32(iter))
		a.I(code.RunDefers, 10, 0, 0)
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 24)
		a.II(code.Call, 10, int32(f))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "buffered and unbuffered, close, ok", out: "0 1 2 3 4 0 10 0 5", build: func(a *Assembler, b basics) int {
		send := a.Func("main.send", 0, 2, 24) // channel, n: sends 0..n-1 and closes
		a.II(code.LdI, 5, 0)
		a.J(code.Jmp, 0, 0, "test")
		a.L("loop")
		a.I(code.Send, 3, 5, 0, b.int)
		a.I(code.AddI, 5, 5, 1)
		a.L("test")
		a.J(code.JLtS, 5, 4, "loop")
		a.I(code.ChanClose, 3, 0, 0)
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 32)
		a.II(code.LdI, 4, 0)
		a.I(code.ChanNew, 5, 4, 0, b.chanInt)
		a.II(code.LdI, 6, 5)
		a.spawn(code.Go, send, 8, 12, 5, 6)
		a.L("loop")
		a.I(code.Recv, 8, 5, 1, b.int)
		a.J(code.JF, 9, 0, "done")
		a.print(12, 8)
		a.J(code.Jmp, 0, 0, "loop")
		a.L("done")
		a.print(12, 8)
		a.II(code.LdI, 4, 3) // buffered, through 5 values summed
		a.I(code.ChanNew, 5, 4, 0, b.chanInt)
		a.spawn(code.Go, send, 8, 12, 5, 6)
		a.II(code.LdI, 10, 0)
		a.L("sum")
		a.I(code.Recv, 8, 5, 1, b.int)
		a.J(code.JF, 9, 0, "end")
		a.I(code.Add, 10, 10, 8)
		a.J(code.Jmp, 0, 0, "sum")
		a.L("end")
		a.print(12, 10)
		a.I(code.ChanLen, 6, 5, 0)
		a.print(12, 6)
		a.II(code.LdI, 4, 5)
		a.I(code.ChanNew, 5, 4, 0, b.chanInt8)
		a.I(code.ChanCap, 6, 5, 0)
		a.print(12, 6)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "small values keep their sign through channels", out: "-5 -6", build: func(a *Assembler, b basics) int {
		send := a.Func("main.send", 0, 1, 24)
		a.II(code.LdI, 5, -5)
		a.I(code.Send, 3, 5, 0, b.int8)
		a.II(code.LdI, 5, -6)
		a.I(code.Send, 3, 5, 0, b.int8)
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 32)
		a.II(code.LdI, 4, 0)
		a.I(code.ChanNew, 5, 4, 0, b.chanInt8)
		a.spawn(code.Go, send, 8, 12, 5)
		a.I(code.Recv, 6, 5, 0, b.int8) // waits: the sender writes into the slot
		a.print(12, 6)
		a.II(code.Native, 12, a.Native("runtime.Gosched"))
		a.I(code.Recv, 6, 5, 0, b.int8) // the sender waits
		a.print(12, 6)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
}
