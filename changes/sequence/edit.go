package sequence

import (
	"cmp"
	"slices"
	"sort"
)

// edit is what one turn of a run does to a sequence: the run's segments as they become.
type edit[T any] struct {
	q       *Elements[T]
	run     Run
	own     map[uint64]*Segment[T] // by index
	bytes   map[uint64]int         // size of each as it is written
	touched map[uint64]bool
	places  []chunk[T] // not dead
	begins  []int      // where each begins in the value the turn began with; the end last
	next    uint64     // id of the next element
	time    uint64     // of the next element
	full    bool       // there is no id or time for it
}

// Edit folds the change that a run's turn made: from old, which q merges to, to new. own are the segments of the run by index, and
// sizeBytes how long each is as it is written. The segments that changed are the result, or ErrFull.
func (q *Elements[T]) Edit(run Run, own map[uint64]*Segment[T], sizeBytes map[uint64]int, old, new Content[T]) (map[uint64]*Segment[T], error) {
	e := &edit[T]{q: q, run: run, own: own, bytes: sizeBytes, touched: map[uint64]bool{}, next: 1, time: q.time + 1}
	for _, s := range own {
		e.next = max(e.next, s.next)
	}
	at := 0
	for _, c := range q.order {
		if !c.dead {
			e.places, e.begins = append(e.places, c), append(e.begins, at)
			at += q.length(c)
		}
	}
	e.begins = append(e.begins, at)
	for _, s := range q.kind.splices(old, new) {
		// Where to insert is looked up first, in the sequence as it was; removals leave it as it is.
		if s.to > s.from {
			e.insert(s.at, new, s.from, s.to)
		}
		e.remove(s.at, s.at+s.del)
	}
	if e.full {
		return nil, ErrFull
	}
	out := map[uint64]*Segment[T]{}
	for index := range e.touched {
		s := e.own[index]
		s.join(run, q.kind)
		out[index] = s
	}
	for _, s := range out {
		e.forget(s)
	}
	return out, nil
}

// writable is the segment of an index, to be changed.
func (e *edit[T]) writable(index uint64) *Segment[T] {
	if !e.touched[index] {
		e.touched[index] = true
		if s := e.own[index]; s != nil {
			e.own[index] = s.clone()
		} else {
			e.own[index] = &Segment[T]{}
		}
	}
	return e.own[index]
}

// find is the chunk in which position at stands, and the unit there; beyond the end: the last chunk's end.
func (e *edit[T]) find(at int) (chunk int, unit uint64) {
	i := sort.Search(len(e.places), func(i int) bool { return e.begins[i+1] > at })
	if i == len(e.places) {
		return i, 0
	}
	c := e.places[i]
	if e.q.kind.Unit != Runes {
		return i, c.from + uint64(at-e.begins[i])
	}
	text := e.q.textOf(c)
	return i, c.from + Runes.count(text[:at-e.begins[i]])
}

// remove removes what stands between two positions.
func (e *edit[T]) remove(from, to int) {
	for i, unit := e.find(from); i < len(e.places) && e.begins[i] < to; i++ {
		c := e.places[i]
		last := c.to
		if to < e.begins[i+1] {
			_, last = e.find(to)
		}
		e.removeUnits(c.node, max(unit, c.from), last)
		unit = 0
	}
}

func (e *edit[T]) removeUnits(n *node[T], from, to uint64) {
	if from >= to {
		return
	}
	if n.run != e.run {
		s := e.writable(e.room())
		s.removed = append(s.removed, ids{ID{n.run, n.seq + from}, to - from})
		slices.SortFunc(s.removed, func(a, b ids) int { return a.compare(b.ID) })
		s.removed = joinRanges(s.removed)
		return
	}
	s := e.writable(n.segment)
	s.cut(n.seq+from, e.run, e.q.kind)
	s.cut(n.seq+to, e.run, e.q.kind)
	for i := range s.spans {
		if p := &s.spans[i]; p.seq >= n.seq+from && p.end() <= n.seq+to {
			p.gone, p.items, p.text = true, nil, ""
		}
	}
}

// insert adds the units of v from..to at a position.
func (e *edit[T]) insert(at int, v Content[T], from, to int) {
	p := span[T]{}
	if !e.q.kind.Log {
		p.up, p.left, p.right = e.place(at)
	}
	for from < to {
		end := e.piece(v, from, to)
		s := e.writable(e.room())
		p.seq, p.time, p.n, p.items, p.text = e.next, e.time, uint64(end-from), nil, ""
		if e.q.kind.Unit == Items {
			p.items = v.Items[from:end:end]
		} else {
			p.text = v.Text[from:end]
			p.n = e.q.kind.Unit.count(p.text)
		}
		if e.next+p.n > sequenceIDMax || e.time+p.n > sequenceIDMax {
			e.full = true
			return
		}
		e.next += p.n
		s.next = e.next
		s.spans = append(s.spans, p)
		slices.SortFunc(s.spans, func(a, b span[T]) int { return cmp.Compare(a.seq, b.seq) })
		if !e.q.kind.Log {
			e.time += p.n
			p.up, p.left = ID{e.run, e.next - 1}, false
		}
		e.bytes[e.last()] += e.size(p)
		from = end
	}
}

