// Package block keeps content-addressed blocks, which is what states and large values are made of: pages of memory, the
// nodes of the manifests that list them, and the parts of blobs. A block's name is a hash of its kind and bytes, so it does not
// matter who sent it.
//
// It knows nothing of deltas, runs or peers' rights, and never decides what is garbage.
//
// Costs: a read is one store lookup and one hash; fetching asks all peers in parallel, 64 blocks a request.
package block

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// ErrFormat: bytes are not a block, or not a list of them. ErrCorrupt: a block does not hash to its name.
var (
	ErrFormat  = errors.New("replication: bytes are not a known record")
	ErrCorrupt = errors.New("replication: store is corrupt")
)

// Tagged hashes data for one purpose, so that bytes of one kind never pass for another.
func Tagged(tag string, data ...[]byte) (h changes.Hash) {
	s := sha256.New()
	s.Write([]byte(tag))
	s.Write([]byte{0})
	for _, d := range data {
		s.Write(d)
	}
	s.Sum(h[:0])
	return h
}

// Kind says how the hash of a block is made, and so what may stand in it.
type Kind byte

// Net is what fetching needs of a transport.
type Net interface {
	Peers() []string
	Request(ctx context.Context, peer, name string, req []byte, recv func(frame []byte) error) error
}

// Counter is a metric, Gauge one that goes down too.
type (
	Counter interface{ Inc() }
	Gauge   interface{ Add(float64) }
)

const (
	PageKind  Kind = 'p' // a page of memory, named by changes.PageHash
	NodeKind  Kind = 'n' // up to fanout hashes of a manifest
	DataKind  Kind = 'd' // up to DataBytesMax bytes of a blob
	IndexKind Kind = 'x' // the hashes of a blob's data blocks
)

const (
	DataBytesMax  = 256 << 10
	indexBytesMax = 256 << 10 // a blob is at most 2 GiB
	FrameBytes    = 256 << 10 // target size of a frame of an answer
	askMax        = 1024      // blocks in one request
)

// ID names a block.
type ID struct {
	Kind Kind
	Hash changes.Hash
}

// Key is the block's key in the store.
func (b ID) Key() []byte { return append([]byte{'b', byte(b.Kind)}, b.Hash[:]...) }

// Name is the hash of data as a block of that kind; false when the data cannot be one.
func Name(kind Kind, data []byte) (h changes.Hash, ok bool) {
	switch kind {
	case PageKind:
		if len(data) != changes.PageBytes {
			return h, false
		}
		return changes.PageHash((*[changes.PageBytes]byte)(data)), true
	case NodeKind:
		return Tagged("tandem node 1", data), len(data) > 0 && len(data) <= fanout*32 && len(data)%32 == 0
	case DataKind:
		return Tagged("tandem data 1", data), len(data) <= DataBytesMax
	case IndexKind:
		return Tagged("tandem index 1", data), len(data) > 0 && len(data) <= indexBytesMax && len(data)%32 == 0
	}
	return h, false
}

// Store reads and writes blocks and gets missing ones from peers. Safe for concurrent use.
type Store struct {
	s *store.Store
	t Net

	fetched, malformed Counter
	open               Gauge

	written atomic.Int64 // bytes of blocks since the last sweep
	fetches struct{ blocks, wanted, bytes atomic.Int64 }
	mu      sync.Mutex // held while blocks are written or removed
	young   map[ID]bool
}

// New makes a Store over s that fetches over t and counts blocks fetched, those asked for that have not come yet, and messages that do not decode.
func New(s *store.Store, t Net, fetched Counter, open Gauge, malformed Counter) *Store {
	return &Store{s: s, t: t, fetched: fetched, open: open, malformed: malformed, young: map[ID]bool{}}
}

// Written is the number of bytes of blocks written since the last Restart of the count.
func (b *Store) Written() int64 { return b.written.Load() }

// Restart begins the count of Written anew.
func (b *Store) Restart() { b.written.Store(0) }

