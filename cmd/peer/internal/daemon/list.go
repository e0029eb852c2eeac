package daemon

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/replication"
)

var errUnknown = errors.New("unknown")

// open lists the boxes whose sandboxes are open.
func (d *Daemon) open() []*box {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*box
	for _, b := range d.boxes {
		if b.now() != nil {
			out = append(out, b)
		}
	}
	return out
}

// unopened counts the sandboxes that are being opened, or could not be.
func (d *Daemon) unopened() int {
	open := len(d.open())
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.boxes) - open
}

// find gives the sandbox of an id, the beginning of one, or a name; "-" is the only one there is. It waits for sandboxes
// that are being opened.
func (d *Daemon) find(ctx context.Context, name string) (*box, *tandem.Sandbox, error) {
	d.mu.Lock()
	boxes := d.boxes
	d.mu.Unlock()
	var found []*box
	for _, b := range boxes {
		s, err := b.opened(ctx)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			continue
		}
		if s.ID().String() == name {
			return b, s, nil
		}
		if name == "-" || s.Name() == name || len(name) >= 4 && strings.HasPrefix(s.ID().String(), name) {
			found = append(found, b)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], found[0].sandbox, nil
	case len(found) > 1:
		return nil, nil, fmt.Errorf("%d sandboxes fit %q: name one by its id", len(found), name)
	case name == "-":
		return nil, nil, fmt.Errorf("%w: the store has no sandbox", errUnknown)
	}
	return nil, nil, fmt.Errorf("%w: no sandbox fits %q", errUnknown, name)
}

// findRun gives the run of an id, the beginning of one, or a name.
func (d *Daemon) findRun(name string) (*tandem.Sandbox, api.Run, error) {
	var found []api.Run
	var in []*tandem.Sandbox
	for _, b := range d.open() {
		s := b.now()
		for _, r := range d.runsOf(b, s) {
			if r.ID == name {
				return s, r, nil
			}
			if r.Name == name || len(name) >= 4 && strings.HasPrefix(r.ID, name) {
				found, in = append(found, r), append(in, s)
			}
		}
	}
	switch len(found) {
	case 1:
		return in[0], found[0], nil
	case 0:
		if n := d.unopened(); n > 0 {
			return nil, api.Run{}, fmt.Errorf("%w: no run fits %q; %d sandboxes are not open: `peer status` says why", errUnknown, name, n)
		}
		return nil, api.Run{}, fmt.Errorf("%w: no run fits %q: `peer ps` lists them", errUnknown, name)
	}
	return nil, api.Run{}, fmt.Errorf("%d runs fit %q: name one by its id", len(found), name)
}

// findPeer gives the id of a member, or of a peer that was one, by the id or its end, as listings show it.
func findPeer(s *tandem.Sandbox, name string) (string, error) {
	st := s.Status()
	all := slices.Clone(st.Members)
	for _, p := range st.Peers {
		all = append(all, p.Peer)
	}
	slices.Sort(all)
	var found []string
	for _, p := range slices.Compact(all) {
		if p == name || len(name) >= 4 && strings.HasSuffix(p, name) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("%w: no member of %s fits %q: `peer peers` lists them", errUnknown, s.Name(), name)
	}
	return "", fmt.Errorf("%d members fit %q: name one by its id", len(found), name)
}

// findReceiver gives the run of a name, or the only one of a sandbox of that name that has not ended.
func (d *Daemon) findReceiver(ctx context.Context, name string) (*tandem.Sandbox, string, error) {
	s, run, notRun := d.findRun(name)
	if notRun == nil {
		return s, run.ID, nil
	}
	b, s, err := d.find(ctx, name)
	if err != nil {
		return nil, "", notRun
	}
	var open []string
	for _, r := range d.runsOf(b, s) {
		if !r.Done {
			open = append(open, r.ID)
		}
	}
	if len(open) != 1 {
		return nil, "", fmt.Errorf("%d runs of sandbox %s have not ended: name the one to send to: `peer ps` lists them", len(open), s.Name())
	}
	return s, open[0], nil
}

func runID(text string) (id changes.RunID, err error) {
	if n, err := hex.Decode(id[:], []byte(text)); err != nil || n != len(id) {
		return id, fmt.Errorf("%w: %q is not a run id", errUnknown, text)
	}
	return id, nil
}

func (d *Daemon) describe(b *box) api.Sandbox {
	out := api.Sandbox{Standby: b.settings.Standby, Members: []string{}}
	if !b.id.IsZero() {
		out.ID = b.id.String()
	}
	s := b.now()
	if s == nil {
		select {
		case <-b.ready:
			if b.err != nil {
				out.Error = oneLine(b.err)
			}
		default:
			b.mu.Lock()
			young := b.young
			b.mu.Unlock()
			if young != nil {
				st := young.Status()
				out.Joining, out.Foreign = joiningOf(st), foreignOf(st)
			}
		}
		return out
	}
	st := s.Status()
	out.Joining, out.Foreign, out.Notes = joiningOf(st), foreignOf(st), d.notesOf(st)
	out.ID, out.Name, out.Program = s.ID().String(), s.Name(), s.Program().Hash().String()
	out.Members = append(out.Members, st.Members...)
	out.Digest, out.Deltas, out.Bytes, out.Heads, out.Pending = st.Digest.String(), st.Deltas, st.Bytes, st.Heads, st.Pending
	if st.Failed != nil {
		out.Error = oneLine(st.Failed)
	}
	return out
}

