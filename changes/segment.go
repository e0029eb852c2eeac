package changes

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
)

// segment is a part of what one run contributed to a log, list or text: spans it inserted, and elements of other runs
// that it removed. A run spreads its contribution over the segments at the index paths below the sequence, so that a turn
// writes the few it touches and none is large.
type segment struct {
	next    uint64    // id of the run's next element when the segment was last written
	spans   []span    // by seq, without overlap
	removed []idRange // by run and seq, joined
}

// Bounds of segments. A cell that breaks them is left out by every reader.
const (
	segmentBytes  = 4096    // content at which the next segment is begun
	goneSpansMax  = 128     // removed spans that a segment keeps the places of, if nothing stands beside them
	sequenceIDMax = 1 << 62 // ids and times
)

// encode is the canonical encoding (FORMAT.md). Runs that are named stand in a table; 0 is the zero elemID, 1 the run itself.
func (s *segment) encode(run RunID, f Form) []byte {
	table, number := s.runTable(run)
	b := binary.AppendUvarint(nil, s.next)
	b = binary.AppendUvarint(b, uint64(len(table)))
	for _, r := range table {
		b = append(b, r[:]...)
	}
	id := func(e elemID) {
		if e == (elemID{}) {
			b = append(b, 0)
			return
		}
		b = binary.AppendUvarint(b, number[e.run])
		b = binary.AppendUvarint(b, e.seq)
	}
	b = binary.AppendUvarint(b, uint64(len(s.spans)))
	for i := range s.spans {
		p := &s.spans[i]
		flags := byte(0)
		if p.gone {
			flags |= 1
		}
		if p.left {
			flags |= 2
		}
		b = binary.AppendUvarint(append(b, flags), p.seq)
		b = binary.AppendUvarint(b, p.time)
		b = binary.AppendUvarint(b, p.n)
		id(p.up)
		if !p.left {
			id(p.right)
		}
		b = p.appendContent(b, f)
	}
	b = binary.AppendUvarint(b, uint64(len(s.removed)))
	for _, r := range s.removed {
		id(r.elemID)
		b = binary.AppendUvarint(b, r.n)
	}
	return b
}

func (p *span) appendContent(b []byte, f Form) []byte {
	switch {
	case p.gone:
	case f == Slice:
		for _, it := range p.items {
			b = it.appendNode(b)
		}
	default:
		b = binary.AppendUvarint(b, uint64(len(p.text)))
		b = append(b, p.text...)
	}
	return b
}

// runTable lists the other runs that are named, and numbers all.
func (s *segment) runTable(run RunID) (table []RunID, number map[RunID]uint64) {
	number = map[RunID]uint64{}
	note := func(e elemID) {
		if e.run != run && e != (elemID{}) && number[e.run] == 0 {
			number[e.run] = 1
			table = append(table, e.run)
		}
	}
	for i := range s.spans {
		note(s.spans[i].up)
		note(s.spans[i].right)
	}
	for _, r := range s.removed {
		note(r.elemID)
	}
	slices.SortFunc(table, RunID.Compare)
	for i, r := range table {
		number[r] = uint64(i) + 2
	}
	number[run] = 1
	return table, number
}

// decodeSegment reads what encode wrote for a run and the leaf of a sequence; anything else is ErrFormat or ErrType.
func decodeSegment(b []byte, run RunID, leaf *Spec) (*segment, error) {
	s := scan{b: b}
	seg := &segment{next: s.uvarint()}
	table := make([]RunID, 0, 4)
	for n := s.uvarint(); n > 0 && s.err == nil; n-- {
		table = append(table, s.run())
	}
	id := func() elemID {
		switch n := s.uvarint(); {
		case n == 0:
			return elemID{}
		case n == 1:
			return elemID{run, s.uvarint()}
		case n-2 < uint64(len(table)):
			return elemID{table[n-2], s.uvarint()}
		}
		s.fail("a run that is not in the table, at offset %d", s.off)
		return elemID{}
	}
	for n := s.uvarint(); n > 0 && s.err == nil; n-- {
		flags := s.u8()
		p := span{gone: flags&1 != 0, left: flags&2 != 0, seq: s.uvarint(), time: s.uvarint(), n: s.uvarint(), up: id()}
		p.right = p.up
		if !p.left {
			p.right = id()
		}
		s.content(&p, leaf)
		seg.spans = append(seg.spans, p)
	}
	for n := s.uvarint(); n > 0 && s.err == nil; n-- {
		seg.removed = append(seg.removed, idRange{id(), s.uvarint()})
	}
	if s.end(); s.err != nil {
		return nil, s.err
	}
	if err := seg.check(run, leaf); err != nil {
		return nil, err
	}
	if !bytes.Equal(seg.encode(run, leaf.Type.Form), b) {
		return nil, malformed("a segment of %v is not in canonical form", leaf)
	}
	return seg, nil
}

