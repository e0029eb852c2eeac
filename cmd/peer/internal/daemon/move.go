package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

func (d *Daemon) postMove(r *http.Request) (any, error) {
	o, err := body[api.Move](r)
	if err != nil {
		return nil, err
	}
	return d.onRun(func(s *tandem.Sandbox, ctx context.Context, run changes.RunID) error {
		peer, err := findPeer(s, o.Peer)
		if err != nil {
			return err
		}
		return s.Move(ctx, run, peer)
	})(r)
}

// getDivergences compares every open sandbox with those members that are reached now, or with one of them.
func (d *Daemon) getDivergences(r *http.Request) (any, error) {
	want := r.URL.Query().Get("peer")
	out, compared := []api.Divergence{}, false
	for _, b := range d.open() {
		s := b.now()
		for _, p := range s.Status().Peers {
			if !p.Connected || want != "" && !strings.HasSuffix(p.Peer, want) {
				continue
			}
			compared = true
			list, err := s.Diverge(r.Context(), p.Peer)
			if err != nil {
				return nil, err
			}
			for _, x := range list {
				out = append(out, api.Divergence{Sandbox: s.ID().String(), Peer: p.Peer, Name: x.Name, Run: x.Run.String(), Turn: x.Turn})
			}
		}
	}
	if !compared && want != "" {
		return nil, fmt.Errorf("%w: no member that is reached now fits %q: `peer peers` lists them", errUnknown, want)
	}
	return out, nil
}

// postLeave takes a member out of a sandbox: this peer when none is named.
func (d *Daemon) postLeave(r *http.Request) (any, error) {
	o, err := body[api.Move](r)
	if err != nil {
		return nil, err
	}
	b, s, err := d.find(r.Context(), r.PathValue("sandbox"))
	if err != nil {
		return nil, err
	}
	if o.Remove && o.Peer != "" {
		return nil, errors.New("what is here is removed when this peer leaves: name no other")
	}
	if o.Remove {
		return d.remove(r.Context(), b, s)
	}
	peer := s.Self()
	if o.Peer != "" {
		if peer, err = findPeer(s, o.Peer); err != nil {
			return nil, err
		}
	}
	if err := s.Expel(r.Context(), peer); err != nil {
		return nil, err
	}
	return d.describe(b), nil
}

// partingLimit is how long another member may take to hear that this peer left.
const partingLimit = 5 * time.Second

// remove leaves a sandbox and removes what is here of it: once another member knows that this peer left, if there is one.
func (d *Daemon) remove(ctx context.Context, b *box, s *tandem.Sandbox) (any, error) {
	member := func() bool { return slices.Contains(s.Status().Members, s.Self()) }
	if slices.ContainsFunc(s.Status().Members, func(m string) bool { return m != s.Self() }) {
		if member() {
			if err := s.Leave(ctx); err != nil {
				return nil, err
			}
		}
		patient, cancel := context.WithTimeout(ctx, partingLimit)
		defer cancel()
		for member() && patient.Err() == nil { // written, and not applied here yet: the digests are those of before
			time.Sleep(10 * time.Millisecond)
		}
		if err := s.Converged(patient, 1); err != nil {
			return nil, fmt.Errorf("this peer left, and no other member has heard of it: leave again when one is reached: %w", err)
		}
	}
	out := d.describe(b)
	d.mu.Lock()
	d.boxes = slices.DeleteFunc(slices.Clone(d.boxes), func(o *box) bool { return o == b })
	d.mu.Unlock()
	return out, errors.Join(b.close(), os.RemoveAll(b.dir))
}
