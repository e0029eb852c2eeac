package vm

import (
	"fmt"
	"slices"

	"github.com/tandemvm/tandem/vm/internal/exec"
)

// This file brings messages to turn.Inbox. A goroutine of the guest package takes one after another from the host (nextMessage) and sends it on
// the channel that the program receives from. So one message may be in the run's memory that the program has not received: the
// goroutine waits to send it, and goes on waiting in the turns to come. Between turns a message is nowhere else on its way (fetching), which
// lets the machine say what the program has received, and take away what it has not.

// Message is what is sent to a run.
type Message struct {
	ID, From string
	Body     []byte
}

// mail is what a machine was offered. Which of it the run has looked at is in the run's memory.
type mail struct {
	messages []Message
	dropped  map[string]bool // ids that the program is not to receive
	looked   uint64          // of messages, when the open turn began
	waited   string          // id of the one that waited then, "" none
}

// Deliver offers messages to the run, between turns: what was offered before stays offered. A machine whose run came from elsewhere is
// offered all there are, since the run itself knows which ids it has received.
func (m *Machine) Deliver(ms []Message) error {
	if m.inTurn {
		return fmt.Errorf("%w: messages are delivered between turns", ErrTurn)
	}
	if len(m.mail.messages) == 0 && len(ms) > 0 && m.mem.Load64(rootMessages) != 0 {
		m.mem.Store64(rootMessages, 0)
	}
	m.mail.messages = append(m.mail.messages, ms...)
	return nil
}

// Drop takes messages away, between turns: from here on the program receives none of these ids, offered before or later, nor the one that waits in its
// memory to be received. A machine whose run came from elsewhere is told all of them anew.
func (m *Machine) Drop(ids []string) error {
	if m.inTurn {
		return fmt.Errorf("%w: messages are dropped between turns", ErrTurn)
	}
	if m.mail.dropped == nil {
		m.mail.dropped = map[string]bool{}
	}
	for _, id := range ids {
		m.mail.dropped[id] = true
	}
	m.mem.BringAll()
	if err := damaged(m.mem.Err()); err != nil {
		return err
	}
	if id, waits := m.waiting(); waits && m.mail.dropped[id] {
		return m.whole(func() { m.core.Discard(m.inbox()) }) // the guest's goroutine goes on as if the program had received it
	}
	return nil
}

// Received is how many of the messages offered to this machine the program has received, of those offered first.
func (m *Machine) Received() int {
	n := min(int(m.mem.Load64(rootMessages)), len(m.mail.messages))
	if id, waits := m.waiting(); waits && n > 0 && m.mail.messages[n-1].ID == id {
		n--
	}
	return n
}

// inbox is the channel of turn.Inbox, 0 before the first call.
func (m *Machine) inbox() (channel uint64) {
	if m.prog.inboxAt != 0 {
		channel = m.mem.Load64(m.prog.inboxAt)
	}
	return channel
}

// waiting is the id of the message that waits in memory to be received. Damage is left to who uses the memory next.
func (m *Machine) waiting() (id string, waits bool) {
	if m.prog.inboxAt == 0 {
		return "", false
	}
	err := m.whole(func() {
		var at uint64
		if at, waits = m.core.FirstSent(m.inbox()); waits { // a turn.Message, which begins with its id
			id = string(m.mem.Bytes(m.mem.Load64(at), m.mem.Load64(at+8)))
		}
	})
	return id, waits && err == nil
}

// fetching says that a message left the host and neither waits on the channel nor was received. Turns do not end there; the guest's goroutine is running.
func (m *Machine) fetching() bool {
	if m.prog.inboxAt == 0 || m.mem.Load64(rootFetched) == 0 {
		return false
	}
	_, waits := m.waiting()
	return !waits
}

// lookAtMail notes where the turn that begins stands.
func (m *Machine) lookAtMail() {
	m.mail.looked = m.mem.Load64(rootMessages)
	m.mail.waited, _ = m.waiting()
}

// receivedNow names the messages that the program received in the open turn, in order.
func (m *Machine) receivedNow() (ids []string) {
	n := min(m.mem.Load64(rootMessages), uint64(len(m.mail.messages)))
	now, waits := m.waiting()
	if m.mail.waited != "" && (n > m.mail.looked || !waits) {
		ids = append(ids, m.mail.waited)
	}
	for _, x := range m.mail.messages[min(m.mail.looked, n):n] {
		if !m.mail.dropped[x.ID] && !slices.Contains(ids, x.ID) {
			ids = append(ids, x.ID)
		}
	}
	if waits && len(ids) > 0 && ids[len(ids)-1] == now {
		ids = ids[:len(ids)-1]
	}
	return ids
}

// nextMessage returns a message that was not looked at since the run came to this machine, or waits for one.
func nextMessage(t *exec.Thread, w exec.Window) exec.Action {
	mail := &t.Host().(*world).m.mail
	if t.Mem().Load64(rootFetched) != 0 {
		t.Mem().Store64(rootFetched, 0)
	}
	n := t.Mem().Load64(rootMessages)
	for n < uint64(len(mail.messages)) && mail.dropped[mail.messages[n].ID] {
		n++
	}
	if n >= uint64(len(mail.messages)) {
		return t.Block()
	}
	x := mail.messages[n]
	for i, text := range []string{x.ID, x.From, string(x.Body)} {
		if err := t.SetString(w, 2*i, text); err != nil {
			return t.Retry(err)
		}
	}
	t.Mem().Store64(rootMessages, n+1)
	t.Mem().Store64(rootFetched, 1)
	return exec.Next
}