func (e *edit[T]) size(p span[T]) int {
	n := 16 + len(p.text)
	for _, it := range p.items {
		n += len(e.q.kind.Append(nil, it))
	}
	return n
}

// piece is how far from v may go into one segment.
func (e *edit[T]) piece(v Content[T], from, to int) int {
	if e.q.kind.Unit != Items {
		if to-from <= segmentBytes {
			return to
		}
		if e.q.kind.Unit == Bytes {
			return from + segmentBytes
		}
		text := v.Text[from:to]
		return from + Runes.offset(text, Runes.count(text[:segmentBytes-4])-1)
	}
	size := 0
	for i := from; i < to; i++ {
		if size += len(e.q.kind.Append(nil, v.Items[i])); size > segmentBytes && i > from {
			return i
		}
	}
	return to
}

// last is the segment that was written to last, by the ids in it.
func (e *edit[T]) last() uint64 {
	var index, next uint64
	for i, s := range e.own {
		if s.next > next || s.next == next && i > index {
			index, next = i, s.next
		}
	}
	return index
}

// room is the segment that new contents go to: the last one while it is not full, else the first that is at most half full, else a new one.
func (e *edit[T]) room() uint64 {
	last := e.last()
	if e.bytes[last] < segmentBytes {
		return last
	}
	for i := uint64(0); ; i++ {
		if e.own[i] == nil || e.bytes[i] < segmentBytes/2 {
			return i
		}
	}
}

// place is where an element inserted at a position stands in the tree.
func (e *edit[T]) place(at int) (up ID, left bool, right ID) {
	before := place[T]{e.q.root, 0}
	i, unit := e.find(at)
	switch {
	case i < len(e.places) && unit > e.places[i].from:
		before = place[T]{e.places[i].node, unit - 1}
	case i > 0:
		before = place[T]{e.places[i-1].node, e.places[i-1].to - 1}
	}
	next, ok := e.q.after(before)
	switch {
	case !ok:
		return idOf(before), false, ID{}
	case e.q.hasRight(before):
		return next.id(), true, next.id()
	}
	return idOf(before), false, next.id()
}

// idOf is the id of an element, zero of the root.
func idOf[T any](p place[T]) ID {
	if p.up.node == nil {
		return ID{}
	}
	return p.id()
}

// after is the element that follows p, dead ones included.
func (q *Elements[T]) after(p place[T]) (place[T], bool) {
	next := 0
	if p.node != q.root {
		next = slices.IndexFunc(q.order, func(c chunk[T]) bool { return c.node == p.node && c.from <= p.k && p.k < c.to })
		if c := q.order[next]; p.k+1 < c.to {
			return place[T]{c.node, p.k + 1}, true
		}
		next++
	}
	if next == len(q.order) {
		return place[T]{}, false
	}
	return place[T]{q.order[next].node, q.order[next].from}, true
}

// hasRight says whether p has a right child.
func (q *Elements[T]) hasRight(p place[T]) bool {
	return p.k+1 < p.n || slices.ContainsFunc(p.kids, func(k kid[T]) bool { return k.at == p.k && !k.left })
}

// forget drops the places of removed spans, the oldest first, of a segment that has more than goneSpansMax: those that no span stands
// beside. A run that inserts beside one at this moment finds itself at another place near by (attach). Removals of what
// its run dropped go too.
func (e *edit[T]) forget(s *Segment[T]) {
	gone := 0
	for i := range s.spans {
		if s.spans[i].gone {
			gone++
		}
	}
	if gone > goneSpansMax {
		named := e.named()
		s.spans = slices.DeleteFunc(s.spans, func(p span[T]) bool {
			if !p.gone || gone <= goneSpansMax/2 {
				return false
			}
			if i, _ := slices.BinarySearch(named, p.seq); i < len(named) && named[i] < p.end() {
				return false
			}
			gone--
			return true
		})
	}
	if len(s.removed) > goneSpansMax {
		s.removed = slices.DeleteFunc(s.removed, func(r ids) bool {
			theirs := e.q.runs[r.run]
			i := sort.Search(len(theirs), func(i int) bool { return theirs[i].end() > r.seq })
			return i == len(theirs) || theirs[i].seq >= r.seq+r.n
		})
	}
}

// named lists the run's own elements that a span of any run stands beside, sorted.
func (e *edit[T]) named() []uint64 {
	var named []uint64
	note := func(p *span[T]) {
		if p.up.run == e.run {
			named = append(named, p.up.seq)
		}
		if p.right.run == e.run {
			named = append(named, p.right.seq)
		}
	}
	for run, nodes := range e.q.runs {
		for i := 0; run != e.run && i < len(nodes); i++ {
			note(nodes[i].span)
		}
	}
	for _, s := range e.own {
		for i := range s.spans {
			note(&s.spans[i])
		}
	}
	slices.Sort(named)
	return named
}
