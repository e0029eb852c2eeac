package replication

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// DigestLeaf is one named part of the digest: a leaf path of a shared variable or a run's head.
type DigestLeaf struct {
	Name string
	Hash changes.Hash
}

const (
	digestProtocol = "tandem/digest/1"
	leavesMax      = 4096 // in a frame
)

// leavesFrame is a part of a digest's leaves, sorted by name over all frames.
type leavesFrame struct {
	Leaves []leafWire `cbor:"1,keyasint"`
}

type leafWire struct {
	_    struct{} `cbor:",toarray"`
	Name []byte
	Hash []byte
}

func (r *Replica) serveDigest(_ context.Context, _ string, _ []byte, send func([]byte) error) error {
	r.mu.Lock()
	var all []leafWire
	for _, name := range r.table.Digest.Names() {
		h := r.table.Digest.Leaf(name)
		all = append(all, leafWire{Name: []byte(name), Hash: h[:]})
	}
	r.mu.Unlock()
	for len(all) > 0 {
		n := min(leavesMax, len(all))
		if err := send(record.Encode(leavesFrame{all[:n]})); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// Differ names the variables' paths and runs in which a connected peer's digest differs from ours now: nothing
// when both are equal. Differences while turns are on their way are no error.
func (r *Replica) Differ(ctx context.Context, peer string) ([]string, error) {
	names, err := r.differ(ctx, peer)
	for i, n := range names {
		names[i] = leafText(n)
	}
	return names, err
}

func (r *Replica) differ(ctx context.Context, peer string) ([]string, error) {
	theirs := changes.NewDigestTree()
	err := r.t.Request(ctx, peer, digestProtocol, nil, func(frame []byte) error {
		var f leavesFrame
		if err := record.Decode(frame, &f); err != nil {
			r.m.Malformed.Inc()
			return err
		}
		for _, l := range f.Leaves {
			if len(l.Hash) != 32 {
				return fmt.Errorf("%w: digest leaf", ErrFormat)
			}
			theirs.SetHash(string(l.Name), changes.Hash(l.Hash))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	names := r.table.Digest.Differ(theirs)
	r.mu.Unlock()
	return names, nil
}

// DigestLeaves lists the parts of the digest, sorted.
func (r *Replica) DigestLeaves() []DigestLeaf {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []DigestLeaf
	for _, name := range r.table.Digest.Names() {
		out = append(out, DigestLeaf{leafText(name), r.table.Digest.Leaf(name)})
	}
	return out
}

// leafText is a leaf's name for people: "var main.Hits", "run 3f...".
func leafText(name string) string {
	if code, ok := bytes.CutPrefix([]byte(name), []byte("var ")); ok {
		if p, err := changes.DecodePath(code); err == nil {
			return "var " + p.String()
		}
	}
	return name
}
