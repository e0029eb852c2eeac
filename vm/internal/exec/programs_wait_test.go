package exec

import "github.com/tandemvm/tandem/vm/internal/code"

// chanOf leaves a new channel of capacity n in slot x, using slot x+1.
func (a *Assembler) chanOf(b basics, x, n int) {
	a.II(code.LdI, x+1, int32(n))
	a.I(code.ChanNew, x, x+1, 0, b.chanInt)
}

// waitPrograms are about waiting: select, timers, semaphores, the host, limits.
var waitPrograms = []program{
	{name: "select among senders, receivers and nothing", out: "-1 0 100 1 0 45", build: func(a *Assembler, b basics) int {
		produce := a.Func("main.produce", 0, 3, 24) // channel, from, count
		a.II(code.LdI, 6, 0)
		a.L("loop")
		a.I(code.Add, 7, 4, 6)
		a.I(code.Send, 3, 7, 0, b.int)
		a.I(code.AddI, 6, 6, 1)
		a.J(code.JLtS, 6, 5, "loop")
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 64)
		a.chanOf(b, 4, 0)
		a.chanOf(b, 6, 1)
		// cases at 20: receive from 4 into slot 30, send slot 31 on 6
		a.I(code.Mov, 20, 4, 0)
		a.II(code.LdI, 21, 1)
		a.I(code.LeaF, 22, 30, 0)
		a.I(code.Select, 10, 20, 1, 0)
		a.print(40, 10) // -1: nothing ready, not blocking
		a.I(code.Mov, 23, 6, 0)
		a.II(code.LdI, 24, 0)
		a.I(code.LeaF, 25, 31, 0)
		a.II(code.LdI, 31, 100)
		a.I(code.Select, 10, 23, 1, 1)
		a.print(40, 10) // 0: sent
		a.I(code.Recv, 12, 6, 0, b.int)
		a.print(40, 12) // 100
		// nil channel and a waiting one: a sender comes
		a.II(code.LdI, 23, 0)
		a.II(code.LdI, 13, 0)
		a.II(code.LdI, 14, 5)
		a.spawn(code.Go, produce, 16, 40, 4, 13, 14)
		a.II(code.LdI, 14, 5)
		a.II(code.LdI, 13, 5)
		a.spawn(code.Go, produce, 16, 40, 6, 13, 14)
		a.I(code.Mov, 23, 6, 0)
		a.II(code.LdI, 24, 1)
		a.I(code.LeaF, 25, 30, 0)
		a.II(code.LdI, 50, 0)
		a.II(code.LdI, 51, 0)
		a.L("loop")
		a.I(code.Select, 10, 20, 2, 1)
		a.I(code.Add, 51, 51, 30)
		a.I(code.AddI, 50, 50, 1)
		a.II(code.LdI, 52, 10)
		a.J(code.JLtS, 50, 52, "loop")
		// closed: chosen, not ok
		a.I(code.ChanClose, 4, 0, 0)
		a.I(code.Mov, 20, 4, 0)
		a.I(code.Select, 10, 20, 1, 1)
		a.I(code.AddI, 10, 10, 1)
		a.print(40, 10)
		a.print(40, 11)
		a.print(40, 51)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "closing wakes a select and a sender panics", out: "0 0 23", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		sender := a.Func("main.sender", 0, 1, 24)
		a.spawn(code.Defer, rec, 6, 10)
		a.II(code.LdI, 5, 1)
		a.I(code.Send, 3, 5, 0, b.int)
		a.I(code.Halt, 0, 0, 0) // must not be reached
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		closer := a.Func("main.closer", 0, 1, 24)
		a.I(code.ChanClose, 3, 0, 0)
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 64)
		a.chanOf(b, 4, 0)
		a.chanOf(b, 6, 0)
		a.spawn(code.Go, closer, 16, 40, 4)
		a.I(code.Mov, 20, 4, 0)
		a.II(code.LdI, 21, 1)
		a.I(code.LeaF, 22, 30, 0)
		a.I(code.Mov, 23, 6, 0)
		a.II(code.LdI, 24, 0)
		a.I(code.LeaF, 25, 30, 0)
		a.I(code.Select, 10, 20, 2, 1)
		a.print(40, 10)
		a.print(40, 11)
		a.spawn(code.Go, sender, 16, 40, 6)
		a.II(code.Native, 40, a.Native("runtime.Gosched"))
		a.I(code.ChanClose, 6, 0, 0)
		a.II(code.Native, 40, a.Native("runtime.Gosched"))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "sleep and timers in order", out: "3 1 2 4 7", build: func(a *Assembler, b basics) int {
		sleeper := a.Func("main.sleeper", 0, 2, 24) // ns, value
		a.I(code.Mov, 13, 3, 0)
		a.II(code.Native, 10, a.Native("time.Sleep"))
		a.print(10, 4)
		a.I(code.Ret, 0, 0, 0)
		fire := a.Func("main.fire", 0, 4, 24) // arg any, seq, delta
		a.print(10, 5)
		a.I(code.Ret, 0, 0, 0)
		clo := a.Data(uint64(fire))
		main := a.Func("main.main", 0, 0, 64)
		for _, v := range [][2]int{{100, 1}, {200, 2}, {50, 3}} {
			a.II(code.LdI, 4, int32(v[0]))
			a.II(code.LdI, 5, int32(v[1]))
			a.spawn(code.Go, sleeper, 16, 40, 4, 5)
		}
		add := func(when, seq int) { // record in slot 43
			a.II(code.LdI, 44, int32(when))
			a.I(code.LdC, 45, 0, 0, clo)
			a.II(code.LdI, 46, 0)
			a.II(code.LdI, 47, 0)
			a.II(code.LdI, 48, int32(seq))
			a.II(code.Native, 40, a.Native("runtime.timerAdd"))
		}
		add(400, 4)
		add(300, 5) // stopped below
		a.I(code.Mov, 44, 43, 0)
		a.II(code.Native, 40, a.Native("runtime.timerStop"))
		add(10, 6) // set anew, later, as 7
		a.I(code.Mov, 44, 43, 0)
		a.II(code.LdI, 45, 450)
		a.II(code.LdI, 46, 7)
		a.II(code.Native, 40, a.Native("runtime.timerReset"))
		a.II(code.LdI, 43, 1000)
		a.II(code.Native, 40, a.Native("time.Sleep"))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "semaphores hand over in order", out: "1 2 3 0", build: func(a *Assembler, b basics) int {
		sema := a.Global(1)
		worker := a.Func("main.worker", 0, 1, 24)
		a.I(code.LdC, 13, 0, 0, sema)
		a.II(code.LdI, 14, 0)
		a.II(code.LdI, 15, 0)
		a.II(code.Native, 10, a.Native("internal/sync.runtime_SemacquireMutex"))
		a.print(10, 3)
		a.I(code.LdC, 13, 0, 0, sema)
		a.II(code.Native, 10, a.Native("sync.runtime_Semrelease"))
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 64)
		for i := range 3 {
			a.II(code.LdI, 4, int32(i+1))
			a.spawn(code.Go, worker, 16, 40, 4)
		}
		a.II(code.Native, 40, a.Native("runtime.Gosched"))
		a.I(code.LdC, 43, 0, 0, sema)
		a.II(code.Native, 40, a.Native("sync.runtime_Semrelease"))
		a.I(code.LdC, 43, 0, 0, sema)
		a.II(code.Native, 40, a.Native("sync.runtime_Semacquire"))
		a.II(code.LdGU32, 4, int32(sema-code.Base))
		a.print(40, 4)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "condition variable", out: "0 10 1 2", build: func(a *Assembler, b basics) int {
		list := a.Global(4)
		worker := a.Func("main.worker", 0, 1, 24)
		a.I(code.LdC, 14, 0, 0, list)
		a.II(code.Native, 10, a.Native("sync.runtime_notifyListAdd"))
		a.I(code.Mov, 14, 13, 0)
		a.I(code.LdC, 13, 0, 0, list)
		a.II(code.Native, 10, a.Native("sync.runtime_notifyListWait"))
		a.print(10, 3)
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 64)
		for i := range 3 {
			a.II(code.LdI, 4, int32(i))
			a.spawn(code.Go, worker, 16, 40, 4)
		}
		a.II(code.Native, 40, a.Native("runtime.Gosched"))
		a.I(code.LdC, 43, 0, 0, list)
		a.II(code.Native, 40, a.Native("sync.runtime_notifyListNotifyOne"))
		a.II(code.Native, 40, a.Native("runtime.Gosched"))
		a.II(code.LdI, 4, 10)
		a.print(40, 4)
		a.I(code.LdC, 43, 0, 0, list)
		a.II(code.Native, 40, a.Native("sync.runtime_notifyListNotifyAll"))
		a.II(code.Native, 40, a.Native("runtime.Gosched"))
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "preemption by instruction count", out: "1 500", build: func(a *Assembler, b basics) int {
		flag := a.Global(1)
		other := a.Func("main.other", 0, 0, 24)
		a.II(code.LdI, 3, 1)
		a.II(code.StG64, 3, int32(flag-code.Base))
		a.print(10, 3)
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 64)
		a.spawn(code.Go, other, 16, 40)
		a.L("spin") // no call, no channel: only preemption lets the other run
		a.II(code.LdG64, 4, int32(flag-code.Base))
		a.J(code.JF, 4, 0, "spin")
		a.II(code.LdI, 4, 500)
		a.print(40, 4)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "natives: guest call, panic, wait for the host, missing", out: "8 30 6 28 2", status: 0, build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		double := a.Func("main.double", 1, 1, 8)
		a.I(code.Add, 3, 4, 4)
		a.I(code.Ret, 0, 0, 0)
		thrower := a.Func("main.thrower", 0, 0, 24)
		a.spawn(code.Defer, rec, 6, 10)
		a.num(b, 13, 6)
		a.II(code.Native, 10, a.Native("test.panic"))
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		missing := a.Func("main.missing", 0, 0, 24)
		a.spawn(code.Defer, rec, 6, 10)
		a.II(code.Native, 10, a.Native("nobody.knows"))
		a.setRecover()
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 64)
		a.II(code.LdI, 44, int32(double))
		a.II(code.LdI, 45, 4)
		a.II(code.Native, 40, a.Native("test.call1"))
		a.I(code.Mov, 4, 43, 0)
		a.print(40, 4)
		a.II(code.LdI, 44, 25)
		a.II(code.Native, 40, a.Native("test.block"))
		a.I(code.Mov, 4, 43, 0)
		a.print(40, 4)
		a.II(code.Call, 40, int32(thrower))
		a.II(code.Call, 40, int32(missing))
		a.II(code.Native, 40, a.Native("runtime.NumGoroutine"))
		a.I(code.AddI, 4, 43, 1)
		a.print(40, 4)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "nil functions and closed channels", out: "13 25 24 23", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		guard := func(name string, body func()) int {
			f := a.Func(name, 0, 0, 40)
			a.spawn(code.Defer, rec, 6, 20)
			body()
			a.setRecover()
			a.I(code.Ret, 0, 0, 0)
			return f
		}
		fs := []int{
			guard("main.a", func() {
				a.II(code.LdI, 10, 0)
				a.I(code.FnC, 8, 10, 0)
				a.I(code.Defer, 20, 8, 0)
				a.I(code.RunDefers, 20, 0, 0)
			}),
			guard("main.b", func() {
				a.chanOf(b, 8, 0)
				a.I(code.ChanClose, 8, 0, 0)
				a.I(code.ChanClose, 8, 0, 0)
			}),
			guard("main.c", func() {
				a.II(code.LdI, 8, 0)
				a.I(code.ChanClose, 8, 0, 0)
			}),
			guard("main.d", func() {
				a.chanOf(b, 8, 1)
				a.I(code.ChanClose, 8, 0, 0)
				a.I(code.Send, 8, 9, 0, b.int)
			}),
		}
		main := a.Func("main.main", 0, 0, 64)
		for _, f := range fs {
			a.II(code.Call, 40, int32(f))
		}
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "go of a nil function", status: 2, stderr: "fatal error: go of nil func value\n\ngoroutine 1 [running]:\nmain.main()\n", build: func(a *Assembler, b basics) int {
		main := a.Func("main.main", 0, 0, 64)
		a.II(code.LdI, 8, 0)
		a.II(code.LdI, 9, 0)
		a.I(code.Go, 40, 8, 0)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "unreachable code is a fatal error", status: 2, stderr: "fatal error: unreachable code\n", build: func(a *Assembler, b basics) int {
		main := a.Func("main.main", 0, 0, 64)
		a.I(code.Trap, 0, 0, 0)
		return main
	}},
}
