package vm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
	"github.com/tandemvm/tandem/vm/internal/values"
)

// Snapshotter takes and loads snapshots, as the state-interface paper has it. Both halt execution: they may be called only while no Run
// is under way, and a machine is at a safe point then.
type Snapshotter interface {
	Take(ctx context.Context) (*Snapshot, error)
	Load(ctx context.Context, s *Snapshot) error
}

var _ Snapshotter = (*Machine)(nil)

// Snapshot is all of a run at a safe point. It is immutable and shares the pages that did not change with the machine's other snapshots.
type Snapshot struct {
	FramePointer       uint64 // guest address of the running goroutine's frame, 0 when none runs
	InstructionPointer uint64 // code word it continues at
	InstructionCounter uint64 // words executed since the run began
	Program            changes.Hash
	VM                 string // Version of the machine that took it
	Turns              uint64 // turns ended
	Lines              uint64 // pieces of output numbered

	prog  *Program
	state *state
}

// Root is the state hash. Cost, once: hashing the pages that differ from the last state whose hash was asked for.
func (s *Snapshot) Root() changes.Hash { return s.state.root() }

// SizeBytes is the size of the run's memory.
func (s *Snapshot) SizeBytes() uint64 { return s.state.pages.Size() }

// SnapshotValue is one package-level variable, decoded.
type SnapshotValue struct {
	Name  string
	Kind  string // the Go type
	Value changes.Value
	Note  string // instead of Value, for what is not a value tree: an address or what it is
}

// Errors of Load and DecodeSnapshot; messages say which and what to do.
var (
	ErrProgram = errors.New("vm: snapshot belongs to another program")
	ErrVersion = errors.New("vm: snapshot of an incompatible VM")
	ErrState   = errors.New("vm: snapshot does not hold a run's state")
)

// Take captures the run. It never changes output or instruction count. Cost: a few instructions for each page written since the take
// before; nothing is copied or hashed until it is needed.
func (m *Machine) Take(ctx context.Context) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.out.pending() {
		return nil, fmt.Errorf("%w: the running turn has output that is not released: end the turn first", ErrTurn)
	}
	now, err := m.take()
	if err != nil {
		return nil, err
	}
	return newSnapshot(m.prog, now)
}

// newSnapshot is the snapshot of a state, which says where it stands in its first page.
func newSnapshot(p *Program, now *state) (*Snapshot, error) {
	s := &Snapshot{Program: p.Hash(), VM: Version, prog: p, state: now}
	root := now.pages.Page(0)
	var ok bool
	if s.InstructionPointer, s.FramePointer, s.InstructionCounter, ok = exec.Standing(root); !ok {
		return nil, fmt.Errorf("%w: its first page is not a run's", ErrState)
	}
	s.Turns, s.Lines = binary.LittleEndian.Uint64(root[rootTurns-code.Base:]), binary.LittleEndian.Uint64(root[rootLines-code.Base:])
	return s, nil
}

// look calls fn with a machine on the snapshot, to look at it. Where damage leads beside memory, that is the error, and what fn found is void.
func look[T any](s *Snapshot, fn func(m *Machine) (T, error)) (found T, err error) {
	var none T
	m, err := attached(s.prog, Config{Limits: Limits{MemoryBytes: max(s.SizeBytes(), mem.PageBytes)}}, s.state.pages)
	if err != nil {
		return none, fmt.Errorf("%w: %w", ErrState, err)
	}
	defer m.Close()
	m.mem.BringAll()
	if damage := m.whole(func() { found, err = fn(m) }); damage != nil {
		return none, damage
	}
	return found, err
}

// Load makes the machine's run the one of s. The program and the VM version must be the machine's own. Saves that are open stay
// open: Undo returns to what was before. On an error the run is unchanged.
func (m *Machine) Load(ctx context.Context, s *Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.check(m.prog); err != nil {
		return err
	}
	if m.inTurn {
		return fmt.Errorf("%w: load between turns", ErrTurn)
	}
	// The old content comes back if the new one proves to be no state of a run.
	if err := m.mem.Save(); err != nil {
		return err
	}
	err := m.mem.Load(s.state.pages)
	if err == nil {
		err = damaged(s.state.pages.Err())
	}
	if err == nil {
		err = m.reattach()
	}
	if err != nil {
		if back := m.mem.Undo(); back != nil {
			return errors.Join(err, back)
		}
		return errors.Join(fmt.Errorf("%w: %w", ErrState, err), m.reattach())
	}
	if err := m.mem.Commit(); err != nil {
		return err
	}
	m.taken, m.turned = s.state, s.state
	return nil
}

