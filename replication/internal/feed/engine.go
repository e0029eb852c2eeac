package feed

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	dshelp "github.com/ipfs/boxo/datastore/dshelp"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	crdt "github.com/ipfs/go-ds-crdt"
	crdtpb "github.com/ipfs/go-ds-crdt/pb"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
	"google.golang.org/protobuf/proto"
)

const (
	Era            = "/e1" // the first era; see DESIGN.md
	ValuePrefix    = Era + "/s/k"
	ValueSuffix    = "/v"
	prioritySuffix = "/p"
	unreadPrefix   = Era + "/s/s/" // element ids, which only deletions read
	announceMax    = 64            // deltas in one window
	never          = 100 * 365 * 24 * time.Hour
)

// Engine wires go-ds-crdt. The CRDT's own network parts are replaced: it is told of a delta by Next, only after its
// parents, and its blocks come from the store. Local commits and announced deltas take turns at the
// store's window, so each becomes durable whole or not at all.
type Engine struct {
	f        *Feed
	w        *store.Window
	s        *store.Store
	trimming sync.Mutex   // one at a time
	swap     sync.RWMutex // held for writing while ds is another one
	ds       *crdt.Datastore
	log      *slog.Logger
	sign     func(d *record.Delta) error
	apply    func(records []record.Record, heads []record.BlockHash) // heads: of the DAG, with these records
	failed   func(error)

	started chan struct{}
	halt    context.CancelFunc // makes Next end when nothing is ready
	halting context.Context
	halted  chan struct{}

	local *localCommit    // set while the committer is inside Commit; guarded by the window
	open  []*record.Delta // announced and not finished; guarded by the window
	nodes map[record.BlockHash]ipld.Node
}

type localCommit struct {
	d       *record.Delta
	records []record.Record
}

// Start begins to apply deltas; Close ends it.
func (e *Engine) Start() (err error) {
	o := crdt.DefaultOptions()
	o.Logger = engineLogger{e.log}
	o.RebroadcastInterval = never // beats carry heads
	o.RepairInterval = 0          // a window leaves nothing to repair
	o.NumWorkers = 1
	o.DAGSyncerTimeout = 20 * time.Second
	o.MaxBatchDeltaSize = record.DeltaBytesMax // never reached: the committer stays below half of it
	e.nodes = map[record.BlockHash]ipld.Node{}
	e.halting, e.halt = context.WithCancel(context.Background())
	e.halted = make(chan struct{})
	e.started = make(chan struct{})
	defer close(e.started) // crdt.New calls Next before it returns
	if e.ds, err = crdt.New(e.w, ds.NewKey(Era), e, e, o); err == nil {
		e.apply(nil, e.tips())
	}
	return err
}

// drainMax bounds how long Close waits for deltas that came and are not applied.
const drainMax = 3 * time.Second

// Close applies what is ready, since it would have to be sent again, and stops the engine; an unfinished window is dropped whole.
func (e *Engine) Close() {
	e.halt()
	t := time.NewTimer(drainMax)
	select {
	case <-e.halted:
	case <-t.C:
	}
	t.Stop()
	e.ds.Close()
	if e.open != nil {
		e.open = nil
		e.w.End()
	}
}

// Heads are the tips of the DAG, sorted, at this moment: perhaps ahead of the disk and of what is applied.
func (e *Engine) Heads() []record.BlockHash {
	e.swap.RLock()
	defer e.swap.RUnlock()
	return e.tips()
}

// tips is heads for whoever has the engine to itself.
func (e *Engine) tips() []record.BlockHash {
	var out []record.BlockHash
	for _, c := range e.ds.InternalStats(context.Background()).Heads {
		if h, ok := record.HashOf(c); ok {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b record.BlockHash) int { return bytes.Compare(a[:], b[:]) })
	return out
}

