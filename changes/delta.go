package changes

import (
	"fmt"
	"slices"

	"github.com/tandemvm/tandem/changes/merkle"
)

// Header is the front of a delta or snapshot file.
type Header struct {
	Program         Hash   // of the image's canonical bytes
	VM              string // version of the VM that wrote it
	Base            Hash   // state hash before; zero: from nothing, a snapshot
	Result          Hash   // state hash after
	Run             RunID
	Epoch           Epoch
	FirstTurn       uint64 // a snapshot has FirstTurn equal to LastTurn
	LastTurn        uint64
	Instructions    uint64 // executed by the run when LastTurn ended
	BaseMemoryBytes uint64 // size of memory before; 0 in a snapshot
	MemoryBytes     uint64 // and after
}

// Page is the content of one page of memory.
type Page struct {
	Index uint64
	Data  *[PageBytes]byte // not written after it was handed over
	Hash  Hash             // PageHash(Data), or zero: whoever needs it computes it
}

// PageRange is Count pages from First on that are all zero afterwards.
type PageRange struct{ First, Count uint64 }

// Line is one line of output; lines are numbered in the run's state without gaps.
type Line struct {
	Number uint64
	Stream uint8 // 1 stdout, 2 stderr
	Text   []byte
}

// Limit is a named bound of the run, and what is used of it.
type Limit struct {
	Name      string // "gas", "memory", ...
	Max, Used uint64
}

// Delta is the changes and pages of one or more turns of a run. Validate, and so all that writes or applies one, refuses one that
// does not keep the orders said here.
type Delta struct {
	Header
	Pages   []Page      // by index, none all zero (AddPage sees to that)
	Zeros   []PageRange // by index, not touching one another nor holding a page; none in a snapshot
	Changes []Change    // net, by encoded path, one a path
	Lines   []Line      // by number, without gaps
	Limits  []Limit     // by name
}

// Snapshot is the serialised form of a whole run: a delta from nothing.
type Snapshot = Delta

// IsSnapshot reports a delta from nothing.
func (h *Header) IsSnapshot() bool { return h.Base.IsZero() }

func (h *Header) validate() error {
	switch {
	case h.Result.IsZero():
		return malformed("no result hash")
	case h.FirstTurn > h.LastTurn:
		return malformed("turns %d to %d", h.FirstTurn, h.LastTurn)
	case h.IsSnapshot() && (h.BaseMemoryBytes != 0 || h.FirstTurn != h.LastTurn):
		return malformed("a snapshot of turns %d to %d on a base of %d bytes", h.FirstTurn, h.LastTurn, h.BaseMemoryBytes)
	case len(h.VM) > 1<<16-1 || len(h.Epoch.Owner) > OwnerBytesMax:
		return malformed("VM version of %d bytes, owner of %d", len(h.VM), len(h.Epoch.Owner))
	}
	return nil
}

// AddPage records that a page has this content after the delta, all zero or not. Pages are added in
// the order of their indices. Data is kept, not copied.
func (d *Delta) AddPage(index uint64, data *[PageBytes]byte) {
	if *data != ([PageBytes]byte{}) {
		d.Pages = append(d.Pages, Page{Index: index, Data: data})
		return
	}
	if d.IsSnapshot() {
		return
	}
	if n := len(d.Zeros); n > 0 && d.Zeros[n-1].First+d.Zeros[n-1].Count == index {
		d.Zeros[n-1].Count++
		return
	}
	d.Zeros = append(d.Zeros, PageRange{index, 1})
}

// Verify says whether the delta continues the state with hash base, the zero Hash for nothing: ErrBase
// otherwise.
func (d *Delta) Verify(base Hash) error {
	if d.Base == base {
		return nil
	}
	if d.IsSnapshot() {
		return fmt.Errorf("%w: it is a snapshot; load it into an empty run", ErrBase)
	}
	return fmt.Errorf("%w: turns %d to %d of run %v follow state %v, this is state %v; fetch the deltas between or a snapshot", ErrBase, d.FirstTurn, d.LastTurn, d.Run, d.Base, base)
}

