package changes

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
)

// ErrCell is a cell or fold that does not suit its leaf path or its run.
var ErrCell = errors.New("changes: cell does not suit its place")

// Cell is what one run has contributed to one leaf path so far. It has one writer, the owner of the
// run, and each turn's cell replaces the last: nothing is lost when intermediate ones are skipped, and
// nothing counts twice when a turn is executed again from an earlier cell. It does not say who owns the run or in which epoch it
// is, so that whoever takes the run over issues it again as it is.
//
// The run's contribution lives while no cell of any run, its own included, has a Seen entry for the
// run with at least this Dot; of a counter, with the epoch and at least this Dot, or with an epoch that goes on from there.
type Cell struct {
	Kind  Kind   // of the leaf
	Stamp Stamp  // of the last turn folded in; Stamp.Run is the contributing run
	Dot   uint64 // turn of the run's last contribution; 0: it only ever removed those of others
	Value Value  // Counter: running sum; LWW: the value; Max, Min: the bound; Set: the element; Key: true; absent once removed by the run itself (not Counter). Log, List, Text: a segment, encoded, as bytes
	Lost  uint64 // LWW: concurrent values that lost and that the run's writes have overwritten since
	Seen  []Seen // sorted by run, then dot, then epoch. Each run once; of a counter once for each epoch that was seen and that later ones do not go on from
	Epoch uint64 // Counter: names the epoch of Dot; 0 otherwise
	Past  []Mark // Counter: the epochs before that one in which the run contributed, oldest first. Max, Min: its bounds that others removed, oldest first
}

// Seen says that the contribution a run had made by its turn Dot is superseded.
type Seen struct {
	Run   RunID
	Dot   uint64
	Sum   Value  // Counter: the run's running sum at Dot; absent otherwise
	Epoch uint64 // as in the cell that was seen
	Past  []Mark
}

// compare is the order in which cells list what they saw.
func (s Seen) compare(t Seen) int {
	return cmp.Or(s.Run.Compare(t.Run), cmp.Compare(s.Dot, t.Dot), cmp.Compare(s.Epoch, t.Epoch))
}

func (s Seen) equal(t Seen) bool {
	return s.compare(t) == 0 && s.Sum.Equal(t.Sum) && slices.EqualFunc(s.Past, t.Past, Mark.equal)
}

// PathCell is a cell at its path.
type PathCell struct {
	Path Path
	Cell Cell
}

// IsZero reports that nothing was ever folded in: there is nothing to publish.
func (c Cell) IsZero() bool { return c.Kind == 0 }

// Equal reports equal encodings.
func (c Cell) Equal(d Cell) bool {
	return c.Kind == d.Kind && c.Stamp == d.Stamp && c.Dot == d.Dot && c.Lost == d.Lost && c.Value.Equal(d.Value) && c.Epoch == d.Epoch &&
		slices.EqualFunc(c.Past, d.Past, Mark.equal) && slices.EqualFunc(c.Seen, d.Seen, Seen.equal)
}

// of is where the entries for a run stand in c.Seen: from first up to end.
func (c Cell) of(run RunID) (first, end int) {
	first = sort.Search(len(c.Seen), func(i int) bool { return c.Seen[i].Run.Compare(run) >= 0 })
	for end = first; end < len(c.Seen) && c.Seen[end].Run == run; end++ {
	}
	return first, end
}

// seen is the greatest dot that is listed for a run; 0 when there is none.
func (c Cell) seen(run RunID) uint64 {
	if first, end := c.of(run); first < end {
		return c.Seen[end-1].Dot
	}
	return 0
}

// observe returns the Seen entries of c joined with what the cell d had contributed.
func (c Cell) observe(d Cell) []Seen {
	if d.Dot == 0 {
		return c.Seen
	}
	s := Seen{Run: d.Stamp.Run, Dot: d.Dot}
	if d.Kind == Counter {
		s.Sum, s.Epoch, s.Past = d.Value, d.Epoch, d.Past
	}
	first, end := c.of(s.Run)
	joined := slices.Clone(c.Seen[:first])
	for _, e := range c.Seen[first:end] {
		if e.history().covers(s.history()) {
			return c.Seen
		}
		if !s.history().covers(e.history()) {
			joined = append(joined, e)
		}
	}
	joined = append(append(joined, s), c.Seen[end:]...)
	slices.SortFunc(joined, Seen.compare)
	return joined
}

