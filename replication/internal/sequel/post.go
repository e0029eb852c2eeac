package sequel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// Kinds of messages.
const (
	Whole = 'd' // a delta as it is, compressed
	Next  = 'n' // what it differs in from the one that was expected
)

const (
	messageBytesMax  = 960 << 10 // below the transport's 1 MiB
	inflatedBytesMax = 8 << 20
	wholeBlocksMax   = 2 << 20 // bytes of blocks that travel whole with their delta, before compression
	compressMin      = 256     // bytes from which compressing is tried

	nameBytes     = 6 // of a delta's hash: it has to be told from others that are here, the signature says whether it was the right one
	basesMax      = 8
	basesBytesMax = 256 << 10
	ownMax        = 1024 // runs whose last delta is known
)

// What is true of a message of kind Next.
const (
	flagPages    = 1 << iota // the pages of those heads whose state before is known stand in it
	flagFront                // the body up to the contents of pages is compressed
	flagContents             // the rest is; with one of the two the length of the front stands before it
	flagParents              // the delta has other parents than its author's delta before: they are named
	flags        = 1<<iota - 1
)

var (
	// ErrBase: deltas that the message builds on are not here.
	ErrBase = errors.New("what the message builds on is not here")
	errCut  = fmt.Errorf("%w: a cut message", record.ErrFormat)
)

// Past finds deltas by what names them; nil when they are not here.
type Past interface {
	Named(front []byte) *record.Delta
	At(actor record.Actor, seq uint64) *record.Delta
}

// Post packs and opens the deltas of one replica. Pack is for one goroutine, the rest for any.
type Post struct {
	blocks   *block.Store
	past     Past
	deflater *zstd.Encoder
	inflater *zstd.Decoder
	last     map[changes.RunID]uint64 // number of the last delta of this replica that has a head of the run

	mu   sync.Mutex
	held held
}

// New makes a Post; packers of one process share nothing.
func New(b *block.Store, past Past) *Post {
	return &Post{blocks: b, past: past, last: map[changes.RunID]uint64{}, held: held{by: map[changes.Hash]*waiting{}},
		deflater: record.Must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))),
		inflater: record.Must(zstd.NewReader(nil, zstd.WithDecoderMaxMemory(inflatedBytesMax), zstd.WithDecoderConcurrency(1)))}
}

// wholeMessage is a delta with the new blocks of its heads, so that whoever hears of a head has its state at once.
type wholeMessage struct {
	Envelope []byte `cbor:"1,keyasint"`
	Blocks   []byte `cbor:"2,keyasint"`
}

// Pack is the message for a delta that this replica has made: kind and body. states and blobs are the new blocks that belong to it; where they are too much for
// a message they are left out, and who needs them fetches them.
func (p *Post) Pack(d *record.Delta, states []State, blobs []block.Block) []byte {
	bases, refs := p.basesOf(d)
	var msg []byte
	if len(bases) > 0 {
		msg = p.next(d, bases, refs, states, blobs)
	}
	p.note(d)
	if msg != nil {
		return msg
	}
	return p.whole(d, states, blobs)
}

func (p *Post) whole(d *record.Delta, states []State, blobs []block.Block) []byte {
	var list []byte
	for _, s := range append(slices.Clone(states), State{Blocks: blobs}) {
		list = appendBlocks(list, s.Blocks)
	}
	if len(list) > wholeBlocksMax {
		list = nil
	}
	msg := p.deflater.EncodeAll(record.Encode(wholeMessage{d.Bytes, list}), []byte{Whole})
	if len(msg) > messageBytesMax {
		msg = p.deflater.EncodeAll(record.Encode(wholeMessage{Envelope: d.Bytes}), []byte{Whole})
	}
	return msg
}

func appendBlocks(to []byte, list []block.Block) []byte {
	for _, b := range list {
		to = block.Append(to, b)
	}
	return to
}