// CheckProgram refuses what another program (ErrProgram) or another VM version (ErrVM) wrote.
func (h *Header) CheckProgram(program Hash, vm string) error {
	if h.Program != program {
		return fmt.Errorf("%w: written by program %v, loaded into %v; start it with the program it came from", ErrProgram, h.Program, program)
	}
	if h.VM != vm {
		return fmt.Errorf("%w: written by VM %q, this is %q; use the same release on both peers", ErrVM, h.VM, vm)
	}
	return nil
}

// PageWriter is the memory that a delta is applied to. Pages that Resize adds are zero.
type PageWriter interface {
	Resize(memoryBytes uint64) error
	SetPage(index uint64, page *[PageBytes]byte) error
	ZeroPages(first, count uint64) error
}

// ApplyTo brings memory w and its tree t from the delta's base to its result. A delta wants t at its
// base (ErrBase); a snapshot takes any t and begins by making the memory empty. The result is hashed and
// compared before anything is written (ErrResult). If w fails, t has not moved and w is half written.
func (d *Delta) ApplyTo(t *Tree, w PageWriter) error {
	if err := d.Validate(); err != nil {
		return err
	}
	next := NewTree(0)
	if !d.IsSnapshot() {
		if err := d.Verify(t.Root()); err != nil {
			return err
		}
		next = t.Clone()
	}
	if next.SizeBytes() != d.BaseMemoryBytes {
		return fmt.Errorf("%w: its base has %d bytes of memory, this state %d", ErrBase, d.BaseMemoryBytes, next.SizeBytes())
	}
	next.Resize(d.MemoryBytes)
	for _, z := range d.Zeros {
		next.Clear(z.First, z.Count)
	}
	pages := slices.Clone(d.Pages)
	hashPages(pages)
	for _, p := range pages {
		next.Set(p.Index, p.Hash)
	}
	if got := next.Root(); got != d.Result {
		return fmt.Errorf("%w: it promises %v, its pages make %v; fetch it again from another peer", ErrResult, d.Result, got)
	}
	if err := d.writeTo(w); err != nil {
		return err
	}
	*t = *next
	return nil
}

func (d *Delta) writeTo(w PageWriter) error {
	if d.IsSnapshot() {
		if err := w.Resize(0); err != nil {
			return err
		}
	}
	if err := w.Resize(d.MemoryBytes); err != nil {
		return err
	}
	for _, z := range d.Zeros {
		if err := w.ZeroPages(z.First, z.Count); err != nil {
			return err
		}
	}
	for _, p := range d.Pages {
		if err := w.SetPage(p.Index, p.Data); err != nil {
			return err
		}
	}
	return nil
}

