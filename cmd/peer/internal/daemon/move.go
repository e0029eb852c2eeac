package daemon

import (
	"context"
	"fmt"
	"net/http"
	"strings"

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
	peer := s.Self()
	if o.Peer != "" {
		if peer, err = findPeer(s, o.Peer); err != nil {
			return nil, err
		}
	}
	if err := s.Expel(r.Context(), peer); err != nil {
		return nil, err
	}
	return describe(b), nil
}
