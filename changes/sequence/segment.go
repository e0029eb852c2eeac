package sequence

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
type Segment[T any] struct {
	next    uint64    // id of the run's next element when the segment was last written
	spans   []span[T] // by seq, without overlap
	removed []ids     // by run and seq, joined
}

// Bounds of segments. A cell that breaks them is left out by every reader.
const (
	segmentBytes  = 4096    // content at which the next segment is begun
	goneSpansMax  = 128     // removed spans that a segment keeps the places of, if nothing stands beside them
	sequenceIDMax = 1 << 62 // ids and times
)

// Encode is the canonical encoding (FORMAT.md of package changes) of a segment of run. Runs that are named stand in a table; 0 is the zero ID, 1 the run itself.
func (s *Segment[T]) Encode(run Run, k *Kind[T]) []byte {
	table, number := s.runTable(run)
	b := binary.AppendUvarint(nil, s.next)
	b = binary.AppendUvarint(b, uint64(len(table)))
	for _, r := range table {
		b = append(b, r[:]...)
	}
	id := func(e ID) {
		if e == (ID{}) {
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
		b = p.appendContent(b, k)
	}
	b = binary.AppendUvarint(b, uint64(len(s.removed)))
	for _, r := range s.removed {
		id(r.ID)
		b = binary.AppendUvarint(b, r.n)
	}
	return b
}

func (p *span[T]) appendContent(b []byte, k *Kind[T]) []byte {
	switch {
	case p.gone:
	case k.Unit == Items:
		for _, it := range p.items {
			b = k.Append(b, it)
		}
	default:
		b = binary.AppendUvarint(b, uint64(len(p.text)))
		b = append(b, p.text...)
	}
	return b
}

// runTable lists the other runs that are named, and numbers all.
func (s *Segment[T]) runTable(run Run) (table []Run, number map[Run]uint64) {
	number = map[Run]uint64{}
	note := func(e ID) {
		if e.run != run && e != (ID{}) && number[e.run] == 0 {
			number[e.run] = 1
			table = append(table, e.run)
		}
	}
	for i := range s.spans {
		note(s.spans[i].up)
		note(s.spans[i].right)
	}
	for _, r := range s.removed {
		note(r.ID)
	}
	slices.SortFunc(table, Run.Compare)
	for i, r := range table {
		number[r] = uint64(i) + 2
	}
	number[run] = 1
	return table, number
}

// scan reads the front of b. That numbers are in their shortest form is seen when all is encoded again.
type scan struct {
	b   []byte
	err error
}

func (s *scan) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
		s.b = nil
	}
}

// take is the next n bytes, nil when there are not as many.
func (s *scan) take(n uint64) []byte {
	if n > uint64(len(s.b)) {
		s.fail("the end is missing")
		return nil
	}
	b := s.b[:n]
	s.b = s.b[n:]
	return b
}

func (s *scan) uvarint() uint64 {
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		s.fail("a number does not end")
		return 0
	}
	s.b = s.b[n:]
	return v
}

// Decode reads what Encode wrote for a run; anything else is ErrFormat, ErrSegment, or the error of k.Next.
func Decode[T any](b []byte, run Run, k *Kind[T]) (*Segment[T], error) {
	s := scan{b: b}
	seg := &Segment[T]{next: s.uvarint()}
	table := make([]Run, 0, 4)
	for n := s.uvarint(); n > 0 && s.err == nil; n-- {
		var r Run
		copy(r[:], s.take(uint64(len(r))))
		table = append(table, r)
	}
	id := func() ID {
		switch n := s.uvarint(); {
		case n == 0:
			return ID{}
		case n == 1:
			return ID{run, s.uvarint()}
		case n-2 < uint64(len(table)):
			return ID{table[n-2], s.uvarint()}
		}
		s.fail("a run that is not in the table")
		return ID{}
	}
	for n := s.uvarint(); n > 0 && s.err == nil; n-- {
		flags := byte(0)
		if f := s.take(1); f != nil {
			flags = f[0]
		}
		p := span[T]{gone: flags&1 != 0, left: flags&2 != 0, seq: s.uvarint(), time: s.uvarint(), n: s.uvarint(), up: id()}
		p.right = p.up
		if !p.left {
			p.right = id()
		}
		p.scanContent(&s, k)
		seg.spans = append(seg.spans, p)
	}
	for n := s.uvarint(); n > 0 && s.err == nil; n-- {
		seg.removed = append(seg.removed, ids{id(), s.uvarint()})
	}
	if len(s.b) > 0 {
		s.fail("%d bytes follow", len(s.b))
	}
	if s.err != nil {
		return nil, s.err
	}
	if err := seg.check(run, k); err != nil {
		return nil, err
	}
	if !bytes.Equal(seg.Encode(run, k), b) {
		return nil, fmt.Errorf("%w: a segment is not in canonical form", ErrFormat)
	}
	return seg, nil
}

