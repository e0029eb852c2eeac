package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/tandemvm/tandem/replication/internal/record"
)

// Leave makes this peer no member any more: majorities are of those who stay, and no takeover waits for it. Opening the sandbox again makes it a member
// again. ErrOwner while it owns runs: move them, or end them, first.
func (r *Replica) Leave(ctx context.Context) error {
	r.mu.Lock()
	if n := len(r.owned); n > 0 {
		r.mu.Unlock()
		return fmt.Errorf("%w (%d): move them to another peer, or end them, first", ErrOwner, n)
	}
	r.leaving = true
	_, introduced := r.table.Members[r.feed.Writer()]
	r.mu.Unlock()
	if !introduced { // this actor's first delta makes the peer a member: it must not be the one that says that it leaves
		if err := r.commitRecords(ctx, nil, nil); err != nil {
			return err
		}
	}
	return r.takeOut(ctx, r.self)
}

// Expel makes another peer no member any more, until it opens the sandbox again: what is done about one that is gone for good.
func (r *Replica) Expel(ctx context.Context, peer string) error {
	if peer == r.self {
		return r.Leave(ctx)
	}
	return r.takeOut(ctx, peer)
}

func (r *Replica) takeOut(ctx context.Context, peer string) error {
	r.mu.Lock()
	s := r.table.Standing[peer]
	r.mu.Unlock()
	if !s.Member() {
		return fmt.Errorf("%w: %s is no member", ErrUnknownPeer, peer)
	}
	k := record.Key{Kind: record.LeaveRecord, Run: record.LeaverName(peer), Lineage: record.Lineage{Actor: r.feed.Writer()}}
	return r.commitRecords(ctx, []record.Record{{Key: k.String(), Value: record.Encode(record.Leave{Peer: peer, Opening: s.Opened})}}, nil)
}

// reenter makes this peer a member again when others took it for gone. Called by apply after the records that say so.
func (r *Replica) reenter() {
	r.mu.Lock()
	again := !r.leaving && !r.closing && r.failure == nil && r.table.Standing[r.self].Opened > 0 && !r.table.Standing[r.self].Member()
	r.mu.Unlock()
	if !again || !r.reentering.CompareAndSwap(false, true) {
		return
	}
	r.wg.Go(func() {
		defer r.reentering.Store(false)
		r.mu.Lock()
		var again []record.Record // an actor's first delta has its member record in any case
		if _, introduced := r.table.Members[r.feed.Writer()]; introduced {
			again = append(again, r.memberRecord())
		}
		r.mu.Unlock()
		r.commitRecords(r.ctx, again, nil)
	})
}

// expire takes members out that have been silent for Config.Expiry, as far as this peer can tell and a majority is in reach.
func (r *Replica) expire() {
	if r.cfg.Expiry <= 0 {
		return
	}
	r.mu.Lock()
	peers := r.table.Peers()
	r.mu.Unlock()
	now := r.now()
	for _, p := range peers {
		r.leaseMu.Lock()
		ago, heard := r.lease.Since(now, p)
		majority := r.lease.Majority(now)
		r.leaseMu.Unlock()
		if !heard {
			ago = now
		}
		if p == r.self || !majority || ago < r.cfg.Expiry {
			continue
		}
		r.wg.Go(func() {
			ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
			defer cancel()
			if err := r.Expel(ctx, p); err == nil {
				r.log.Info("a silent member was taken out", "peer", p, "ago", ago)
			}
		})
		return // one at a time
	}
}