// check says why s is no state of a run of p here, or nil.
func (s *Snapshot) check(p *Program) error {
	if s.Program != p.Hash() {
		return fmt.Errorf("%w: it is of program %v, this machine runs %v; compile the same source, or start the machine with that program", ErrProgram, short(s.Program), short(p.Hash()))
	}
	if s.VM != Version {
		return fmt.Errorf("%w: it was taken by %s, this is %s; use that release", ErrVersion, s.VM, Version)
	}
	return nil
}

func short(h changes.Hash) string { return h.String()[:12] }

// Encode is the snapshot in the format of changes/FORMAT.md.
func (s *Snapshot) Encode() ([]byte, error) {
	d, err := s.Delta(nil)
	if err != nil {
		return nil, err
	}
	return d.EncodeIndexed()
}

// Delta leads from base, an earlier snapshot of the same run, to s; from nothing when base is nil.
func (s *Snapshot) Delta(base *Snapshot) (*changes.Delta, error) {
	d := &changes.Delta{Header: changes.Header{Program: s.Program, VM: s.VM, Result: s.Root(), MemoryBytes: s.SizeBytes(), Instructions: s.InstructionCounter,
		FirstTurn: max(s.Turns, 1), LastTurn: max(s.Turns, 1)}}
	var from *mem.Pages
	if base != nil {
		if base.Program != s.Program {
			return nil, fmt.Errorf("%w: base and snapshot differ", ErrProgram)
		}
		from = base.state.pages
		d.Base, d.BaseMemoryBytes, d.FirstTurn = base.Root(), base.SizeBytes(), min(base.Turns+1, d.LastTurn)
	}
	tree := s.state.clone()
	s.state.pages.Changed(from, func(page uint64, data []byte) bool {
		if data != nil {
			d.AddPage(page, (*[changes.PageBytes]byte)(data))
			d.Pages[len(d.Pages)-1].Hash = tree.Get(page)
		} else if base != nil {
			d.AddPage(page, new([changes.PageBytes]byte))
		}
		return true
	})
	return d, damaged(s.state.pages.Err())
}

// Page is a page of the run's memory, nil when it is all zero: a snapshot is the base that changes.Delta.Pack and Unpack ask for.
func (s *Snapshot) Page(index uint64) *[changes.PageBytes]byte {
	if data := s.state.pages.Page(index); data != nil {
		return (*[changes.PageBytes]byte)(data)
	}
	return nil
}

// DecodeSnapshot reads a snapshot of p. Every hash in it is checked. The snapshot is in b, which must not be written afterwards; Resume says
// whether a run can go on from it.
func DecodeSnapshot(p *Program, b []byte) (*Snapshot, error) {
	d, err := changes.DecodeDelta(b)
	if err != nil {
		return nil, fmt.Errorf("vm: snapshot: %w", err)
	}
	return ApplyDelta(p, nil, d)
}

// OpenSnapshot reads a snapshot of p from a file that Encode wrote, which must not change while the snapshot and what is made of it are in use: its pages are read, and
// verified against the index at its front, when they are needed. A page that proves damaged ends the execution of a run made of it by ErrDamaged. A file without an
// index is read whole.
func OpenSnapshot(p *Program, file io.ReaderAt, sizeBytes int64) (*Snapshot, error) {
	x, err := changes.OpenIndex(file, sizeBytes)
	if errors.Is(err, changes.ErrIndex) {
		b := make([]byte, sizeBytes)
		if _, err := io.ReadFull(io.NewSectionReader(file, 0, sizeBytes), b); err != nil {
			return nil, fmt.Errorf("vm: snapshot: %w", err)
		}
		return DecodeSnapshot(p, b)
	}
	if err != nil {
		return nil, fmt.Errorf("vm: snapshot: %w", err)
	}
	if err := x.CheckProgram(p.Hash(), Version); err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	if x.MemoryBytes > mem.LimitMax {
		return nil, fmt.Errorf("%w: memory of %d bytes is beyond the greatest limit", ErrState, x.MemoryBytes)
	}
	builder := mem.NewBuilder(nil, x.MemoryBytes)
	if !builder.Await(&indexedPages{x, 0}, x.Pages) {
		return nil, fmt.Errorf("%w: pages beyond the memory's size", ErrState)
	}
	pages := builder.Pages()
	s, err := newSnapshot(p, hashed(pages, x.Tree()))
	if damage := damaged(pages.Err()); damage != nil {
		return nil, damage
	}
	return s, err
}

