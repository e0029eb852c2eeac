package changes

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// Mark is how far the contributions that a run made to a counter in one of its epochs went, or those to a max or min before others removed them.
type Mark struct {
	Epoch uint64 // names the epoch (Epoch.Name); 0: none was given. Not of a max or min
	Dot   uint64 // turn of the last contribution
	Sum   Value  // Counter: running sum at Dot, with what the epochs before this one contributed. Max, Min: the bound
}

func (m Mark) equal(n Mark) bool { return m.Epoch == n.Epoch && m.Dot == n.Dot && m.Sum.Equal(n.Sum) }

// pastMax is how many marks of earlier epochs a counter keeps, beside those that a removal stands at, and how many removed bounds a max or min.
const pastMax = 8

// Name is e as cells name it: 64 bits of a hash, 0 for the zero Epoch.
func (e Epoch) Name() uint64 {
	if e == (Epoch{}) {
		return 0
	}
	h := sha256.Sum256(append(binary.BigEndian.AppendUint64([]byte{hashEpoch}, e.Number), e.Owner...))
	return binary.BigEndian.Uint64(h[:])
}

// history is the epochs in which a run contributed, oldest first, each going on from the one before. An epoch has one past: histories that
// have an epoch in common are equal before it.
type history struct {
	past []Mark
	last Mark
}

func (c Cell) history() history { return history{c.Past, Mark{c.Epoch, c.Dot, c.Value}} }
func (s Seen) history() history { return history{s.Past, Mark{s.Epoch, s.Dot, s.Sum}} }

func (h history) at(i int) Mark {
	if i == len(h.past) {
		return h.last
	}
	return h.past[i]
}

// meet is how far h goes in what b saw, and which of h's epochs that is in (-1: in none that it still has). What b saw in epochs that h does not go on from is
// void and counts for nothing. Where a history may have forgotten the epoch in which both part, nothing is taken for void.
func (h history) meet(b history) (Mark, int) {
	for j := len(b.past); j >= 0; j-- {
		for i := len(h.past); i >= 0; i-- {
			own, saw := h.at(i), b.at(j)
			if own.Epoch != saw.Epoch {
				continue
			}
			if saw.Dot < own.Dot {
				return saw, i
			}
			return own, i
		}
	}
	switch {
	case len(h.past) < pastMax && len(b.past) < pastMax:
		return Mark{}, -1
	case b.last.Dot < h.last.Dot:
		return b.last, -1
	}
	return h.last, -1
}

// covers says whether who saw h saw all of b.
func (h history) covers(b history) bool {
	m, _ := b.meet(h)
	return m.Dot >= b.last.Dot
}

// left is the past of a counter that goes on in another epoch: the oldest marks are forgotten but for those at which a removal in view stands.
func (c Cell) left(view []Cell) []Mark {
	past := append(slices.Clone(c.Past), c.history().last)
	if len(past) <= pastMax {
		return past
	}
	stood := map[int]bool{}
	for _, d := range append(slices.Clone(view), c) {
		for _, s := range d.Seen {
			if s.Run == c.Stamp.Run {
				_, i := c.history().meet(s.history())
				stood[i] = true
			}
		}
	}
	for i := range past {
		if !stood[i] {
			return slices.Delete(past, i, i+1)
		}
	}
	return past
}

// bounds is the bound of a max or min to which v is contributed, and the past it then has. A bound that others removed stays there: should the removal be void, it
// binds again. One that is no tighter than a later one never will.
func (c Cell) bounds(v Value, view []Cell) (Value, []Mark) {
	past := slices.Clone(c.Past)
	switch {
	case c.lives(view):
		v = join(c.Kind, c.Value, v)
	case c.Value.Present():
		past = append(past, c.history().last)
	}
	past = slices.DeleteFunc(past, func(m Mark) bool { return join(c.Kind, m.Sum, v).Equal(v) })
	return v, past[max(0, len(past)-pastMax):]
}

// checkPast says why the past of c does not suit the leaf.
func (c Cell) checkPast(leaf *Spec) error {
	if leaf.Kind != Max && leaf.Kind != Min {
		return c.history().check(leaf)
	}
	last := c.seen(c.Stamp.Run)
	for _, m := range append(slices.Clip(c.Past), c.history().last) {
		if m.Epoch != 0 || len(c.Past) > 0 && m.Dot <= last {
			return fmt.Errorf("%w: a bound of turn %d and epoch %x after turn %d", ErrCell, m.Dot, m.Epoch, last)
		}
		if err := leaf.checkLeaf(m.Sum); err != nil || !m.Sum.Present() && len(c.Past) > 0 {
			return fmt.Errorf("%w: a bound of %v: %v", ErrCell, m.Sum, err)
		}
		last = m.Dot
	}
	return nil
}

// check says why h is not the history of a contribution to the leaf.
func (h history) check(leaf *Spec) error {
	if leaf.Kind != Counter && (h.last.Epoch != 0 || len(h.past) > 0) || h.last.Dot == 0 && (h.last.Epoch != 0 || len(h.past) > 0) {
		return fmt.Errorf("%w: epochs in a cell of kind %v at turn %d", ErrCell, leaf.Kind, h.last.Dot)
	}
	for i, m := range h.past {
		if next := h.at(i + 1); m.Dot == 0 || m.Dot >= next.Dot || m.Epoch == next.Epoch || !m.Sum.Present() {
			return fmt.Errorf("%w: the epoch up to turn %d with sum %v, then that up to %d", ErrCell, m.Dot, m.Sum, next.Dot)
		}
		if err := leaf.Type.Check(m.Sum); err != nil {
			return err
		}
	}
	return nil
}

func appendMarks(b []byte, marks []Mark) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(marks)))
	for _, m := range marks {
		b = binary.BigEndian.AppendUint64(b, m.Epoch)
		b = binary.BigEndian.AppendUint64(b, m.Dot)
		b = appendOptional(b, m.Sum)
	}
	return b
}

func appendBounds(b []byte, bounds []Mark) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(bounds)))
	for _, m := range bounds {
		b = m.Sum.appendNode(binary.BigEndian.AppendUint64(b, m.Dot))
	}
	return b
}

func (s *scan) bounds() (bounds []Mark) {
	n := s.count(9)
	for i := 0; i < n && s.err == nil; i++ {
		bounds = append(bounds, Mark{Dot: s.u64(), Sum: s.node(DepthMax)})
	}
	return bounds
}

func (s *scan) marks() (marks []Mark) {
	n := s.count(17)
	for i := 0; i < n && s.err == nil; i++ {
		marks = append(marks, Mark{s.u64(), s.u64(), s.optional()})
	}
	return marks
}
