package feed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/metrics"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

const (
	waitingMax = 4096 // deltas kept until their ancestors come; more are pulled later
	readyMax   = 1024 // deltas checked and not yet applied, per feed; senders wait above it
	heightsMax = 1 << 16
)

// Feed brings deltas into an order the engine can apply: parents first, each checked, each with the blobs
// it needs. What arrives too early waits; what is missing is pulled. It is the broadcaster and the
// exchange of the engine, without being asked by it.
type Feed struct {
	s       *store.Store
	b       *block.Store
	m       *metrics.Set
	sandbox record.SandboxID
	secret  []byte
	self    string
	check   func(peer string, data, sig []byte) error
	net     block.Net

	mu      sync.Mutex
	actor   record.Actor // who we write as
	incarn  uint64
	ready   []*record.Delta
	room    chan struct{} // closed when ready shrinks
	wake    chan struct{}
	queued  map[record.BlockHash]*record.Delta // ready or in the window
	waiting map[record.BlockHash]*record.Delta
	needed  map[record.BlockHash][]*record.Delta // missing parent: who waits for it
	vector  map[record.Actor]uint64              // up to this number all are queued, applied or left out
	top     map[record.Actor]uint64              // greatest number queued or applied: above the vector while one that was jumped over waits
	members map[record.Actor]bool
	heights map[record.BlockHash]uint64 // a cache
	floor   map[record.Actor]uint64     // up to it, what is not in the index was pruned: nothing in it counts
	jump    map[record.Actor]uint64     // floors of a peer whose answer is being taken, as far as the answer has come
	gone    map[record.BlockHash]bool   // deltas known to be pruned; a cache
	left    map[record.Actor]uint64     // up to it, above the floor, what is not in the index was left out by answers of which none has come whole since
	aim     map[record.Actor]uint64     // up to it an answer that leaves deltas out was to bring all others
	marked  map[record.Actor]bool       // the store has a gap of the actor; guarded by the window
	recent  shelf
	deltas  uint64
	bytes   uint64
	written int64 // bytes since the last compaction
	pulled  Pulled
	answers int    // announced ones that come in
	placed  uint64 // deltas applied since the opening
	past    Past
	own     record.BlockHash          // the newest delta of this opening
	after   map[record.BlockHash]bool // deltas of this opening and those that come after them; a cache
	due     uint64                    // placed when all of those answers are applied

	turn   chan struct{} // holds one while a catch-up asks
	frames atomic.Int64  // that came in by catch-ups

	checked   map[string]bool                                // peers whose heads were compared since the opening
	importing int                                            // answers coming in that leave deltas out
	heads     func() []record.BlockHash                      // of the DAG
	pruned    func(ctx context.Context, h *pullHeader) error // called after such an answer
}

// Config is what a feed and its engine are made of.
type Config struct {
	Store       *store.Store
	Blocks      *block.Store
	Metrics     *metrics.Set
	Net         block.Net // asked for deltas
	Logger      *slog.Logger
	Self        string // peer id
	Sandbox     record.SandboxID
	Secret      []byte // the sandbox's key
	Incarnation uint64 // of this peer: a number never used before
	Sign        func(data []byte) ([]byte, error)
	Verify      func(peer string, data, sig []byte) error

	// Apply takes the records of deltas that were applied whole and the DAG's heads with them, with the store's window held.
	Apply func(records []record.Record, heads []record.BlockHash)
	// Failed is told of a failed write: memory may be ahead of the disk, and nothing more may be promised.
	Failed func(error)
}

// Open reads what the store holds; the engine is not started yet.
func Open(c Config) (*Feed, *Engine, error) {
	f := &Feed{s: c.Store, b: c.Blocks, m: c.Metrics, net: c.Net, sandbox: c.Sandbox, secret: c.Secret, self: c.Self, check: c.Verify,
		incarn: c.Incarnation, actor: record.MakeActor(c.Self, c.Incarnation)}
	e := &Engine{f: f, s: c.Store, w: c.Store.Window(ValuePrefix, ValueSuffix, unreadPrefix), log: c.Logger, apply: c.Apply, failed: c.Failed}
	e.sign = func(d *record.Delta) (err error) {
		d.Signature, err = c.Sign(record.SignedBytes(c.Sandbox, d.Hash, d.Incarnation, d.Seq))
		return err
	}
	f.heads, f.pruned = e.Heads, e.imported
	return f, e, f.load()
}

// Writer is the actor whom this peer writes as.
func (f *Feed) Writer() record.Actor { return f.actor }

// Incarnation is the writer's.
func (f *Feed) Incarnation() uint64 { return f.incarn }

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// IndexKey is where the store has the hash and height of an actor's delta.
func IndexKey(a record.Actor, seq uint64) []byte {
	return append(append([]byte{'i'}, a[:]...), be64(seq)...)
}