// Remove deletes blocks that gone names and keep does not want, except those written since the last Remove: somebody may be about to
// name them. It returns how many went.
func (b *Store) Remove(gone []ID, keep func(ID) bool) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.s.Write(false, func(w store.Batch) {
		for _, id := range gone {
			if !keep(id) && !b.young[id] {
				w.Delete(id.Key())
				n++
			}
		}
	})
	clear(b.young)
	return n, err
}

// Note remembers blocks that the caller writes, so that a sweep that is on spares them.
func (b *Store) Note(list []Block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(list)
}

func (b *Store) note(list []Block) {
	for _, x := range list {
		b.written.Add(int64(len(x.Data)))
		b.young[x.ID] = true
	}
}

func (b *Store) Get(id ID) ([]byte, error) {
	data, err := b.s.Get(id.Key())
	if err != nil {
		return nil, err
	}
	if h, ok := Name(id.Kind, data); !ok || h != id.Hash {
		return nil, fmt.Errorf("%w: block %c %x does not hash to its name: move the store away and join again", ErrCorrupt, id.Kind, id.Hash[:6])
	}
	return data, nil
}

func (b *Store) Has(id ID) bool {
	ok, err := b.s.Has(id.Key())
	return ok && err == nil
}

// Put writes blocks that came from peers; they need no sync, they can be had again.
func (b *Store) Put(list []Block) error {
	if len(list) == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(list)
	return b.s.Write(false, func(w store.Batch) {
		for _, x := range list {
			w.Put(x.ID.Key(), x.Data)
		}
	})
}

// Block is a block with its name.
type Block struct {
	ID   ID
	Data []byte
}

// Append frames a block: kind, length, bytes. The receiver names it itself.
func Append(to []byte, x Block) []byte {
	to = append(to, byte(x.ID.Kind))
	to = binary.BigEndian.AppendUint32(to, uint32(len(x.Data)))
	return append(to, x.Data...)
}

func Parse(b []byte) (list []Block, err error) {
	for len(b) > 0 {
		if len(b) < 5 {
			return nil, fmt.Errorf("%w: cut block", ErrFormat)
		}
		n := binary.BigEndian.Uint32(b[1:])
		if uint64(n) > uint64(len(b)-5) {
			return nil, fmt.Errorf("%w: cut block", ErrFormat)
		}
		x := Block{ID: ID{Kind: Kind(b[0])}, Data: b[5 : 5+n]}
		var ok bool
		if x.ID.Hash, ok = Name(x.ID.Kind, x.Data); !ok {
			return nil, fmt.Errorf("%w: block of kind %q and %d bytes", ErrFormat, b[0], n)
		}
		list = append(list, x)
		b = b[5+n:]
	}
	return list, nil
}

const Protocol = "tandem/blocks/1"

