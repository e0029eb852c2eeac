package sequence

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// A list or text is a tree as in "The Art of the Fugue: Minimizing Interleaving in
// Collaborative Text Editing" (Weidner, Kleppmann; 2023), in the variant the paper calls FugueMax: a new element becomes the right child of
// the element to its left if that has none yet, else the left child of the element to its right, deleted ones counted; left
// children are in the order of their ids, right children in the reverse order of what stood to their right when they were
// inserted, then by id. Reading in order gives the sequence, and what two runs write at one place at one time stands one after the other. A log
// is ordered by time alone.
//
// Elements written one after the other are one span, which the tree holds as one node: the k-th element of a span is
// the right child of the one before.

// ID names an element of a sequence: the seq-th that its run inserted, from 1. The zero ID is the beginning as a parent,
// the end as what stands to the right.
type ID struct {
	run Run
	seq uint64
}

func (a ID) compare(b ID) int {
	if c := a.run.Compare(b.run); c != 0 {
		return c
	}
	return cmp.Compare(a.seq, b.seq)
}

// span is elements that a run inserted in one go, or one right after the other.
type span[T any] struct {
	seq   uint64 // of the first; the others follow
	time  uint64 // logical time of the first, later than that of all the run saw; in lists and texts one more for each next element
	n     uint64
	gone  bool   // the run removed them itself: they only hold their places
	left  bool   // the first is a left child of parent
	up    ID     // parent of the first
	right ID     // what stood to the right when they were inserted; up if left
	items []T    // of Items; nil when gone
	text  string // of Runes and Bytes
}

func (s *span[T]) end() uint64 { return s.seq + s.n }

// node is a span in the tree.
type node[T any] struct {
	*span[T]
	run     Run
	segment uint64 // of the run, in which the span is
	kids    []kid[T]
	up      place[T] // resolved
	isLeft  bool
	right   place[T] // resolved; no node: the end
}

// place is the k-th element of a node.
type place[T any] struct {
	*node[T]
	k uint64
}

func (p place[T]) id() ID { return ID{p.run, p.seq + p.k} }

type kid[T any] struct {
	at   uint64 // element of the parent
	left bool
	node *node[T]
}

// chunk is elements of one node that follow one another in the sequence.
type chunk[T any] struct {
	node     *node[T]
	from, to uint64
	dead     bool
}

// elements is the merged order of all elements of one log, list or text.
type Elements[T any] struct {
	kind  *Kind[T]
	runs  map[Run][]*node[T] // sorted by seq, without overlap
	root  *node[T]
	order []chunk[T]
	time  uint64 // the latest of all elements
}

// Key says where a segment stands: in the cell of a run at an index.
type Key struct {
	Run   Run
	Index uint64
}

