package replication

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/lease"
	"github.com/tandemvm/tandem/replication/internal/record"
)

const (
	gossipBytesMax   = 960 << 10 // below the transport's 1 MiB
	inflatedBytesMax = 8 << 20
	inlineBlocksMax  = 2 << 20 // bytes of pages that travel with their delta, before compression
	beatHeadsMax     = 256
	beatClaimsMax    = 4096
)

// A message is: version, kind, body; the body of messageDelta is compressed.
const (
	messageVersion = 1
	messageDelta   = 'd'
	messageBeat    = 'b'
	messageAck     = 'a'
)

// packer compresses messages. Each replica has its own, so that replicas in one process share nothing.
type packer struct {
	deflater *zstd.Encoder
	inflater *zstd.Decoder
}

func newPacker() packer {
	return packer{record.Must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))),
		record.Must(zstd.NewReader(nil, zstd.WithDecoderMaxMemory(inflatedBytesMax), zstd.WithDecoderConcurrency(1)))}
}

// deltaMessage is a delta with the new blocks of its heads, so that whoever hears of a head has its
// state at once. Too many blocks are left out; standbys fetch them.
type deltaMessage struct {
	Envelope []byte `cbor:"1,keyasint"`
	Blocks   []byte `cbor:"2,keyasint"`
}

func (r *Replica) publishDelta(d *record.Delta, made []block.Block) {
	m := deltaMessage{Envelope: d.Bytes}
	for _, b := range made {
		m.Blocks = block.Append(m.Blocks, b)
		if len(m.Blocks) > inlineBlocksMax {
			m.Blocks = nil
			break
		}
	}
	msg := r.packer.deltaMessage(m)
	if len(msg) > gossipBytesMax {
		m.Blocks = nil
		msg = r.packer.deltaMessage(m)
	}
	r.publish(msg, publishTimeout)
}

// publishTimeout bounds how long slow members hold the committer up; what they miss they pull later.
const publishTimeout = time.Second

func (p packer) deltaMessage(m deltaMessage) []byte {
	return p.deflater.EncodeAll(record.Encode(m), []byte{messageVersion, messageDelta})
}

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
	root := r.table.digest.Root()
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
		case messageDelta:
			err = r.receiveDelta(from, data[2:])
		case messageBeat:
			err = r.receiveBeat(from, data[2:])
		case messageAck:
			var m ackMessage
			if err = record.Decode(data[2:], &m); err == nil {
				err = r.receiveAcks(from, m.Acks)
			}
		}
	}
	if err != nil {
		r.m.Malformed.Inc()
		r.log.Debug("message dropped", "from", from, "err", err)
	}
}

func (r *Replica) receiveDelta(from string, body []byte) error {
	raw, err := r.packer.inflater.DecodeAll(body, nil)
	if err != nil {
		return err
	}
	var m deltaMessage
	if err := record.Decode(raw, &m); err != nil {
		return err
	}
	if r.feed.Crowded() {
		r.m.Overflowed.Inc() // the next beat makes us pull it
		return nil
	}
	d, err := r.feed.Decode(m.Envelope)
	if err != nil {
		r.log.Warn("delta refused", "from", from, "err", err)
		return nil // counted
	}
	list, err := block.Parse(m.Blocks)
	if err != nil {
		return err
	}
	if len(list) > 0 && (r.cfg.Standby || d.Durable || len(d.Blobs) > 0) {
		if err := r.blocks.Put(list); err != nil {
			r.fail(err)
			return nil
		}
	}
	if r.feed.Offer(d) {
		r.puller(from).trigger(0)
	}
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
		if err := r.feed.Pull(ctx, peer, heads); err != nil && r.ctx.Err() == nil {
			r.log.Debug("catch-up", "from", peer, "err", err)
		}
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
