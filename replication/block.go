package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// blockKind says how the hash of a block is made, and so what may stand in it.
type blockKind byte

const (
	pageBlock  blockKind = 'p' // a page of memory, named by changes.PageHash
	nodeBlock  blockKind = 'n' // up to fanout hashes of a manifest
	dataBlock  blockKind = 'd' // up to dataBytesMax bytes of a blob
	indexBlock blockKind = 'x' // the hashes of a blob's data blocks
)

const (
	dataBytesMax  = 256 << 10
	indexBytesMax = 256 << 10 // a blob is at most 2 GiB
	frameBytes    = 256 << 10 // target size of a frame of an answer
	askMax        = 1024      // blocks in one request
)

type blockID struct {
	kind blockKind
	hash changes.Hash
}

func (b blockID) key() []byte { return append([]byte{'b', byte(b.kind)}, b.hash[:]...) }

// blockName is the hash of data as a block of that kind; false when the data cannot be one.
func blockName(kind blockKind, data []byte) (h changes.Hash, ok bool) {
	switch kind {
	case pageBlock:
		if len(data) != changes.PageBytes {
			return h, false
		}
		return changes.PageHash((*[changes.PageBytes]byte)(data)), true
	case nodeBlock:
		return tagged("tandem node 1", data), len(data) > 0 && len(data) <= fanout*32 && len(data)%32 == 0
	case dataBlock:
		return tagged("tandem data 1", data), len(data) <= dataBytesMax
	case indexBlock:
		return tagged("tandem index 1", data), len(data) > 0 && len(data) <= indexBytesMax && len(data)%32 == 0
	}
	return h, false
}

// blocks reads and writes content-addressed blocks and gets missing ones from peers.
type blocks struct {
	s *store.Store
	t Transport
	m *metrics

	written atomic.Int64 // bytes of blocks since the last sweep
	mu      sync.Mutex   // held while blocks are written or swept
	young   map[blockID]bool
}

// note remembers blocks that are written, so that a sweep that is on spares them. Called with mu held.
func (b *blocks) note(list []block) {
	for _, x := range list {
		b.written.Add(int64(len(x.data)))
		if x.id.kind == pageBlock || x.id.kind == nodeBlock {
			b.young[x.id] = true
		}
	}
}

func (b *blocks) get(id blockID) ([]byte, error) {
	data, err := b.s.Get(id.key())
	if err != nil {
		return nil, err
	}
	if h, ok := blockName(id.kind, data); !ok || h != id.hash {
		return nil, fmt.Errorf("%w: block %c %x does not hash to its name: move the store away and join again", ErrCorrupt, id.kind, id.hash[:6])
	}
	return data, nil
}

func (b *blocks) has(id blockID) bool {
	ok, err := b.s.Has(id.key())
	return ok && err == nil
}

// put writes blocks that came from peers; they need no sync, they can be had again.
func (b *blocks) put(list []block) error {
	if len(list) == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(list)
	return b.s.Write(false, func(w store.Batch) {
		for _, x := range list {
			w.Put(x.id.key(), x.data)
		}
	})
}

type block struct {
	id   blockID
	data []byte
}

// appendBlock frames a block: kind, length, bytes. The receiver names it itself.
func appendBlock(to []byte, x block) []byte {
	to = append(to, byte(x.id.kind))
	to = binary.BigEndian.AppendUint32(to, uint32(len(x.data)))
	return append(to, x.data...)
}

func parseBlocks(b []byte) (list []block, err error) {
	for len(b) > 0 {
		if len(b) < 5 {
			return nil, fmt.Errorf("%w: cut block", ErrFormat)
		}
		n := binary.BigEndian.Uint32(b[1:])
		if uint64(n) > uint64(len(b)-5) {
			return nil, fmt.Errorf("%w: cut block", ErrFormat)
		}
		x := block{id: blockID{kind: blockKind(b[0])}, data: b[5 : 5+n]}
		var ok bool
		if x.id.hash, ok = blockName(x.id.kind, x.data); !ok {
			return nil, fmt.Errorf("%w: block of kind %q and %d bytes", ErrFormat, b[0], n)
		}
		list = append(list, x)
		b = b[5+n:]
	}
	return list, nil
}

const blocksProtocol = "tandem/blocks/1"

