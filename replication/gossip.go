package replication

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/lease"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/sequel"
)

const (
	beatHeadsMax  = 256
	beatClaimsMax = 4096
)

// A message is: version, kind, body. Those of deltas are made and read by package sequel.
const (
	messageVersion = 1
	messageBeat    = 'b'
	messageAck     = 'a'
	messageBrief   = 'k'
)

// publishTimeout bounds how long slow members hold the committer up; what they miss they pull later.
const publishTimeout = time.Second

// publish does not end with the replica: the last turns before Close are worth telling.
func (r *Replica) publish(msg []byte, atMost time.Duration) {
	r.m.GossipOut.Add(float64(len(msg)))
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	if err := r.t.Publish(ctx, msg); err != nil && r.ctx.Err() == nil {
		r.m.PublishFailures.Inc()
		r.log.Debug("publish", "err", err)
	}
}

// beat is what a peer says every BeatInterval: that it lives, what it has, and what it writes for.
type beat struct {
	Heads   [][]byte    `cbor:"1,keyasint"` // of the DAG, sorted
	Digest  []byte      `cbor:"2,keyasint"`
	Deltas  uint64      `cbor:"3,keyasint"`
	Standby bool        `cbor:"4,keyasint"`
	Claims  []beatClaim `cbor:"5,keyasint"`
	Acks    []ackWire   `cbor:"6,keyasint,omitempty"`
}

type beatClaim struct {
	_     struct{} `cbor:",toarray"`
	Run   []byte
	Epoch uint64
}

// said is a peer's last beat.
type said struct {
	digest  changes.Hash
	heads   changes.Hash // hash over them
	deltas  uint64
	standby bool

	sight   sight
	alarmed bool // the divergence was told
}

func (r *Replica) sendBeat() {
	b := beat{Standby: r.cfg.Standby}
	r.mu.Lock()
	for _, h := range r.tips[:min(len(r.tips), beatHeadsMax)] {
		b.Heads = append(b.Heads, h[:])
	}
	root := r.table.Digest.Root()
	b.Digest = root[:]
	for id, o := range r.owned {
		if len(b.Claims) < beatClaimsMax {
			b.Claims = append(b.Claims, beatClaim{Run: id[:], Epoch: o.lineage.Number})
		}
	}
	b.Acks = r.acksToSay()
	r.mu.Unlock()
	slices.SortFunc(b.Claims, func(x, y beatClaim) int { return bytes.Compare(x.Run, y.Run) })
	b.Deltas = r.feed.Total()
	r.m.Beats.Inc()
	r.publish(append([]byte{messageVersion, messageBeat}, record.Encode(b)...), r.cfg.BeatInterval)
}

// receive takes one gossip message. It runs on the transport's goroutine, in order of arrival.
func (r *Replica) receive(from string, data []byte) {
	r.m.GossipIn.Add(float64(len(data)))
	err := fmt.Errorf("%w: message", ErrFormat)
	if len(data) > 2 && data[0] == messageVersion {
		switch data[1] {
		case sequel.Whole, sequel.Next:
			err = r.receiveDelta(from, data[1:])
		case messageBeat:
			err = r.receiveBeat(from, data[2:])
		case messageAck:
			var m ackMessage
			if err = record.Decode(data[2:], &m); err == nil {
				err = r.receiveAcks(from, m.Acks)
			}
		case messageBrief:
			err = r.receiveBrief(from, data[2:])
		}
	}
	if err != nil {
		r.m.Malformed.Inc()
		r.log.Debug("message dropped", "from", from, "err", err)
	}
}

func (r *Replica) receiveDelta(from string, msg []byte) error {
	if r.feed.Crowded() {
		r.m.Overflowed.Inc() // the next beat makes us pull it
		return nil
	}
	parcel, err := r.post.Open(msg)
	if errors.Is(err, sequel.ErrBase) {
		r.m.Deferred.Inc()
		r.puller(from).trigger(0)
		return nil
	}
	if err != nil {
		return err
	}
	d, err := r.feed.Decode(parcel.Envelope)
	if err != nil {
		r.log.Warn("delta refused", "from", from, "err", err)
		return nil // counted
	}
	if r.cfg.Standby || d.Durable || len(d.Blobs) > 0 {
		if err := r.keep(r.post.Keep(parcel, d)); err != nil {
			return err
		}
	}
	if r.feed.Offer(d) {
		r.puller(from).trigger(0)
	}
	return nil
}

