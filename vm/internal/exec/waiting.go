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
