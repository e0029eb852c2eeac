// Timers of the machine. A timer's function is called in a goroutine of its own; with a channel (cp is not nil) Stop and
// Reset take back a value that nobody received, so that none is stale afterwards, as Go's do since 1.23. The channel holds the timer then, and the
// machine does not: a timer whose channel nobody has goes without being stopped.

package time

import "unsafe"

func timerAdd(when int64, f func(any, uintptr, int64), arg any, seq uintptr) unsafe.Pointer
func timerAddChan(when int64, f func(any, uintptr, int64), arg any, seq uintptr, ch unsafe.Pointer) unsafe.Pointer
func timerStop(timer unsafe.Pointer) bool
func timerReset(timer unsafe.Pointer, when int64, seq uintptr) bool

func fatal(s string)

//go:linkname fatal runtime.fatal
//go:linkname timerAdd runtime.timerAdd
//go:linkname timerAddChan runtime.timerAddChan
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

	bubbled bool // it follows the time of a bubble
}

func newTimer(when, period int64, f func(any, uintptr, int64), arg any, cp unsafe.Pointer) *Timer {
	t := &timer{Timer: Timer{initTimer: true}, when: when, period: period, f: f, arg: arg}
	t.bubbled = runtimeIsBubbled()
	if cp != nil {
		t.values = arg.(chan Time)
		t.record = timerAddChan(when, fire, t, 0, cp)
	} else {
		t.record = timerAdd(when, fire, t, 0)
	}
	t.now(when)
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

// now fires a timer of a bubble that is due when it is set: the bubble's time stands still while this goroutine runs.
func (t *timer) now(when int64) {
	if t.bubbled && when <= runtimeNano() && timerStop(t.record) {
		fire(t, t.seq, 0)
	}
}

// mayBeSet: only goroutines of bubbles set timers of bubbles.
func (t *timer) mayBeSet(what string) {
	if t.bubbled && !runtimeIsBubbled() {
		fatal(what + " of synctest timer from outside bubble")
	}
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
	t.mayBeSet("stop")
	return t.retract(timerStop(t.record))
}

func resetTimer(p *Timer, when, period int64) bool {
	t := (*timer)(unsafe.Pointer(p))
	t.mayBeSet("reset")
	active := t.retract(timerStop(t.record))
	t.when, t.period = when, period
	timerReset(t.record, when, t.seq)
	t.now(when)
	return active
}
