package sequel

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// past is the deltas that a peer has.
type past map[record.BlockHash]*record.Delta

func (p past) Named(front []byte) *record.Delta {
	for h, d := range p {
		if bytes.HasPrefix(h[:], front) {
			return d
		}
	}
	return nil
}

func (p past) At(a record.Actor, seq uint64) *record.Delta {
	for _, d := range p {
		if d.Actor == a && d.Seq == seq {
			return d
		}
	}
	return nil
}

// peer is one end of the wire.
type peer struct {
	past
	blocks *block.Store
	post   *Post
}

func newPeer(t testing.TB) *peer {
	s, err := store.Open(t.TempDir(), store.Options{MemoryBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	n, g := prometheus.NewCounter(prometheus.CounterOpts{Name: "n"}), prometheus.NewGauge(prometheus.GaugeOpts{Name: "g"})
	p := &peer{past: past{}, blocks: block.New(s, nil, n, g, n)}
	p.post = New(p.blocks, p.past)
	return p
}

// author writes the turns of one run, as an actor of its own.
type author struct {
	*peer
	t        testing.TB
	rnd      *rand.Rand
	head     record.Head
	last     *record.Delta
	beside   []record.BlockHash // more parents of the next delta
	memory   map[uint64]*[changes.PageBytes]byte
	manifest *block.Manifest
}

func newAuthor(t testing.TB, seed uint64, run byte) *author {
	actor := record.MakeActor("author", uint64(run))
	return &author{peer: newPeer(t), t: t, rnd: rand.New(rand.NewPCG(seed, uint64(run))), memory: map[uint64]*[changes.PageBytes]byte{},
		manifest: block.NewManifest(0), head: record.Head{Run: changes.RunID{run}, Epoch: record.Lineage{Number: 1, Actor: actor}.Epoch(),
			Owner: "author", Name: "a run", Program: changes.Hash{9}}}
}

// turn makes a delta of one more turn with n pages changed of a memory of so many, and its message.
func (a *author) turn(n int, pages uint64) (*record.Delta, []byte) {
	h := &a.head
	if h.Turn > 0 {
		h.Prev = h.Hash()
	}
	h.Turn++
	h.Instructions += a.rnd.Uint64N(1000)
	h.MemoryBytes = pages * changes.PageBytes
	state := State{Run: h.Run, Epoch: h.Epoch.Number, Turn: h.Turn}
	a.manifest.Resize(h.MemoryBytes)
	for i := range a.memory {
		if i >= pages {
			delete(a.memory, i)
		}
	}
	touched := map[uint64]bool{}
	for range n {
		touched[a.rnd.Uint64N(pages)] = true
	}
	for i := range pages {
		if !touched[i] {
			continue
		}
		p := Page{Index: i, Data: new([changes.PageBytes]byte)}
		if old := a.memory[i]; old != nil {
			p.Old, *p.Data = changes.PageHash(old), *old
		}
		switch a.rnd.IntN(8) {
		case 0:
			if p.Data = nil; a.memory[i] == nil {
				continue
			}
		case 1:
			for k := range p.Data {
				p.Data[k] = byte(a.rnd.Uint32())
			}
		default:
			p.Data[a.rnd.IntN(changes.PageBytes)]++
		}
		now := changes.Hash{}
		if p.Data != nil {
			now = changes.PageHash(p.Data)
			state.Blocks = append(state.Blocks, block.Block{ID: block.ID{Kind: block.PageKind, Hash: now}, Data: p.Data[:]})
		}
		a.memory[i] = p.Data
		a.manifest.Set(i, now)
		state.Pages = append(state.Pages, p)
	}
	var nodes []block.Block
	h.Manifest, nodes = a.manifest.Seal()
	state.Blocks = append(state.Blocks, nodes...)
	a.put(state.Blocks)
	cell := changes.Cell{Kind: changes.Counter, Stamp: changes.Stamp{Time: 1<<40 + h.Turn<<16, Run: h.Run, Turn: h.Turn}, Dot: h.Turn,
		Value: changes.IntValue(changes.Int, int64(h.Turn))}
	lineage := h.Lineage()
	elements := []record.Element{
		{Key: record.Key{Kind: record.HeadRecord, Run: h.Run, Lineage: lineage}, Value: h.Encode()},
		{Key: record.Key{Kind: record.CellRecord, Run: h.Run, Lineage: lineage, Path: changes.VarPath("main.Hits")}, Value: cell.Encode()}}
	d := a.delta(elements)
	return d, a.post.Pack(d, []State{state}, nil)
}

func (a *author) put(list []block.Block) {
	if err := a.blocks.Put(list); err != nil {
		a.t.Fatal(err)
	}
}

func (a *author) delta(elements []record.Element) *record.Delta {
	e := record.Envelope{Peer: "author", Incarnation: uint64(a.head.Run[0]), Seq: 1}
	var parents []record.BlockHash
	height := uint64(1)
	if a.last != nil {
		e.Seq, parents, height = a.last.Seq+1, []record.BlockHash{a.last.Hash}, a.last.Height+1
	}
	parents, a.beside = append(parents, a.beside...), nil
	for range 64 {
		e.Signature = append(e.Signature, byte(a.rnd.Uint32()))
	}
	e.Block = record.MakeBlock(parents, height, elements)
	d, err := record.LoadDelta(record.Encode(e))
	if err != nil {
		a.t.Fatal(err)
	}
	a.last, a.past[d.Hash] = d, d
	return d
}

// take opens a message at a peer and checks that it is the delta.
func (p *peer) take(t testing.TB, d *record.Delta, msg []byte) error {
	t.Helper()
	o, err := p.post.Open(msg)
	if err != nil {
		return err
	}
	if !bytes.Equal(o.Envelope, d.Bytes) {
		t.Fatal("another delta came out")
	}
	p.past[d.Hash] = d
	return p.post.Keep(o, d)
}

// holds fails when a page or node of the author's state is not here.
func (p *peer) holds(t testing.TB, a *author) {
	t.Helper()
	n := uint64(0)
	err := p.blocks.Walk(a.head.Manifest, a.head.MemoryBytes, func(level []block.Placed) ([]block.Placed, error) {
		for _, x := range level {
			if !p.blocks.Has(x.ID) {
				t.Fatalf("block %c at %d of turn %d is not here", x.Kind, x.At, a.head.Turn)
			}
			if x.Kind == block.PageKind {
				n++
			}
		}
		return level, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range a.memory {
		if page != nil {
			n--
		}
	}
	if n != 0 {
		t.Fatalf("%d pages more or less", int64(n))
	}
}

// TestTurnsArriveWhole: states and deltas of turns of all sizes, some of them with another writer's delta as a parent.
func TestTurnsArriveWhole(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	a, b := newAuthor(t, seed, 1), newPeer(t)
	other := newAuthor(t, seed, 2)
	pages, small := uint64(200), 0
	for range 200 {
		if a.rnd.IntN(4) == 0 {
			x, _ := other.turn(0, 1)
			a.beside = append(a.beside, x.Hash)
			a.past[x.Hash], b.past[x.Hash] = x, x
		}
		if a.rnd.IntN(10) == 0 {
			pages = 1 + a.rnd.Uint64N(400) // sometimes of another depth: those pages come whole
		}
		d, msg := a.turn(a.rnd.IntN(4), pages)
		if err := b.take(t, d, msg); err != nil {
			t.Fatal(err)
		}
		b.holds(t, a)
		if len(msg) < 250 {
			small++
		}
	}
	if small < 50 {
		t.Errorf("only %d messages of 200 were small", small)
	}
}

// TestMissedMessage: what builds on it is refused; when the delta comes another way its pages do not, and those of the turns after it wait for them.
func TestMissedMessage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	a, b := newAuthor(t, seed, 1), newPeer(t)
	for range 5 {
		d, msg := a.turn(50, 300)
		if err := b.take(t, d, msg); err != nil {
			t.Fatal(err)
		}
	}
	missed, _ := a.turn(3, 300)
	before := a.head
	state := a.stateBlocks()
	d, msg := a.turn(3, 300)
	if err := b.take(t, d, msg); !errors.Is(err, ErrBase) {
		t.Fatalf("built on nothing: %v", err)
	}
	b.past[missed.Hash] = missed
	for range 10 {
		if err := b.take(t, d, msg); err != nil {
			t.Fatal(err)
		}
		d, msg = a.turn(3, 300)
	}
	if err := b.take(t, d, msg); err != nil {
		t.Fatal(err)
	}
	if err := b.blocks.Put(state); err != nil {
		t.Fatal(err)
	}
	if err := b.post.Complete(before.Hash()); err != nil {
		t.Fatal(err)
	}
	b.holds(t, a)
	if len(b.post.held.by) > 0 || len(b.post.held.order) > 0 || b.post.held.bytes != 0 {
		t.Errorf("still held: %+v", b.post.held)
	}
}

// stateBlocks is the author's present state, whole.
func (a *author) stateBlocks() (list []block.Block) {
	a.blocks.Walk(a.head.Manifest, a.head.MemoryBytes, func(level []block.Placed) ([]block.Placed, error) {
		for _, x := range level {
			data, err := a.blocks.Get(x.ID)
			if err != nil {
				a.t.Fatal(err)
			}
			list = append(list, block.Block{ID: x.ID, Data: data})
		}
		return level, nil
	})
	return list
}

func TestWhatWaitsIsBounded(t *testing.T) {
	h := held{by: map[changes.Hash]*waiting{}}
	for i := range 3 * heldMax {
		prev := changes.Hash{byte(i), byte(i >> 8), 1}
		h.add(&waiting{head: &record.Head{Prev: prev}, bytes: heldBytesMax / 100})
	}
	if len(h.by) != len(h.order) || len(h.order) > 100 || h.bytes > heldBytesMax {
		t.Errorf("%d and %d of %d bytes wait", len(h.by), len(h.order), h.bytes)
	}
}

// TestDamagedMessages flips each bit of a message: it is refused, or it stands for another delta, whose signature will not hold, or for pages that are not those of
// the head, which are not kept.
func TestDamagedMessages(t *testing.T) {
	a, b := newAuthor(t, 1, 1), newPeer(t)
	for range 4 {
		d, msg := a.turn(40, 100)
		if err := b.take(t, d, msg); err != nil {
			t.Fatal(err)
		}
	}
	d, msg := a.turn(20, 100)
	for bit := 0; bit < len(msg)*8; bit += 1 + bit/4000*37 {
		bad := bytes.Clone(msg)
		bad[bit/8] ^= 1 << (bit % 8)
		o, err := b.post.Open(bad)
		if err != nil || !bytes.Equal(o.Envelope, d.Bytes) {
			continue
		}
		if err := b.post.Keep(o, d); err == nil && o.pages != nil && !b.complete(a) {
			t.Fatalf("bit %d of %d bytes: other pages were kept", bit, len(msg))
		}
	}
	if b.complete(a) {
		t.Error("no damage was found")
	}
	if err := b.take(t, d, msg); err != nil {
		t.Fatal(err)
	}
	b.holds(t, a)
}

func (p *peer) complete(a *author) bool {
	whole := true
	err := p.blocks.Walk(a.head.Manifest, a.head.MemoryBytes, func(level []block.Placed) ([]block.Placed, error) {
		for _, x := range level {
			whole = whole && p.blocks.Has(x.ID)
		}
		return level, nil
	})
	return whole && err == nil
}

func FuzzOpen(f *testing.F) {
	a, b := newAuthor(f, 1, 1), newPeer(f)
	for range 4 {
		d, msg := a.turn(10, 200)
		f.Add(msg)
		if err := b.take(f, d, msg); err != nil {
			f.Fatal(err)
		}
	}
	last, msg := a.turn(10, 200)
	f.Add(msg)
	f.Fuzz(func(t *testing.T, msg []byte) {
		o, err := b.post.Open(msg)
		if err != nil {
			return
		}
		if len(o.Envelope) > record.DeltaBytesMax+4096 && msg[0] == Next {
			t.Errorf("an envelope of %d bytes", len(o.Envelope))
		}
		b.post.Keep(o, last)
	})
}
