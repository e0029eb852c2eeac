// Timers of the machine. A timer's function is called in a goroutine of its own; with a channel (cp is not nil) Stop and
// Reset take back a value that nobody received, so that none is stale afterwards, as Go's do since 1.23.

package time

import "unsafe"

func timerAdd(when int64, f func(any, uintptr, int64), arg any, seq uintptr) unsafe.Pointer
func timerStop(timer unsafe.Pointer) bool
func timerReset(timer unsafe.Pointer, when int64, seq uintptr) bool

//go:linkname timerAdd runtime.timerAdd
//go:linkname timerStop runtime.timerStop
//go:linkname timerReset runtime.timerReset

// timer is what a *Timer or *Ticker points into: its first two words are theirs.
type timer struct {
	Timer
	record unsafe.Pointer // the machine's
	values chan Time      // nil without a channel
	when   int64
	period int64
	f      func(any, uintptr, int64)
	arg    any
	seq    uintptr // number of the setting; a call for an older one does nothing
}

func newTimer(when, period int64, f func(any, uintptr, int64), arg any, cp unsafe.Pointer) *Timer {
	t := &timer{Timer: Timer{initTimer: true}, when: when, period: period, f: f, arg: arg}
	if cp != nil {
		t.values = arg.(chan Time)
	}
	t.record = timerAdd(when, fire, t, 0)
	return &t.Timer
}

// fire is called when the timer of setting seq is due, delta nanoseconds late.
func fire(arg any, seq uintptr, delta int64) {
	t := arg.(*timer)
	if seq != t.seq {
		return
	}
	if t.period > 0 {
		t.when += t.period * (1 + delta/t.period)
		timerReset(t.record, t.when, seq)
	}
	t.f(t.arg, seq, delta)
}

// retract ends the present setting; true: it was active, or its value is still to be received.
func (t *timer) retract(active bool) bool {
	t.seq++
	if t.values != nil {
		select {
		case <-t.values:
			active = true
		default:
		}
	}
	return active
}

func stopTimer(p *Timer) bool {
	t := (*timer)(unsafe.Pointer(p))
	return t.retract(timerStop(t.record))
}

func resetTimer(p *Timer, when, period int64) bool {
	t := (*timer)(unsafe.Pointer(p))
	active := t.retract(timerStop(t.record))
	t.when, t.period = when, period
	timerReset(t.record, when, t.seq)
	return active
}
