package exec

import (
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
	"github.com/tandemvm/tandem/vm/internal/text"
)

// Thread is the running goroutine as a native sees it. It is valid during one native call only.
type Thread struct{ m *Machine }

// Window is the frame of a native call: results from slot 3, arguments after them.
type Window struct {
	base unsafe.Pointer
	res  int
}

// Arg is argument slot i.
func (w Window) Arg(i int) uint64 { return *slot(w.base, header+w.res+i) }

// Int is argument slot i as a signed number.
func (w Window) Int(i int) int64 { return int64(w.Arg(i)) }

// Set writes result slot i.
func (w Window) Set(i int, v uint64) { *slot(w.base, header+i) = v }

// SetBool writes result slot i as 1 or 0.
func (w Window) SetBool(i int, v bool) {
	w.Set(i, 0)
	if v {
		w.Set(i, 1)
	}
}

// Result reads result slot i back, for a native that is called again (Block).
func (w Window) Result(i int) uint64 { return *slot(w.base, header+i) }

// Machine is the machine the thread runs on.
func (t *Thread) Machine() *Machine { return t.m }

// Mem is the guest memory.
func (t *Thread) Mem() *mem.Memory { return t.m.mem }

// Heap is the guest heap.
func (t *Thread) Heap() *heap.Heap { return t.m.heap }

// Program is the running program.
func (t *Thread) Program() *text.Program { return t.m.prog }

// Host is the machine's host.
func (t *Thread) Host() Host { return t.m.host }

// G is the guest address of the running goroutine's record, Goid its number.
func (t *Thread) G() uint64    { return t.m.g }
func (t *Thread) Goid() uint64 { return t.m.load(t.m.g + gID) }

// String is a copy of the guest string whose pointer and length are argument slots i and i+1.
func (t *Thread) String(w Window, i int) string { return string(t.Bytes(w, i)) }

// Bytes is guest memory from the address in argument slot i, as long as slot i+1 says: of a string or slice argument.
// It aliases guest memory: read only, and valid until the native returns.
func (t *Thread) Bytes(w Window, i int) []byte {
	n := w.Arg(i + 1)
	if n == 0 {
		return nil
	}
	b := t.m.view(w.Arg(i), n)
	t.m.work(uint64(len(b)))
	return b
}

// Work counts a native's handling of so many bytes of memory as gas, beyond the word of its call.
func (t *Thread) Work(bytes uint64) { t.m.work(bytes) }

// SetString makes a guest string and writes it to result slots i and i+1. The error is for Retry.
func (t *Thread) SetString(w Window, i int, s string) error {
	g, err := t.m.heap.NewString(s)
	t.m.work(uint64(len(s)))
	if err == nil {
		w.Set(i, g.Ptr)
		w.Set(i+1, g.Len)
	}
	return err
}

// Retry acts on the error of an operation of Heap: without room the heap is collected and the native called anew, so it must not have
// changed anything yet; a second time the run stops with a *LimitError. Other errors become Go's panics, as for the ops.
func (t *Thread) Retry(err error) Action {
	t.m.check(err)
	return t.m.afterMove()
}

// Panic panics by calling the Known guest function sym with args, which are its parameter slots.
func (t *Thread) Panic(sym string, args ...uint64) Action {
	t.m.panicKnown(sym, args...)
	return t.m.afterMove()
}

// PanicText panics with a runtime.Error whose text is s.
func (t *Thread) PanicText(s string) Action {
	return t.Retry(&textError{s})
}

// PanicValue panics with the empty interface (typ, data).
func (t *Thread) PanicValue(typ, data uint64) Action {
	t.m.raise(typ, data, false)
	return t.m.afterMove()
}

// Call makes the native's results those of guest function fn (an index in Image.Funcs) called with
// the argument slots args; closure is its closure's address or 0. Function and native have the same results, or the function has none.
func (t *Thread) Call(fn, closure uint64, args ...uint64) Action {
	t.m.callFrom(t.m.window(t.m.nativeWindow), fn, closure, args)
	return t.m.afterMove()
}

// Go starts a goroutine running guest function fn. A system goroutine is in no traceback and no count of goroutines.
// It returns the new record's address, 0 when a limit stops the run (then return Ended).
func (t *Thread) Go(fn, closure uint64, system bool, args ...uint64) uint64 {
	return t.m.newG(fn, closure, args, system)
}

// Known is the value of sym in Image.Known, 0 if the image lacks it.
func (t *Thread) Known(sym string) uint64 { return t.m.prog.Image.Known[sym] }

// Park makes the goroutine wait for Ready; results must stand in the window already or be written by whoever readies it.
func (t *Thread) Park(why Status) Action {
	t.m.leave(why) // callNative passes the native's words afterwards
	return parked
}

// Ready makes the waiting goroutine g run again, after those already in the queue.
func (t *Thread) Ready(g uint64) { t.m.ready(g) }

// Gosched puts the goroutine at the end of the run queue.
func (t *Thread) Gosched() Action { return yielded }

// Block makes the goroutine wait for the host: the run stops with HostCall once nothing else can run, and the native
// is called anew, with the same arguments, when Run is called next.
func (t *Thread) Block() Action { return again }

// Exit ends the run with a status.
func (t *Thread) Exit(status int) Action {
	t.m.exit(status)
	return ended
}

// Throw ends the run as Go's runtime does for a fatal error: text, traceback, status 2.
func (t *Thread) Throw(text string) Action {
	t.m.throw(text)
	return ended
}

// Fail ends the run with a host-side error, a *LimitError when a limit is exceeded.
func (t *Thread) Fail(err error) Action {
	t.m.fail(err)
	return ended
}

// Goexit runs the goroutine's deferred calls and ends it.
func (t *Thread) Goexit() Action {
	t.m.raise(0, 0, true)
	return t.m.afterMove()
}
