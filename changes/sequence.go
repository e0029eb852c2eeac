package changes

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// This file orders the elements of a log, list or text. A list or text is a tree as in "The Art of the Fugue: Minimizing Interleaving in
// Collaborative Text Editing" (Weidner, Kleppmann; 2023), in the variant the paper calls FugueMax: a new element becomes the right child of
// the element to its left if that has none yet, else the left child of the element to its right, deleted ones counted; left
// children are in the order of their ids, right children in the reverse order of what stood to their right when they were
// inserted, then by id. Reading in order gives the sequence, and what two runs write at one place at one time stands one after the other. A log
// is ordered by time alone.
//
// Elements written one after the other are one span, which the tree holds as one node: the k-th element of a span is
// the right child of the one before.

// elemID names an element of a sequence: the seq-th that its run inserted, from 1. The zero elemID is the beginning as a parent,
// the end as what stands to the right.
type elemID struct {
	run RunID
	seq uint64
}

func (a elemID) compare(b elemID) int {
	if c := a.run.Compare(b.run); c != 0 {
		return c
	}
	return order(a.seq, b.seq)
}

// span is elements that a run inserted in one go, or one right after the other.
type span struct {
	seq   uint64 // of the first; the others follow
	time  uint64 // logical time of the first, later than that of all the run saw; in lists and texts one more for each next element
	n     uint64
	gone  bool    // the run removed them itself: they only hold their places
	left  bool    // the first is a left child of parent
	up    elemID  // parent of the first
	right elemID  // what stood to the right when they were inserted; up if left
	items []Value // of a slice; nil when gone
	text  string  // of a string or bytes
}

func (s *span) end() uint64 { return s.seq + s.n }