func (s *scan) content(p *span, leaf *Spec) {
	switch {
	case s.err != nil || p.gone:
	case leaf.Type.Form == Slice:
		for n := p.n; n > 0 && s.err == nil; n-- {
			if len(p.items) > s.left() {
				s.fail("%d elements in %d bytes", p.n, len(s.b))
				return
			}
			p.items = append(p.items, s.node(DepthMax))
		}
	default:
		n := s.uvarint()
		if n > uint64(s.left()) {
			s.fail("a text of %d bytes", n)
			return
		}
		p.text = string(s.take(int(n)))
	}
}

// check says what no honest run writes, as far as it can be seen in the segment alone.
func (s *segment) check(run RunID, leaf *Spec) error {
	bad := func(text string, p any) error { return fmt.Errorf("%w: %s: %+v", ErrCell, text, p) }
	last := uint64(1)
	for i := range s.spans {
		p := &s.spans[i]
		switch {
		case p.n == 0 || p.n > 1<<32 || p.seq < last || p.seq > sequenceIDMax || p.time == 0 || p.time > sequenceIDMax || p.end() > s.next:
			return bad("span out of order", p)
		case leaf.Kind == Log && (p.left || p.up != elemID{} || p.right != elemID{}):
			return bad("entry of a log with a place", p)
		case p.left && p.up == elemID{}:
			return bad("span to the left of nothing", p)
		case p.gone:
		case leaf.Type.Form == Slice:
			for _, it := range p.items {
				if err := leaf.Type.Elem.Check(it); err != nil {
					return err
				}
			}
		case unitCount(leaf.Type.Form, p.text) != p.n:
			return bad("text of another length", p)
		}
		last = p.end()
	}
	for i, r := range s.removed {
		if r.seq == 0 || r.n == 0 || r.seq > sequenceIDMax || r.n > 1<<32 || r.run == run || i > 0 && s.removed[i-1].compare(r.elemID) >= 0 {
			return bad("removal out of order", r)
		}
	}
	return nil
}

// clone is a copy to be changed; contents are shared.
func (s *segment) clone() *segment {
	return &segment{s.next, slices.Clone(s.spans), slices.Clone(s.removed)}
}

// cut splits the span that holds element seq and one before it, so that one begins at seq.
func (s *segment) cut(seq uint64, run RunID, leaf *Spec) {
	i := sort.Search(len(s.spans), func(i int) bool { return s.spans[i].end() > seq })
	if i < len(s.spans) && s.spans[i].seq < seq {
		s.spans = slices.Insert(s.spans, i+1, s.spans[i].tail(seq-s.spans[i].seq, run, leaf))
	}
}

// tail takes the elements from k on out of a span of a run.
func (p *span) tail(k uint64, run RunID, leaf *Spec) span {
	t := span{seq: p.seq + k, time: p.time, n: p.n - k, gone: p.gone, right: p.right}
	if leaf.Kind != Log {
		t.time, t.up = p.time+k, elemID{run, p.seq + k - 1}
	}
	switch {
	case p.gone:
	case leaf.Type.Form == Slice:
		t.items, p.items = p.items[k:], p.items[:k:k]
	default:
		at := unitOffset(leaf.Type.Form, p.text, k)
		t.text, p.text = p.text[at:], p.text[:at]
	}
	p.n = k
	return t
}

// follows says whether t goes on where p ends, so that both are one span.
func (p *span) follows(t *span, run RunID, leaf *Spec) bool {
	switch {
	case t.seq != p.end() || t.gone != p.gone || len(p.text)+len(t.text) > segmentBytes:
		return false
	case leaf.Kind == Log:
		return t.time == p.time
	case t.time != p.time+p.n || t.left || t.up != elemID{run, p.end() - 1} || t.right != p.right:
		return false
	}
	// Bytes of two units may make one rune where they meet.
	return p.gone || leaf.Type.Form != String || unitCount(String, p.text+t.text) == p.n+t.n
}

// join makes one span of those that follow each other.
func (s *segment) join(run RunID, leaf *Spec) {
	joined := s.spans[:0:0]
	for i := range s.spans {
		t := s.spans[i]
		if last := len(joined) - 1; last >= 0 && joined[last].follows(&t, run, leaf) {
			p := &joined[last]
			p.n += t.n
			p.text += t.text
			p.items = slices.Concat(p.items, t.items)
			continue
		}
		joined = append(joined, t)
	}
	s.spans = joined
}