// New orders the elements of all segments. The result is a function of the set of segments, whatever they hold.
func New[T any](k *Kind[T], segments map[Key]*Segment[T]) *Elements[T] {
	q := &Elements[T]{kind: k, runs: map[Run][]*node[T]{}, root: &node[T]{span: &span[T]{n: 1}}}
	var all []*node[T]
	for key, seg := range segments {
		for i := range seg.spans {
			all = append(all, &node[T]{span: &seg.spans[i], run: key.Run, segment: key.Index})
		}
	}
	slices.SortFunc(all, func(a, b *node[T]) int {
		return cmp.Or(a.run.Compare(b.run), cmp.Compare(a.seq, b.seq), cmp.Compare(a.segment, b.segment))
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
	slices.SortFunc(kept, func(a, b *node[T]) int {
		return cmp.Or(cmp.Compare(a.time, b.time), a.run.Compare(b.run), cmp.Compare(a.seq, b.seq))
	})
	if k.Log {
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

func (q *Elements[T]) timeOf(n *node[T], k uint64) uint64 {
	if q.kind.Log {
		return n.time
	}
	return n.time + k
}

// find is the element of an id, if it is earlier than a time. Times rule out that an element is its own ancestor, whatever segments say.
func (q *Elements[T]) find(id ID, before uint64) (place[T], bool) {
	if id == (ID{}) {
		return place[T]{q.root, 0}, true
	}
	mine := q.runs[id.run]
	i := sort.Search(len(mine), func(i int) bool { return mine[i].end() > id.seq })
	if i == len(mine) || mine[i].seq > id.seq {
		return place[T]{}, false
	}
	p := place[T]{mine[i], id.seq - mine[i].seq}
	return p, q.timeOf(p.node, p.k) < before
}

// nearestMax bounds the search for a place that stands in for one that is no more.
const nearestMax = 64

// nearest is the latest element that the run of id inserted before id, earlier than a time; the beginning if there is none near.
func (q *Elements[T]) nearest(id ID, before uint64) place[T] {
	mine := q.runs[id.run]
	i := sort.Search(len(mine), func(i int) bool { return mine[i].seq >= id.seq })
	for n := 0; i > 0 && n < nearestMax; n++ {
		i--
		if s := mine[i]; s.time < before {
			return place[T]{s, min(s.n-1, id.seq-1-s.seq, before-1-s.time)}
		}
	}
	return place[T]{q.root, 0}
}

// attach puts a node below its parent. A parent that is not there was given up by its run, or belongs to turns that lost: then
// the node stands before what was to its right, or else after what the run of its parent inserted before.
func (q *Elements[T]) attach(n *node[T]) {
	right, ok := q.find(n.span.right, n.time)
	if ok && n.span.right != (ID{}) {
		n.right = right
	}
	up, found := q.find(n.span.up, n.time)
	n.up, n.isLeft = up, n.left
	switch {
	case found && (up.node != q.root || !n.left):
	case !n.left && n.right.node != nil:
		n.up, n.isLeft = n.right, true
	default:
		n.up, n.isLeft = q.nearest(n.span.up, n.time), false
	}
	n.up.kids = append(n.up.kids, kid[T]{n.up.k, n.isLeft, n})
}

// before says whether a stands before b in the sequence, by the first place at which their ways from the root part.
func (q *Elements[T]) before(a, b place[T]) bool {
	wa, wb := way(a), way(b)
	i := 0
	for i+1 < len(wa) && i+1 < len(wb) && wa[i+1].node == wb[i+1].node {
		i++
	}
	// Both ways are in one node here, and leave it for different kids, or end in it.
	x, y := wa[i], wb[i]
	var kidX, kidY *node[T]
	if i+1 < len(wa) {
		kidX = wa[i+1].node
	}
	if i+1 < len(wb) {
		kidY = wb[i+1].node
	}
	switch {
	case x.k < y.k:
		return kidX == nil || kidX.isLeft || q.siblingBefore(place[T]{kidX, 0}, place[T]{x.node, x.k + 1})
	case x.k > y.k:
		return kidY != nil && !kidY.isLeft && q.siblingBefore(place[T]{x.node, y.k + 1}, place[T]{kidY, 0})
	case kidX == nil:
		return kidY != nil && !kidY.isLeft
	case kidY == nil:
		return kidX.isLeft
	case kidX.isLeft != kidY.isLeft:
		return kidX.isLeft
	case kidX.isLeft:
		return place[T]{kidX, 0}.id().compare(place[T]{kidY, 0}.id()) < 0
	}
	return q.siblingBefore(place[T]{kidX, 0}, place[T]{kidY, 0})
}

// way is the elements at which the way from the root to p goes down to another node, then p.
func way[T any](p place[T]) []place[T] {
	w := []place[T]{p}
	for n := p.node; n.up.node != nil; n = n.up.node {
		w = append(w, n.up)
	}
	slices.Reverse(w)
	return w
}

// siblingBefore orders right children of one element.
func (q *Elements[T]) siblingBefore(a, b place[T]) bool {
	if a.right != b.right {
		switch {
		case a.right.node == nil:
			return true
		case b.right.node == nil:
			return false
		}
		return q.before(b.right, a.right)
	}
	return a.id().compare(b.id()) < 0
}

// sortKids brings the kids of a node into the order they are walked in, but for right kids against the element that follows in the node.
func (q *Elements[T]) sortKids(n *node[T]) {
	if len(n.kids) < 2 {
		return
	}
	slices.SortFunc(n.kids, func(a, b kid[T]) int {
		switch {
		case a.at != b.at:
			return cmp.Compare(a.at, b.at)
		case a.left != b.left:
			if a.left {
				return -1
			}
			return 1
		case a.node == b.node:
			return 0
		case a.left:
			return place[T]{a.node, 0}.id().compare(place[T]{b.node, 0}.id())
		case q.siblingBefore(place[T]{a.node, 0}, place[T]{b.node, 0}):
			return -1
		}
		return 1
	})
}

// walk lists all elements in order. It keeps its own stack: the tree may be as deep as there are spans.
func (q *Elements[T]) walk() {
	for _, mine := range q.runs {
		for _, n := range mine {
			q.sortKids(n)
		}
	}
	q.sortKids(q.root)
	type task struct {
		place[T]
		alone bool // the element, without what is below
	}
	stack := []task{{place[T]{q.root, 0}, false}}
	for len(stack) > 0 {
		t := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n := t.node
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
			now = append(now, task{place[T]{n.kids[i].node, 0}, false})
		}
		now = append(now, task{place[T]{n, at}, true})
		next, chained := place[T]{n, at + 1}, at+1 < n.n
		for ; i < len(n.kids) && n.kids[i].at == at; i++ {
			kid := place[T]{n.kids[i].node, 0}
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
func (q *Elements[T]) emit(n *node[T], from, to uint64) {
	if n == q.root || from >= to {
		return
	}
	if last := len(q.order) - 1; last >= 0 && q.order[last].node == n && q.order[last].to == from {
		q.order[last].to = to
		return
	}
	q.order = append(q.order, chunk[T]{n, from, to, n.gone})
}

// ids is elements of a run: from, and n of them.
type ids struct {
	ID
	n uint64
}

// bury marks as dead what any segment removes.
func (q *Elements[T]) bury(segments map[Key]*Segment[T]) {
	removed := map[Run][]ids{}
	for _, seg := range segments {
		for _, r := range seg.removed {
			removed[r.run] = append(removed[r.run], r)
		}
	}
	if len(removed) == 0 {
		return
	}
	for run, rs := range removed {
		slices.SortFunc(rs, func(a, b ids) int { return cmp.Compare(a.seq, b.seq) })
		removed[run] = joinRanges(rs)
	}
	var cut []chunk[T]
	for _, c := range q.order {
		rs := removed[c.node.run]
		i := sort.Search(len(rs), func(i int) bool { return rs[i].seq+rs[i].n > c.node.seq+c.from })
		for ; i < len(rs) && !c.dead && c.from < c.to && rs[i].seq < c.node.seq+c.to; i++ {
			from := max(rs[i].seq, c.node.seq+c.from) - c.node.seq
			to := min(rs[i].seq+rs[i].n, c.node.seq+c.to) - c.node.seq
			if from > c.from {
				cut = append(cut, chunk[T]{c.node, c.from, from, false})
			}
			cut = append(cut, chunk[T]{c.node, from, to, true})
			c.from = to
		}
		if c.from < c.to {
			cut = append(cut, c)
		}
	}
	q.order = cut
}

// joinRanges joins sorted ranges of one run that touch or overlap.
func joinRanges(rs []ids) []ids {
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

// textOf is the text of a chunk of runes or bytes.
func (q *Elements[T]) textOf(c chunk[T]) string {
	u, n := q.kind.Unit, c.node
	if u == Bytes || uint64(len(n.text)) == n.n {
		return n.text[c.from:c.to]
	}
	from := u.offset(n.text, c.from)
	return n.text[from : from+u.offset(n.text[from:], c.to-c.from)]
}

// length is how long a chunk is in the content: in bytes of text, or in items.
func (q *Elements[T]) length(c chunk[T]) int {
	if q.kind.Unit == Items {
		return int(c.to - c.from)
	}
	return len(q.textOf(c))
}

// Content is the merged content.
func (q *Elements[T]) Content() Content[T] {
	if q.kind.Unit == Items {
		items := []T{}
		for _, c := range q.order {
			if !c.dead {
				items = append(items, c.node.items[c.from:c.to]...)
			}
		}
		return Content[T]{Items: items}
	}
	var b strings.Builder
	for _, c := range q.order {
		if !c.dead {
			b.WriteString(q.textOf(c))
		}
	}
	return Content[T]{Text: b.String()}
}

// Empty reports whether the merged content has no element.
func (q *Elements[T]) Empty() bool {
	return !slices.ContainsFunc(q.order, func(c chunk[T]) bool { return !c.dead })
}