// load reads the vector and the counters from the store.
func (f *Feed) load() error {
	f.queued, f.waiting, f.needed = map[record.BlockHash]*record.Delta{}, map[record.BlockHash]*record.Delta{}, map[record.BlockHash][]*record.Delta{}
	f.vector, f.members, f.heights = map[record.Actor]uint64{}, map[record.Actor]bool{}, map[record.BlockHash]uint64{}
	f.top, f.left, f.aim, f.marked = map[record.Actor]uint64{}, map[record.Actor]uint64{}, map[record.Actor]uint64{}, map[record.Actor]bool{}
	f.checked, f.after = map[string]bool{}, map[record.BlockHash]bool{}
	f.recent = newShelf()
	f.floor, f.jump, f.gone = map[record.Actor]uint64{}, map[record.Actor]uint64{}, map[record.BlockHash]bool{}
	err := f.s.Scan([]byte{'f'}, []byte{'g'}, func(k, v []byte) bool {
		if len(k) == 17 && len(v) == 8 {
			f.floor[record.Actor(k[1:])] = binary.BigEndian.Uint64(v)
		}
		return true
	})
	if err != nil {
		return err
	}
	f.turn = make(chan struct{}, 1)
	f.wake, f.room = make(chan struct{}, 1), make(chan struct{})
	err = f.s.Scan([]byte{'i'}, []byte{'j'}, func(k, v []byte) bool {
		a := record.Actor(k[1:17])
		f.vector[a] = binary.BigEndian.Uint64(k[17:])
		f.members[a] = true
		f.deltas++
		return true
	})
	if err != nil {
		return err
	}
	f.top = maps.Clone(f.vector)
	return f.s.Scan([]byte{'h'}, []byte{'i'}, func(k, v []byte) bool {
		if a := record.Actor(k[1:]); len(v) >= 16 {
			f.marked[a] = true
			if waits := binary.BigEndian.Uint64(v); waits > 0 {
				f.vector[a] = min(f.vector[a], waits-1)
			}
			f.leaveOut(a, binary.BigEndian.Uint64(v[8:]))
			if len(v) == 24 {
				f.aim[a] = binary.BigEndian.Uint64(v[16:])
			}
			f.advance(a)
		}
		return true
	})
}

// known says whether a delta is applied or will be before anything queued later.
func (f *Feed) known(h record.BlockHash) bool {
	if f.queued[h] != nil || f.gone[h] {
		return true
	}
	if _, ok := f.heights[h]; ok {
		return true
	}
	ok, err := f.s.Has(h.StoreKey())
	return ok && err == nil
}

func (f *Feed) height(h record.BlockHash) (uint64, error) {
	if n, ok := f.heights[h]; ok {
		return n, nil
	}
	if d := f.queued[h]; d != nil {
		return d.Height, nil
	}
	b, err := f.s.Get(h.StoreKey())
	if err != nil {
		return 0, err
	}
	d, err := record.LoadDelta(b)
	if err != nil {
		return 0, fmt.Errorf("%w: delta %s: %v", block.ErrCorrupt, h.Cid(), err)
	}
	f.remember(h, d.Height)
	return d.Height, nil
}

func (f *Feed) remember(h record.BlockHash, height uint64) {
	if len(f.heights) >= heightsMax {
		clear(f.heights)
	}
	f.heights[h] = height
}

// Unknown returns those of hs that are neither known nor waiting.
func (f *Feed) Unknown(hs []record.BlockHash) (out []record.BlockHash) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range hs {
		if !f.known(h) {
			out = append(out, h)
		}
	}
	return out
}

// Decode checks what can be checked alone, and counts what is wrong.
func (f *Feed) Decode(b []byte) (*record.Delta, error) {
	d, err := record.DecodeDelta(b, f.sandbox, f.secret, f.check)
	f.count(err)
	return d, err
}

func (f *Feed) count(err error) {
	switch {
	case err == nil:
	case errors.Is(err, record.ErrForged):
		f.m.Forged.Inc()
	case errors.Is(err, record.ErrRule):
		f.m.Rejected.Inc()
	default:
		f.m.Malformed.Inc()
	}
}

// Offer takes a checked delta. incomplete: it waits for ancestors or blobs, a pull may bring them.
func (f *Feed) Offer(d *record.Delta) (incomplete bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known(d.Hash) {
		f.m.Duplicates.Inc()
		f.pass(d)
		return false
	}
	f.recent.put(d)
	return f.place(d)
}

// pass moves the vector over a delta that one peer left out and another still has: it is not applied any more, and its number would be waited for as long as this process lives.
func (f *Feed) pass(d *record.Delta) {
	a := d.Actor
	if !f.gone[d.Hash] || d.Seq != f.vector[a]+1 || f.taken(a, d.Seq) {
		return
	}
	f.vector[a], f.top[a] = d.Seq, max(f.top[a], d.Seq)
	f.leaveOut(a, d.Seq)
	f.advance(a)
	f.follow(d)
}