// note remembers which runs have a head in a delta of this replica.
func (p *Post) note(d *record.Delta) {
	if len(p.last) > ownMax {
		clear(p.last)
	}
	for _, e := range d.Elements {
		if e.Key.Kind == record.HeadRecord {
			p.last[e.Key.Run] = d.Seq
		}
	}
}

// basesOf are the deltas that d is likely to go on from, the one right before it first, and how far before it the others stand: the last ones of its runs. The
// one right before is only one of those predicted from when refs says so with a 1.
func (p *Post) basesOf(d *record.Delta) (bases []*record.Delta, refs []uint64) {
	prev := p.past.At(d.Actor, d.Seq-1)
	if prev == nil {
		return nil, nil
	}
	for _, e := range d.Elements {
		seq := p.last[e.Key.Run]
		if e.Key.Kind == record.HeadRecord && seq > 0 && len(refs) < basesMax && !slices.Contains(refs, d.Seq-seq) && p.past.At(d.Actor, seq) != nil {
			refs = append(refs, d.Seq-seq)
		}
	}
	if len(refs) == 0 {
		refs = []uint64{1}
	}
	bases, err := p.resolve(prev, refs)
	if err != nil {
		return nil, nil
	}
	return bases, refs
}

// resolve finds the deltas of prev's author that stand so far before the next one: prev, then these.
func (p *Post) resolve(prev *record.Delta, refs []uint64) ([]*record.Delta, error) {
	bases := []*record.Delta{prev}
	sum := 0
	for _, back := range refs {
		if back == 0 || back > prev.Seq {
			return nil, fmt.Errorf("%w: delta %d before %d", record.ErrFormat, back, prev.Seq)
		}
		b := prev
		if back > 1 {
			b = p.past.At(prev.Actor, prev.Seq+1-back)
		}
		if b == nil {
			return nil, ErrBase
		}
		if sum += len(b.Block); sum > basesBytesMax {
			return nil, fmt.Errorf("%w: %d bytes to build on", record.ErrFormat, sum)
		}
		bases = append(bases, b)
	}
	return bases, nil
}

// next is the message of kind Next, nil when it is not to be had or too large.
func (p *Post) next(d *record.Delta, bases []*record.Delta, refs []uint64, states []State, blobs []block.Block) []byte {
	prev, bases := bases[0], bases[1:]
	flag := byte(0)
	body := append([]byte(nil), prev.Hash[:nameBytes]...)
	body = binary.AppendUvarint(body, uint64(len(refs)))
	for _, back := range refs {
		body = binary.AppendUvarint(body, back)
	}
	body = append(binary.AppendUvarint(body, uint64(len(d.Signature))), d.Signature...)
	parents := []*record.Delta{prev}
	if others := p.parentsOf(d, prev); others != nil {
		parents, flag = others, flagParents
		body = binary.AppendUvarint(body, uint64(len(parents)))
		for _, x := range parents {
			body = append(body, x.Hash[:nameBytes]...)
		}
	}
	diff := difference(predicted(parents, bases), d.Block)
	body = append(binary.AppendUvarint(body, uint64(len(diff))), diff...)
	if len(diff) > len(d.Block) {
		return nil
	}
	full, contents, err := p.appendStates(body, d, bases, states, blobs)
	if err == nil {
		body, flag = full, flag|flagPages
	}
	if msg := p.sealed(flag, body, contents); len(msg) <= messageBytesMax {
		return msg
	}
	return nil
}

// parentsOf are the parents of d; nil when the only one is prev, or when they are too many or not here.
func (p *Post) parentsOf(d, prev *record.Delta) (list []*record.Delta) {
	if len(d.Parents) > basesMax || len(d.Parents) == 1 && d.Parents[0] == prev.Hash {
		return nil
	}
	for _, h := range d.Parents {
		x := p.past.Named(h[:nameBytes])
		if x == nil || x.Hash != h {
			return nil
		}
		list = append(list, x)
	}
	return list
}