// serve answers a list of block names with those blocks that are here.
func (b *blocks) serve(ctx context.Context, from string, req []byte, send func([]byte) error) error {
	ids, err := parseIDs(req)
	if err != nil {
		b.m.malformed.Inc()
		return err
	}
	var frame []byte
	for _, id := range ids {
		data, err := b.get(id)
		if errors.Is(err, store.ErrAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		frame = appendBlock(frame, block{id, data})
		if len(frame) >= frameBytes {
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

func formatIDs(ids []blockID) []byte {
	var out []byte
	for _, id := range ids {
		out = append(append(out, byte(id.kind)), id.hash[:]...)
	}
	return out
}

func parseIDs(b []byte) ([]blockID, error) {
	if len(b)%33 != 0 || len(b)/33 > askMax {
		return nil, fmt.Errorf("%w: request of %d bytes", ErrFormat, len(b))
	}
	var ids []blockID
	for ; len(b) > 0; b = b[33:] {
		ids = append(ids, blockID{blockKind(b[0]), changes.Hash(b[1:33])})
	}
	return ids, nil
}

// fetch gets the missing ones of ids from the connected peers, the preferred one first, and stores
// them. Large lists are spread over all peers. It returns how many could not be had.
func (b *blocks) fetch(ctx context.Context, ids []blockID, prefer string) (missing int, err error) {
	want := map[blockID]bool{}
	for _, id := range ids {
		if !b.has(id) {
			want[id] = true
		}
	}
	peers := b.t.Peers()
	if i := slices.Index(peers, prefer); i > 0 {
		peers[0], peers[i] = peers[i], peers[0]
	}
	for round := 0; round < len(peers) && len(want) > 0 && ctx.Err() == nil; round++ {
		if err := b.fetchRound(ctx, want, peers, round); err != nil {
			return len(want), err
		}
	}
	return len(want), ctx.Err()
}

// fetchRound asks each share of the wanted blocks of another peer; what one lacks is asked of the next in the next round.
func (b *blocks) fetchRound(ctx context.Context, want map[blockID]bool, peers []string, round int) error {
	const share = 64
	var list []blockID
	for id := range want {
		list = append(list, id)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	for i := 0; len(list) > 0; i++ {
		n := min(share, len(list))
		ask := list[:n]
		list = list[n:]
		peer := peers[(i+round)%len(peers)]
		wg.Go(func() {
			b.t.Request(ctx, peer, blocksProtocol, formatIDs(ask), func(frame []byte) error {
				got, err := parseBlocks(frame)
				if err != nil {
					b.m.malformed.Inc()
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				good := got[:0]
				for _, x := range got {
					if want[x.id] {
						good = append(good, x)
						delete(want, x.id)
						b.m.blocksFetched.Inc()
					}
				}
				if err := b.put(good); err != nil {
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

// blobRef names a blob: bytes of any length in data blocks.
type blobRef struct {
	_     struct{} `cbor:",toarray"`
	Bytes int64
	Hash  []byte
}

func (r blobRef) root() blockID {
	id := blockID{kind: dataBlock, hash: changes.Hash(r.Hash)}
	if r.Bytes > dataBytesMax {
		id.kind = indexBlock
	}
	return id
}

func (r blobRef) valid() bool {
	return len(r.Hash) == 32 && r.Bytes >= 0 && r.Bytes <= dataBytesMax*(indexBytesMax/32)
}

// splitBlob cuts data into the blocks of a blob.
func splitBlob(data []byte) (blobRef, []block) {
	ref := blobRef{Bytes: int64(len(data))}
	var list []block
	var index []byte
	for chunk := range slices.Chunk(data, dataBytesMax) {
		h, _ := blockName(dataBlock, chunk)
		list = append(list, block{blockID{dataBlock, h}, chunk})
		index = append(index, h[:]...)
	}
	switch len(list) {
	case 0:
		h, _ := blockName(dataBlock, nil)
		list, index = []block{{blockID{dataBlock, h}, nil}}, h[:]
	case 1:
	default:
		h, _ := blockName(indexBlock, index)
		list = append(list, block{blockID{indexBlock, h}, index})
		index = h[:]
	}
	ref.Hash = index
	return ref, list
}

// blobParts lists the blocks of a blob below its root; the root must be here.
func (b *blocks) blobParts(r blobRef) ([]blockID, error) {
	root := r.root()
	if root.kind == dataBlock {
		return nil, nil
	}
	index, err := b.get(root)
	if err != nil {
		return nil, err
	}
	if want := (r.Bytes + dataBytesMax - 1) / dataBytesMax; int64(len(index)/32) != want {
		return nil, fmt.Errorf("%w: blob index names %d blocks instead of %d", ErrFormat, len(index)/32, want)
	}
	var ids []blockID
	for ; len(index) > 0; index = index[32:] {
		ids = append(ids, blockID{dataBlock, changes.Hash(index[:32])})
	}
	return ids, nil
}

func (b *blocks) hasBlob(r blobRef) bool {
	if !b.has(r.root()) {
		return false
	}
	ids, err := b.blobParts(r)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(ids, func(id blockID) bool { return !b.has(id) })
}

// fetchBlob gets a blob's missing blocks: one round trip for the index, one for the data.
func (b *blocks) fetchBlob(ctx context.Context, r blobRef, prefer string) error {
	missing, err := b.fetch(ctx, []blockID{r.root()}, prefer)
	if err == nil && missing == 0 {
		var ids []blockID
		if ids, err = b.blobParts(r); err == nil {
			missing, err = b.fetch(ctx, ids, prefer)
		}
	}
	if err == nil && missing > 0 {
		err = fmt.Errorf("%d blocks of a blob are at no connected peer", missing)
	}
	return err
}

func (b *blocks) readBlob(r blobRef) ([]byte, error) {
	ids, err := b.blobParts(r)
	if err != nil {
		return nil, err
	}
	if r.root().kind == dataBlock {
		ids = []blockID{r.root()}
	}
	var out []byte
	for _, id := range ids {
		data, err := b.get(id)
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