// Fold returns the run's cell after one more turn, whose net change at this path is ch. The receiver
// is the run's cell after its earlier turns, Cell{} before the first. view holds the cells of all runs
// at this path as the program saw them when the turn began; the run's own may be among them and is
// ignored. epoch names the one that the turn is in. One turn has one change a path: a turn at or below c.Stamp.Turn is already inside and
// changes nothing. A change without effect (a max lowered, the removal of nothing) returns c itself.
func (c Cell) Fold(ch Change, at Stamp, epoch uint64, view []Cell) (Cell, error) {
	switch {
	case at.Turn == 0:
		return c, ErrTurn
	case ch.Kind.isSequence():
		return c, fmt.Errorf("%w: a %v is folded as a whole, by View.Fold", ErrCell, ch.Kind)
	case ch.Kind == Counter && !countable(ch.Old, ch.New, c.Value):
		return c, fmt.Errorf("%w: counter change %v on a running sum of %v", ErrCell, ch, c.Value)
	case c.IsZero():
		c.Kind = ch.Kind
		next := c.folded(ch, at, epoch, view)
		if next.Stamp.Turn == 0 {
			return Cell{}, nil
		}
		return next, nil
	case c.Kind != ch.Kind:
		return c, fmt.Errorf("%w: change of kind %v folded into a cell of kind %v at %v", ErrCell, ch.Kind, c.Kind, ch.Path)
	case c.Stamp.Run != at.Run:
		return c, fmt.Errorf("%w: turn of run %v folded into the cell of run %v at %v", ErrCell, at.Run, c.Stamp.Run, ch.Path)
	case c.Stamp.Turn >= at.Turn:
		return c, nil
	}
	return c.folded(ch, at, epoch, view), nil
}

// countable says whether the values present are numbers of one form.
func countable(values ...Value) bool {
	f := Absent
	for _, v := range values {
		if v.form != Absent && (!v.form.isNumber() || f != Absent && v.form != f) {
			return false
		}
		if v.form != Absent {
			f = v.form
		}
	}
	return true
}

func (c Cell) folded(ch Change, at Stamp, epoch uint64, view []Cell) Cell {
	next := c
	next.Stamp = at
	if ch.New.form == Absent {
		return c.removed(next, view)
	}
	next.Dot = at.Turn
	switch c.Kind {
	case Counter:
		next.Value = plus(c.Value, minus(ch.New, ch.Old))
		if !ch.Path.keyed() {
			break // nothing removes it
		}
		if next.Epoch = epoch; c.Dot > 0 && c.Epoch != epoch {
			next.Past = c.left(view)
		}
	case Max, Min:
		if ch.Old.Present() && join(c.Kind, ch.Old, ch.New).Equal(ch.Old) {
			return c
		}
		next.Value, next.Past = c.bounds(ch.New, view)
	case LWW:
		next.Value = ch.New
		_, lost := mergeLeaf(&Spec{Kind: LWW}, view)
		next.Lost += uint64(lost)
		for _, d := range view {
			if d.Stamp.Run != at.Run {
				next.Seen = next.observe(d)
			}
		}
	default:
		next.Value = ch.New
	}
	return next
}

// removed is next, the cell c at a later stamp, with all contributions in view and its own superseded.
func (c Cell) removed(next Cell, view []Cell) Cell {
	next.Seen = c.observe(c)
	for _, d := range view {
		if d.Stamp.Run != next.Stamp.Run {
			next.Seen = next.observe(d)
		}
	}
	if c.Kind != Counter {
		next.Value, next.Past = Value{}, nil
	}
	if slices.EqualFunc(c.Seen, next.Seen, func(a, b Seen) bool { return a.compare(b) == 0 }) {
		return c
	}
	return next
}

// lives says whether the run's contribution is superseded by no cell of view and not by itself.
func (c Cell) lives(view []Cell) bool {
	if c.Dot == 0 || c.seen(c.Stamp.Run) >= c.Dot {
		return false
	}
	for _, d := range view {
		if d.Stamp.Run != c.Stamp.Run && d.seen(c.Stamp.Run) >= c.Dot {
			return false
		}
	}
	return true
}

// Check says why the cell does not suit the leaf at p of a variable shared as s (ErrPath, ErrCell,
// ErrType), or nil. Check every cell that comes from another peer: Merge leaves unsuitable ones out.
func (c Cell) Check(s *Spec, p Path) error {
	leaf, err := s.Leaf(p)
	if err == nil {
		err = c.suits(leaf)
	}
	if err != nil {
		return fmt.Errorf("%v: %w", p, err)
	}
	return nil
}

func (c Cell) suits(leaf *Spec) error {
	own := c.seen(c.Stamp.Run)
	switch {
	case c.Kind != leaf.Kind:
		return fmt.Errorf("%w: cell of kind %v where %v belongs", ErrCell, c.Kind, leaf.Kind)
	case c.Stamp.Turn == 0 || c.Dot > c.Stamp.Turn || own > c.Dot:
		return fmt.Errorf("%w: turns %d, %d, %d out of order", ErrCell, own, c.Dot, c.Stamp.Turn)
	case c.Value.Present() != (c.Dot > 0 && (c.Kind == Counter || own < c.Dot)):
		return fmt.Errorf("%w: it holds %v, its turns say otherwise", ErrCell, c.Value)
	}
	if c.Lost > 0 && c.Kind != LWW {
		return fmt.Errorf("%w: overwritten values in a cell of kind %v", ErrCell, c.Kind)
	}
	if err := c.checkPast(leaf); err != nil {
		return err
	}
	for i, s := range c.Seen {
		if i > 0 && c.Seen[i-1].Run == s.Run && c.Kind != Counter {
			return fmt.Errorf("%w: run %v superseded twice in a cell of kind %v", ErrCell, s.Run, c.Kind)
		}
		if err := s.history().check(leaf); err != nil {
			return err
		}
		if s.Sum.Present() != (c.Kind == Counter) {
			return fmt.Errorf("%w: superseded sum %v in a cell of kind %v", ErrCell, s.Sum, c.Kind)
		}
		if s.Sum.Present() && leaf.Type.Check(s.Sum) != nil {
			return leaf.Type.Check(s.Sum)
		}
	}
	if leaf.Kind.isSequence() {
		_, err := c.segment(leaf)
		return err
	}
	return leaf.checkLeaf(c.Value)
}