// notesOf says what is wrong with stores and identities of a sandbox's peers.
func (d *Daemon) notesOf(st replication.Status) (lines []string) {
	if st.Past > 0 {
		line := fmt.Sprintf("the store was an older copy: %d deltas that this peer had written came from the others", st.Past)
		if st.Forgot {
			line += "; it has no vote in runs at majority until more of their voters are in reach"
		}
		lines = append(lines, line)
	}
	for _, p := range d.peer.Twins() {
		switch {
		case p == d.peer.ID():
			lines = append(lines, "another process has this peer's identity: the store was copied and both copies are in use: end one of them, and join anew with it in another directory")
		case slices.Contains(st.Members, p):
			lines = append(lines, "two processes have the identity of peer "+p+": end one of them, and join anew with it in another directory")
		}
	}
	return lines
}

func foreignOf(st replication.Status) (lines []string) {
	for _, f := range st.Foreign {
		lines = append(lines, f.Advice())
	}
	return lines
}

func joiningOf(st replication.Status) api.Joining {
	j := st.Join
	out := api.Joining{Done: j.Done, Deltas: j.Deltas, DeltasWanted: j.DeltasWanted, Behind: j.Behind, Blocks: j.Blocks, BlocksWanted: j.BlocksWanted, Bytes: j.Bytes}
	for _, p := range st.Peers {
		if p.Reachable {
			out.Peers++
		}
	}
	return out
}

func (d *Daemon) runs() []api.Run {
	out := []api.Run{}
	for _, b := range d.open() {
		out = append(out, d.runsOf(b, b.now())...)
	}
	return out
}

// runsOf lists the runs of a sandbox, those included that began here and have not ended their first turn.
func (d *Daemon) runsOf(b *box, s *tandem.Sandbox) []api.Run {
	// In this order: a run is in the sandbox's list from its first turn on, so it cannot be missing from both.
	b.mu.Lock()
	young := map[changes.RunID]*tandem.Run{}
	for id, r := range b.started {
		young[id] = r
	}
	b.mu.Unlock()
	var out []api.Run
	for _, st := range s.Runs() {
		delete(young, st.Head.Run)
		out = append(out, seen(s, st))
	}
	for _, r := range young {
		out = append(out, unseen(s, r))
	}
	b.mu.Lock()
	for i := range out {
		id, _ := runID(out[i].ID)
		if why := b.failed[id]; why != "" {
			out[i].Error = why
		}
		if young[id] == nil {
			delete(b.started, id)
		}
	}
	b.mu.Unlock()
	return out
}

func unseen(s *tandem.Sandbox, r *tandem.Run) api.Run {
	return api.Run{ID: r.ID().String(), Sandbox: s.ID().String(), Name: r.Name(), Owner: s.Self(), Owned: true, Alive: true, Epoch: 1}
}

func seen(s *tandem.Sandbox, st replication.RunStatus) api.Run {
	h := st.Head
	out := api.Run{ID: h.Run.String(), Sandbox: s.ID().String(), Name: h.Name, Owner: h.Owner, Owned: st.Owned, Alive: st.Alive,
		Warm: st.Warm, Epoch: h.Epoch.Number, Turn: h.Turn, Instructions: h.Instructions, MemoryBytes: h.MemoryBytes, Lines: h.Lines,
		Done: h.Done, Exit: int(h.Exit), Forks: len(st.Forks)}
	if p := tandem.PauseOf(h); p != nil {
		out.Paused, out.Error, out.Failure, out.Messages = true, p.Reason, p.Text, p.Messages
	}
	if x := s.Shortage(st); x != nil {
		out.Waits = x.String()
	}
	return out
}

func (d *Daemon) digests() []api.Digest {
	out := []api.Digest{}
	for _, b := range d.open() {
		out = append(out, digestOf(b.now()))
	}
	return out
}

func digestOf(s *tandem.Sandbox) api.Digest {
	st := s.Status()
	x := api.Digest{Sandbox: s.ID().String(), Name: s.Name(), Digest: st.Digest.String(), Converged: st.Pending == 0, Peers: []api.PeerDigest{}}
	for _, p := range st.Peers {
		x.Peers = append(x.Peers, api.PeerDigest{Peer: p.Peer, Digest: p.Digest.String(), InSync: p.InSync, Reachable: p.Reachable})
		x.Converged = x.Converged && (p.InSync || !p.Reachable)
	}
	return x
}

func (d *Daemon) peers() []api.Peer {
	out := []api.Peer{}
	for _, b := range d.open() {
		s := b.now()
		st := s.Status()
		for _, p := range st.Peers {
			out = append(out, api.Peer{Peer: p.Peer, Member: slices.Contains(st.Members, p.Peer), Sandbox: s.ID().String(), Name: s.Name(), Connected: p.Connected, Reachable: p.Reachable,
				Ago: p.Ago, Digest: p.Digest.String(), InSync: p.InSync, Standby: p.Standby, Deltas: p.Deltas})
		}
	}
	return out
}

// plain is a variable's name without its package path.
func plain(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
