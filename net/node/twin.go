package node

import (
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tandemvm/tandem/net/proof"
)

// Twins are two processes with one identity: a copied directory, used twice. libp2p takes them for one peer, so that each that meets a member would end the
// other's links, without end and without a word. A process is told by the number it draws when it starts. One whose number gave way to another's, and that proves a key
// in a conversation begun after that, lives beside the other: proofs answer fresh nonces, so this is no late message of a process that was restarted.
//
// The process met last keeps its links while they stand; the other is refused with a frame 't' in the place of the first beat, and comes again every 15 s.

// processes are those of a peer that were met.
type processes struct {
	now, former proof.Boot
	since       time.Time // when now was met
	twins       time.Time // when both were last known to live
}

// twinKept is how long two processes count as living after the last sign of both.
const twinKept = time.Minute

var errTwin = errors.New("another process with this identity is connected there")

// admission is what becomes of a proven link.
type admission uint8

const (
	welcome admission = iota
	late              // of a process that was restarted meanwhile, or after the end
	twin              // of one that lives beside another, which is linked
)

// meet takes note of the process that a link leads to. Called with mu held.
func (n *Node) meet(l *link) admission {
	p := n.processes[l.peer]
	if p == nil {
		p = &processes{now: l.boot, since: time.Now()}
		n.processes[l.peer] = p
	}
	switch {
	case l.boot == p.now:
		return welcome
	case !l.began.After(p.since):
		return late // or early: of two that were being met at one moment, the one that lives comes again
	case l.boot == p.former:
		p.twins = time.Now()
		for o := range n.linksOf(l.peer) {
			if o.boot == p.now {
				return twin
			}
		}
	}
	p.former, p.now, p.since = p.now, l.boot, time.Now()
	return welcome
}

// linksOf are the links of a peer. Called with mu held.
func (n *Node) linksOf(p peer.ID) map[*link]bool {
	if m := n.members[p]; m != nil {
		return m.links
	}
	return nil
}

// refuseTwin tells the process at the other end why it is not admitted.
func (n *Node) refuseTwin(l *link) {
	n.log.Warn("two processes have one identity: end one of them, and join anew with it in a directory of its own", "member", l.peer.String(), "refused", l.stream.Conn().RemoteMultiaddr())
	l.stream.SetWriteDeadline(time.Now().Add(refuseLinger))
	l.stream.Write([]byte{'t'})
	time.AfterFunc(refuseLinger, func() {
		l.stream.Reset()
		l.stream.Conn().Close()
	})
}

// refusedAsTwin takes the word of a member that there is another process with this node's identity.
func (n *Node) refusedAsTwin(l *link) {
	n.log.Error("another process has this identity: end one of them, and join anew with it in a directory of its own", "says", l.peer.String())
	n.mu.Lock()
	n.twinTold = time.Now()
	n.mu.Unlock()
}

// Twins are the peers of which two processes were met within a minute, sorted; this one's own id is among them when a member said so.
func (n *Node) Twins() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for id, p := range n.processes {
		if time.Since(p.twins) < twinKept {
			out = append(out, id.String())
		}
	}
	if time.Since(n.twinTold) < twinKept {
		out = append(out, n.host.ID().String())
	}
	slices.Sort(out)
	return out
}