// sealed compresses what compressing helps: places apart from contents, since what is frequent in one is not in the other.
func (p *Post) sealed(flag byte, front, contents []byte) []byte {
	msg := []byte{Next, flag}
	if small := p.smaller(front); small != nil {
		msg[1] |= flagFront
		front = small
	}
	if small := p.smaller(contents); small != nil {
		msg[1] |= flagContents
		contents = small
	}
	if msg[1] != flag {
		msg = binary.AppendUvarint(msg, uint64(len(front)))
	}
	return append(append(msg, front...), contents...)
}

// smaller is b compressed; nil when that does not help.
func (p *Post) smaller(b []byte) []byte {
	if len(b) < compressMin {
		return nil
	}
	if small := p.deflater.EncodeAll(b, nil); len(small)+2 < len(b) {
		return small
	}
	return nil
}

var errTooMuch = errors.New("too much for a message")

// appendStates says the pages of the heads whose state before is known, and the blocks of all else whole: to continued, and the contents behind it.
func (p *Post) appendStates(to []byte, d *record.Delta, bases []*record.Delta, states []State, blobs []block.Block) (_, contents []byte, err error) {
	type name struct {
		run         changes.RunID
		epoch, turn uint64
	}
	var said []*State
	var rest []byte
	sum := 0
	of := map[name]*State{} // not of heads that are older and only said again
	for _, s := range states {
		of[name{s.Run, s.Epoch, s.Turn}] = &s
	}
	for _, e := range d.Elements {
		if e.Key.Kind != record.HeadRecord {
			continue
		}
		h, err := record.DecodeHead(e.Value)
		if err != nil {
			return nil, nil, err
		}
		s := of[name{h.Run, h.Epoch.Number, h.Turn}]
		if old := headOf(bases, h); old != nil && sameDepth(old, h) {
			said = append(said, s)
			if s != nil {
				sum += len(s.Pages)
			}
		} else if s != nil {
			rest = appendBlocks(rest, s.Blocks)
		}
	}
	if rest = appendBlocks(rest, blobs); len(rest) > wholeBlocksMax || sum > statePagesMax {
		return nil, nil, errTooMuch
	}
	to, contents, err = appendPages(to, said, p.page)
	return to, append(contents, rest...), err
}

func sameDepth(a, b *record.Head) bool {
	return block.Depth(block.Pages(a.MemoryBytes)) == block.Depth(block.Pages(b.MemoryBytes))
}

// page reads a page of this replica's by its hash.
func (p *Post) page(h changes.Hash) (*[changes.PageBytes]byte, error) {
	if h == (changes.Hash{}) {
		return new([changes.PageBytes]byte), nil
	}
	data, err := p.blocks.Get(block.ID{Kind: block.PageKind, Hash: h})
	if err != nil {
		return nil, err
	}
	return (*[changes.PageBytes]byte)(data), nil
}

// Parcel is a message that was opened. Its envelope has yet to be checked.
type Parcel struct {
	Envelope []byte
	bases    []*record.Delta
	pages    []byte // and whole blocks, of kind Next
	blocks   []byte // of kind Whole
}

// Open reads a message. ErrBase: what it builds on is not here; record.ErrFormat: it is none.
func (p *Post) Open(msg []byte) (*Parcel, error) {
	if len(msg) < 2 {
		return nil, errCut
	}
	switch {
	case msg[0] == Whole:
		raw, err := p.inflater.DecodeAll(msg[1:], nil)
		var m wholeMessage
		if err == nil {
			err = record.Decode(raw, &m)
		}
		return &Parcel{Envelope: m.Envelope, blocks: m.Blocks}, err
	case msg[0] == Next && msg[1]&^flags == 0:
		body, err := p.inflated(msg[1], msg[2:])
		if err != nil {
			return nil, fmt.Errorf("%w: %v", record.ErrFormat, err)
		}
		return p.open(msg[1], body)
	}
	return nil, fmt.Errorf("%w: message of kind %q", record.ErrFormat, msg[0])
}

