package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/store"
)

const (
	waitingMax = 4096 // deltas kept until their ancestors come; more are pulled later
	readyMax   = 1024 // deltas checked and not yet applied, per feed; senders wait above it
	heightsMax = 1 << 16
)

// feed brings deltas into an order the engine can apply: parents first, each checked, each with the blobs
// it needs. What arrives too early waits; what is missing is pulled. It is the broadcaster and the
// exchange of the engine, without being asked by it.
type feed struct {
	s       *store.Store
	b       *block.Store
	m       *metrics
	sandbox SandboxID
	secret  []byte
	self    string
	check   func(peer string, data, sig []byte) error

	mu      sync.Mutex
	actor   actorID // who we write as
	incarn  uint64
	ready   []*delta
	room    chan struct{} // closed when ready shrinks
	wake    chan struct{}
	queued  map[blockHash]*delta // ready or in the window
	waiting map[blockHash]*delta
	needed  map[blockHash][]*delta // missing parent: who waits for it
	vector  map[actorID]uint64     // last sequence number queued, no gaps below
	members map[actorID]bool
	heights map[blockHash]uint64 // a cache
	deltas  uint64
	bytes   uint64
}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func indexKey(a actorID, seq uint64) []byte {
	return append(append([]byte{'i'}, a[:]...), be64(seq)...)
}

// load reads the vector and the counters from the store.
func (f *feed) load() error {
	f.queued, f.waiting, f.needed = map[blockHash]*delta{}, map[blockHash]*delta{}, map[blockHash][]*delta{}
	f.vector, f.members, f.heights = map[actorID]uint64{}, map[actorID]bool{}, map[blockHash]uint64{}
	f.wake, f.room = make(chan struct{}, 1), make(chan struct{})
	return f.s.Scan([]byte{'i'}, []byte{'j'}, func(k, v []byte) bool {
		a := actorID(k[1:17])
		f.vector[a] = binary.BigEndian.Uint64(k[17:])
		f.members[a] = true
		f.deltas++
		return true
	})
}

// known says whether a delta is applied or will be before anything queued later.
func (f *feed) known(h blockHash) bool {
	if f.queued[h] != nil {
		return true
	}
	if _, ok := f.heights[h]; ok {
		return true
	}
	ok, err := f.s.Has(h.storeKey())
	return ok && err == nil
}

func (f *feed) height(h blockHash) (uint64, error) {
	if n, ok := f.heights[h]; ok {
		return n, nil
	}
	if d := f.queued[h]; d != nil {
		return d.height, nil
	}
	b, err := f.s.Get(h.storeKey())
	if err != nil {
		return 0, err
	}
	d, err := loadDelta(b)
	if err != nil {
		return 0, fmt.Errorf("%w: delta %s: %v", ErrCorrupt, h.cid(), err)
	}
	f.remember(h, d.height)
	return d.height, nil
}

func (f *feed) remember(h blockHash, height uint64) {
	if len(f.heights) >= heightsMax {
		clear(f.heights)
	}
	f.heights[h] = height
}

// unknown returns those of hs that are neither known nor waiting.
func (f *feed) unknown(hs []blockHash) (out []blockHash) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range hs {
		if !f.known(h) {
			out = append(out, h)
		}
	}
	return out
}

// decode checks what can be checked alone, and counts what is wrong.
func (f *feed) decode(b []byte) (*delta, error) {
	d, err := decodeDelta(b, f.sandbox, f.secret, f.check)
	f.count(err)
	return d, err
}

func (f *feed) count(err error) {
	switch {
	case err == nil:
	case errors.Is(err, errForged):
		f.m.forged.Inc()
	case errors.Is(err, errRule):
		f.m.rejected.Inc()
	default:
		f.m.malformed.Inc()
	}
}

// offer takes a checked delta. incomplete: it waits for ancestors or blobs, a pull may bring them.
func (f *feed) offer(d *delta) (incomplete bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known(d.hash) {
		f.m.duplicates.Inc()
		return false
	}
	return f.place(d)
}

func (f *feed) place(d *delta) (incomplete bool) {
	missing := false
	for _, p := range d.parents {
		if !f.known(p) {
			missing = true
			if f.waiting[d.hash] == nil && len(f.waiting) < waitingMax {
				f.needed[p] = append(f.needed[p], d)
			}
		}
	}
	if missing || slices.ContainsFunc(d.blobs, func(r block.Ref) bool { return !f.b.HasBlob(r) }) {
		if f.waiting[d.hash] == nil {
			f.m.deferred.Inc()
			if len(f.waiting) >= waitingMax {
				f.m.overflowed.Inc()
				return true
			}
			f.waiting[d.hash] = d
		}
		return true
	}
	delete(f.waiting, d.hash)
	if err := f.judge(d); err != nil {
		f.count(err)
		return false
	}
	f.enqueue(d)
	return false
}

