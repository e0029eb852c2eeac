package exec

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// outcome is how a channel operation went.
type outcome int

const (
	done outcome = iota
	wouldBlock
	waiting // the goroutine is in the channel's queue; its position is to be passed and another one scheduled
)

// place is where a value comes from or goes to: memory form, or slot form of type t. addr 0 discards.
type place struct {
	addr  uint64
	slots bool
}

// channelOp is the group channels.
func (m *Machine) channelOp(in code.Instr) error {
	var (
		how outcome
		err error
		why Status
	)
	switch in.Op {
	case code.ChanNew:
		var c uint64
		if c, err = m.makeChan(m.extAt(0), int64(*m.reg(in.B))); err == nil {
			*m.reg(in.A) = c
		}
	case code.Send:
		c := *m.reg(in.A)
		why = sendStatus(c)
		how, err = m.send(c, place{m.slotAddr(in.B), true}, m.extAt(0), true)
	case code.Recv:
		c := *m.reg(in.B)
		why = recvStatus(c)
		ok := uint64(0)
		if in.C != 0 {
			ok = m.slotAddr(in.A) + uint64(m.info(m.extAt(0)).slots)*8
		}
		how, err = m.receive(c, place{m.slotAddr(in.A), true}, ok, m.extAt(0), true)
	case code.ChanLen, code.ChanCap:
		*m.reg(in.A) = m.chanSize(*m.reg(in.B), cLen+uint64(in.Op-code.ChanLen)*8)
	case code.ChanClose:
		err = m.closeChan(*m.reg(in.A))
	case code.Select:
		why = StatusSelect
		if in.C == 0 {
			why = StatusSelectNone
		}
		how, err = m.selectOp(in)
	}
	if err != nil {
		return err
	}
	m.advance(code.Table[in.Op].Form.Words())
	if how == waiting {
		m.leave(why)
		m.schedule()
	}
	return nil
}

func sendStatus(c uint64) Status {
	if c == 0 {
		return StatusChanSendNil
	}
	return StatusChanSend
}

func recvStatus(c uint64) Status {
	if c == 0 {
		return StatusChanReceiveNil
	}
	return StatusChanReceive
}

// makeChan is make(typ, n) for channel type typ.
func (m *Machine) makeChan(typ uint64, n int64) (uint64, error) {
	if m.heap.CollectDue() {
		m.collect()
	}
	elem := m.heap.TypeElem(typ)
	size := m.heap.TypeSize(elem)
	if n < 0 || size > 0 && uint64(n) > m.mem.Limit()/size || uint64(n) > 1<<47 {
		return 0, raiseBy(code.KnownPanicMakeChan)
	}
	c, err := m.heap.AllocKind(heap.KindChan, cBuf+uint64(n)*size, typ)
	if err != nil {
		return 0, err
	}
	m.work(uint64(n) * size)
	m.store(c+cCap, uint64(n))
	m.store(c+cElem, elem)
	m.store(c+cElemBytes, size)
	m.store(c+cBubble, m.load(m.g+gBubble))
	return c, nil
}

// chanSize is what the program sees of channel c's cLen or cCap.
func (m *Machine) chanSize(c, field uint64) uint64 {
	if c == 0 || m.load(c+cClosed)&chanTimer != 0 {
		return 0
	}
	return m.load(c + field)
}

// put copies a value in memory form at from (0: zero) to a place of the running or a waiting goroutine.
func (m *Machine) put(t typeInfo, to place, from uint64) error {
	switch {
	case to.addr == 0:
		return nil
	case to.slots:
		return m.toSlots(t, to.addr, from)
	case t.bytes == 0:
		return nil
	case from == 0:
		if !m.mem.Zero(to.addr, t.bytes) {
			return heap.ErrFault
		}
		m.work(t.bytes)
	default:
		if !m.mem.Copy(to.addr, from, t.bytes) {
			return heap.ErrFault
		}
		m.work(t.bytes)
	}
	return nil
}

// memoryForm is the address of the memory form of the value at a place.
func (m *Machine) memoryForm(t typeInfo, p place) uint64 {
	if p.slots {
		return m.valueAt(t, p.addr)
	}
	return p.addr
}

// send sends the value at from, of type elem, on channel c.
func (m *Machine) send(c uint64, from place, elem uint64, block bool) (outcome, error) {
	if c == 0 {
		return m.orWait(block), nil
	}
	if m.outside(c) {
		return 0, m.fatalOutside("send on synctest channel")
	}
	if m.load(c+cClosed)&chanClosed != 0 {
		return 0, raiseBy(code.KnownPanicClosedSend)
	}
	t := m.info(elem)
	value := m.memoryForm(t, from)
	if s := m.load(c + cRecvQ); s != 0 {
		return done, m.handOver(s, t, value, true)
	}
	if n, room := m.load(c+cLen), m.load(c+cCap); n < room {
		x := m.load(c + cSendX)
		if t.bytes > 0 && !m.mem.Copy(c+cBuf+x*t.bytes, value, t.bytes) {
			return 0, heap.ErrFault
		}
		m.work(t.bytes)
		m.store(c+cSendX, next(x, room))
		m.store(c+cLen, n+1)
		return done, nil
	}
	if !block {
		return wouldBlock, nil
	}
	s, err := m.newSudog(c, value, sudogSend)
	if err != nil {
		return 0, err
	}
	m.push(c+cSendQ, s)
	return waiting, nil
}

func (m *Machine) orWait(block bool) outcome {
	if block {
		return waiting
	}
	return wouldBlock
}

func next(x, room uint64) uint64 {
	if x+1 == room {
		return 0
	}
	return x + 1
}