// inflated is the body of a message, front and contents.
func (p *Post) inflated(flag byte, b []byte) ([]byte, error) {
	if flag&(flagFront|flagContents) == 0 {
		return b, nil
	}
	s := scan{b: b}
	front := s.take(s.number())
	contents, err := s.b, s.err
	if flag&flagFront != 0 && err == nil {
		front, err = p.inflater.DecodeAll(front, nil)
	}
	if flag&flagContents != 0 && err == nil {
		contents, err = p.inflater.DecodeAll(contents, nil)
	}
	return append(slices.Clip(front), contents...), err
}

func (p *Post) open(flag byte, body []byte) (*Parcel, error) {
	s := scan{b: body}
	name := s.take(nameBytes)
	refs := make([]uint64, min(s.number(), basesMax+1))
	for i := range refs {
		refs[i] = s.number()
	}
	signature := s.take(s.number())
	names := [][]byte{name}
	if flag&flagParents != 0 {
		names = make([][]byte, min(s.number(), basesMax+1))
		for i := range names {
			names[i] = s.take(nameBytes)
		}
	}
	diff := s.take(s.number())
	if s.err != nil || len(refs) > basesMax || len(names) > basesMax {
		return nil, errCut
	}
	prev := p.past.Named(name)
	if prev == nil {
		return nil, ErrBase
	}
	var parents []*record.Delta
	for _, n := range names {
		x := p.past.Named(n)
		if x == nil {
			return nil, ErrBase
		}
		parents = append(parents, x)
	}
	bases, err := p.resolve(prev, refs)
	if err != nil {
		return nil, err
	}
	made, err := restore(predicted(parents, bases[1:]), diff, record.DeltaBytesMax)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", record.ErrFormat, err)
	}
	o := &Parcel{Envelope: record.Encode(record.Envelope{Peer: prev.Peer, Incarnation: prev.Incarnation, Seq: prev.Seq + 1, Signature: signature, Block: made}),
		bases: bases[1:]}
	if flag&flagPages != 0 {
		o.pages = s.b
	}
	return o, nil
}

// Keep writes the blocks that came with a delta, which was checked. Pages whose state before is not here wait for it (see Complete). Whatever does not fit is
// left out, and counted by the caller when the error is record.ErrFormat; any other is the store's.
func (p *Post) Keep(o *Parcel, d *record.Delta) error {
	rest := o.blocks
	if o.pages != nil {
		var heads []*waiting
		for _, e := range d.Elements {
			if e.Key.Kind != record.HeadRecord {
				continue
			}
			h, err := record.DecodeHead(e.Value)
			if err != nil {
				return err
			}
			if old := headOf(o.bases, h); old != nil && sameDepth(old, h) {
				heads = append(heads, &waiting{head: h, old: old})
			}
		}
		s := scan{b: o.pages}
		lists, err := readPages(&s, len(heads))
		if err != nil {
			return err
		}
		for i, w := range heads {
			if lists[i] == nil {
				continue // an older head, said again
			}
			w.pages, w.bytes = lists[i], len(o.pages)
			if err := p.arrive(w); err != nil {
				return err
			}
		}
		rest = s.b
	}
	list, err := block.Parse(rest)
	if err != nil {
		return err
	}
	return p.blocks.Put(list)
}

// arrive makes a state of what came, and those that waited for it; or it waits.
func (p *Post) arrive(w *waiting) error {
	for w != nil {
		made, err := rebuild(p.blocks, w.head, w.old, w.pages)
		if errors.Is(err, store.ErrAbsent) {
			p.mu.Lock()
			p.held.add(w)
			p.mu.Unlock()
			return nil
		}
		if err == nil {
			err = p.blocks.Put(made)
		}
		if err != nil {
			return err
		}
		w = p.after(w.head.Hash())
	}
	return nil
}

func (p *Post) after(h changes.Hash) *waiting {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held.take(h)
}

// Complete makes the states that waited for the one of head h, which is here now.
func (p *Post) Complete(h changes.Hash) error {
	if w := p.after(h); w != nil {
		return p.arrive(w)
	}
	return nil
}
