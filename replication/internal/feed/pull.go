package feed

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// Version is that of what peers say to each other, deltas and the records in them above all; those of two versions say nothing to each other.
const Version = 6

// Protocol is the name under which Serve answers.
var Protocol = ProtocolOf(Version)

// ProtocolOf is the name under which peers of a version answer.
func ProtocolOf(version int) string { return fmt.Sprintf("tandem/deltas/%d", version) }

// PullRequest says what the asker has; the answer is what it lacks, parents first.
type PullRequest struct {
	Vector []VectorEntry `cbor:"1,keyasint"`
	Want   [][]byte      `cbor:"2,keyasint"`           // wanted by hash, whatever the vector says; after it the hash of a delta whose parent it is, if known
	Check  bool          `cbor:"3,keyasint,omitempty"` // say heads and vector too: the asker has just begun
}

// pullHeader comes before the deltas of an answer that leaves some out. Floors: up to that number of the actor nothing that is not sent
// counts. Then parents that neither are here nor came before their children are left out too.
type pullHeader struct {
	Floors []VectorEntry `cbor:"1,keyasint"`
	Gone   [][]byte      `cbor:"2,keyasint"` // of those wanted: left out
	Heads  [][]byte      `cbor:"3,keyasint"`
	Vector []VectorEntry `cbor:"4,keyasint"`
	Busy   bool          `cbor:"5,keyasint,omitempty"` // more is on its way to the one who answers
	Deltas uint64        `cbor:"6,keyasint,omitempty"` // that follow
}

// headerMark stands where the length of the first delta would.
const headerMark = 1<<32 - 1

// VectorEntry says that an actor's deltas are here up to a number.
type VectorEntry struct {
	_     struct{} `cbor:",toarray"`
	Actor []byte
	Seq   uint64
}

const wantMax = 256