// unitOffset is where the k-th unit of text begins: a rune or invalid byte of a string, a byte of bytes.
func unitOffset(f Form, text string, k uint64) int {
	if f == Bytes {
		return int(k)
	}
	at := 0
	for ; k > 0; k-- {
		if at < len(text) && text[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

func unitCount(f Form, text string) uint64 {
	if f == Bytes {
		return uint64(len(text))
	}
	return uint64(utf8.RuneCountInString(text))
}

// seqNode is a span in the tree.
type seqNode struct {
	*span
	run     RunID
	segment uint64 // of the run, in which the span is
	kids    []seqKid
	up      seqPlace // resolved
	isLeft  bool
	right   seqPlace // resolved; no node: the end
}

// seqPlace is the k-th element of a node.
type seqPlace struct {
	*seqNode
	k uint64
}

func (p seqPlace) id() elemID { return elemID{p.run, p.seq + p.k} }

type seqKid struct {
	at   uint64 // element of the parent
	left bool
	node *seqNode
}

// seqChunk is elements of one node that follow one another in the sequence.
type seqChunk struct {
	node     *seqNode
	from, to uint64
	dead     bool
}

// elements is the merged order of all elements of one log, list or text.
type elements struct {
	leaf  *Spec
	runs  map[RunID][]*seqNode // sorted by seq, without overlap
	root  *seqNode
	order []seqChunk
	time  uint64 // the latest of all elements
}

// segmentKey says where a segment stands: in the cell of a run at an index.
type segmentKey struct {
	run   RunID
	index uint64
}

// newElements orders the elements of all segments. The result is a function of the set of segments, whatever they hold.
func newElements(leaf *Spec, segments map[segmentKey]*segment) *elements {
	q := &elements{leaf: leaf, runs: map[RunID][]*seqNode{}, root: &seqNode{span: &span{n: 1}}}
	var all []*seqNode
	for key, seg := range segments {
		for i := range seg.spans {
			all = append(all, &seqNode{span: &seg.spans[i], run: key.run, segment: key.index})
		}
	}
	slices.SortFunc(all, func(a, b *seqNode) int {
		return cmp.Or(a.run.Compare(b.run), order(a.seq, b.seq), order(a.segment, b.segment))
	})
	kept := all[:0]
	for _, n := range all {
		mine := q.runs[n.run]
		if len(mine) > 0 && n.seq < mine[len(mine)-1].end() {
			continue // no honest run uses an id twice
		}
		q.runs[n.run] = append(mine, n)
		kept = append(kept, n)
		q.time = max(q.time, q.timeOf(n, n.n-1))
	}
	slices.SortFunc(kept, func(a, b *seqNode) int {
		return cmp.Or(order(a.time, b.time), a.run.Compare(b.run), order(a.seq, b.seq))
	})
	if leaf.Kind == Log {
		for _, n := range kept {
			q.emit(n, 0, n.n)
		}
	} else {
		for _, n := range kept {
			q.attach(n)
		}
		q.walk()
	}
	q.bury(segments)
	return q
}

func (q *elements) timeOf(n *seqNode, k uint64) uint64 {
	if q.leaf.Kind == Log {
		return n.time
	}
	return n.time + k
}

// find is the element of an id, if it is earlier than a time. Times rule out that an element is its own ancestor, whatever segments say.
func (q *elements) find(id elemID, before uint64) (seqPlace, bool) {
	if id == (elemID{}) {
		return seqPlace{q.root, 0}, true
	}
	mine := q.runs[id.run]
	i := sort.Search(len(mine), func(i int) bool { return mine[i].end() > id.seq })
	if i == len(mine) || mine[i].seq > id.seq {
		return seqPlace{}, false
	}
	p := seqPlace{mine[i], id.seq - mine[i].seq}
	return p, q.timeOf(p.seqNode, p.k) < before
}

// nearestMax bounds the search for a place that stands in for one that is no more.
const nearestMax = 64

// nearest is the latest element that the run of id inserted before id, earlier than a time; the beginning if there is none near.
func (q *elements) nearest(id elemID, before uint64) seqPlace {
	mine := q.runs[id.run]
	i := sort.Search(len(mine), func(i int) bool { return mine[i].seq >= id.seq })
	for n := 0; i > 0 && n < nearestMax; n++ {
		i--
		if s := mine[i]; s.time < before {
			return seqPlace{s, min(s.n-1, id.seq-1-s.seq, before-1-s.time)}
		}
	}
	return seqPlace{q.root, 0}
}

// attach puts a node below its parent. A parent that is not there was given up by its run, or belongs to turns that lost: then
// the node stands before what was to its right, or else after what the run of its parent inserted before.
func (q *elements) attach(n *seqNode) {
	right, ok := q.find(n.span.right, n.time)
	if ok && n.span.right != (elemID{}) {
		n.right = right
	}
	up, found := q.find(n.span.up, n.time)
	n.up, n.isLeft = up, n.left
	switch {
	case found && (up.seqNode != q.root || !n.left):
	case !n.left && n.right.seqNode != nil:
		n.up, n.isLeft = n.right, true
	default:
		n.up, n.isLeft = q.nearest(n.span.up, n.time), false
	}
	n.up.kids = append(n.up.kids, seqKid{n.up.k, n.isLeft, n})
}

// before says whether a stands before b in the sequence, by the first place at which their ways from the root part.
func (q *elements) before(a, b seqPlace) bool {
	wa, wb := way(a), way(b)
	i := 0
	for i+1 < len(wa) && i+1 < len(wb) && wa[i+1].seqNode == wb[i+1].seqNode {
		i++
	}
	// Both ways are in one node here, and leave it for different kids, or end in it.
	x, y := wa[i], wb[i]
	var kidX, kidY *seqNode
	if i+1 < len(wa) {
		kidX = wa[i+1].seqNode
	}
	if i+1 < len(wb) {
		kidY = wb[i+1].seqNode
	}
	switch {
	case x.k < y.k:
		return kidX == nil || kidX.isLeft || q.siblingBefore(seqPlace{kidX, 0}, seqPlace{x.seqNode, x.k + 1})
	case x.k > y.k:
		return kidY != nil && !kidY.isLeft && q.siblingBefore(seqPlace{x.seqNode, y.k + 1}, seqPlace{kidY, 0})
	case kidX == nil:
		return kidY != nil && !kidY.isLeft
	case kidY == nil:
		return kidX.isLeft
	case kidX.isLeft != kidY.isLeft:
		return kidX.isLeft
	case kidX.isLeft:
		return seqPlace{kidX, 0}.id().compare(seqPlace{kidY, 0}.id()) < 0
	}
	return q.siblingBefore(seqPlace{kidX, 0}, seqPlace{kidY, 0})
}

// way is the elements at which the way from the root to p goes down to another node, then p.
func way(p seqPlace) []seqPlace {
	w := []seqPlace{p}
	for n := p.seqNode; n.up.seqNode != nil; n = n.up.seqNode {
		w = append(w, n.up)
	}
	slices.Reverse(w)
	return w
}

// siblingBefore orders right children of one element.
func (q *elements) siblingBefore(a, b seqPlace) bool {
	if a.right != b.right {
		switch {
		case a.right.seqNode == nil:
			return true
		case b.right.seqNode == nil:
			return false
		}
		return q.before(b.right, a.right)
	}
	return a.id().compare(b.id()) < 0
}

// sortKids brings the kids of a node into the order they are walked in, but for right kids against the element that follows in the node.
func (q *elements) sortKids(n *seqNode) {
	if len(n.kids) < 2 {
		return
	}
	slices.SortFunc(n.kids, func(a, b seqKid) int {
		switch {
		case a.at != b.at:
			return order(a.at, b.at)
		case a.left != b.left:
			if a.left {
				return -1
			}
			return 1
		case a.node == b.node:
			return 0
		case a.left:
			return seqPlace{a.node, 0}.id().compare(seqPlace{b.node, 0}.id())
		case q.siblingBefore(seqPlace{a.node, 0}, seqPlace{b.node, 0}):
			return -1
		}
		return 1
	})
}

// walk lists all elements in order. It keeps its own stack: the tree may be as deep as there are spans.
func (q *elements) walk() {
	for _, mine := range q.runs {
		for _, n := range mine {
			q.sortKids(n)
		}
	}
	q.sortKids(q.root)
	type task struct {
		seqPlace
		alone bool // the element, without what is below
	}
	stack := []task{{seqPlace{q.root, 0}, false}}
	for len(stack) > 0 {
		t := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n := t.seqNode
		if t.alone {
			q.emit(n, t.k, t.k+1)
			continue
		}
		i := sort.Search(len(n.kids), func(i int) bool { return n.kids[i].at >= t.k })
		if i == len(n.kids) {
			q.emit(n, t.k, n.n)
			continue
		}
		at := n.kids[i].at
		q.emit(n, t.k, at)
		var now []task
		for ; i < len(n.kids) && n.kids[i].at == at && n.kids[i].left; i++ {
			now = append(now, task{seqPlace{n.kids[i].node, 0}, false})
		}
		now = append(now, task{seqPlace{n, at}, true})
		next, chained := seqPlace{n, at + 1}, at+1 < n.n
		for ; i < len(n.kids) && n.kids[i].at == at; i++ {
			kid := seqPlace{n.kids[i].node, 0}
			if chained && q.siblingBefore(next, kid) {
				now, chained = append(now, task{next, false}), false
			}
			now = append(now, task{kid, false})
		}
		if chained {
			now = append(now, task{next, false})
		}
		slices.Reverse(now)
		stack = append(stack, now...)
	}
}

// emit appends elements to the order.
func (q *elements) emit(n *seqNode, from, to uint64) {
	if n == q.root || from >= to {
		return
	}
	if last := len(q.order) - 1; last >= 0 && q.order[last].node == n && q.order[last].to == from {
		q.order[last].to = to
		return
	}
	q.order = append(q.order, seqChunk{n, from, to, n.gone})
}

// idRange is elements of a run: from, and n of them.
type idRange struct {
	elemID
	n uint64
}

// bury marks as dead what any segment removes.
func (q *elements) bury(segments map[segmentKey]*segment) {
	removed := map[RunID][]idRange{}
	for _, seg := range segments {
		for _, r := range seg.removed {
			removed[r.run] = append(removed[r.run], r)
		}
	}
	if len(removed) == 0 {
		return
	}
	for run, rs := range removed {
		slices.SortFunc(rs, func(a, b idRange) int { return order(a.seq, b.seq) })
		removed[run] = joinRanges(rs)
	}
	var cut []seqChunk
	for _, c := range q.order {
		rs := removed[c.node.run]
		i := sort.Search(len(rs), func(i int) bool { return rs[i].seq+rs[i].n > c.node.seq+c.from })
		for ; i < len(rs) && !c.dead && c.from < c.to && rs[i].seq < c.node.seq+c.to; i++ {
			from := max(rs[i].seq, c.node.seq+c.from) - c.node.seq
			to := min(rs[i].seq+rs[i].n, c.node.seq+c.to) - c.node.seq
			if from > c.from {
				cut = append(cut, seqChunk{c.node, c.from, from, false})
			}
			cut = append(cut, seqChunk{c.node, from, to, true})
			c.from = to
		}
		if c.from < c.to {
			cut = append(cut, c)
		}
	}
	q.order = cut
}

// joinRanges joins sorted ranges of one run that touch or overlap.
func joinRanges(rs []idRange) []idRange {
	joined := rs[:0:0]
	for _, r := range rs {
		if last := len(joined) - 1; last >= 0 && joined[last].run == r.run && r.seq <= joined[last].seq+joined[last].n {
			joined[last].n = max(joined[last].n, r.seq+r.n-joined[last].seq)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// textOf is the text of a chunk of a string or bytes.
func (q *elements) textOf(c seqChunk) string {
	f, n := q.leaf.Type.Form, c.node
	if f == Bytes || uint64(len(n.text)) == n.n {
		return n.text[c.from:c.to]
	}
	from := unitOffset(f, n.text, c.from)
	return n.text[from : from+unitOffset(f, n.text[from:], c.to-c.from)]
}

// length is how long a chunk is in the value: in bytes, of a slice in elements.
func (q *elements) length(c seqChunk) int {
	if q.leaf.Type.Form == Slice {
		return int(c.to - c.from)
	}
	return len(q.textOf(c))
}

// value is the merged value, never nil.
func (q *elements) value() Value {
	if q.leaf.Type.Form == Slice {
		items := []Value{}
		for _, c := range q.order {
			if !c.dead {
				items = append(items, c.node.items[c.from:c.to]...)
			}
		}
		return SliceValue(items)
	}
	var b strings.Builder
	for _, c := range q.order {
		if !c.dead {
			b.WriteString(q.textOf(c))
		}
	}
	return Value{form: q.leaf.Type.Form, text: b.String()}
}

// empty reports whether the merged value has no element.
func (q *elements) empty() bool {
	return !slices.ContainsFunc(q.order, func(c seqChunk) bool { return !c.dead })
}
