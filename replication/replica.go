package replication

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/joining"
	"github.com/tandemvm/tandem/replication/internal/lease"
	"github.com/tandemvm/tandem/replication/internal/mailbox"
	"github.com/tandemvm/tandem/replication/internal/metrics"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/sequel"
	"github.com/tandemvm/tandem/replication/internal/store"
	"github.com/tandemvm/tandem/replication/internal/table"
)

// Clock is the injected wall clock; nil in Config means the real one.
type Clock interface {
	Now() time.Time
	// NewTicker gives a channel that receives about every d, and its stop.
	NewTicker(d time.Duration) (c <-chan time.Time, stop func())
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }
func (wallClock) NewTicker(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(d)
	return t.C, t.Stop
}

// Config is what a replica is opened with; not changed afterwards. Zero values are useful except Dir and Transport.
type Config struct {
	Dir       string    // directory of the store, made if missing (0700)
	Transport Transport // not closed by the replica
	Sandbox   SandboxID // the sandbox to open or join; zero: the one in the store
	Secret    []byte    // the sandbox's key (from the ticket): proves membership of the authors of deltas
	Standby   bool      // keep the states of other peers' runs warm and emit OwnerGone when one must be taken over
	Clock     Clock
	Logger    *slog.Logger          // nil: discard
	Metrics   prometheus.Registerer // nil: not registered

	FlushInterval time.Duration // turns within it share a delta; default 10 ms
	BeatInterval  time.Duration // default 200 ms
	Lease         time.Duration // an owner silent for longer is gone; default 1 s
	DiskFreeMin   int64         // bytes that must stay free on the disk; default 32 MiB
	Expiry        time.Duration // members silent for longer are taken out; 0: never
	Retain        int64         // most bytes of the newest deltas that are kept though nothing in them counts any more (a sixteenth of what is live, 256 KiB at least, if that is less), and of the newest dropped messages of each run; default 16 MiB

	// RetainOutput is how many bytes of output of each run are kept, the newest, with what it costs to keep them (half a kilobyte a flush); default
	// 16 MiB. The run's owner decides, for all peers. ErrLinesGone is what readers of older lines get.
	RetainOutput int64

	FS     store.FS  // where Dir lies; nil: the disk. For tests and simulation
	Random io.Reader // incarnations and run ids; nil: crypto/rand. For simulation
}

func (c *Config) fillIn() {
	if c.Clock == nil {
		c.Clock = wallClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.FlushInterval, 10*time.Millisecond)
	def(&c.BeatInterval, 200*time.Millisecond)
	def(&c.Lease, time.Second)
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Retain == 0 {
		c.Retain = 16 << 20
	}
	if c.RetainOutput == 0 {
		c.RetainOutput = 16 << 20
	}
	if c.DiskFreeMin == 0 {
		c.DiskFreeMin = 32 << 20
	}
}

// Replica is this peer's copy of one sandbox. Safe for concurrent use.
//
// Locks, outermost first: the store's window (one delta at a time), mu, feed.mu; leaseMu and pullMu are taken alone or
// innermost.
type Replica struct {
	cfg     Config
	t       Transport
	clock   Clock
	log     *slog.Logger
	m       *metrics.Set
	self    string
	sandbox SandboxID
	started time.Time

	store  *store.Store
	blocks *block.Store
	feed   *feed.Feed
	engine *feed.Engine
	joined joining.Core // guarded by mu
	mail   *mailbox.Box[eventKey, Event]
	post   *sequel.Post

	mu       sync.Mutex
	flushed  *sync.Cond // a flush or an ownership ended
	table    *table.Table
	tips     []record.BlockHash // heads of the DAG that the table is of
	owned    map[changes.RunID]*ownedRun
	past     map[changes.RunID]pastOwnership // the last one of each run
	released map[changes.RunID]bool
	durable  map[changes.RunID]*durability
	warm     map[changes.RunID]*Head // newest head whose state is completely here
	warming  map[changes.RunID]*Head // heads whose states are being fetched
	hlc      changes.Clock
	extra    *extra
	sent     map[changes.RunID]uint64 // messages sent by this actor, by the run they went to
	failure  error
	closing  bool
	memory   memory
	leaving  bool          // by Leave: it does not come back by itself
	changed  chan struct{} // closed and replaced whenever something was applied or heard

	leaseMu sync.Mutex
	lease   *lease.Core
	said    map[string]said

	pullMu    sync.Mutex
	pullers   map[string]*puller
	connected []string
	foreign   map[string]Foreign // by peer

	reentering atomic.Bool
	live       atomic.Int64 // bytes that counted at the last compaction
	compacted  atomic.Int64 // bytes of deltas that it left
	swept      atomic.Int64 // bytes of pages and nodes that the last sweep left

	ctx        context.Context
	cancel     context.CancelFunc
	wg         sync.WaitGroup
	commitWake chan struct{}
	warmWake   chan struct{}
	beatWake   chan struct{}
	sweepWake  chan struct{}
	unsub      []func()
	closeOnce  sync.Once
	closeErr   error
}

