package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandemvm/tandem/replication/internal/feed"
)

// ProtocolVersion is that of what replicas say to each other. Replicas of two versions get nothing from each other: Status.Foreign.
const ProtocolVersion = feed.Version

// versionsAhead is how many later versions are asked for.
const versionsAhead = 8

// Foreign is a connected peer that speaks another version, so that nothing is had from it.
type Foreign struct {
	Peer    string
	Version int // 0: none that this replica knows of
}

// Advice says in a line what is wrong, and what to do.
func (f Foreign) Advice() string {
	switch {
	case f.Version == 0:
		return fmt.Sprintf("peer %s speaks no version of the protocol that this peer knows, which speaks %d: update the older of the two", f.Peer, ProtocolVersion)
	case f.Version < ProtocolVersion:
		return fmt.Sprintf("peer %s speaks version %d of the protocol, this peer %d: update that one", f.Peer, f.Version, ProtocolVersion)
	}
	return fmt.Sprintf("peer %s speaks version %d of the protocol, this peer %d: update this one", f.Peer, f.Version, ProtocolVersion)
}

// heed notes by how a catch-up went whether the peer speaks our version.
func (r *Replica) heed(ctx context.Context, peer string, err error) {
	r.pullMu.Lock()
	_, noted := r.foreign[peer]
	if err == nil {
		delete(r.foreign, peer)
	}
	r.pullMu.Unlock()
	if noted || !unknownName(err) {
		return
	}
	f := Foreign{peer, r.versionOf(ctx, peer)}
	if ctx.Err() != nil || !slices.Contains(r.t.Peers(), peer) {
		return
	}
	r.pullMu.Lock()
	r.foreign[peer] = f
	r.pullMu.Unlock()
	r.log.Warn(f.Advice())
	r.notify()
}

// versionOf asks a peer that does not speak our version which one it does, newest first: whoever knows a name refuses an empty request in another way than
// who does not.
func (r *Replica) versionOf(ctx context.Context, peer string) int {
	for v := ProtocolVersion + versionsAhead; v > 0 && ctx.Err() == nil; v-- {
		if err := r.t.Request(ctx, peer, feed.ProtocolOf(v), nil, func([]byte) error { return nil }); !unknownName(err) {
			return v
		}
	}
	return 0
}

func unknownName(err error) bool {
	var x interface{ NoHandler() bool }
	return errors.As(err, &x) && x.NoHandler()
}

// forgetForeign lets go of notes about peers that are not connected any more. Called with pullMu held.
func (r *Replica) forgetForeign(connected []string) {
	for p := range r.foreign {
		if !slices.Contains(connected, p) {
			delete(r.foreign, p)
		}
	}
}

// foreigners lists the notes, sorted.
func (r *Replica) foreigners() (out []Foreign) {
	r.pullMu.Lock()
	defer r.pullMu.Unlock()
	for _, f := range r.foreign {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Foreign) int { return strings.Compare(a.Peer, b.Peer) })
	return out
}
