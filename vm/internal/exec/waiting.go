package exec

// Wait is something a goroutine waits for.
type Wait struct {
	Addr     uint64 // of the channel, semaphore or notify list
	Chan     bool
	Send     bool   // it waits to send
	Type     uint64 // of a channel's elements
	Len, Cap uint64 // values in a channel, and room for
	Closed   bool
}

// waitsMax bounds the cases of a select that are told.
const waitsMax = 64

// Waits are what the goroutine with that record waits for; none when it does not.
func (m *Machine) Waits(g uint64) (list []Wait) {
	switch Status(m.load(g + gStatus)) {
	case StatusRunnable, StatusRunning:
		return nil
	}
	for s := m.load(g + gSudog); s != 0 && len(list) < waitsMax; s = m.load(s + sMore) {
		c := m.load(s + sChan)
		list = append(list, Wait{Addr: c, Chan: true, Send: m.load(s+sFlags)&sudogSend != 0, Type: m.load(c + cElem), Len: m.load(c + cLen), Cap: m.load(c + cCap),
			Closed: m.load(c+cClosed)&chanClosed != 0})
	}
	if at := m.load(g + gWaiting); len(list) == 0 && at != 0 {
		list = append(list, Wait{Addr: at})
	}
	return list
}

// FirstSent is the address of the value that the goroutine sends which has waited longest to send on a channel. False: none waits.
func (m *Machine) FirstSent(c uint64) (at uint64, waits bool) {
	if c == 0 {
		return 0, false
	}
	s := m.load(c + cSendQ)
	return m.load(s + sElem), s != 0
}

// Discard lets that goroutine go on as if its value had been received. It is for channels that hold none, between calls of Run.
func (m *Machine) Discard(c uint64) {
	if s := m.load(c + cSendQ); s != 0 {
		m.complete(s, false)
	}
}