// Create makes a new sandbox: a store in cfg.Dir (ErrExists if there is one) holding the genesis and
// the program image, and opens it. cfg.Sandbox is ignored; the new id is Replica.Sandbox.
func Create(ctx context.Context, cfg Config, g Genesis, image []byte) (*Replica, error) {
	cfg.fillIn()
	ref, made := block.Split(image)
	g.Image, g.ImageBytes = changes.Hash(ref.Hash), ref.Bytes
	g.Creator, g.CreatedMs = cfg.Transport.Self(), cfg.Clock.Now().UnixMilli()
	g.Variables = slices.Clone(g.Variables)
	slices.SortFunc(g.Variables, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	if err := g.Validate(); err != nil {
		return nil, err
	}
	value := g.Encode()
	if len(value) > deltaValuesMax {
		return nil, fmt.Errorf("%w: %d bytes of shared variables' types and initial values, at most %d", ErrGenesis, len(value), deltaValuesMax)
	}
	cfg.Sandbox = g.ID()
	r, err := open(cfg, store.Options{CreateOnly: true})
	if err != nil {
		return nil, err
	}
	key := record.Key{Kind: record.GenesisRecord, Sandbox: cfg.Sandbox}
	if err := r.commitRecords(ctx, []record.Record{{Key: key.String(), Value: value}}, made); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Open opens the store in cfg.Dir, or, with cfg.Sandbox given and no store there, makes an empty one
// that joins the sandbox. It does not wait for peers: see Genesis and Program.
func Open(ctx context.Context, cfg Config) (*Replica, error) {
	cfg.fillIn()
	return open(cfg, store.Options{MustExist: cfg.Sandbox == SandboxID{}})
}

// StoreSandbox says which sandbox the store in dir belongs to; ErrNoStore if there is none.
func StoreSandbox(dir string) (SandboxID, error) {
	s, err := store.Open(dir, store.Options{MustExist: true})
	if err != nil {
		return SandboxID{}, storeError(dir, err)
	}
	defer s.Close()
	m, err := s.ReadMarker()
	return m.Sandbox, storeError(dir, err)
}

func open(cfg Config, o store.Options) (_ *Replica, err error) {
	o.Logger, o.FreeMin, o.FS = cfg.Logger, cfg.DiskFreeMin, cfg.FS
	s, err := store.Open(cfg.Dir, o)
	if err != nil {
		return nil, storeError(cfg.Dir, err)
	}
	r := newReplica(cfg, s)
	defer func() {
		if err != nil {
			r.cancel()
			s.Close()
		}
	}()
	if err := r.mark(); err != nil {
		return nil, err
	}
	if err := r.load(); err != nil {
		return nil, storeError(cfg.Dir, err)
	}
	if err := r.engine.Start(); err != nil {
		return nil, storeError(cfg.Dir, err)
	}
	r.start()
	return r, nil
}

func newReplica(cfg Config, s *store.Store) *Replica {
	r := &Replica{cfg: cfg, sent: map[changes.RunID]uint64{}, t: cfg.Transport, clock: cfg.Clock, log: cfg.Logger, m: metrics.New(cfg.Metrics),
		self: cfg.Transport.Self(), store: s, started: cfg.Clock.Now(), mail: newMailbox(),
		owned: map[changes.RunID]*ownedRun{}, released: map[changes.RunID]bool{}, past: map[changes.RunID]pastOwnership{}, warm: map[changes.RunID]*Head{}, warming: map[changes.RunID]*Head{},
		durable: map[changes.RunID]*durability{},
		said:    map[string]said{}, pullers: map[string]*puller{}, foreign: map[string]Foreign{}, changed: make(chan struct{}),
		commitWake: make(chan struct{}, 1), warmWake: make(chan struct{}, 1), beatWake: make(chan struct{}, 1), sweepWake: make(chan struct{}, 1)}
	r.flushed = sync.NewCond(&r.mu)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.blocks = block.New(s, r.t, r.m.BlocksFetched, r.m.BlocksMissing, r.m.Malformed)
	r.table = table.New(r.blocks, r.m)
	r.lease = newLease(r)
	return r
}

func newLease(r *Replica) *lease.Core {
	return lease.New(lease.Config{Self: r.self, Lease: r.cfg.Lease, Stagger: r.cfg.BeatInterval + r.cfg.BeatInterval/2, Start: r.now()})
}

// mark claims the store for this sandbox and peer. Each opening is a new incarnation: a peer that lost its
// last writes to a crash or a lying disk, or whose store was put back from a copy, cannot write
// under keys that it used in a future it does not remember.
func (r *Replica) mark() error {
	m, err := r.store.ReadMarker()
	if errors.Is(err, store.ErrAbsent) {
		m = store.Marker{Sandbox: r.cfg.Sandbox, Peer: r.self}
		err = r.store.WriteMarker(m)
	}
	if err != nil {
		return storeError(r.cfg.Dir, err)
	}
	if want := r.cfg.Sandbox; want != (SandboxID{}) && want != m.Sandbox {
		return fmt.Errorf("%w: %s holds sandbox %x, not %x: give another directory", ErrOtherSandbox, r.cfg.Dir, m.Sandbox[:6], want[:6])
	}
	if m.Peer != r.self {
		return fmt.Errorf("%w: %s was written by peer %s, this is %s: give another directory, or use that peer's identity", ErrOtherSandbox, r.cfg.Dir, m.Peer, r.self)
	}
	var random [8]byte
	if _, err := io.ReadFull(r.cfg.Random, random[:]); err != nil {
		return err
	}
	r.sandbox = m.Sandbox
	r.feed, r.engine, err = feed.Open(feed.Config{Store: r.store, Blocks: r.blocks, Metrics: r.m, Net: r.t, Logger: r.log, Self: r.self,
		Sandbox: m.Sandbox, Secret: r.cfg.Secret, Incarnation: binary.BigEndian.Uint64(random[:]), Sign: r.t.Sign, Verify: r.t.Verify,
		Apply: r.apply, Failed: r.fail})
	r.post = sequel.New(r.blocks, r.feed)
	return storeError(r.cfg.Dir, err)
}

// load rebuilds what is in memory from the store.
func (r *Replica) load() error {
	records, err := r.engine.Values()
	if err != nil {
		return err
	}
	r.table.Apply(records)
	for a := range r.table.Members {
		r.feed.Admit(a)
	}
	for _, peer := range r.table.Peers() {
		r.lease.Member(peer)
	}
	if err := errors.Join(r.loadPromises(), r.loadMemory()); err != nil {
		return err
	}
	return r.store.Scan([]byte{'w'}, []byte{'x'}, func(k, v []byte) bool {
		h, err := record.DecodeHead(slices.Clone(v))
		if err != nil {
			return true // it is fetched again
		}
		if rt := r.table.Runs[h.Run]; rt != nil && rt.Winner != nil {
			if rt.Winner.Hash == h.Hash() {
				h = rt.Winner.Head
			}
			r.warm[h.Run] = h
			acks, _ := r.recalls(h.Run)
			if d := r.durabilityOf(h.Run); acks && h.Durable != Local && d.promise.Allows(h.Epoch.Number, h.Owner) && ackOf(h).After(d.said) {
				d.said = ackOf(h)
				r.heard(h.Run, r.self, d.said)
			}
		}
		return true
	})
}

func (r *Replica) start() {
	r.t.Handle(feed.Protocol, r.feed.Serve)
	r.t.Handle(block.Protocol, r.blocks.Serve)
	r.t.Handle(digestProtocol, r.serveDigest)
	r.t.Handle(cellsProtocol, r.serveCells)
	r.t.Handle(moveProtocol, r.serveMove)
	r.t.Handle(promiseProtocol, r.servePromise)
	r.unsub = append(r.unsub, r.t.Subscribe(r.receive), r.t.OnPeers(r.peersChanged))
	r.wg.Add(5)
	go r.committer()
	go r.sweeper()
	go r.keepLeases()
	go r.enter()
	go r.mail.Run(r.ctx.Done(), Event.listed)
	go r.warmer()
	wake(r.warmWake)
	r.peersChanged(r.t.Peers())
}

// enter makes this peer a member as soon as it has the genesis: others count members for majorities.
func (r *Replica) enter() {
	defer r.wg.Done()
	if _, err := r.Genesis(r.ctx); err != nil {
		return
	}
	r.mu.Lock()
	known := r.table.Standing[r.self].Member()
	r.mu.Unlock()
	if !known {
		r.commitRecords(r.ctx, nil, nil)
	}
}

// commitRecords makes records of no run durable and publishes them.
func (r *Replica) commitRecords(ctx context.Context, records []record.Record, made []block.Block) error {
	return r.commitExtra(ctx, &extra{records: records, blocks: made, done: make(chan error, 1)})
}

func (r *Replica) commitExtra(ctx context.Context, x *extra) error {
	r.mu.Lock()
	for r.extra != nil && r.usable() == nil {
		r.flushed.Wait()
	}
	if err := r.usable(); err != nil {
		r.mu.Unlock()
		return err
	}
	r.extra = x
	r.mu.Unlock()
	wake(r.commitWake)
	select {
	case err := <-x.done:
		return storeError(r.cfg.Dir, err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pause waits, or returns the reason why not.
func (r *Replica) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ctx.Done():
		return ErrClosed
	}
}

// usable is the reason why nothing can be written any more, or nil. Called with mu held.
func (r *Replica) usable() error {
	if r.failure != nil {
		return r.failure
	}
	if r.closing {
		return ErrClosed
	}
	return nil
}

// Close flushes pending turns and closes the store. The transport stays open.
func (r *Replica) Close() error {
	r.closeOnce.Do(func() { r.closeErr = r.close() })
	return r.closeErr
}

func (r *Replica) close() error {
	r.mu.Lock()
	r.closing = true
	r.flushed.Broadcast()
	r.mu.Unlock()
	for _, f := range r.unsub {
		f()
	}
	r.cancel()
	r.notify()
	r.wg.Wait()
	r.engine.Close()
	r.mu.Lock()
	failure := r.failure
	r.mu.Unlock()
	err := r.store.Close()
	if failure != nil {
		return failure
	}
	return storeError(r.cfg.Dir, err)
}

// fail stops the replica: the store may be behind what is in memory, or another writes as this peer, so nothing more is promised.
func (r *Replica) fail(err error) {
	r.mu.Lock()
	first := r.failure == nil && err != nil && !(r.closing && errors.Is(err, store.ErrClosed))
	if first {
		if r.failure = err; !errors.Is(err, ErrCopied) {
			r.failure = fmt.Errorf("%w: %w", ErrFailed, storeError(r.cfg.Dir, err))
		}
	}
	r.flushed.Broadcast()
	failure := r.failure
	r.mu.Unlock()
	if first {
		if errors.Is(failure, ErrFailed) {
			r.m.WriteFailures.Inc()
		}
		r.log.Error("replica stopped", "err", err)
		r.emit(Event{Kind: Failed, Err: failure})
		r.notify()
	}
}

// apply takes the records of deltas that were applied whole, and the DAG's heads with them. It runs with the store's window held.
func (r *Replica) apply(records []record.Record, heads []record.BlockHash) {
	r.mu.Lock()
	r.tips = heads
	e := r.table.Apply(records)
	var events []Event
	for _, id := range slices.SortedFunc(maps.Keys(e.Advanced), changes.RunID.Compare) {
		w := r.table.Runs[id].Winner
		if w.Head.Durable != Local {
			r.heard(id, w.Head.Owner, ackOf(w.Head)) // the owner has synced what it published
		}
		if o := r.owned[id]; o != nil && o.lineage != w.ID && o.outranked(w) {
			r.standDown(o, fmt.Errorf("%w: epoch %d by %s", ErrSuperseded, w.ID.Number, w.Head.Owner))
			events = append(events, Event{Kind: Superseded, Run: id, Head: *w.Head})
		}
		events = append(events, Event{Kind: HeadAdvanced, Run: id, Head: *w.Head})
	}
	for _, o := range r.owned {
		for id := range e.Switched {
			if id != o.id {
				o.renewed[id] = true
			}
		}
		for code, p := range e.Paths {
			o.dirty[code] = p
		}
	}
	r.mu.Unlock()
	r.reflect()
	r.settleMembers(e.Members)
	for _, ev := range events {
		r.emit(ev)
	}
	for id := range e.Messaged {
		r.emit(Event{Kind: Messaged, Run: id})
	}
	if len(e.Paths) > 0 {
		r.emit(Event{Kind: TouchedPaths, touched: e.Paths})
	}
	if len(e.Advanced) > 0 {
		wake(r.warmWake)
	}
	r.notify()
}

// settleMembers tells the lease who has come or gone.
func (r *Replica) settleMembers(peers []string) {
	for _, p := range peers {
		r.mu.Lock()
		member := r.table.Standing[p].Member()
		r.mu.Unlock()
		r.leaseMu.Lock()
		if member || p == r.self {
			r.lease.Member(p)
		} else {
			r.lease.Gone(p)
		}
		r.leaseMu.Unlock()
		if p == r.self && !member {
			r.reenter()
		}
	}
}

// outranked says whether a winning head means that somebody else writes for the run now. An epoch that
// has no durable head yet is outranked by its own number or a higher one.
func (o *ownedRun) outranked(w *table.Lineage) bool {
	if o.last != nil {
		return table.RankOf(w.Head).Compare(table.RankOf(o.last)) > 0
	}
	return w.ID.Number >= o.lineage.Number
}

// notify wakes everybody who waits for a change.
func (r *Replica) notify() {
	r.mu.Lock()
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// now is the time since the replica was opened, by its clock.
func (r *Replica) now() time.Duration { return r.clock.Now().Sub(r.started) }

// keepLeases beats and decides about ownership.
func (r *Replica) keepLeases() {
	defer r.wg.Done()
	tick, stop := r.clock.NewTicker(r.cfg.BeatInterval)
	defer stop()
	for {
		r.sendBeat()
		select {
		case <-tick:
		case <-r.beatWake:
		case <-r.ctx.Done():
			return
		}
		r.decide()
		r.expire()
		r.look()
		wake(r.warmWake)
		wake(r.sweepWake)
	}
}

func (r *Replica) decide() {
	entering := r.entering()
	r.mu.Lock()
	var runs []lease.Run
	heads := map[changes.RunID]Head{}
	for id, rt := range r.table.Runs {
		if rt.Winner == nil {
			continue
		}
		h := rt.Winner.Head
		runs = append(runs, lease.Run{ID: id, Epoch: h.Epoch.Number, Owner: h.Owner, Done: h.Done && r.sealed(h),
			Mine: r.owned[id] != nil, Warm: r.warm[id] != nil && !r.released[id] && !(entering && h.Owner == r.self)})
		heads[id] = *h
	}
	r.mu.Unlock()
	slices.SortFunc(runs, func(a, b lease.Run) int { return slices.Compare(a.ID[:], b.ID[:]) })
	r.leaseMu.Lock()
	decisions := r.lease.Tick(r.now(), runs, r.cfg.Standby)
	r.leaseMu.Unlock()
	kinds := map[lease.Action]EventKind{lease.TakeOver: OwnerGone, lease.Lost: LeaseLost, lease.Held: LeaseHeld}
	for _, d := range decisions {
		r.emit(Event{Kind: kinds[d.Action], Run: d.Run, Head: heads[d.Run]})
	}
}

// enteringLeases bounds, in leases, how long a peer waits for the first answer of a member before it goes on with its runs.
const enteringLeases = 4

// entering says whether a peer that was just opened is still being told what the others have: its store may be an older copy, and a run that it wrote for has gone on then.
func (r *Replica) entering() bool {
	if r.feed.CatchingUp() {
		return true
	}
	r.pullMu.Lock()
	connected := len(r.connected) > 0
	r.pullMu.Unlock()
	return connected && !r.feed.Pulled().Asked && r.now() < enteringLeases*r.cfg.Lease
}

// storeError gives the store's errors this package's names.
func storeError(dir string, err error) error {
	for from, to := range map[error]error{store.ErrLocked: ErrLocked, store.ErrFull: ErrDiskFull, store.ErrCorrupt: ErrCorrupt} {
		if errors.Is(err, from) && !errors.Is(err, to) {
			text := err.Error()
			if _, what, ok := strings.Cut(text, from.Error()+": "); ok { // what it was doing when it happened helps nobody
				text = what
			}
			return fmt.Errorf("%w: %s", to, text)
		}
	}
	switch {
	case errors.Is(err, store.ErrAbsent):
		return fmt.Errorf("%w: %s: create a sandbox or join one first", ErrNoStore, dir)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %s: open it, or give another directory", ErrExists, dir)
	case errors.Is(err, store.ErrVersion):
		return fmt.Errorf("%w: %s was written by another version of this program", ErrFormat, dir)
	}
	return err
}
