package changes

import (
	"slices"
	"sort"
)

// seqEdit is the edit of a sequence by one turn of a run: the run's segments as they become.
type seqEdit struct {
	q       *elements
	run     RunID
	own     map[uint64]*segment // by index
	bytes   map[uint64]int      // size of each as it is written
	touched map[uint64]bool
	places  []seqChunk // not dead
	begins  []int      // where each begins in the value the turn began with; the end last
	next    uint64     // id of the next element
	time    uint64     // of the next element
}

// editSequence folds the change of a sequence from old, which q merges to, to new. It returns the segments that changed.
func editSequence(q *elements, run RunID, own map[uint64]*segment, bytes map[uint64]int, old, new Value) map[uint64]*segment {
	e := &seqEdit{q: q, run: run, own: own, bytes: bytes, touched: map[uint64]bool{}, next: 1, time: q.time + 1}
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
	for _, s := range splices(old, new) {
		// Where to insert is looked up first, in the sequence as it was; removals leave it as it is.
		if s.to > s.from {
			e.insert(s.at, new, s.from, s.to)
		}
		e.remove(s.at, s.at+s.del)
	}
	out := map[uint64]*segment{}
	for index := range e.touched {
		s := e.own[index]
		s.join(run, q.leaf)
		out[index] = s
	}
	for _, s := range out {
		e.forget(s)
	}
	return out
}

// writable is the segment of an index, to be changed.
func (e *seqEdit) writable(index uint64) *segment {
	if !e.touched[index] {
		e.touched[index] = true
		if s := e.own[index]; s != nil {
			e.own[index] = s.clone()
		} else {
			e.own[index] = &segment{}
		}
	}
	return e.own[index]
}

// find is the chunk in which position at stands, and the unit there; beyond the end: the last chunk's end.
func (e *seqEdit) find(at int) (chunk int, unit uint64) {
	i := sort.Search(len(e.places), func(i int) bool { return e.begins[i+1] > at })
	if i == len(e.places) {
		return i, 0
	}
	c := e.places[i]
	if e.q.leaf.Type.Form == Slice || e.q.leaf.Type.Form == Bytes {
		return i, c.from + uint64(at-e.begins[i])
	}
	text := e.q.textOf(c)
	return i, c.from + unitCount(String, text[:at-e.begins[i]])
}

