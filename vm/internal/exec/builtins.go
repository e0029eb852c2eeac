package exec

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// Builtins are the natives that need the scheduler, by symbol; package host's come beside them.
func Builtins() map[string]Native {
	one := func(args, res int, f func(t *Thread, w Window) Action) Native {
		return Native{Res: res, Args: args, Call: f}
	}
	acquire := func(why Status, lifoArg int) func(t *Thread, w Window) Action {
		return func(t *Thread, w Window) Action { return t.Acquire(w.Arg(0), lifoArg > 0 && w.Arg(lifoArg) != 0, why) }
	}
	release := func(t *Thread, w Window) Action { return t.Release(w.Arg(0)) }
	n := map[string]Native{
		"runtime.Gosched": one(0, 0, func(t *Thread, w Window) Action { return t.Gosched() }),
		"runtime.Goexit":  one(0, 0, func(t *Thread, w Window) Action { return t.Goexit() }),
		"runtime.NumGoroutine": one(0, 1, func(t *Thread, w Window) Action {
			w.Set(0, t.m.Live())
			return Next
		}),
		// func goid() uint64
		"runtime.goid": one(0, 1, func(t *Thread, w Window) Action {
			w.Set(0, t.Goid())
			return Next
		}),
		// func getg() *g: the record's address
		"runtime.getg": one(0, 1, func(t *Thread, w Window) Action {
			w.Set(0, t.G())
			return Next
		}),
		// func gopark(reason uint8): waits until goready(g)
		"runtime.gopark": one(1, 0, func(t *Thread, w Window) Action { return t.Park(Status(w.Arg(0))) }),
		// func goready(g *g)
		"runtime.goready": one(1, 0, func(t *Thread, w Window) Action {
			if g := w.Arg(0); t.m.waits(g) {
				t.Ready(g)
				return Next
			}
			return t.Throw("goready: goroutine does not wait")
		}),
		// func traceback() string: of the running goroutine, as after a panic; func tracebackAll() string
		"runtime.traceback":    one(0, 2, func(t *Thread, w Window) Action { return t.text(w, t.m.Traceback(t.m.g)) }),
		"runtime.tracebackAll": one(0, 2, func(t *Thread, w Window) Action { return t.text(w, t.m.TracebackAll()) }),
		// func throw(s string), func fatal(s string): fatal error, status 2
		"runtime.throw": one(2, 0, func(t *Thread, w Window) Action { return t.Throw(t.String(w, 0)) }),
		"runtime.fatal": one(2, 0, func(t *Thread, w Window) Action { return t.Throw(t.String(w, 0)) }),
		// func gopanicnil(): panics with nil, which panic(nil) itself does no longer unless it is asked to
		"runtime.gopanicnil": one(0, 0, func(t *Thread, w Window) Action {
			t.m.beginPanic(0, 0, false)
			return t.m.afterMove()
		}),
		// func collect()
		"runtime.collect": one(0, 0, func(t *Thread, w Window) Action {
			t.Collect()
			return Next
		}),
		// func awaitSpecials(): until finalizers or cleanups are to run
		"runtime.awaitSpecials": one(0, 0, func(t *Thread, w Window) Action {
			if t.m.heap.Queued() {
				return Next
			}
			t.m.store(rootFinalizer, t.m.g)
			return t.Park(StatusFinalizerWait)
		}),
		// func gosystem(f func()): in a goroutine that no count and no traceback of goroutines has
		"runtime.gosystem": one(1, 0, func(t *Thread, w Window) Action {
			f := w.Arg(0)
			fn := t.m.load(f)
			if fn == 0 || fn > t.m.s.FuncsLess1 {
				return t.Panic(code.KnownPanicMem)
			}
			if t.m.newG(fn, f, nil, true) == 0 {
				return t.m.afterMove()
			}
			return Next
		}),
		// func getlabel() unsafe.Pointer, func setlabel(p unsafe.Pointer): a word of the goroutine
		"runtime.getlabel": one(0, 1, func(t *Thread, w Window) Action {
			w.Set(0, t.m.load(t.m.g+gLabel))
			return Next
		}),
		"runtime.setlabel": one(1, 0, func(t *Thread, w Window) Action {
			t.m.store(t.m.g+gLabel, w.Arg(0))
			return Next
		}),

		"time.Sleep": one(1, 0, func(t *Thread, w Window) Action { return t.Sleep(w.Int(0)) }),
		// func timerAdd(when int64, f func(arg any, seq uintptr, delta int64), arg any, seq uintptr) unsafe.Pointer: see Thread.AddTimer
		"runtime.timerAdd": one(5, 1, func(t *Thread, w Window) Action {
			return t.addTimer(w, 0)
		}),
		// func timerAddChan(when int64, f func(arg any, seq uintptr, delta int64), arg any, seq uintptr, ch unsafe.Pointer) unsafe.Pointer: the timer
		// is that of channel ch, whose len and cap are 0 from now on
		"runtime.timerAddChan": one(6, 1, func(t *Thread, w Window) Action {
			return t.addTimer(w, w.Arg(5))
		}),
		// func timerStop(timer unsafe.Pointer) bool
		"runtime.timerStop": one(1, 1, func(t *Thread, w Window) Action {
			w.SetBool(0, t.StopTimer(w.Arg(0)))
			return Next
		}),
		// func timerReset(timer unsafe.Pointer, when int64, seq uintptr) bool
		"runtime.timerReset": one(3, 1, func(t *Thread, w Window) Action {
			was, err := t.ResetTimer(w.Arg(0), w.Int(1), w.Arg(2))
			if err != nil {
				return t.Retry(err)
			}
			w.SetBool(0, was)
			return Next
		}),

		// semaphores: (s *uint32), (s *uint32, lifo bool, skipframes int), (s *uint32, handoff bool, skipframes int)
		"sync.runtime_Semacquire": one(1, 0, acquire(StatusSemacquire, 0)),
		// func runtime_SemacquireWaitGroup(s *uint32, synctestDurable bool)
		"sync.runtime_SemacquireWaitGroup": one(2, 0, func(t *Thread, w Window) Action {
			if w.Arg(1) != 0 {
				return t.Acquire(w.Arg(0), false, StatusWaitGroupIn)
			}
			return t.Acquire(w.Arg(0), false, StatusWaitGroupWait)
		}),
		"sync.runtime_SemacquireRWMutexR":       one(3, 0, acquire(StatusRWMutexRLock, 1)),
		"sync.runtime_SemacquireRWMutex":        one(3, 0, acquire(StatusRWMutexLock, 1)),
		"sync.runtime_Semrelease":               one(3, 0, release),
		"internal/sync.runtime_SemacquireMutex": one(3, 0, acquire(StatusMutexLock, 1)),
		"internal/sync.runtime_Semrelease":      one(3, 0, release),
		"internal/poll.runtime_Semacquire":      one(1, 0, acquire(StatusSemacquire, 0)),
		"internal/poll.runtime_Semrelease":      one(1, 0, release),

		"sync.runtime_notifyListAdd": one(1, 1, func(t *Thread, w Window) Action {
			w.Set(0, uint64(t.NotifyAdd(w.Arg(0))))
			return Next
		}),
		"sync.runtime_notifyListWait": one(2, 0, func(t *Thread, w Window) Action { return t.NotifyWait(w.Arg(0), uint32(w.Arg(1))) }),
		"sync.runtime_notifyListNotifyAll": one(1, 0, func(t *Thread, w Window) Action {
			return t.NotifyAll(w.Arg(0))
		}),
		"sync.runtime_notifyListNotifyOne": one(1, 0, func(t *Thread, w Window) Action {
			return t.NotifyOne(w.Arg(0))
		}),
	}
	addChannels(n)
	addBubbles(n)
	return n
}