// Commit makes one delta of records and blocks, durable on return together with the store keys in notes. build runs
// with the window held, so what it decides holds until the delta is applied; no records: nothing is done.
func (e *Engine) Commit(build func() (records []record.Record, made []block.Block, notes []record.Record)) (*record.Delta, error) {
	e.swap.RLock()
	defer e.swap.RUnlock()
	e.w.Begin()
	defer e.w.End()
	records, made, notes := build()
	if len(records) == 0 {
		return nil, nil
	}
	for _, n := range notes {
		e.w.Add([]byte(n.Key), n.Value)
	}
	e.f.b.Note(made)
	for _, b := range made {
		e.w.Add(b.ID.Key(), b.Data)
	}
	c := &localCommit{}
	e.local = c
	defer func() { e.local = nil }()
	ctx := context.Background()
	batch, err := e.ds.Batch(ctx)
	for i := 0; err == nil && i < len(records); i++ {
		err = batch.Put(ctx, ds.NewKey(records[i].Key), records[i].Value)
	}
	if err == nil {
		err = batch.Commit(ctx)
	}
	if err != nil {
		e.failed(err)
		return nil, err
	}
	e.f.applied(c.d)
	e.apply(c.records, e.tips())
	return c.d, nil
}

// Add is given the node of a local commit: it is signed and filed.
func (e *Engine) Add(_ context.Context, n ipld.Node) error {
	if e.local == nil || e.local.d != nil {
		return errors.New("BUG: the engine made a block outside a commit")
	}
	d, err := e.f.ownDelta(n.RawData(), e.sign)
	if err != nil {
		return err
	}
	e.local.d = d
	e.file(d)
	return nil
}

// file puts a delta and its place in the actor's chain into the window.
func (e *Engine) file(d *record.Delta) {
	e.nodes[d.Hash] = d.Node
	e.w.Add(d.Hash.StoreKey(), d.Bytes)
	for _, p := range d.Pruned {
		e.w.Add(processedKey(p), []byte{})
	}
	if e.f.ofPast(d) {
		e.w.Add(PastKey, []byte{})
	}
	if d.Indexed {
		e.w.Add(IndexKey(d.Actor, d.Seq), append(d.Hash[:], be64(d.Height)...))
	}
	switch gap := d.Gap; {
	case gap != record.Gap{}:
		e.f.marked[d.Actor] = true
		e.w.Add(gapKey(d.Actor), slices.Concat(be64(gap.Waits), be64(gap.Left), be64(gap.Aim)))
	case e.f.marked[d.Actor]:
		delete(e.f.marked, d.Actor)
		e.w.Remove(gapKey(d.Actor))
	}
}

// Broadcast ends a local commit: what it wrote becomes durable, and only then anybody hears of it.
func (e *Engine) Broadcast(context.Context, []byte) error {
	if e.local == nil {
		return nil
	}
	entries, err := e.w.Write(true)
	if err != nil {
		return err
	}
	clear(e.nodes)
	e.local.records = recordsOf(entries)
	return nil
}

func recordsOf(entries []store.Entry) []record.Record {
	out := make([]record.Record, len(entries))
	for i, x := range entries {
		out[i] = record.Record{Key: x.Key, Value: x.Value}
	}
	return out
}

// Next finishes the deltas announced before and waits for more.
func (e *Engine) Next(ctx context.Context) ([]byte, error) {
	<-e.started
	e.finish(ctx)
	most := announceMax
	if len(e.Heads()) == 0 {
		most = 1 // an engine without heads makes heads of all it is told first
	}
	halted, halting := e.halted, e.halting
	until, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(halting, stop)()
	ready := e.f.next(until, most)
	if ready == nil {
		close(halted)
		return nil, crdt.ErrNoMoreBroadcast
	}
	e.w.Begin()
	e.open = ready
	var b crdtpb.CRDTBroadcast
	for _, d := range ready {
		e.file(d)
		b.Heads = append(b.Heads, &crdtpb.Head{Cid: d.Hash.Cid().Bytes()})
	}
	return proto.Marshal(&b)
}

// processedKey is the store's key of the engine's mark that it has applied a delta.
func processedKey(h record.BlockHash) []byte {
	k := ds.NewKey(Era).ChildString("b").Child(dshelp.MultihashToDsKey(h.Cid().Hash()))
	low, _ := store.EngineRange(k.String())
	return low
}

// trim takes heads away that are none: after a catch-up that left out what nothing needs, the engine does not see that one delta comes after
// another. The engine is stopped when it has nothing to do, and started over the corrected heads.
func (e *Engine) trim(ctx context.Context, extra []record.BlockHash) error {
	e.trimming.Lock()
	defer e.trimming.Unlock()
	e.halt()
	select {
	case <-e.halted:
	case <-ctx.Done():
		return ctx.Err()
	}
	e.swap.Lock()
	defer e.swap.Unlock()
	if err := e.ds.Close(); err != nil {
		return err
	}
	err := e.s.Write(false, func(b store.Batch) {
		for _, h := range extra {
			low, _ := store.EngineRange(ds.NewKey(Era).ChildString("h").Child(dshelp.MultihashToDsKey(h.Cid().Hash())).String())
			b.Delete(low)
		}
	})
	if err != nil {
		return err
	}
	return e.Start()
}