// stale says whether a delta was here, or was left out by an answer, because nothing in it counts any more.
func (f *Feed) stale(d *record.Delta) bool {
	return d.Seq <= max(f.floor[d.Actor], min(f.jump[d.Actor], f.vector[d.Actor])) && !f.indexed(d)
}

// early says whether a delta of the same actor is still to come before it. The first says that the actor is a member and is never left out.
func (f *Feed) early(d *record.Delta) bool {
	return d.Seq > 1 && f.top[d.Actor] == 0 || d.Seq-1 > max(f.vector[d.Actor], f.top[d.Actor], f.jump[d.Actor], f.floor[d.Actor])
}

// indexed says whether the delta is the one at its number.
func (f *Feed) indexed(d *record.Delta) bool {
	v, err := f.s.Get(IndexKey(d.Actor, d.Seq))
	return err == nil && len(v) >= 32 && record.BlockHash(v[:32]) == d.Hash
}

// taken says whether a delta of the actor has the number.
func (f *Feed) taken(a record.Actor, seq uint64) bool {
	for _, q := range f.queued {
		if q.Actor == a && q.Seq == seq {
			return true
		}
	}
	_, err := f.s.Get(IndexKey(a, seq))
	return err == nil
}

// advance moves an actor's vector over what is here and what was left out, up to the first number that waits.
func (f *Feed) advance(a record.Actor) {
	for f.vector[a] < f.top[a] {
		if f.taken(a, f.vector[a]+1) {
			f.vector[a]++
			continue
		}
		to := min(f.top[a], max(f.jump[a], f.left[a], f.floor[a]))
		for _, w := range f.waiting {
			if w.Actor == a && w.Seq > f.vector[a] {
				to = min(to, w.Seq-1)
			}
		}
		if to <= f.vector[a] {
			return
		}
		f.vector[a] = to
		f.leaveOut(a, to)
	}
}

// gap is what the store has to say of the actor's chain beside its index: nothing, or what next waits and what was left out.
func (f *Feed) gap(a record.Actor) record.Gap {
	g := record.Gap{Left: f.left[a]}
	if f.vector[a] < f.top[a] {
		g.Waits = f.vector[a] + 1
	}
	if f.aim[a] > f.vector[a] {
		g.Aim = f.aim[a]
	}
	return g
}

// Partial are the actors of whom an answer left deltas out and has not brought all others: what is applied of them lacks what newer
// ones have replaced, and is no state that ever was.
func (f *Feed) Partial() map[record.Actor]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := map[record.Actor]bool{}
	if len(f.aim) == 0 {
		return m
	}
	reached := f.reached()
	for a, n := range f.aim {
		if reached[a] < n {
			m[a] = true
		} else {
			delete(f.aim, a)
		}
	}
	return m
}

// leaveOut takes note that an answer leaves out what is not here of an actor up to a number.
func (f *Feed) leaveOut(a record.Actor, seq uint64) {
	if seq > max(f.floor[a], f.left[a]) {
		f.left[a] = seq
	}
}

const goneMax = 1 << 16

// prune takes note that a delta is left out; those that waited for it go on.
func (f *Feed) prune(h record.BlockHash) {
	if len(f.gone) >= goneMax {
		clear(f.gone)
	}
	f.gone[h] = true
	f.settle(h)
}

// settle places those that waited for a parent.
func (f *Feed) settle(h record.BlockHash) {
	children := f.needed[h]
	delete(f.needed, h)
	for _, c := range children {
		if f.waiting[c.Hash] != nil {
			f.place(c)
		}
	}
}

// place has a delta applied if all that it comes after is here or left out, and lets it wait otherwise. One that waits is not left out, though its number may be
// jumped over meanwhile: complete says which of those are.
func (f *Feed) place(d *record.Delta) (incomplete bool) {
	if f.waiting[d.Hash] == nil && f.stale(d) {
		f.prune(d.Hash)
		return false
	}
	missing := f.early(d)
	for _, p := range d.Parents {
		if !f.known(p) {
			missing = true
			if f.waiting[d.Hash] == nil && len(f.waiting) < waitingMax {
				f.needed[p] = append(f.needed[p], d)
			}
		}
	}
	if missing || slices.ContainsFunc(d.Blobs, func(r block.Ref) bool { return !f.b.HasBlob(r) }) {
		if f.waiting[d.Hash] == nil {
			f.m.Deferred.Inc()
			if len(f.waiting) >= waitingMax {
				f.m.Overflowed.Inc()
				return true
			}
			f.waiting[d.Hash] = d
		}
		return true
	}
	delete(f.waiting, d.Hash)
	if err := f.judge(d); err != nil {
		f.count(err)
		return false
	}
	f.enqueue(d)
	return false
}