func (t *Thread) addTimer(w Window, ch uint64) Action {
	r, err := t.AddTimer(w.Int(0), w.Arg(1), w.Arg(2), w.Arg(3), w.Arg(4), ch)
	if err != nil {
		return t.Retry(err)
	}
	w.Set(0, r)
	return Next
}

func (t *Thread) text(w Window, s string) Action {
	if err := t.SetString(w, 0, s); err != nil {
		return t.Retry(err)
	}
	return Next
}

// waits reports whether g is the record of a goroutine that waits for another.
func (m *Machine) waits(g uint64) bool {
	o, ok := m.heap.Find(g)
	status := Status(m.load(g + gStatus))
	return ok && o.Addr == g && o.Kind == heap.KindGoroutine && status > StatusDead && status != StatusHost
}

// addChannels adds what package reflect does with channels; values are passed by address in memory form.
func addChannels(n map[string]Native) {
	finish := func(t *Thread, how outcome, why Status, err error) Action {
		switch {
		case err != nil:
			return t.Retry(err)
		case how == waiting:
			return t.Park(why)
		}
		return Next
	}
	for sym, off := range map[string]uint64{"reflect.chanlen": cLen, "reflect.chancap": cCap} {
		n[sym] = Native{Args: 1, Res: 1, Call: func(t *Thread, w Window) Action {
			w.Set(0, t.m.chanSize(w.Arg(0), off))
			return Next
		}}
	}
	// func timerChan(ch unsafe.Pointer): ch is a timer's, len and cap of it are 0. Images from before timerAddChan call it.
	n["runtime.timerChan"] = Native{Args: 1, Call: func(t *Thread, w Window) Action {
		t.m.store(w.Arg(0)+cClosed, chanTimer)
		return Next
	}}
	// func makechan(typ *abi.Type, size int) unsafe.Pointer
	n["reflect.makechan"] = Native{Args: 2, Res: 1, Call: func(t *Thread, w Window) Action {
		c, err := t.m.makeChan(w.Arg(0), w.Int(1))
		if err != nil {
			return t.Retry(err)
		}
		w.Set(0, c)
		return Next
	}}
	// func chanclose(ch unsafe.Pointer)
	n["reflect.chanclose"] = Native{Args: 1, Call: func(t *Thread, w Window) Action {
		if err := t.m.closeChan(w.Arg(0)); err != nil {
			return t.Retry(err)
		}
		return Next
	}}
	// func chansend0(ch unsafe.Pointer, val unsafe.Pointer, nb bool) bool
	n["reflect.chansend0"] = Native{Args: 3, Res: 1, Call: func(t *Thread, w Window) Action {
		c := w.Arg(0)
		how, err := t.m.send(c, place{addr: w.Arg(1)}, t.m.load(c+cElem), w.Arg(2) == 0)
		w.SetBool(0, how != wouldBlock)
		return finish(t, how, sendStatus(c), err)
	}}
	// func chanrecv(ch unsafe.Pointer, nb bool, val unsafe.Pointer) (selected, received bool)
	n["reflect.chanrecv"] = Native{Args: 3, Res: 2, Call: func(t *Thread, w Window) Action {
		c := w.Arg(0)
		how, err := t.m.receive(c, place{addr: w.Arg(2)}, t.resultAddr(1), t.m.load(c+cElem), w.Arg(1) == 0)
		w.SetBool(0, how != wouldBlock)
		if how == wouldBlock {
			w.Set(1, 0)
		}
		return finish(t, how, recvStatus(c), err)
	}}
	// func rselect([]runtimeSelect) (chosen int, recvOK bool); runtimeSelect is {dir int (1 send, 2 receive, 3 default), typ, ch, val}
	n["reflect.rselect"] = Native{Args: 3, Res: 2, Call: func(t *Thread, w Window) Action {
		var cases []selectCase
		fallback := -1
		for i := range min(w.Arg(1), 1<<16) {
			at := w.Arg(0) + i*32
			k := selectCase{t.m.load(at + 16), t.m.load(at + 24), t.m.load(at) == 1}
			if t.m.load(at) == 3 {
				fallback, k = int(i), selectCase{}
			}
			cases = append(cases, k)
		}
		how, err := t.m.selectFrom(cases, fallback < 0, t.resultAddr(0), t.resultAddr(1))
		if how == wouldBlock {
			w.Set(0, uint64(fallback))
			w.Set(1, 0)
		}
		why := StatusSelect
		if len(cases) == 0 {
			why = StatusSelectNone
		}
		return finish(t, how, why, err)
	}}
}

// resultAddr is the guest address of result slot i of the native being called.
func (t *Thread) resultAddr(i int) uint64 {
	return t.m.window(t.m.nativeWindow) + uint64(header+i)*8
}
