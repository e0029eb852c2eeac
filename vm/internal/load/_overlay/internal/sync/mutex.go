// A mutex for one core: no compare-and-swap, since goroutines take turns at calls and backward jumps only, and a count of locked mutexes: a turn does not
// end while one is held.

package sync

// held is the number of mutexes locked; the machine reads it.
//
//tandem:keep
var held int

func (m *Mutex) Lock() {
	if m.state == 0 {
		m.state = mutexLocked
	} else {
		m.lockSlow()
	}
	held++
}

func (m *Mutex) TryLock() bool {
	if m.state&(mutexLocked|mutexStarving) != 0 {
		return false
	}
	m.state |= mutexLocked
	held++
	return true
}

func (m *Mutex) Unlock() {
	m.state -= mutexLocked
	if m.state != 0 {
		m.unlockSlow(m.state)
	}
	held--
}

// patience is how often a waiter that was woken finds the mutex taken again before it is handed over to it. Whoever comes while a waiter is woken, but has
// not run yet, takes the mutex: handed over each time, it would cost a change of goroutines each time. By the clock, as elsewhere, waiters
// would lose theirs to a busy host.
const patience = 4

// lockSlow waits for the mutex. A waiter that is woken has mutexWoken set, one that was handed the mutex has not.
func (m *Mutex) lockSlow() {
	for lost := 0; m.state&(mutexLocked|mutexStarving) != 0; lost++ {
		m.state += 1 << mutexWaiterShift
		if lost >= patience {
			m.state |= mutexStarving // it is the first in the queue
		}
		runtime_SemacquireMutex(&m.sema, lost > 0, 2)
		if m.state&mutexWoken == 0 {
			return
		}
		m.state &^= mutexWoken
	}
	m.state |= mutexLocked
}

// unlockSlow wakes a waiter, or hands the mutex to it; state is what it was when it had been unlocked.
func (m *Mutex) unlockSlow(state int32) {
	if (state+mutexLocked)&mutexLocked == 0 {
		fatal("sync: unlock of unlocked mutex")
	}
	switch {
	case m.state&(mutexLocked|mutexWoken) != 0: // taken since, or somebody is on the way
	case m.state&mutexStarving != 0:
		m.state += mutexLocked - mutexStarving - 1<<mutexWaiterShift
		runtime_Semrelease(&m.sema, true, 2)
	case m.state>>mutexWaiterShift != 0:
		m.state += mutexWoken - 1<<mutexWaiterShift
		runtime_Semrelease(&m.sema, false, 2)
	}
}