// judge checks what needs the ancestors: the height follows from the parents, the author is a member.
func (f *Feed) judge(d *record.Delta) error {
	top := uint64(0)
	d.Pruned = nil
	for _, p := range d.Parents {
		if f.gone[p] && f.queued[p] == nil {
			d.Pruned = append(d.Pruned, p)
			continue
		}
		h, err := f.height(p)
		if err != nil {
			return err
		}
		top = max(top, h)
	}
	if d.Height != top+1 && (len(d.Pruned) == 0 || d.Height <= top) {
		return record.RuleError("height %d over parents of %d", d.Height, top)
	}
	if d.Member != nil {
		f.members[d.Actor] = true
	}
	if !f.members[d.Actor] {
		return fmt.Errorf("%w: author is no member", record.ErrForged)
	}
	return nil
}

func (f *Feed) enqueue(d *record.Delta) {
	a := d.Actor
	if d.Seq > f.top[a] || !f.taken(a, d.Seq) { // below the top it waited while its number was jumped over
		d.Indexed = true
		f.top[a] = max(f.top[a], d.Seq)
	} else {
		f.m.Equivocations.Inc() // applied like any other, but found only by its hash
	}
	f.reflect(d)
	f.ready = append(f.ready, d)
	f.queued[d.Hash] = d
	if d.Seq == f.vector[a]+1 {
		f.vector[a]++
	}
	f.advance(a)
	d.Gap = f.gap(a)
	signal(f.wake)
	f.settle(d.Hash)
	f.follow(d)
}

// follow places the next delta of the same actor that waits, if it waits for the number only.
func (f *Feed) follow(d *record.Delta) {
	var next *record.Delta
	for _, w := range f.waiting {
		if w.Actor == d.Actor && w.Seq > d.Seq && (next == nil || w.Seq < next.Seq) {
			next = w
		}
	}
	if next != nil && !f.early(next) {
		f.place(next)
	}
}

// next waits for deltas to announce; nil when ctx ends.
func (f *Feed) next(ctx context.Context, most int) []*record.Delta {
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
func (f *Feed) full(ctx context.Context) error {
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

// Crowded says whether as many deltas are ready as may be.
func (f *Feed) Crowded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ready) >= readyMax
}

// ownDelta makes the envelope of a local commit.
func (f *Feed) ownDelta(blockBytes []byte, sign func(*record.Delta) error) (*record.Delta, error) {
	f.mu.Lock()
	d := &record.Delta{Envelope: record.Envelope{Peer: f.self, Incarnation: f.incarn, Seq: f.vector[f.actor] + 1, Block: blockBytes}}
	d.Actor, d.Indexed = f.actor, true
	f.mu.Unlock()
	if err := d.ParseBlock(); err != nil {
		return nil, fmt.Errorf("BUG: own block: %w", err)
	}
	if err := sign(d); err != nil {
		return nil, err
	}
	d.Bytes = record.Encode(d.Envelope)
	return d, nil
}

// applied files a delta whose window was written.
func (f *Feed) applied(d *record.Delta) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.queued, d.Hash)
	f.remember(d.Hash, d.Height)
	f.deltas++
	f.placed++
	f.bytes += uint64(len(d.Block))
	f.written += int64(len(d.Bytes))
	f.m.DeltaBytes.Add(float64(len(d.Block)))
	if d.Peer != f.self || d.Actor != f.actor {
		f.m.DeltasRemote.Inc()
		return
	}
	f.m.DeltasLocal.Inc()
	f.later(d)
	f.own = d.Hash
	f.recent.put(d)
	f.vector[d.Actor], f.top[d.Actor] = max(f.vector[d.Actor], d.Seq), max(f.top[d.Actor], d.Seq)
	f.members[d.Actor] = true
}

// Pulled is what catch-ups brought since the opening.
type Pulled struct {
	Deltas, Wanted uint64 // came, of those that answers announced
	Bytes          uint64
	Behind         int  // announced, or here, and not applied yet
	Asked          bool // an answer of a member that was asked for everything is here
}

// Pulled says how far catch-ups are.
func (f *Feed) Pulled() Pulled {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pulled
	p.Behind, p.Asked = int(p.Wanted-p.Deltas)+len(f.queued)+len(f.waiting), len(f.checked) > 0
	return p
}

// Total is the number of deltas applied.
func (f *Feed) Total() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deltas
}

// signal wakes whoever waits on c.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// HeadsHash names a set of heads of the DAG, sorted.
func HeadsHash(heads []record.BlockHash) changes.Hash {
	var b []byte
	for _, h := range heads {
		b = append(b, h[:]...)
	}
	return block.Tagged("tandem heads 1", b)
}