// keep stops the replica when blocks that came could not be written; other errors are those of what came.
func (r *Replica) keep(err error) error {
	if err == nil || errors.Is(err, ErrFormat) || errors.Is(err, block.ErrCorrupt) {
		return err
	}
	r.fail(err)
	return nil
}

func (r *Replica) receiveBeat(from string, body []byte) error {
	var b beat
	if err := record.Decode(body, &b); err != nil {
		return err
	}
	s := said{deltas: b.Deltas, standby: b.Standby}
	if !record.Fill(s.digest[:], b.Digest) || len(b.Heads) > beatHeadsMax || len(b.Claims) > beatClaimsMax {
		return fmt.Errorf("%w: beat", ErrFormat)
	}
	var heads []record.BlockHash
	for _, h := range b.Heads {
		if len(h) != 32 {
			return fmt.Errorf("%w: beat", ErrFormat)
		}
		heads = append(heads, record.BlockHash(h))
	}
	s.heads = feed.HeadsHash(heads)
	var claims []lease.Claim
	for _, c := range b.Claims {
		if len(c.Run) != 16 {
			return fmt.Errorf("%w: beat", ErrFormat)
		}
		claims = append(claims, lease.Claim{Run: changes.RunID(c.Run), Epoch: c.Epoch})
	}
	if err := r.receiveAcks(from, b.Acks); err != nil {
		return err
	}
	r.spoken(from)
	r.leaseMu.Lock()
	last := r.said[from]
	r.leaseMu.Unlock()
	r.suspect(from, &s, last)
	now := r.now()
	r.leaseMu.Lock()
	_, before := r.lease.Since(now, from)
	r.lease.Heard(now, from, b.Standby, claims)
	old := r.said[from]
	r.said[from] = s
	r.leaseMu.Unlock()
	r.agree()
	if !before {
		wake(r.beatWake)
	}
	if old.digest != s.digest || !before {
		r.emit(Event{Kind: PeersChanged})
	}
	r.notify()
	if len(r.feed.Unknown(heads)) > 0 {
		r.puller(from).heads.Store(&heads)
		r.puller(from).trigger(r.cfg.BeatInterval / 8)
	}
	return nil
}

// puller runs one catch-up at a time per peer.
type puller struct {
	kick  chan time.Duration
	heads atomic.Pointer[[]record.BlockHash] // what the peer's last beat named
}

func (p *puller) trigger(after time.Duration) {
	select {
	case p.kick <- after:
	default:
	}
}

// puller returns the catch-up worker for a peer, starting it when it is new.
func (r *Replica) puller(peer string) *puller {
	r.pullMu.Lock()
	defer r.pullMu.Unlock()
	p := r.pullers[peer]
	if p == nil {
		p = &puller{kick: make(chan time.Duration, 1)}
		r.pullers[peer] = p
		if r.ctx.Err() == nil {
			r.wg.Add(1)
			go r.pullFrom(peer, p)
		}
	}
	return p
}

// pullFrom waits a moment before it asks, since most of what a beat names is already on its way, and
// then asks only if something is still missing.
func (r *Replica) pullFrom(peer string, p *puller) {
	defer r.wg.Done()
	for {
		select {
		case after := <-p.kick:
			t := time.NewTimer(after)
			select {
			case <-t.C:
			case <-r.ctx.Done():
				t.Stop()
				return
			}
		case <-r.ctx.Done():
			return
		}
		var heads []record.BlockHash
		if h := p.heads.Load(); h != nil {
			heads = *h
		}
		ctx, cancel := context.WithTimeout(r.ctx, 30*time.Second)
		err := r.feed.Pull(ctx, peer, heads)
		if err != nil && r.ctx.Err() == nil {
			r.log.Debug("catch-up", "from", peer, "err", err)
		}
		r.heed(ctx, peer, err)
		cancel()
	}
}

// peersChanged greets new peers with a beat, so that both sides learn at once what they lack.
func (r *Replica) peersChanged(peers []string) {
	r.pullMu.Lock()
	fresh := false
	for _, p := range peers {
		if !slices.Contains(r.connected, p) {
			fresh = true
		}
	}
	r.connected = slices.Clone(peers)
	r.forgetForeign(peers)
	r.pullMu.Unlock()
	r.emit(Event{Kind: PeersChanged})
	if fresh {
		wake(r.beatWake)
		for _, p := range peers {
			r.puller(p).trigger(0)
		}
	}
	r.notify()
}