// judge checks what needs the ancestors: the height follows from the parents, the author is a member.
func (f *feed) judge(d *delta) error {
	top := uint64(0)
	for _, p := range d.parents {
		h, err := f.height(p)
		if err != nil {
			return err
		}
		top = max(top, h)
	}
	if d.height != top+1 {
		return ruleError("height %d over parents of %d", d.height, top)
	}
	if d.member != nil {
		f.members[d.actor] = true
	}
	if !f.members[d.actor] {
		return fmt.Errorf("%w: author is no member", errForged)
	}
	return nil
}

func (f *feed) enqueue(d *delta) {
	switch next := f.vector[d.actor] + 1; {
	case d.Seq == next:
		f.vector[d.actor] = next
		d.indexed = true
	case d.Seq < next:
		f.m.equivocations.Inc() // applied like any other, but found only by its hash
	}
	f.ready = append(f.ready, d)
	f.queued[d.hash] = d
	wake(f.wake)
	children := f.needed[d.hash]
	delete(f.needed, d.hash)
	for _, c := range children {
		if f.waiting[c.hash] != nil {
			f.place(c)
		}
	}
}

// next waits for deltas to announce; nil when ctx ends.
func (f *feed) next(ctx context.Context, most int) []*delta {
	for {
		f.mu.Lock()
		if n := min(most, len(f.ready)); n > 0 {
			out := f.ready[:n:n]
			f.ready = f.ready[n:]
			close(f.room)
			f.room = make(chan struct{})
			f.mu.Unlock()
			return out
		}
		f.mu.Unlock()
		select {
		case <-f.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// full waits while too many deltas are ready.
func (f *feed) full(ctx context.Context) error {
	for {
		f.mu.Lock()
		n, room := len(f.ready), f.room
		f.mu.Unlock()
		if n < readyMax {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *feed) crowded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ready) >= readyMax
}

// ownDelta makes the envelope of a local commit.
func (f *feed) ownDelta(blockBytes []byte, sign func(*delta) error) (*delta, error) {
	f.mu.Lock()
	d := &delta{envelope: envelope{Peer: f.self, Incarnation: f.incarn, Seq: f.vector[f.actor] + 1, Block: blockBytes}}
	d.actor, d.indexed = f.actor, true
	f.mu.Unlock()
	if err := d.parseBlock(); err != nil {
		return nil, fmt.Errorf("BUG: own block: %w", err)
	}
	if err := sign(d); err != nil {
		return nil, err
	}
	d.bytes = encodeRecord(d.envelope)
	return d, nil
}

// applied files a delta whose window was written.
func (f *feed) applied(d *delta) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.queued, d.hash)
	f.remember(d.hash, d.height)
	f.deltas++
	f.bytes += uint64(len(d.Block))
	f.m.deltaBytes.Add(float64(len(d.Block)))
	if d.Peer != f.self || d.actor != f.actor {
		f.m.deltasRemote.Inc()
		return
	}
	f.m.deltasLocal.Inc()
	f.vector[d.actor] = max(f.vector[d.actor], d.Seq)
	f.members[d.actor] = true
}

const deltasProtocol = "tandem/deltas/1"

// pullRequest says what the asker has; the answer is what it lacks, parents first.
type pullRequest struct {
	Vector []vectorEntry `cbor:"1,keyasint"`
	Want   [][]byte      `cbor:"2,keyasint"` // wanted by hash, whatever the vector says
}

type vectorEntry struct {
	_     struct{} `cbor:",toarray"`
	Actor []byte
	Seq   uint64
}

const wantMax = 256

// serve streams the deltas that the asker lacks in order of height. Frames hold length-prefixed envelopes.
func (f *feed) serve(ctx context.Context, from string, req []byte, send func([]byte) error) error {
	var q pullRequest
	if err := decodeRecord(req, &q); err != nil || len(q.Want) > wantMax {
		f.m.malformed.Inc()
		return fmt.Errorf("pull request: %w", errors.Join(err, ErrFormat))
	}
	has := map[actorID]uint64{}
	for _, v := range q.Vector {
		if len(v.Actor) == 16 {
			has[actorID(v.Actor)] = v.Seq
		}
	}
	list, err := f.lacking(has)
	if err != nil {
		return err
	}
	for _, w := range q.Want {
		if len(w) == 32 {
			list = append(list, placedDelta{hash: blockHash(w)})
		}
	}
	var frame []byte
	for _, p := range list {
		b, err := f.s.Get(p.hash.storeKey())
		if errors.Is(err, store.ErrAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		frame = append(binary.BigEndian.AppendUint32(frame, uint32(len(b))), b...)
		if len(frame) >= block.FrameBytes {
			if err := send(frame); err != nil {
				return err
			}
			frame = nil
		}
	}
	if len(frame) > 0 {
		return send(frame)
	}
	return ctx.Err()
}

type placedDelta struct {
	hash   blockHash
	height uint64
}

func (f *feed) lacking(has map[actorID]uint64) (list []placedDelta, err error) {
	f.mu.Lock()
	var actors []actorID
	for a, seq := range f.vector {
		if seq > has[a] {
			actors = append(actors, a)
		}
	}
	f.mu.Unlock()
	for _, a := range actors {
		err := f.s.Scan(indexKey(a, has[a]+1), store.After(indexKey(a, ^uint64(0)>>1)), func(_, v []byte) bool {
			list = append(list, placedDelta{blockHash(v[:32]), binary.BigEndian.Uint64(v[32:])})
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b placedDelta) int {
		if a.height != b.height {
			return int(int64(a.height - b.height))
		}
		return slices.Compare(a.hash[:], b.hash[:])
	})
	return list, nil
}

// pull asks a peer for everything it has and we lack, until nothing known to be missing is left there.
// heads are those it last said it has; one that the vector does not bring is asked for by name.
func (f *feed) pull(ctx context.Context, t Transport, peer string, heads []blockHash) error {
	if err := f.fetchBlobs(ctx, peer); err != nil {
		return err
	}
	var want []blockHash
	for round := 0; round < 64; round++ {
		f.m.pulls.Inc()
		err := t.Request(ctx, peer, deltasProtocol, f.request(want), func(frame []byte) error {
			return f.frame(ctx, peer, frame)
		})
		if err != nil {
			return err
		}
		if err := f.fetchBlobs(ctx, peer); err != nil {
			return err
		}
		before := want
		if want = f.missing(heads); len(want) == 0 || slices.Equal(want, before) {
			return nil
		}
	}
	return nil
}

func (f *feed) request(want []blockHash) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := pullRequest{}
	for a, n := range f.vector {
		q.Vector = append(q.Vector, vectorEntry{Actor: a[:], Seq: n})
	}
	slices.SortFunc(q.Vector, func(a, b vectorEntry) int { return slices.Compare(a.Actor, b.Actor) })
	for _, h := range want {
		q.Want = append(q.Want, h[:])
	}
	return encodeRecord(q)
}

func (f *feed) frame(ctx context.Context, peer string, frame []byte) error {
	for len(frame) > 0 {
		if len(frame) < 4 || uint64(binary.BigEndian.Uint32(frame)) > uint64(len(frame)-4) {
			f.m.malformed.Inc()
			return fmt.Errorf("%w: cut frame", ErrFormat)
		}
		n := binary.BigEndian.Uint32(frame)
		b := slices.Clone(frame[4 : 4+n])
		frame = frame[4+n:]
		d, err := f.decode(b)
		if err != nil {
			return err // a peer only has what it accepted: this one is broken or hostile
		}
		f.m.pulledDeltas.Inc()
		for _, r := range d.blobs {
			if f.b.HasBlob(r) {
				continue
			}
			if err := f.b.FetchBlob(ctx, r, peer); err != nil {
				return err
			}
		}
		if err := f.full(ctx); err != nil {
			return err
		}
		f.offer(d)
	}
	return nil
}

// missing lists ancestors that deltas wait for, and those of heads, that are not here.
func (f *feed) missing(heads []blockHash) (out []blockHash) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range heads {
		if f.waiting[h] == nil && !f.known(h) && f.needed[h] == nil {
			out = append(out, h)
		}
	}
	for h := range f.needed {
		if f.waiting[h] == nil && !f.known(h) && len(out) < wantMax {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b blockHash) int { return slices.Compare(a[:], b[:]) })
	return out
}

// fetchBlobs gets the blobs of deltas that wait for nothing else.
func (f *feed) fetchBlobs(ctx context.Context, peer string) error {
	f.mu.Lock()
	var list []*delta
	for _, d := range f.waiting {
		if !slices.ContainsFunc(d.parents, func(p blockHash) bool { return !f.known(p) }) {
			list = append(list, d)
		}
	}
	f.mu.Unlock()
	for _, d := range list {
		for _, r := range d.blobs {
			if err := f.b.FetchBlob(ctx, r, peer); err != nil {
				return err
			}
		}
		f.mu.Lock()
		if f.waiting[d.hash] != nil {
			f.place(d)
		}
		f.mu.Unlock()
	}
	return nil
}

// puller runs one catch-up at a time per peer.
type puller struct {
	kick  chan time.Duration
	heads atomic.Pointer[[]blockHash] // what the peer's last beat named
}

func (p *puller) trigger(after time.Duration) {
	select {
	case p.kick <- after:
	default:
	}
}

// total is the number of deltas applied.
func (f *feed) total() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deltas
}