// finish writes the window of the announced deltas. The engine logs its errors and goes on, so each
// delta's processed mark is looked for: without it the window is dropped and the replica stops.
func (e *Engine) finish(ctx context.Context) {
	if e.open == nil {
		return
	}
	defer e.w.End()
	done := e.open
	e.open = nil
	clear(e.nodes)
	for _, d := range done {
		if ok, err := e.w.Has(ctx, ds.NewKey(string(processedKey(d.Hash)[1:]))); err != nil || !ok {
			if ctx.Err() == nil {
				e.failed(cmp.Or(err, fmt.Errorf("delta %s was not applied", d.Hash.Cid())))
			}
			return
		}
	}
	entries, err := e.w.Write(false)
	if err != nil {
		e.failed(err)
		return
	}
	for _, d := range done {
		e.f.applied(d)
	}
	e.apply(recordsOf(entries), e.Heads())
}

// Get gives go-ds-crdt a block: a delta of the open window or of the store.
func (e *Engine) Get(_ context.Context, c cid.Cid) (ipld.Node, error) {
	h, ok := record.HashOf(c)
	if !ok {
		return nil, ipld.ErrNotFound{Cid: c}
	}
	if n := e.nodes[h]; n != nil {
		return n, nil
	}
	b, err := e.w.GetRaw(h.StoreKey())
	if errors.Is(err, store.ErrAbsent) {
		return nil, ipld.ErrNotFound{Cid: c}
	}
	if err != nil {
		return nil, err
	}
	d, err := record.LoadDelta(b)
	if err != nil {
		return nil, err
	}
	return d.Node, nil
}

// GetMany is Get for each of cs.
func (e *Engine) GetMany(ctx context.Context, cs []cid.Cid) <-chan *ipld.NodeOption {
	out := make(chan *ipld.NodeOption, len(cs))
	for _, c := range cs {
		n, err := e.Get(ctx, c)
		out <- &ipld.NodeOption{Node: n, Err: err}
	}
	close(out)
	return out
}

func (e *Engine) AddMany(context.Context, []ipld.Node) error {
	return errors.New("BUG: the engine adds one block at a time")
}
func (e *Engine) Remove(context.Context, cid.Cid) error {
	return errors.New("BUG: the engine removes blocks")
}
func (e *Engine) RemoveMany(context.Context, []cid.Cid) error {
	return errors.New("BUG: the engine removes blocks")
}

// engineLogger gives the engine's words to slog; it may not end the process.
type engineLogger struct{ l *slog.Logger }

func (l engineLogger) Debug(a ...any)            {}
func (l engineLogger) Debugf(f string, a ...any) {}
func (l engineLogger) Info(a ...any)             {}
func (l engineLogger) Infof(f string, a ...any)  {}
func (l engineLogger) Warn(a ...any)             { l.l.Warn("crdt: " + fmt.Sprint(a...)) }
func (l engineLogger) Warnf(f string, a ...any)  { l.l.Warn("crdt: " + fmt.Sprintf(f, a...)) }
func (l engineLogger) Error(a ...any)            { l.fault(fmt.Sprint(a...), a) }
func (l engineLogger) Errorf(f string, a ...any) { l.fault(fmt.Sprintf(f, a...), a) }
func (l engineLogger) Fatal(a ...any)            { l.Error(a...) }
func (l engineLogger) Fatalf(f string, a ...any) { l.Errorf(f, a...) }
func (l engineLogger) Panic(a ...any)            { l.Error(a...) }
func (l engineLogger) Panicf(f string, a ...any) { l.Errorf(f, a...) }

// fault says what went wrong; that the replica is being closed is nothing that did.
func (l engineLogger) fault(text string, of []any) {
	for _, a := range of {
		if err, ok := a.(error); ok && errors.Is(err, context.Canceled) {
			return
		}
	}
	l.l.Error("crdt: " + text)
}
