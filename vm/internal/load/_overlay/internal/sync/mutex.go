// The fast paths without compare-and-swap, and a count of locked mutexes: a turn does not end while one is held.

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