// handOver completes the receive that s waits for with the value at from (0: zero) and readies its goroutine.
func (m *Machine) handOver(s uint64, t typeInfo, from uint64, ok bool) error {
	if err := m.put(t, place{m.load(s + sElem), m.load(s+sFlags)&sudogSlots != 0}, from); err != nil {
		return err
	}
	m.complete(s, ok)
	return nil
}

// complete tells the goroutine of s that its case was done, takes it out of all queues and readies it.
func (m *Machine) complete(s uint64, ok bool) {
	if at := m.load(s + sOK); at != 0 {
		m.store(at, boolWord(ok))
	}
	if at := m.load(s + sIndex); at != 0 {
		m.store(at, m.load(s+sCase))
	}
	g := m.load(s + sG)
	m.dropSudogs(g)
	m.ready(g)
}

// receive receives from channel c into a place; okAt is the address of the word for "received ok", 0 for none.
func (m *Machine) receive(c uint64, to place, okAt, elem uint64, block bool) (outcome, error) {
	if c == 0 {
		return m.orWait(block), nil
	}
	if m.outside(c) {
		return 0, m.fatalOutside("receive on synctest channel")
	}
	t := m.info(elem)
	n := m.load(c + cLen)
	switch s := m.load(c + cSendQ); {
	case n > 0:
		room, x := m.load(c+cCap), m.load(c+cRecvX)
		at := c + cBuf + x*t.bytes
		if err := m.put(t, to, at); err != nil {
			return 0, err
		}
		m.store(c+cRecvX, next(x, room))
		if s != 0 { // full: the first sender's value takes the place just given up
			m.mem.Copy(at, m.load(s+sElem), t.bytes)
			m.store(c+cSendX, next(x, room))
			m.complete(s, false)
		} else {
			m.mem.Zero(at, t.bytes)
			m.store(c+cLen, n-1)
		}
	case s != 0:
		if err := m.put(t, to, m.load(s+sElem)); err != nil {
			return 0, err
		}
		m.complete(s, false)
	case m.load(c+cClosed)&chanClosed != 0:
		if err := m.put(t, to, 0); err != nil {
			return 0, err
		}
		m.setOK(okAt, false)
		return done, nil
	case !block:
		return wouldBlock, nil
	default:
		flags := uint64(0)
		if to.slots {
			flags = sudogSlots
		}
		s, err := m.newSudog(c, to.addr, flags)
		if err != nil {
			return 0, err
		}
		m.store(s+sOK, okAt)
		m.push(c+cRecvQ, s)
		return waiting, nil
	}
	m.setOK(okAt, true)
	return done, nil
}

func (m *Machine) setOK(at uint64, ok bool) {
	if at != 0 {
		m.store(at, boolWord(ok))
	}
}

// closeChan closes a channel: receivers get zero values, senders do their operation anew and panic.
func (m *Machine) closeChan(c uint64) error {
	if c == 0 {
		return raiseBy(code.KnownPanicCloseNil)
	}
	if m.outside(c) {
		return m.fatalOutside("close of synctest channel")
	}
	if m.load(c+cClosed)&chanClosed != 0 {
		return raiseBy(code.KnownPanicCloseClosed)
	}
	t := m.info(m.load(c + cElem))
	n := uint64(0)
	defer func() { m.heap.Walked(n) }()
	for ; n < m.chain(); n++ {
		s := m.load(c + cRecvQ)
		if s == 0 {
			break
		}
		if err := m.handOver(s, t, 0, false); err != nil {
			return err
		}
	}
	m.store(c+cClosed, m.load(c+cClosed)|chanClosed)
	for ; n < 2*m.chain(); n++ {
		s := m.load(c + cSendQ)
		if s == 0 {
			break
		}
		g := m.load(s + sG)
		m.store(g+gPC, m.load(s+sPC))
		m.dropSudogs(g)
		m.ready(g)
	}
	return nil
}

// newSudog is a record of the running goroutine waiting on at; it is first in the goroutine's list, in no queue.
func (m *Machine) newSudog(at, elem, flags uint64) (uint64, error) {
	s, err := m.heap.AllocKind(heap.KindSudog, sBytes, 0)
	if err != nil {
		return 0, err
	}
	m.store(s+sG, m.g)
	m.store(s+sChan, at)
	m.store(s+sElem, elem)
	m.store(s+sFlags, flags)
	m.store(s+sPC, uint64(m.s.PC))
	m.store(s+sMore, m.load(m.g+gSudog))
	m.store(m.g+gSudog, s)
	m.store(m.g+gWaiting, at)
	return s, nil
}

// push puts s at the end of the queue whose first and last words are at q.
func (m *Machine) push(q, s uint64) {
	last := m.load(q + 8)
	m.store(s+sPrev, last)
	if last == 0 {
		m.store(q, s)
	} else {
		m.store(last+sNext, s)
	}
	m.store(q+8, s)
}

// unlink takes s out of the queue at q.
func (m *Machine) unlink(q, s uint64) {
	prev, next := m.load(s+sPrev), m.load(s+sNext)
	if prev == 0 {
		m.store(q, next)
	} else {
		m.store(prev+sNext, next)
	}
	if next == 0 {
		m.store(q+8, prev)
	} else {
		m.store(next+sPrev, prev)
	}
}

// dropSudogs takes goroutine g out of every channel queue it is in.
func (m *Machine) dropSudogs(g uint64) {
	s := m.load(g + gSudog)
	m.store(g+gSudog, 0)
	n := uint64(0)
	defer func() { m.heap.Walked(n) }()
	for ; s != 0 && n < m.chain(); n++ {
		more := m.load(s + sMore)
		q := m.load(s+sChan) + cRecvQ
		if m.load(s+sFlags)&sudogSend != 0 {
			q = m.load(s+sChan) + cSendQ
		}
		m.unlink(q, s)
		m.heap.Free(s)
		s = more
	}
}
