package exec

import (
	"math/bits"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// selectCase is one case of a select; addr is where the value is sent from or received into, in memory form, 0 for none.
type selectCase struct {
	c, addr uint64
	send    bool
}

// selectOp is the op Select.
func (m *Machine) selectOp(in code.Instr) (outcome, error) {
	cases := make([]selectCase, in.C)
	for i := range cases {
		cases[i] = selectCase{*m.regN(in.B, 3*i), *m.regN(in.B, 3*i+2), *m.regN(in.B, 3*i+1) == 0}
	}
	block := m.extAt(0) != 0
	how, err := m.selectFrom(cases, block, m.slotAddr(in.A), m.slotAddr(in.A)+8)
	if how == wouldBlock && err == nil {
		*m.reg(in.A), *m.regN(in.A, 1) = ^uint64(0), 0
	}
	return how, err
}

// selectFrom does one case that is ready, picked at random by the run's own random state; or, when block is set, waits on all. The number of the case
// goes to the word at indexAt, "received ok" to that at okAt.
func (m *Machine) selectFrom(cases []selectCase, block bool, indexAt, okAt uint64) (outcome, error) {
	m.heap.Operands(uint64(len(cases)))
	ready := make([]int, 0, len(cases))
	for i, k := range cases {
		if m.outside(k.c) {
			return 0, m.fatalOutside("select on synctest channel")
		}
		if k.c != 0 && m.caseReady(k) {
			ready = append(ready, i)
		}
	}
	if len(ready) == 0 {
		if !block {
			return wouldBlock, nil
		}
		return waiting, m.waitOnAll(cases, indexAt, okAt)
	}
	i := 0
	if len(ready) > 1 {
		hi, _ := bits.Mul64(m.heap.Rand64(), uint64(len(ready)))
		i = int(hi)
	}
	k := cases[ready[i]]
	elem := m.load(k.c + cElem)
	var err error
	if k.send {
		m.setOK(okAt, false)
		_, err = m.send(k.c, place{addr: k.addr}, elem, false)
	} else {
		_, err = m.receive(k.c, place{addr: k.addr}, okAt, elem, false)
	}
	if err == nil {
		m.store(indexAt, uint64(ready[i]))
	}
	return done, err
}

// caseReady reports whether a case can be done at once, a panic included.
func (m *Machine) caseReady(k selectCase) bool {
	if m.load(k.c+cClosed)&chanClosed != 0 {
		return true
	}
	if k.send {
		return m.load(k.c+cRecvQ) != 0 || m.load(k.c+cLen) < m.load(k.c+cCap)
	}
	return m.load(k.c+cSendQ) != 0 || m.load(k.c+cLen) > 0
}

// waitOnAll puts the running goroutine in the queues of all cases. All records are made before the first is queued, so lack of room leaves no trace.
func (m *Machine) waitOnAll(cases []selectCase, indexAt, okAt uint64) error {
	first := uint64(0)
	for i, k := range cases {
		if k.c == 0 {
			continue
		}
		flags := uint64(0)
		if k.send {
			flags = sudogSend
		}
		s, err := m.newSudog(k.c, k.addr, flags)
		if err != nil {
			m.store(m.g+gSudog, 0)
			return err
		}
		m.store(s+sIndex, indexAt)
		m.store(s+sOK, okAt)
		m.store(s+sCase, uint64(i))
		first = s
	}
	for s, n := first, len(cases); s != 0 && n > 0; s, n = m.load(s+sMore), n-1 {
		q := m.load(s+sChan) + cRecvQ
		if m.load(s+sFlags)&sudogSend != 0 {
			q = m.load(s+sChan) + cSendQ
		}
		m.push(q, s)
	}
	return nil
}