// remove removes what stands between two positions.
func (e *seqEdit) remove(from, to int) {
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

func (e *seqEdit) removeUnits(n *seqNode, from, to uint64) {
	if from >= to {
		return
	}
	if n.run != e.run {
		s := e.writable(e.room())
		s.removed = append(s.removed, idRange{elemID{n.run, n.seq + from}, to - from})
		slices.SortFunc(s.removed, func(a, b idRange) int { return a.compare(b.elemID) })
		s.removed = joinRanges(s.removed)
		return
	}
	s := e.writable(n.segment)
	s.cut(n.seq+from, e.run, e.q.leaf)
	s.cut(n.seq+to, e.run, e.q.leaf)
	for i := range s.spans {
		if p := &s.spans[i]; p.seq >= n.seq+from && p.end() <= n.seq+to {
			p.gone, p.items, p.text = true, nil, ""
		}
	}
}

// insert adds the units of v from..to at a position.
func (e *seqEdit) insert(at int, v Value, from, to int) {
	p := span{}
	if e.q.leaf.Kind != Log {
		p.up, p.left, p.right = e.place(at)
	}
	for from < to {
		end := e.piece(v, from, to)
		s := e.writable(e.room())
		p.seq, p.time, p.n, p.items, p.text = e.next, e.time, uint64(end-from), nil, ""
		if v.form == Slice {
			p.items = v.tree.items[from:end:end]
		} else {
			p.text = v.text[from:end]
			p.n = unitCount(v.form, p.text)
		}
		e.next += p.n
		s.next = e.next
		s.spans = append(s.spans, p)
		slices.SortFunc(s.spans, func(a, b span) int { return order(a.seq, b.seq) })
		if e.q.leaf.Kind != Log {
			e.time += p.n
			p.up, p.left = elemID{e.run, e.next - 1}, false
		}
		e.bytes[e.last()] += e.size(p)
		from = end
	}
}

func (e *seqEdit) size(p span) int {
	n := 16 + len(p.text)
	for _, it := range p.items {
		n += len(it.appendNode(nil))
	}
	return n
}

// piece is how far from v may go into one segment.
func (e *seqEdit) piece(v Value, from, to int) int {
	if v.form != Slice {
		if to-from <= segmentBytes {
			return to
		}
		if v.form == Bytes {
			return from + segmentBytes
		}
		text := v.text[from:to]
		return from + unitOffset(String, text, unitCount(String, text[:segmentBytes-4])-1)
	}
	size := 0
	for i := from; i < to; i++ {
		if size += len(v.tree.items[i].appendNode(nil)); size > segmentBytes && i > from {
			return i
		}
	}
	return to
}

// last is the segment that was written to last, by the ids in it.
func (e *seqEdit) last() uint64 {
	var index, next uint64
	for i, s := range e.own {
		if s.next > next || s.next == next && i > index {
			index, next = i, s.next
		}
	}
	return index
}

// room is the segment that new contents go to: the last one while it is not full, else the first that is at most half full, else a new one.
func (e *seqEdit) room() uint64 {
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
func (e *seqEdit) place(at int) (up elemID, left bool, right elemID) {
	before := seqPlace{e.q.root, 0}
	i, unit := e.find(at)
	switch {
	case i < len(e.places) && unit > e.places[i].from:
		before = seqPlace{e.places[i].node, unit - 1}
	case i > 0:
		before = seqPlace{e.places[i-1].node, e.places[i-1].to - 1}
	}
	next, ok := e.q.after(before)
	switch {
	case !ok:
		return idOf(before), false, elemID{}
	case e.q.hasRight(before):
		return next.id(), true, next.id()
	}
	return idOf(before), false, next.id()
}

// idOf is the id of an element, zero of the root.
func idOf(p seqPlace) elemID {
	if p.up.seqNode == nil {
		return elemID{}
	}
	return p.id()
}

// after is the element that follows p, dead ones included.
func (q *elements) after(p seqPlace) (seqPlace, bool) {
	next := 0
	if p.seqNode != q.root {
		next = slices.IndexFunc(q.order, func(c seqChunk) bool { return c.node == p.seqNode && c.from <= p.k && p.k < c.to })
		if c := q.order[next]; p.k+1 < c.to {
			return seqPlace{c.node, p.k + 1}, true
		}
		next++
	}
	if next == len(q.order) {
		return seqPlace{}, false
	}
	return seqPlace{q.order[next].node, q.order[next].from}, true
}

// hasRight says whether p has a right child.
func (q *elements) hasRight(p seqPlace) bool {
	return p.k+1 < p.n || slices.ContainsFunc(p.kids, func(k seqKid) bool { return k.at == p.k && !k.left })
}

// forget drops the places of removed spans, the oldest first, of a segment that has more than goneSpansMax: those that no span stands
// beside. A run that inserts beside one at this moment finds itself at another place near by (attach). Removals of what
// its run dropped go too.
func (e *seqEdit) forget(s *segment) {
	gone := 0
	for i := range s.spans {
		if s.spans[i].gone {
			gone++
		}
	}
	if gone > goneSpansMax {
		named := e.named()
		s.spans = slices.DeleteFunc(s.spans, func(p span) bool {
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
		s.removed = slices.DeleteFunc(s.removed, func(r idRange) bool {
			theirs := e.q.runs[r.run]
			i := sort.Search(len(theirs), func(i int) bool { return theirs[i].end() > r.seq })
			return i == len(theirs) || theirs[i].seq >= r.seq+r.n
		})
	}
}

// named lists the run's own elements that a span of any run stands beside, sorted.
func (e *seqEdit) named() []uint64 {
	var named []uint64
	note := func(p *span) {
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