// indexedPages finds pages by their numbers.
type indexedPages struct {
	x  *changes.Index
	at int // of the page after the one read before: mostly the next one
}

func (s *indexedPages) ReadPage(page uint64, to *[changes.PageBytes]byte) error {
	if s.at >= len(s.x.Pages) || s.x.Pages[s.at] != page {
		s.at, _ = slices.BinarySearch(s.x.Pages, page)
	}
	s.at++
	return s.x.ReadPage(s.at-1, to)
}

// ApplyDelta is the snapshot that d leads to from base; base is nil for a delta from nothing. Program, version and both state hashes are checked.
func ApplyDelta(p *Program, base *Snapshot, d *changes.Delta) (*Snapshot, error) {
	if err := d.CheckProgram(p.Hash(), Version); err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	tree, builder := changes.NewTree(0), mem.NewBuilder(nil, d.MemoryBytes)
	if base != nil && !d.IsSnapshot() {
		tree, builder = base.state.clone(), mem.NewBuilder(base.state.pages, d.MemoryBytes)
	}
	if d.MemoryBytes > mem.LimitMax {
		return nil, fmt.Errorf("%w: memory of %d bytes is beyond the greatest limit", ErrState, d.MemoryBytes)
	}
	if err := d.ApplyTo(tree, pageWriter{builder}); err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	return newSnapshot(p, hashed(builder.Pages(), tree))
}

// StateBuilder collects the pages of a state that arrives from elsewhere, such as another peer's head.
type StateBuilder struct {
	p    *Program
	b    *mem.Builder
	tree *changes.Tree
}

// NewState begins a state of memoryBytes of a run of p.
func NewState(p *Program, memoryBytes uint64) *StateBuilder {
	t := changes.NewTree(memoryBytes)
	return &StateBuilder{p, mem.NewBuilder(nil, memoryBytes), t}
}

// Set adds a page; it is copied.
func (b *StateBuilder) Set(index uint64, page *[changes.PageBytes]byte) error {
	if !b.b.Set(index, page[:]) {
		return fmt.Errorf("%w: page %d is beyond the memory's size", ErrState, index)
	}
	b.tree.Set(index, changes.PageHash(page))
	return nil
}

// Snapshot is the state, whose hash has to be root.
func (b *StateBuilder) Snapshot(root changes.Hash) (*Snapshot, error) {
	if got := b.tree.Root(); got != root {
		return nil, fmt.Errorf("%w: its hash is %v, not %v: fetch it again", ErrState, short(got), short(root))
	}
	return newSnapshot(b.p, hashed(b.b.Pages(), b.tree))
}

type pageWriter struct{ b *mem.Builder }

func (w pageWriter) Resize(memoryBytes uint64) error { return nil }

func (w pageWriter) SetPage(i uint64, page *[changes.PageBytes]byte) error {
	if !w.b.Adopt(i, page) {
		return fmt.Errorf("%w: page %d is beyond the memory's size", ErrState, i)
	}
	return nil
}

func (w pageWriter) ZeroPages(first, count uint64) error {
	for i := range count {
		if !w.b.Set(first+i, nil) {
			return fmt.Errorf("%w: page %d is beyond the memory's size", ErrState, first+i)
		}
	}
	return nil
}

// Values decodes the program's package-level variables, sorted by name.
func (s *Snapshot) Values() ([]SnapshotValue, error) {
	return look(s, func(m *Machine) ([]SnapshotValue, error) {
		var vs []SnapshotValue
		for _, g := range s.prog.img.Globals {
			if g.Name == "" {
				continue // a composite literal that other variables point to
			}
			v := SnapshotValue{Name: g.Name, Kind: m.heap.TypeString(g.Type)}
			var err error
			if v.Value, err = values.Read(m.heap, g.Type, g.Addr); err != nil {
				v.Value, v.Note = changes.Value{}, note(m.heap, g)
			}
			vs = append(vs, v)
		}
		return vs, nil
	})
}

// note says what a variable that is no value tree holds.
func note(h *heap.Heap, g code.Global) string {
	w := h.Memory().Load64(g.Addr)
	switch {
	case w == 0:
		return "nil"
	default:
		return fmt.Sprintf("%s at %#x", h.TypeString(g.Type), w)
	}
}