// Compose is the delta that does a, then b: of the same program, VM and run, with b's base the result
// of a and its first turn the next one (ErrBase, ErrProgram, ErrVM). A snapshot composed with a delta is the
// later snapshot. Pages are shared with a and b.
func Compose(a, b *Delta) (*Delta, error) {
	if err := b.CheckProgram(a.Program, a.VM); err != nil {
		return nil, err
	}
	if err := b.Verify(a.Result); err != nil {
		return nil, err
	}
	if a.Run != b.Run || b.FirstTurn != a.LastTurn+1 || b.BaseMemoryBytes != a.MemoryBytes {
		return nil, fmt.Errorf("%w: turn %d of run %v cannot follow turn %d of run %v", ErrBase, b.FirstTurn, b.Run, a.LastTurn, a.Run)
	}
	for _, d := range [...]*Delta{a, b} {
		if err := d.Validate(); err != nil {
			return nil, err
		}
	}
	c := &Delta{Header: b.Header, Limits: slices.Clone(b.Limits), Lines: slices.Concat(a.Lines, b.Lines)}
	c.Base, c.BaseMemoryBytes, c.FirstTurn = a.Base, a.BaseMemoryBytes, a.FirstTurn
	if a.IsSnapshot() {
		c.FirstTurn = b.LastTurn
	}
	var err error
	if c.Changes, err = composeChanges(a.Changes, b.Changes); err != nil {
		return nil, err
	}
	c.setStretches(overlay(a.stretchesUnder(b), b.stretches()))
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// composeChanges nets two sorted lists of changes. Between the two, other peers' changes may have been
// applied: a counter sums both moves, so that theirs stay out of it.
func composeChanges(a, b []Change) ([]Change, error) {
	at := make(map[string]int, len(a))
	all := slices.Clone(a)
	for i, c := range a {
		at[string(c.Path.Encode())] = i
	}
	for _, c := range b {
		i, both := at[string(c.Path.Encode())]
		if !both {
			all = append(all, c)
			continue
		}
		if all[i].Kind != c.Kind || c.Kind == Counter && !countable(all[i].Old, all[i].New, c.Old, c.New) {
			return nil, malformed("%v changes as %v and as %v", c.Path, all[i].Kind, c.Kind)
		}
		if c.Kind == Counter && c.New.Present() {
			c.New = plus(all[i].New, minus(c.New, c.Old))
		}
		all[i].New = c.New
	}
	all = slices.DeleteFunc(all, func(c Change) bool { return c.Old.Equal(c.New) })
	return sortChanges(all), nil
}

// stretch is count pages from first on: one with data, or any number of zero ones.
type stretch struct {
	first, count uint64
	data         *[PageBytes]byte
}

// stretches are the pages and zeros of d in one list by index.
func (d *Delta) stretches() []stretch {
	all := make([]stretch, 0, len(d.Pages)+len(d.Zeros))
	for _, p := range d.Pages {
		all = append(all, stretch{p.Index, 1, p.Data})
	}
	for _, z := range d.Zeros {
		all = append(all, stretch{z.First, z.Count, nil})
	}
	slices.SortFunc(all, func(a, b stretch) int { return order(a.first, b.first) })
	return all
}

// stretchesUnder are those of a that b, which follows, leaves in memory; and what a cut off and b
// grows again is zero.
func (a *Delta) stretchesUnder(b *Delta) []stretch {
	end := merkle.PageCount(b.MemoryBytes)
	var kept []stretch
	for _, s := range a.stretches() {
		if s.first < end {
			s.count = min(s.count, end-s.first)
			kept = append(kept, s)
		}
	}
	cut, regrown := merkle.PageCount(a.MemoryBytes), min(end, merkle.PageCount(a.BaseMemoryBytes))
	if cut < regrown {
		kept = append(kept, stretch{cut, regrown - cut, nil})
	}
	return kept
}

// overlay is under with the pages of over in their place; both sorted and without overlap.
func overlay(under, over []stretch) []stretch {
	var all []stretch
	for _, u := range under {
		for len(over) > 0 && over[0].first+over[0].count <= u.first {
			all, over = append(all, over[0]), over[1:]
		}
		for _, o := range over {
			if u.count == 0 || o.first >= u.first+u.count {
				break
			}
			if o.first > u.first {
				all = append(all, stretch{u.first, o.first - u.first, u.data})
			}
			end := max(u.first, min(u.first+u.count, o.first+o.count))
			u.count -= end - u.first
			u.first = end
		}
		if u.count > 0 {
			all = append(all, u)
		}
	}
	all = append(all, over...)
	slices.SortFunc(all, func(a, b stretch) int { return order(a.first, b.first) })
	return all
}

// setStretches makes sorted stretches the pages and zeros of d.
func (d *Delta) setStretches(all []stretch) {
	for _, s := range all {
		n := len(d.Zeros)
		switch {
		case s.data != nil:
			d.Pages = append(d.Pages, Page{Index: s.first, Data: s.data})
		case d.IsSnapshot():
		case n > 0 && d.Zeros[n-1].First+d.Zeros[n-1].Count == s.first:
			d.Zeros[n-1].Count += s.count
		default:
			d.Zeros = append(d.Zeros, PageRange{s.first, s.count})
		}
	}
}
