package daemon

import (
	"context"
	"net/http"

	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

func (d *Daemon) postMove(r *http.Request) (any, error) {
	o, err := body[api.Move](r)
	if err != nil {
		return nil, err
	}
	return d.onRun(func(s *tandem.Sandbox, ctx context.Context, run changes.RunID) error { return s.Move(ctx, run, o.Peer) })(r)
}

// getDivergences compares every open sandbox with those members that are reached now, or with one of them.
func (d *Daemon) getDivergences(r *http.Request) (any, error) {
	out := []api.Divergence{}
	for _, b := range d.open() {
		s := b.now()
		for _, p := range s.Status().Peers {
			if want := r.URL.Query().Get("peer"); !p.Connected || want != "" && want != p.Peer {
				continue
			}
			list, err := s.Diverge(r.Context(), p.Peer)
			if err != nil {
				return nil, err
			}
			for _, x := range list {
				out = append(out, api.Divergence{Sandbox: s.ID().String(), Peer: p.Peer, Name: x.Name, Run: x.Run.String(), Turn: x.Turn})
			}
		}
	}
	return out, nil
}

// postLeave takes a member out of a sandbox: this peer when none is named.
func (d *Daemon) postLeave(r *http.Request) (any, error) {
	o, err := body[api.Move](r)
	if err != nil {
		return nil, err
	}
	_, s, err := d.find(r.Context(), r.PathValue("sandbox"))
	if err != nil {
		return nil, err
	}
	if o.Peer == "" {
		o.Peer = s.Self()
	}
	return struct{}{}, s.Expel(r.Context(), o.Peer)
}
