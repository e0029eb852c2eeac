package replication

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/joining"
	"github.com/tandemvm/tandem/replication/internal/lease"
	"github.com/tandemvm/tandem/replication/internal/store"
	"github.com/tandemvm/tandem/replication/internal/table"
)

// Sandbox is the id of the sandbox; Self this peer's.
func (r *Replica) Sandbox() SandboxID { return r.sandbox }
func (r *Replica) Self() string       { return r.self }

// wait calls f with mu held until it says true or an error, waking up whenever something changes.
func (r *Replica) wait(ctx context.Context, f func() (bool, error)) error {
	for {
		r.mu.Lock()
		ok, err := f()
		if err == nil && !ok && r.closing {
			err = ErrClosed
		}
		changed := r.changed
		r.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Genesis waits until the genesis record is here.
func (r *Replica) Genesis(ctx context.Context) (g Genesis, err error) {
	err = r.wait(ctx, func() (bool, error) {
		if r.table.Genesis == nil {
			return false, nil
		}
		g = *r.table.Genesis
		return true, nil
	})
	return g, err
}

// Program waits for the genesis and returns the image's bytes, whose blocks are checked by their hashes. That
// they are the program named in the genesis is the caller's to check.
func (r *Replica) Program(ctx context.Context) ([]byte, error) {
	g, err := r.Genesis(ctx)
	if err != nil {
		return nil, err
	}
	image, err := r.blocks.ReadBlob(block.Ref{Bytes: g.ImageBytes, Hash: g.Image[:]})
	if errors.Is(err, store.ErrAbsent) {
		err = fmt.Errorf("%w: the program image is not there though its genesis is", ErrCorrupt)
	}
	return image, storeError(r.cfg.Dir, err)
}

// RunStatus is a run as this peer sees it.
type RunStatus struct {
	Head  Head              // the winner
	Owned bool              // owned here, now
	Alive bool              // its owner was heard within the lease
	Warm  bool              // the head's state is completely here
	Held  map[string]uint64 // above Local: the newest turn of the winning epoch that each member holds
	Lines uint64            // released to readers so far
	Forks []Head            // heads of other epochs that are not ancestors of the winner: kept, void; best first
}

// Runs lists all runs known here, sorted by id.
func (r *Replica) Runs() []RunStatus {
	r.mu.Lock()
	var out []RunStatus
	for id, rt := range r.table.Runs {
		if rt.Winner == nil {
			continue
		}
		w := rt.Winner.Head
		held, lines := r.holders(w)
		out = append(out, RunStatus{Head: *w, Held: held, Lines: lines, Owned: r.owned[id] != nil,
			Warm: r.warm[id] != nil && r.warm[id].Manifest == w.Manifest, Forks: rt.Forks()})
	}
	r.mu.Unlock()
	slices.SortFunc(out, func(a, b RunStatus) int { return bytes.Compare(a.Head.Run[:], b.Head.Run[:]) })
	r.leaseMu.Lock()
	defer r.leaseMu.Unlock()
	for i := range out {
		s := &out[i]
		s.Alive = s.Owned || r.lease.Alive(r.now(), lease.Run{ID: s.Head.Run, Epoch: s.Head.Epoch.Number})
	}
	return out
}

// Head gives the winning head of a run (ErrUnknownRun).
func (r *Replica) Head(run changes.RunID) (Head, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rt := r.table.Runs[run]; rt != nil && rt.Winner != nil {
		return *rt.Winner.Head, nil
	}
	return Head{}, fmt.Errorf("%w: %s", ErrUnknownRun, run)
}

// Merged is the merged value of a shared variable over the winning epochs of all runs; conflicts counts
// its concurrent lww values that lost.
func (r *Replica) Merged(name string) (v changes.Value, conflicts int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.table.View == nil {
		return v, 0, fmt.Errorf("%w: the genesis record is not here yet", ErrGenesis)
	}
	return r.table.View.Value(name)
}

// Overwritten counts the concurrent lww values of a shared variable that lost and were overwritten since (changes.View.Conflicts).
func (r *Replica) Overwritten(name string) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.table.View == nil {
		return 0, fmt.Errorf("%w: the genesis record is not here yet", ErrGenesis)
	}
	_, n, err := r.table.View.Conflicts(name)
	return n, err
}

// Digest is the Merkle root over all merged leaf values and winning heads.
func (r *Replica) Digest() changes.Hash {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.table.Digest.Root()
}

// PeerStatus is what a peer said in its last beat.
type PeerStatus struct {
	Peer      string
	Connected bool
	Reachable bool          // heard within the lease
	Ago       time.Duration // since the last beat
	Digest    changes.Hash
	InSync    bool // its digest and DAG heads equal ours
	Standby   bool
	Deltas    uint64 // applied there
}

// Status is this replica and its peers at one moment.
type Status struct {
	Sandbox SandboxID
	Self    string
	Members []string // peer ids of all known members, sorted; without this one's when it left
	Digest  changes.Hash
	Deltas  uint64 // applied here
	Bytes   uint64 // of deltas applied here since it was opened
	Heads   int    // heads of the DAG
	Pending int    // deltas waiting for ancestors or blobs, or to be applied
	Join    Join
	Peers   []PeerStatus
	Foreign []Foreign // connected, and nothing can be had from them
	Past    uint64    // deltas of this peer's earlier openings that others had and its store, an older copy then, did not; they are here now
	Forgot  bool      // so what it may have promised and acknowledged at majority is to be learned again from the others; until then it does neither
	Failed  error
}

// Join is how far a peer is since it was opened: what it has fetched of what it knows to be missing.
type Join = joining.Progress

// look notes when all that members had is here, and the states to be held.
func (r *Replica) look() {
	p := r.feed.Pulled()
	r.mu.Lock()
	defer r.mu.Unlock()
	others := slices.ContainsFunc(r.table.Peers(), func(peer string) bool { return peer != r.self })
	var states []joining.State
	for id, rt := range r.table.Runs {
		if rt.Winner != nil && r.owned[id] == nil && r.wanted(rt.Winner.Head) {
			s := joining.State{Run: id, Rank: table.RankOf(rt.Winner.Head)}
			if h := r.warm[id]; h != nil {
				here := table.RankOf(h)
				s.Here = &here
			}
			states = append(states, s)
		}
	}
	if r.joined.Look(r.table.Genesis != nil && (p.Asked || !others) && p.Behind == 0, states) {
		r.log.Info("everything that members had is here", "deltas", p.Deltas, "bytes", p.Bytes)
	}
}

// Status reports on this replica and every peer heard of.
func (r *Replica) Status() Status {
	connected := r.t.Peers()
	r.mu.Lock()
	heads := r.tips
	s := Status{Sandbox: r.sandbox, Self: r.self, Digest: r.table.Digest.Root(), Heads: len(heads), Failed: r.failure, Past: r.memory.past, Forgot: r.memory.lost}
	done := r.joined.Done()
	self := r.table.Standing[r.self]
	left := self.Opened > 0 && !self.Member()
	r.mu.Unlock()
	s.Foreign = r.foreigners()
	s.Deltas, s.Bytes, s.Pending = r.feed.Stats()
	p, f := r.feed.Pulled(), r.blocks.Fetched()
	s.Join = Join{Done: done, Deltas: p.Deltas, DeltasWanted: p.Wanted, Behind: p.Behind, Blocks: f.Blocks, BlocksWanted: f.Wanted, Bytes: p.Bytes + f.Bytes}
	r.leaseMu.Lock()
	defer r.leaseMu.Unlock()
	s.Members = r.lease.Members()
	if left {
		s.Members = slices.DeleteFunc(s.Members, func(p string) bool { return p == r.self })
	}
	now, hash := r.now(), feed.HeadsHash(heads)
	for peer, b := range r.said {
		ago, _ := r.lease.Since(now, peer)
		s.Peers = append(s.Peers, PeerStatus{Peer: peer, Connected: slices.Contains(connected, peer),
			Reachable: r.lease.Reachable(now, peer), Ago: ago, Digest: b.digest,
			InSync: b.digest == s.Digest && b.heads == hash, Standby: b.standby, Deltas: b.deltas})
	}
	slices.SortFunc(s.Peers, func(a, b PeerStatus) int { return bytes.Compare([]byte(a.Peer), []byte(b.Peer)) })
	return s
}

// Converged waits until every reachable peer, and at least peersMin of them, has said the same digest and
// DAG heads as ours in its last beat.
func (r *Replica) Converged(ctx context.Context, peersMin int) error {
	for {
		r.mu.Lock()
		changed, failure, closing := r.changed, r.failure, r.closing
		r.mu.Unlock()
		if failure != nil || closing {
			return errors.Join(failure, map[bool]error{true: ErrClosed}[closing])
		}
		if s := r.Status(); s.converged(peersMin) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("not converged: %w", ctx.Err())
		}
	}
}

func (s *Status) converged(peersMin int) bool {
	n := 0
	for _, p := range s.Peers {
		if p.Reachable {
			if !p.InSync {
				return false
			}
			n++
		}
	}
	return n >= peersMin && s.Pending == 0
}