func (p *span[T]) scanContent(s *scan, k *Kind[T]) {
	switch {
	case s.err != nil || p.gone:
	case k.Unit == Items:
		for n := p.n; n > 0 && s.err == nil; n-- {
			item, rest, err := k.Next(s.b)
			if err == nil && len(rest) >= len(s.b) {
				err = fmt.Errorf("%w: %d items in no bytes", ErrFormat, n)
			}
			p.items, s.b, s.err = append(p.items, item), rest, err
		}
	default:
		p.text = string(s.take(s.uvarint()))
	}
}

// check says what no honest run writes, as far as it can be seen in the segment alone.
func (s *Segment[T]) check(run Run, k *Kind[T]) error {
	bad := func(text string, p any) error { return fmt.Errorf("%w: %s: %+v", ErrSegment, text, p) }
	if s.next > sequenceIDMax {
		return bad("next id", s.next)
	}
	last := uint64(1)
	for i := range s.spans {
		p := &s.spans[i]
		switch {
		case p.n == 0 || p.n > 1<<32 || p.seq < last || p.seq > s.next || p.end() > s.next || p.time == 0 || p.time > sequenceIDMax || p.time+p.n > sequenceIDMax:
			return bad("span out of order", p)
		case k.Log && (p.left || p.up != ID{} || p.right != ID{}):
			return bad("entry of a log with a place", p)
		case p.left && p.up == ID{}:
			return bad("span to the left of nothing", p)
		case !p.gone && k.Unit != Items && k.Unit.count(p.text) != p.n:
			return bad("text of another length", p)
		}
		last = p.end()
	}
	for i, r := range s.removed {
		if r.seq == 0 || r.n == 0 || r.seq > sequenceIDMax || r.n > 1<<32 || r.run == run || i > 0 && s.removed[i-1].compare(r.ID) >= 0 {
			return bad("removal out of order", r)
		}
	}
	return nil
}

// clone is a copy to be changed; contents are shared.
func (s *Segment[T]) clone() *Segment[T] {
	return &Segment[T]{s.next, slices.Clone(s.spans), slices.Clone(s.removed)}
}

// cut splits the span that holds element seq and one before it, so that one begins at seq.
func (s *Segment[T]) cut(seq uint64, run Run, kind *Kind[T]) {
	i := sort.Search(len(s.spans), func(i int) bool { return s.spans[i].end() > seq })
	if i < len(s.spans) && s.spans[i].seq < seq {
		s.spans = slices.Insert(s.spans, i+1, s.spans[i].tail(seq-s.spans[i].seq, run, kind))
	}
}

// tail takes the elements from k on out of a span of a run.
func (p *span[T]) tail(k uint64, run Run, kind *Kind[T]) span[T] {
	t := span[T]{seq: p.seq + k, time: p.time, n: p.n - k, gone: p.gone, right: p.right}
	if !kind.Log {
		t.time, t.up = p.time+k, ID{run, p.seq + k - 1}
	}
	switch {
	case p.gone:
	case kind.Unit == Items:
		t.items, p.items = p.items[k:], p.items[:k:k]
	default:
		at := kind.Unit.offset(p.text, k)
		t.text, p.text = p.text[at:], p.text[:at]
	}
	p.n = k
	return t
}

// follows says whether t goes on where p ends, so that both are one span.
func (p *span[T]) follows(t *span[T], run Run, kind *Kind[T]) bool {
	switch {
	case t.seq != p.end() || t.gone != p.gone || len(p.text)+len(t.text) > segmentBytes:
		return false
	case kind.Log:
		return t.time == p.time
	case t.time != p.time+p.n || t.left || t.up != ID{run, p.end() - 1} || t.right != p.right:
		return false
	}
	// Bytes of two units may make one rune where they meet.
	return p.gone || kind.Unit != Runes || Runes.count(p.text+t.text) == p.n+t.n
}

// join makes one span of those that follow each other.
func (s *Segment[T]) join(run Run, kind *Kind[T]) {
	joined := s.spans[:0:0]
	for i := range s.spans {
		t := s.spans[i]
		if last := len(joined) - 1; last >= 0 && joined[last].follows(&t, run, kind) {
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