// Serve answers a list of block names with those blocks that are here.
func (b *Store) Serve(ctx context.Context, from string, req []byte, send func([]byte) error) error {
	ids, err := ParseIDs(req)
	if err != nil {
		b.malformed.Inc()
		return err
	}
	var frame []byte
	for _, id := range ids {
		data, err := b.Get(id)
		if errors.Is(err, store.ErrAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		frame = Append(frame, Block{id, data})
		if len(frame) >= FrameBytes {
			if err := send(frame); err != nil {
				return err
			}
			frame = nil
		}
	}
	if len(frame) > 0 {
		return send(frame)
	}
	return nil
}

func formatIDs(ids []ID) []byte {
	var out []byte
	for _, id := range ids {
		out = append(append(out, byte(id.Kind)), id.Hash[:]...)
	}
	return out
}

// ParseIDs reads a request for blocks.
func ParseIDs(b []byte) ([]ID, error) {
	if len(b)%33 != 0 || len(b)/33 > askMax {
		return nil, fmt.Errorf("%w: request of %d bytes", ErrFormat, len(b))
	}
	var ids []ID
	for ; len(b) > 0; b = b[33:] {
		ids = append(ids, ID{Kind(b[0]), changes.Hash(b[1:33])})
	}
	return ids, nil
}

// Fetched is what was asked of peers since the store was opened.
type Fetched struct {
	Blocks, Wanted uint64 // came, of those that were asked for
	Bytes          uint64
}

// Fetched says how far fetching is. What no peer had is not wanted any more, until it is asked for again.
func (b *Store) Fetched() Fetched {
	return Fetched{uint64(b.fetches.blocks.Load()), uint64(b.fetches.wanted.Load()), uint64(b.fetches.bytes.Load())}
}

// want counts blocks that are asked for, or, when negative, that could not be had.
func (b *Store) want(n int) {
	b.fetches.wanted.Add(int64(n))
	b.open.Add(float64(n))
}

func (b *Store) came(x Block) {
	b.fetches.blocks.Add(1)
	b.fetches.bytes.Add(int64(len(x.Data)))
	b.fetched.Inc()
	b.open.Add(-1)
}

// Fetch gets the missing ones of ids from the connected peers, the preferred one first, and stores
// them. Large lists are spread over all peers; what one lacks is asked of the next, until all were asked. It returns how many no peer has.
func (b *Store) Fetch(ctx context.Context, ids []ID, prefer string) (missing int, err error) {
	want := map[ID]bool{}
	var list []ID
	for _, id := range ids {
		if !want[id] && !b.Has(id) {
			want[id] = true
			list = append(list, id)
		}
	}
	b.want(len(want))
	defer func() { b.want(-missing) }()
	peers := b.t.Peers()
	if i := slices.Index(peers, prefer); i > 0 {
		peers[0], peers[i] = peers[i], peers[0]
	}
	slices.SortFunc(list, func(a, b ID) int { return bytes.Compare(a.Key(), b.Key()) })
	for round := 0; round < len(peers) && len(want) > 0 && ctx.Err() == nil; round++ {
		if err := b.fetchRound(ctx, want, asks(list, want, peers, round)); err != nil {
			return len(want), err
		}
	}
	return len(want), ctx.Err()
}

// share is how many blocks are asked for in one request.
const share = 64

// ask is a request for blocks.
type ask struct {
	peer string
	ids  []ID
}

// asks are the requests of a round for what is still wanted of list. A block's place in the list says whom it is first asked of, so that as many rounds as there are peers ask
// each of them for it.
func asks(list []ID, want map[ID]bool, peers []string, round int) (out []ask) {
	open := make([][]ID, len(peers))
	for i, id := range list {
		if !want[id] {
			continue
		}
		p := (i/share + round) % len(peers)
		if open[p] = append(open[p], id); len(open[p]) == share {
			out, open[p] = append(out, ask{peers[p], open[p]}), nil
		}
	}
	for p, ids := range open {
		if len(ids) > 0 {
			out = append(out, ask{peers[p], ids})
		}
	}
	return out
}

// fetchRound makes the requests, eight at a time, and takes what came out of want.
func (b *Store) fetchRound(ctx context.Context, want map[ID]bool, requests []ask) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	for i, a := range requests {
		wg.Go(func() {
			b.t.Request(ctx, a.peer, Protocol, formatIDs(a.ids), func(frame []byte) error {
				got, err := Parse(frame)
				if err != nil {
					b.malformed.Inc()
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				good := got[:0]
				for _, x := range got {
					if want[x.ID] {
						good = append(good, x)
						delete(want, x.ID)
						b.came(x)
					}
				}
				if err := b.Put(good); err != nil {
					failed = err
					return err
				}
				return nil
			})
		})
		if i%8 == 7 {
			wg.Wait()
		}
	}
	wg.Wait()
	return failed
}

// Ref names a blob: bytes of any length in data blocks.
type Ref struct {
	_     struct{} `cbor:",toarray"`
	Bytes int64
	Hash  []byte
}

func (r Ref) Root() ID {
	id := ID{Kind: DataKind, Hash: changes.Hash(r.Hash)}
	if r.Bytes > DataBytesMax {
		id.Kind = IndexKind
	}
	return id
}

func (r Ref) Valid() bool {
	return len(r.Hash) == 32 && r.Bytes >= 0 && r.Bytes <= DataBytesMax*(indexBytesMax/32)
}

// Split cuts data into the blocks of a blob.
func Split(data []byte) (Ref, []Block) {
	ref := Ref{Bytes: int64(len(data))}
	var list []Block
	var index []byte
	for chunk := range slices.Chunk(data, DataBytesMax) {
		h, _ := Name(DataKind, chunk)
		list = append(list, Block{ID{DataKind, h}, chunk})
		index = append(index, h[:]...)
	}
	switch len(list) {
	case 0:
		h, _ := Name(DataKind, nil)
		list, index = []Block{{ID{DataKind, h}, nil}}, h[:]
	case 1:
	default:
		h, _ := Name(IndexKind, index)
		list = append(list, Block{ID{IndexKind, h}, index})
		index = h[:]
	}
	ref.Hash = index
	return ref, list
}

// Parts lists the data blocks that the index with this name lists; none for a blob of one block. The index must be here.
func (b *Store) Parts(root ID) (ids []ID, err error) {
	if root.Kind != IndexKind {
		return nil, nil
	}
	index, err := b.Get(root)
	for ; len(index) > 0; index = index[32:] {
		ids = append(ids, ID{DataKind, changes.Hash(index[:32])})
	}
	return ids, err
}

// parts lists the blocks of a blob below its root; the root must be here.
func (b *Store) parts(r Ref) ([]ID, error) {
	root := r.Root()
	if root.Kind == DataKind {
		return nil, nil
	}
	index, err := b.Get(root)
	if err != nil {
		return nil, err
	}
	if want := (r.Bytes + DataBytesMax - 1) / DataBytesMax; int64(len(index)/32) != want {
		return nil, fmt.Errorf("%w: blob index names %d blocks instead of %d", ErrFormat, len(index)/32, want)
	}
	var ids []ID
	for ; len(index) > 0; index = index[32:] {
		ids = append(ids, ID{DataKind, changes.Hash(index[:32])})
	}
	return ids, nil
}

func (b *Store) HasBlob(r Ref) bool {
	if !b.Has(r.Root()) {
		return false
	}
	ids, err := b.parts(r)
	if err != nil {
		return false
	}
	if slices.ContainsFunc(ids, func(id ID) bool { return !b.Has(id) }) {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range append(ids, r.Root()) {
		b.young[id] = true // whoever asks is about to name it
	}
	return true
}

// FetchBlob gets a blob's missing blocks: one round trip for the index, one for the data.
func (b *Store) FetchBlob(ctx context.Context, r Ref, prefer string) error {
	missing, err := b.Fetch(ctx, []ID{r.Root()}, prefer)
	if err == nil && missing == 0 {
		var ids []ID
		if ids, err = b.parts(r); err == nil {
			missing, err = b.Fetch(ctx, ids, prefer)
		}
	}
	if err == nil && missing > 0 {
		err = fmt.Errorf("%d blocks of a blob are at no connected peer", missing)
	}
	return err
}

func (b *Store) ReadBlob(r Ref) ([]byte, error) {
	ids, err := b.parts(r)
	if err != nil {
		return nil, err
	}
	if r.Root().Kind == DataKind {
		ids = []ID{r.Root()}
	}
	var out []byte
	for _, id := range ids {
		data, err := b.Get(id)
		if err != nil {
			return nil, err
		}
		out = append(out, data...)
	}
	if int64(len(out)) != r.Bytes {
		return nil, fmt.Errorf("%w: blob has %d bytes instead of %d", ErrFormat, len(out), r.Bytes)
	}
	return out, nil
}