// Versions of an encoded cell, its first byte. The second, which names epochs, is written where there are any to name; the third where there are bounds that
// others removed.
const (
	CellVersion       = 1
	CellEpochsVersion = 2
	CellBoundsVersion = 3
)

// version is that of the least that holds the cell.
func (c Cell) version() byte {
	switch {
	case (c.Kind == Max || c.Kind == Min) && len(c.Past) > 0:
		return CellBoundsVersion
	case c.named():
		return CellEpochsVersion
	}
	return CellVersion
}

// named says whether the cell or what it saw names an epoch.
func (c Cell) named() bool {
	return c.Epoch != 0 || len(c.Past) > 0 || slices.ContainsFunc(c.Seen, func(s Seen) bool { return s.Epoch != 0 || len(s.Past) > 0 })
}

// Encode is the canonical encoding: never empty, the stamp at a fixed place right after the version.
func (c Cell) Encode() []byte {
	if c.IsZero() {
		panic("BUG: changes: a zero cell is not published")
	}
	version := c.version()
	named := version == CellEpochsVersion
	b := c.Stamp.Append([]byte{version})
	b = append(b, byte(c.Kind))
	b = binary.BigEndian.AppendUint64(b, c.Dot)
	if c.Kind == LWW {
		b = binary.BigEndian.AppendUint64(b, c.Lost)
	}
	b = appendOptional(b, c.Value)
	switch version {
	case CellEpochsVersion:
		b = appendMarks(binary.BigEndian.AppendUint64(b, c.Epoch), c.Past)
	case CellBoundsVersion:
		b = appendBounds(b, c.Past)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Seen)))
	for _, s := range c.Seen {
		b = append(b, s.Run[:]...)
		b = binary.BigEndian.AppendUint64(b, s.Dot)
		b = appendOptional(b, s.Sum)
		if named {
			b = appendMarks(binary.BigEndian.AppendUint64(b, s.Epoch), s.Past)
		}
	}
	return b
}

// appendOptional is 0 for an absent value, 1 and the node otherwise.
func appendOptional(b []byte, v Value) []byte {
	if v.form == Absent {
		return append(b, 0)
	}
	return v.appendNode(append(b, 1))
}

func (s *scan) optional() Value {
	if !s.flag() {
		return Value{}
	}
	return s.node(DepthMax)
}

// DecodeCell reads what Encode wrote; anything else is ErrFormat or ErrVersion. Whether the cell suits
// its path is for Check.
func DecodeCell(b []byte) (Cell, error) {
	s := scan{b: b}
	version := byte(CellBoundsVersion)
	if len(b) > 0 && b[0] >= CellVersion && b[0] < version {
		version = b[0]
	}
	s.version(version, "cell")
	named := version == CellEpochsVersion
	c := Cell{Stamp: s.stamp(), Kind: s.kind(), Dot: s.u64()}
	if c.Kind == LWW {
		c.Lost = s.u64()
	}
	c.Value = s.optional()
	switch version {
	case CellEpochsVersion:
		c.Epoch, c.Past = s.u64(), s.marks()
	case CellBoundsVersion:
		c.Past = s.bounds()
	}
	n := s.count(25)
	for i := 0; i < n && s.err == nil; i++ {
		c.Seen = append(c.Seen, s.seen(named))
		if i > 0 && (c.Seen[i-1].compare(c.Seen[i]) >= 0 || !named && c.Seen[i-1].Run == c.Seen[i].Run) {
			s.fail("superseded runs out of order")
		}
	}
	if s.err == nil && c.version() != version {
		s.fail("a cell of version %d as version %d", c.version(), version)
	}
	if s.end(); s.err != nil {
		return Cell{}, s.err
	}
	return c, nil
}

// seen reads an entry of what a cell saw, with epochs or without.
func (s *scan) seen(named bool) Seen {
	x := Seen{Run: s.run(), Dot: s.u64(), Sum: s.optional()}
	if named {
		x.Epoch, x.Past = s.u64(), s.marks()
	}
	if x.Dot == 0 {
		s.fail("superseded turn 0")
	}
	return x
}

// kind is the kind of a leaf.
func (s *scan) kind() Kind {
	k := Kind(s.u8())
	if s.err == nil && !k.ofLeaf() {
		s.fail("kind %d of a leaf", k)
	}
	return k
}