// Serve streams the deltas that the asker lacks in order of height. Frames hold length-prefixed envelopes.
func (f *Feed) Serve(ctx context.Context, from string, req []byte, send func([]byte) error) error {
	var q PullRequest
	if err := record.Decode(req, &q); err != nil || len(q.Want) > wantMax {
		f.m.Malformed.Inc()
		return fmt.Errorf("pull request: %w", errors.Join(err, record.ErrFormat))
	}
	has := map[record.Actor]uint64{}
	for _, v := range q.Vector {
		if len(v.Actor) == 16 {
			has[record.Actor(v.Actor)] = v.Seq
		}
	}
	header := f.header(has, &q) // before the deltas: a floor of later could leave out what came after they were listed
	list, err := f.lacking(has)
	if err != nil {
		return err
	}
	listed := len(list)
	for _, w := range q.Want {
		if len(w) == 32 || len(w) == 64 {
			list = append(list, placedDelta{hash: record.BlockHash(w[:32])})
		}
	}
	var frame []byte
	if header != nil {
		header.Deltas = uint64(len(list))
		b := record.Encode(header)
		frame = append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, headerMark), uint32(len(b))), b...)
	}
	for i, p := range list {
		b, err := f.s.Get(p.hash.StoreKey())
		switch {
		case errors.Is(err, store.ErrAbsent) && i >= listed:
			continue
		case errors.Is(err, store.ErrAbsent): // what replaces it may be in none that was listed
			return errors.New("a delta of the answer was removed meanwhile: ask again")
		case err != nil:
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
func (f *Feed) header(has map[record.Actor]uint64, q *PullRequest) *pullHeader {
	now, h := f.standing(), &pullHeader{}
	f.mu.Lock()
	for a, floor := range f.floor {
		if has[a] < floor || q.Check { // an answer that was cut may have left out what comes under what it brought
			h.Floors = append(h.Floors, VectorEntry{Actor: a[:], Seq: floor})
		}
	}
	for _, w := range q.Want {
		if len(w) == 64 && !f.known(record.BlockHash(w[:32])) && f.known(record.BlockHash(w[32:])) && f.queued[record.BlockHash(w[32:])] == nil {
			h.Gone = append(h.Gone, w[:32])
		} else if len(w) == 64 && f.gone[record.BlockHash(w[:32])] {
			h.Gone = append(h.Gone, w[:32])
		}
	}
	if len(h.Floors) > 0 || q.Check {
		h.Vector, h.Heads, h.Busy = now.Vector, now.Heads, now.Busy
	}
	f.mu.Unlock()
	if len(h.Floors) == 0 && len(h.Gone) == 0 && !q.Check {
		return nil
	}
	slices.SortFunc(h.Floors, func(a, b VectorEntry) int { return bytes.Compare(a.Actor, b.Actor) })
	return h
}

type placedDelta struct {
	hash   record.BlockHash
	height uint64
}

// lacking lists the deltas that are not in a vector, as of one moment: with one that was applied while they were listed, and without what it comes after, it would
// seem that this was left out.
func (f *Feed) lacking(has map[record.Actor]uint64) (list []placedDelta, err error) {
	now, err := f.s.Snapshot()
	if err != nil {
		return nil, err
	}
	defer now.Close()
	f.mu.Lock()
	var actors []record.Actor
	for a, seq := range f.top {
		if seq > has[a] {
			actors = append(actors, a)
		}
	}
	f.mu.Unlock()
	for _, a := range actors {
		err := now.Scan(IndexKey(a, has[a]+1), store.After(IndexKey(a, ^uint64(0)>>1)), func(_, v []byte) bool {
			list = append(list, placedDelta{record.BlockHash(v[:32]), binary.BigEndian.Uint64(v[32:])})
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

// Pull asks a peer for everything it has and we lack, until nothing known to be missing is left there.
// heads are those it last said it has; one that the vector does not bring is asked for by name.
func (f *Feed) Pull(ctx context.Context, peer string, heads []record.BlockHash) error {
	if err := f.fetchBlobs(ctx, peer); err != nil {
		return err
	}
	if err := f.await(ctx); err != nil {
		return err
	}
	defer f.leave()
	var want [][]byte
	for round := 0; round < 64; round++ {
		f.m.Pulls.Inc()
		a := answer{f: f, peer: peer, floors: map[record.Actor]uint64{}, waits: map[record.BlockHash]bool{}}
		err := f.net.Request(ctx, peer, Protocol, f.request(want, peer), func(frame []byte) error {
			return a.frame(ctx, frame)
		})
		if err == nil {
			a.complete()
		}
		if err == nil && (a.header != nil && (len(a.header.Floors) > 0 || len(a.header.Vector) > 0) || f.leftOut()) {
			err = f.pruned(ctx, cmp.Or(a.header, new(pullHeader)))
		}
		a.end()
		if err != nil && len(a.floors) > 0 { // it may have left out what comes under what it brought
			f.mu.Lock()
			delete(f.checked, peer)
			f.mu.Unlock()
		}
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

// leftOut says whether deltas were left out by answers that were cut.
func (f *Feed) leftOut() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.left) > 0
}

func (f *Feed) request(want [][]byte, peer string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := PullRequest{Check: !f.checked[peer]}
	for a, n := range f.vector {
		q.Vector = append(q.Vector, VectorEntry{Actor: a[:], Seq: n})
	}
	slices.SortFunc(q.Vector, func(a, b VectorEntry) int { return slices.Compare(a.Actor, b.Actor) })
	q.Want = want
	return record.Encode(q)
}

// patience is how long a catch-up waits for a frame of another before it goes on beside it.
const patience = time.Second

// await lets one catch-up after another ask: two at once bring the same deltas twice. One that stands still holds nobody up.
func (f *Feed) await(ctx context.Context) error {
	for seen := f.frames.Load(); ; seen = f.frames.Load() {
		t := time.NewTimer(patience)
		select {
		case f.turn <- struct{}{}:
			t.Stop()
			return nil
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
		if f.frames.Load() == seen {
			return nil
		}
	}
}

// leave lets the next one ask; those that went on beside others come to leave too.
func (f *Feed) leave() {
	select {
	case <-f.turn:
	default:
	}
}

// CatchingUp says whether an answer comes in that leaves deltas out or announces more, or was and is not applied yet, or much waits to be applied: what
// is applied now is on its way to something newer.
func (f *Feed) CatchingUp() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.importing > 0 || f.answers > 0 || f.placed < f.due || len(f.ready) > announceMax
}

var errHeader = errors.New("the header is all that is wanted")

// Abreast says whether a peer and this one have deltas up to the same numbers and nothing is on its way to either: then equal heads mean equal
// deltas. While a catch-up goes on, a delta can be here and be the head before all that lies under it.
func (f *Feed) Abreast(ctx context.Context, peer string) (bool, error) {
	mine := f.standing()
	f.mu.Lock()
	q := PullRequest{Check: true}
	for a, n := range f.vector {
		q.Vector = append(q.Vector, VectorEntry{Actor: a[:], Seq: n})
	}
	f.mu.Unlock()
	slices.SortFunc(q.Vector, func(a, b VectorEntry) int { return bytes.Compare(a.Actor, b.Actor) })
	theirs := new(pullHeader)
	err := f.net.Request(ctx, peer, Protocol, record.Encode(q), func(frame []byte) error {
		h, _, err := cutHeader(frame)
		if err != nil || h == nil {
			return cmp.Or(err, fmt.Errorf("%w: an answer without a header", record.ErrFormat))
		}
		theirs = h
		return errHeader
	})
	if err != nil && !errors.Is(err, errHeader) {
		return false, err
	}
	same := slices.EqualFunc(mine.Vector, theirs.Vector, func(a, b VectorEntry) bool { return a.Seq == b.Seq && bytes.Equal(a.Actor, b.Actor) })
	return same && !mine.Busy && !theirs.Busy, nil
}

// reached says up to which numbers all deltas are applied or left out. Called with mu held.
func (f *Feed) reached() map[record.Actor]uint64 {
	m := maps.Clone(f.vector)
	for _, d := range f.queued {
		m[d.Actor] = min(m[d.Actor], d.Seq-1)
	}
	return m
}

// standing is the part of a header that says what is applied here.
func (f *Feed) standing() (h pullHeader) {
	f.mu.Lock()
	reached := f.reached()
	h.Busy = f.importing > 0 || len(f.waiting) > 0 || len(f.queued) > 0
	f.mu.Unlock()
	for a, n := range reached {
		h.Vector = append(h.Vector, VectorEntry{Actor: a[:], Seq: n})
	}
	slices.SortFunc(h.Vector, func(a, b VectorEntry) int { return bytes.Compare(a.Actor, b.Actor) })
	for _, x := range f.heads() { // after the vector of what is applied: none of it is missing under them
		h.Heads = append(h.Heads, x[:])
	}
	return h
}

// answer is the answer to one pull while it comes in.
type answer struct {
	f      *Feed
	peer   string
	header *pullHeader
	floors map[record.Actor]uint64   // of the header; lower when a delta of the answer could not even wait
	left   uint64                    // of the deltas that were announced
	waits  map[record.BlockHash]bool // those in it that waited when they came, or had no room to
}

// begin takes the header of an answer that leaves deltas out.
func (a *answer) begin(h *pullHeader) {
	f := a.f
	a.header = h
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.Deltas > 0 {
		f.answers++
	}
	a.left = min(h.Deltas, announcedMax)
	f.pulled.Wanted += a.left
	f.m.DeltasBehind.Add(float64(a.left))
	for _, v := range h.Floors {
		if len(v.Actor) == 16 {
			a.floors[record.Actor(v.Actor)] = v.Seq
		}
	}
	if len(h.Floors) > 0 {
		f.importing++
	}
	for _, v := range h.Vector {
		if len(v.Actor) != 16 {
			continue
		}
		if actor := record.Actor(v.Actor); a.floors[actor] > f.vector[actor] {
			f.aim[actor] = max(f.aim[actor], v.Seq)
		}
	}
}

// complete lets those go on that waited for what is left out. Not before all of the answer is here: what they come after may be in it, and a
// delta whose number was jumped over would be taken for one that was left out.
func (a *answer) complete() {
	if a.header == nil {
		return
	}
	f := a.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range a.header.Gone {
		if len(g) == 32 && len(f.needed[record.BlockHash(g)]) > 0 {
			f.prune(record.BlockHash(g))
		}
	}
	for actor, floor := range a.floors {
		f.jump[actor] = max(f.jump[actor], floor)
	}
	for _, d := range f.inOrder() {
		if f.waiting[d.Hash] != nil && d.Seq <= f.jump[d.Actor]+1 {
			f.place(d)
		}
	}
	for _, d := range f.inOrder() {
		if f.waiting[d.Hash] != nil && !a.waits[d.Hash] && d.Seq <= a.floors[d.Actor] { // it came before, and the answer leaves it out
			delete(f.waiting, d.Hash)
			f.prune(d.Hash)
		}
	}
	for actor := range a.floors {
		f.advance(actor)
	}
}

// announcedMax bounds what an answer is believed to hold.
const announcedMax = 1 << 32

// came counts a delta of the answer.
func (a *answer) came(bytes int) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	p := &a.f.pulled
	p.Deltas++
	p.Bytes += uint64(bytes)
	if a.left > 0 {
		a.left--
		a.f.m.DeltasBehind.Dec()
	} else {
		p.Wanted++ // nobody announced it
	}
}

// end forgets the floors of the answer, whole or cut.
func (a *answer) end() {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if a.header != nil && a.header.Deltas > 0 {
		a.f.answers--
		a.f.due = a.f.placed + uint64(len(a.f.queued))
	}
	a.f.pulled.Wanted -= a.left
	a.f.m.DeltasBehind.Sub(float64(a.left))
	if a.header == nil || len(a.header.Floors) == 0 {
		return
	}
	if a.f.importing--; a.f.importing == 0 {
		clear(a.f.jump)
	}
}

// take lets a delta of the answer in. Those of its author come in the order of their numbers: what is under the floor and did not come before it was left out,
// and so are its parents that neither are here nor came.
func (a *answer) take(d *record.Delta) {
	f := a.f
	f.mu.Lock()
	if a.header != nil && len(a.header.Floors) > 0 {
		f.jump[d.Actor] = max(f.jump[d.Actor], min(a.floors[d.Actor], d.Seq-1))
		for _, p := range d.Parents {
			if !f.known(p) && f.waiting[p] == nil && !a.waits[p] {
				f.prune(p)
			}
		}
	}
	f.mu.Unlock()
	if !f.Offer(d) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.waits[d.Hash] = true; f.waiting[d.Hash] == nil { // nothing goes on before it: it is asked for again
		a.floors[d.Actor] = min(a.floors[d.Actor], d.Seq-1)
	}
}

// cutHeader takes the header off a frame; nil: there is none.
func cutHeader(frame []byte) (h *pullHeader, rest []byte, err error) {
	n := len(frame)
	if n < 8 || binary.BigEndian.Uint32(frame) != headerMark {
		return nil, frame, nil
	}
	size := uint64(binary.BigEndian.Uint32(frame[4:]))
	h = new(pullHeader)
	if size > uint64(n-8) || record.Decode(frame[8:8+size], h) != nil {
		return nil, nil, fmt.Errorf("%w: header of an answer", record.ErrFormat)
	}
	return h, frame[8+size:], nil
}

func (a *answer) frame(ctx context.Context, frame []byte) error {
	f, peer := a.f, a.peer
	h, frame, err := cutHeader(frame)
	if err != nil {
		f.m.Malformed.Inc()
		return err
	}
	if h != nil && a.header != nil {
		f.m.Malformed.Inc()
		return fmt.Errorf("%w: an answer with two headers", record.ErrFormat)
	}
	if h != nil {
		a.begin(h)
	}
	f.frames.Add(1)
	for len(frame) > 0 {
		if len(frame) < 4 || uint64(binary.BigEndian.Uint32(frame)) > uint64(len(frame)-4) {
			f.m.Malformed.Inc()
			return fmt.Errorf("%w: cut frame", record.ErrFormat)
		}
		n := binary.BigEndian.Uint32(frame)
		b := slices.Clone(frame[4 : 4+n])
		frame = frame[4+n:]
		d, err := f.Decode(b)
		if err != nil {
			return err // a peer only has what it accepted: this one is broken or hostile
		}
		f.m.PulledDeltas.Inc()
		a.came(len(b))
		for _, r := range d.Blobs {
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
		a.take(d)
	}
	return nil
}

// missing lists ancestors that deltas wait for, and those of heads, that are not here.
func (f *Feed) missing(heads []record.BlockHash) (out [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range heads {
		if f.waiting[h] == nil && !f.known(h) && f.needed[h] == nil {
			out = append(out, h[:])
		}
	}
	for h, children := range f.needed {
		if f.waiting[h] == nil && !f.known(h) && len(out) < wantMax {
			out = append(out, append(slices.Clone(h[:]), children[0].Hash[:]...))
		}
	}
	slices.SortFunc(out, bytes.Compare)
	return out
}

// inOrder are the deltas that wait, parents first, in an order that is the same each time. Called with mu held.
func (f *Feed) inOrder() []*record.Delta {
	return slices.SortedFunc(maps.Values(f.waiting), func(a, b *record.Delta) int {
		return cmp.Or(cmp.Compare(a.Height, b.Height), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
}

// fetchBlobs gets the blobs of deltas that wait for nothing else.
func (f *Feed) fetchBlobs(ctx context.Context, peer string) error {
	f.mu.Lock()
	var list []*record.Delta
	for _, d := range f.inOrder() {
		if !slices.ContainsFunc(d.Parents, func(p record.BlockHash) bool { return !f.known(p) }) {
			list = append(list, d)
		}
	}
	f.mu.Unlock()
	for _, d := range list {
		for _, r := range d.Blobs {
			if err := f.b.FetchBlob(ctx, r, peer); err != nil {
				return err
			}
		}
		f.mu.Lock()
		if f.waiting[d.Hash] != nil {
			f.place(d)
		}
		f.mu.Unlock()
	}
	return nil
}
