package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/record"
)

const cellsProtocol = "tandem/cells/1"

// Divergence is a difference between this replica and another that have applied the same deltas: a fault of the program, the memory or the
// disk of one of them.
type Divergence struct {
	Name string        // "var main.Hits", "run 3f..."
	Run  changes.RunID // whose contribution differs
	Turn uint64        // the first of its turns that does, as far as can be told
}

func (d Divergence) String() string {
	return fmt.Sprintf("%s: run %s from turn %d on", d.Name, d.Run.String(), d.Turn)
}

// cellsRequest asks for the contributions to one leaf path; a reply names them by hash.
type cellsRequest struct {
	Path []byte `cbor:"1,keyasint"`
}

type cellsReply struct {
	Cells []cellHash `cbor:"1,keyasint"`
}

type cellHash struct {
	_    struct{} `cbor:",toarray"`
	Run  []byte
	Turn uint64 // of the run, without its epoch
	Hash []byte
}

func (r *Replica) cellHashes(p changes.Path) (list []cellHash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.table.View == nil {
		return nil
	}
	for _, c := range r.table.View.Cells(p) {
		h := block.Tagged("tandem cell 1", c.Encode())
		list = append(list, cellHash{Run: c.Stamp.Run[:], Turn: c.Stamp.Turn & (1<<40 - 1), Hash: h[:]})
	}
	return list
}

func (r *Replica) serveCells(_ context.Context, _ string, req []byte, send func([]byte) error) error {
	var q cellsRequest
	err := record.Decode(req, &q)
	var p changes.Path
	if err == nil {
		p, err = changes.DecodePath(q.Path)
	}
	if err != nil {
		r.m.Malformed.Inc()
		return fmt.Errorf("request for cells: %w", errors.Join(err, ErrFormat))
	}
	return send(record.Encode(cellsReply{r.cellHashes(p)}))
}

// Diverge names what differs between this replica and a connected peer's, with the run whose contribution does and its first differing turn:
// nothing when both are equal. While turns are on their way differences are no error.
func (r *Replica) Diverge(ctx context.Context, peer string) (out []Divergence, err error) {
	names, err := r.differ(ctx, peer)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		d := Divergence{Name: leafText(n)}
		if code, ok := strings.CutPrefix(n, "var "); ok {
			if p, err := changes.DecodePath([]byte(code)); err == nil {
				d.Run, d.Turn, err = r.firstDifference(ctx, peer, p)
				if err != nil {
					return nil, err
				}
			}
		} else if id, ok := strings.CutPrefix(n, "run "); ok && record.ParseHex(id, d.Run[:]) {
			if h, err := r.Head(d.Run); err == nil {
				d.Turn = h.Turn
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// firstDifference compares the contributions of all runs to a path.
func (r *Replica) firstDifference(ctx context.Context, peer string, p changes.Path) (run changes.RunID, turn uint64, err error) {
	var theirs cellsReply
	err = r.t.Request(ctx, peer, cellsProtocol, record.Encode(cellsRequest{Path: p.Encode()}), func(frame []byte) error {
		return record.Decode(frame, &theirs)
	})
	if err != nil {
		return run, 0, err
	}
	mine := r.cellHashes(p)
	for _, pair := range [][2][]cellHash{{mine, theirs.Cells}, {theirs.Cells, mine}} {
		for _, c := range pair[0] {
			same := slices.ContainsFunc(pair[1], func(d cellHash) bool {
				return slices.Equal(c.Run, d.Run) && slices.Equal(c.Hash, d.Hash)
			})
			if !same && len(c.Run) == 16 && (turn == 0 || c.Turn < turn) {
				run, turn = changes.RunID(c.Run), c.Turn
			}
		}
	}
	return run, turn, nil
}

// sight is what a peer and this one said of themselves at one moment.
type sight struct{ theirHeads, theirDigest, ourHeads, ourDigest changes.Hash }

// suspect compares a beat with what this replica has. Equal heads mean equal deltas and so equal digests. Both sides say heads and digest
// of one moment: a beat with the heads before a turn and the digest after it, given twice by the network, was an alarm. A peer that
// catches up may have the heads before what lies under them, so it takes two beats in a row that say the same, with nothing new here between them,
// and then what confirm says (TestAlarmComparesVectorsFirst).
func (r *Replica) suspect(from string, s *said, old said) {
	r.mu.Lock()
	s.sight = sight{s.heads, s.digest, feed.HeadsHash(r.tips), r.table.Digest.Root()}
	r.mu.Unlock()
	x := s.sight
	if x.theirHeads != x.ourHeads || x.theirDigest == x.ourDigest || x != old.sight || old.alarmed {
		s.alarmed = old.alarmed && x.theirHeads == x.ourHeads && x.theirDigest != x.ourDigest
		return
	}
	s.alarmed = true
	r.wg.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, fetchTimeout)
		defer cancel()
		list, err := r.confirm(ctx, from)
		if err != nil || len(list) == 0 {
			r.log.Debug("digests differ in a catch-up", "peer", from, "err", err)
			r.leaseMu.Lock()
			if now := r.said[from]; now.sight == x {
				now.alarmed = false // should it stay so, the next beat asks again
				r.said[from] = now
			}
			r.leaseMu.Unlock()
			r.puller(from).trigger(0)
			return
		}
		r.m.Diverged.Inc()
		text := make([]string, len(list))
		for i, d := range list {
			text[i] = d.String()
		}
		err = fmt.Errorf("this replica and %s have the same deltas and differ in %s", from, strings.Join(text, ", "))
		r.log.Error("replicas diverge", "peer", from, "err", err)
		r.emit(Event{Kind: Diverged, Err: err})
	})
}

// confirm names what differs between this replica and a peer's that have the same deltas: vectors that are the same on both sides with nothing on its way to
// either, before the comparison and after it. Nothing: they do not have the same, or have by now and it was a catch-up that showed.
func (r *Replica) confirm(ctx context.Context, peer string) (list []Divergence, err error) {
	r.mu.Lock()
	heads := feed.HeadsHash(r.tips)
	r.mu.Unlock()
	if same, err := r.feed.Abreast(ctx, peer); err != nil || !same {
		return nil, err
	}
	if list, err = r.Diverge(ctx, peer); err != nil {
		return nil, err
	}
	same, err := r.feed.Abreast(ctx, peer)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || !same || heads != feed.HeadsHash(r.tips) {
		return nil, err
	}
	return list, nil
}
