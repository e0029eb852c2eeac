package replication

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
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
	floor   map[actorID]uint64   // up to it, what is not in the index was pruned: nothing in it counts
	jump    map[actorID]uint64   // floors of a peer whose answer is being taken
	gone    map[blockHash]bool   // deltas known to be pruned; a cache
	deltas  uint64
	bytes   uint64
	written int64 // bytes since the last compaction

	checked   map[string]bool                                // peers whose heads were compared since the opening
	importing int                                            // answers coming in that leave deltas out
	heads     func() []blockHash                             // of the DAG
	pruned    func(ctx context.Context, h *pullHeader) error // called after such an answer
}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func indexKey(a actorID, seq uint64) []byte {
	return append(append([]byte{'i'}, a[:]...), be64(seq)...)
}

// load reads the vector and the counters from the store.
func (f *feed) load() error {
	f.queued, f.waiting, f.needed = map[blockHash]*delta{}, map[blockHash]*delta{}, map[blockHash][]*delta{}
	f.vector, f.members, f.heights = map[actorID]uint64{}, map[actorID]bool{}, map[blockHash]uint64{}
	f.checked = map[string]bool{}
	f.floor, f.jump, f.gone = map[actorID]uint64{}, map[actorID]uint64{}, map[blockHash]bool{}
	err := f.s.Scan([]byte{'f'}, []byte{'g'}, func(k, v []byte) bool {
		if len(k) == 17 && len(v) == 8 {
			f.floor[actorID(k[1:])] = binary.BigEndian.Uint64(v)
		}
		return true
	})
	if err != nil {
		return err
	}
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
	if f.queued[h] != nil || f.gone[h] {
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

// stale says whether a delta was here, or was left out by an answer, because nothing in it counts any more.
func (f *feed) stale(d *delta) bool {
	return d.Seq <= max(f.floor[d.actor], min(f.jump[d.actor], f.vector[d.actor])) && !f.indexed(d)
}

// early says whether a delta of the same actor is still to come before it.
func (f *feed) early(d *delta) bool {
	return d.Seq > f.vector[d.actor]+1 && d.Seq-1 > max(f.jump[d.actor], f.floor[d.actor])
}

// indexed says whether the delta is the one at its number.
func (f *feed) indexed(d *delta) bool {
	v, err := f.s.Get(indexKey(d.actor, d.Seq))
	return err == nil && len(v) >= 32 && blockHash(v[:32]) == d.hash
}

const goneMax = 1 << 16

// prune takes note that a delta is left out; those that waited for it go on.
func (f *feed) prune(h blockHash) {
	if len(f.gone) >= goneMax {
		clear(f.gone)
	}
	f.gone[h] = true
	f.settle(h)
}

// settle places those that waited for a parent.
func (f *feed) settle(h blockHash) {
	children := f.needed[h]
	delete(f.needed, h)
	for _, c := range children {
		if f.waiting[c.hash] != nil {
			f.place(c)
		}
	}
}

func (f *feed) place(d *delta) (incomplete bool) {
	if f.stale(d) {
		delete(f.waiting, d.hash)
		f.prune(d.hash)
		return false
	}
	missing := f.early(d)
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
	d.pruned = nil
	for _, p := range d.parents {
		if f.gone[p] && f.queued[p] == nil {
			d.pruned = append(d.pruned, p)
			continue
		}
		h, err := f.height(p)
		if err != nil {
			return err
		}
		top = max(top, h)
	}
	if d.height != top+1 && (len(d.pruned) == 0 || d.height <= top) {
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
	case d.Seq >= next:
		f.vector[d.actor] = d.Seq
		d.indexed = true
	case d.Seq < next:
		f.m.equivocations.Inc() // applied like any other, but found only by its hash
	}
	f.ready = append(f.ready, d)
	f.queued[d.hash] = d
	wake(f.wake)
	f.settle(d.hash)
	for _, w := range f.waiting {
		if w.actor == d.actor && w.Seq == d.Seq+1 {
			f.place(w)
			break
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
	f.written += int64(len(d.bytes))
	f.m.deltaBytes.Add(float64(len(d.Block)))
	if d.Peer != f.self || d.actor != f.actor {
		f.m.deltasRemote.Inc()
		return
	}
	f.m.deltasLocal.Inc()
	f.vector[d.actor] = max(f.vector[d.actor], d.Seq)
	f.members[d.actor] = true
}

const deltasProtocol = "tandem/deltas/2"

// pullRequest says what the asker has; the answer is what it lacks, parents first.
type pullRequest struct {
	Vector []vectorEntry `cbor:"1,keyasint"`
	Want   [][]byte      `cbor:"2,keyasint"`           // wanted by hash, whatever the vector says; after it the hash of a delta whose parent it is, if known
	Check  bool          `cbor:"3,keyasint,omitempty"` // say heads and vector too: the asker has just begun
}

// pullHeader comes before the deltas of an answer that leaves some out. Floors: up to that number of the actor nothing that is not sent
// counts. Then parents that neither are here nor came before their children are left out too.
type pullHeader struct {
	Floors []vectorEntry `cbor:"1,keyasint"`
	Gone   [][]byte      `cbor:"2,keyasint"` // of those wanted: left out
	Heads  [][]byte      `cbor:"3,keyasint"`
	Vector []vectorEntry `cbor:"4,keyasint"`
}

// headerMark stands where the length of the first delta would.
const headerMark = 1<<32 - 1

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
		if len(w) == 32 || len(w) == 64 {
			list = append(list, placedDelta{hash: blockHash(w[:32])})
		}
	}
	frame := f.header(has, &q)
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

// header says what an answer leaves out: nil when it is everything that the asker lacks.
func (f *feed) header(has map[actorID]uint64, q *pullRequest) []byte {
	var h pullHeader
	f.mu.Lock()
	reached := maps.Clone(f.vector)
	for _, d := range f.queued {
		reached[d.actor] = min(reached[d.actor], d.Seq-1)
	}
	f.mu.Unlock()
	heads := f.heads() // after the vector of what is applied: none of it is missing under them
	f.mu.Lock()
	for a, floor := range f.floor {
		if has[a] < floor {
			h.Floors = append(h.Floors, vectorEntry{Actor: a[:], Seq: floor})
		}
	}
	for _, w := range q.Want {
		if len(w) == 64 && !f.known(blockHash(w[:32])) && f.known(blockHash(w[32:])) && f.queued[blockHash(w[32:])] == nil {
			h.Gone = append(h.Gone, w[:32])
		} else if len(w) == 64 && f.gone[blockHash(w[:32])] {
			h.Gone = append(h.Gone, w[:32])
		}
	}
	if len(h.Floors) > 0 || q.Check {
		for a, n := range reached {
			h.Vector = append(h.Vector, vectorEntry{Actor: a[:], Seq: n})
		}
		for _, x := range heads {
			h.Heads = append(h.Heads, x[:])
		}
	}
	f.mu.Unlock()
	if len(h.Floors) == 0 && len(h.Gone) == 0 && !q.Check {
		return nil
	}
	byActor := func(a, b vectorEntry) int { return bytes.Compare(a.Actor, b.Actor) }
	slices.SortFunc(h.Floors, byActor)
	slices.SortFunc(h.Vector, byActor)
	b := encodeRecord(h)
	frame := binary.BigEndian.AppendUint32(nil, headerMark)
	return append(binary.BigEndian.AppendUint32(frame, uint32(len(b))), b...)
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
	var want [][]byte
	for round := 0; round < 64; round++ {
		f.m.pulls.Inc()
		a := answer{f: f, peer: peer}
		err := t.Request(ctx, peer, deltasProtocol, f.request(want, peer), func(frame []byte) error {
			return a.frame(ctx, frame)
		})
		if err == nil && a.header != nil && (len(a.header.Floors) > 0 || len(a.header.Vector) > 0) {
			err = f.pruned(ctx, a.header)
		}
		a.end()
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.checked[peer] = true
		f.mu.Unlock()
		if err := f.fetchBlobs(ctx, peer); err != nil {
			return err
		}
		before := want
		if want = f.missing(heads); len(want) == 0 || slices.EqualFunc(want, before, bytes.Equal) {
			return nil
		}
	}
	return nil
}

func (f *feed) request(want [][]byte, peer string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := pullRequest{Check: !f.checked[peer]}
	for a, n := range f.vector {
		q.Vector = append(q.Vector, vectorEntry{Actor: a[:], Seq: n})
	}
	slices.SortFunc(q.Vector, func(a, b vectorEntry) int { return slices.Compare(a.Actor, b.Actor) })
	q.Want = want
	return encodeRecord(q)
}

// answer is the answer to one pull while it comes in.
type answer struct {
	f      *feed
	peer   string
	header *pullHeader
}

// begin takes the header of an answer that leaves deltas out.
func (a *answer) begin(h *pullHeader) {
	f := a.f
	a.header = h
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range h.Floors {
		if len(v.Actor) == 16 {
			f.jump[actorID(v.Actor)] = max(f.jump[actorID(v.Actor)], v.Seq)
		}
	}
	if len(h.Floors) > 0 {
		f.importing++
	}
	for _, g := range h.Gone {
		if len(g) == 32 && len(f.needed[blockHash(g)]) > 0 {
			f.prune(blockHash(g))
		}
	}
}

func (a *answer) end() {
	if a.header == nil || len(a.header.Floors) == 0 {
		return
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	for _, d := range slices.Collect(maps.Values(a.f.waiting)) {
		if a.f.waiting[d.hash] != nil && d.Seq <= a.f.jump[d.actor]+1 {
			a.f.place(d) // it waited for one that is left out
		}
	}
	if a.f.importing--; a.f.importing == 0 {
		clear(a.f.jump)
	}
}

// missed marks the parents of a delta that the answer has left out.
func (a *answer) missed(d *delta) {
	if a.header == nil || len(a.header.Floors) == 0 {
		return
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	for _, p := range d.parents {
		if !a.f.known(p) && a.f.waiting[p] == nil {
			a.f.prune(p)
		}
	}
}

func (a *answer) frame(ctx context.Context, frame []byte) error {
	f, peer := a.f, a.peer
	if n := len(frame); n >= 8 && binary.BigEndian.Uint32(frame) == headerMark {
		size := uint64(binary.BigEndian.Uint32(frame[4:]))
		h := new(pullHeader)
		if size > uint64(n-8) || decodeRecord(frame[8:8+size], h) != nil {
			f.m.malformed.Inc()
			return fmt.Errorf("%w: header of an answer", ErrFormat)
		}
		a.begin(h)
		frame = frame[8+size:]
	}
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
		a.missed(d)
		f.offer(d)
	}
	return nil
}

// missing lists ancestors that deltas wait for, and those of heads, that are not here.
func (f *feed) missing(heads []blockHash) (out [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range heads {
		if f.waiting[h] == nil && !f.known(h) && f.needed[h] == nil {
			out = append(out, h[:])
		}
	}
	for h, children := range f.needed {
		if f.waiting[h] == nil && !f.known(h) && len(out) < wantMax {
			out = append(out, append(slices.Clone(h[:]), children[0].hash[:]...))
		}
	}
	slices.SortFunc(out, bytes.Compare)
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
