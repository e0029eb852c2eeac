package tandem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandemvm/tandem/replication"
)

// Shortage is what a run that executes here waits for: the members that its turns must be held by are out of reach, so that nothing it prints is given to readers.
type Shortage struct {
	Turn    uint64   // the newest
	Need    int      // how many members must hold it, this one counts
	Held    int      // how many do
	InReach []string // those of them that are in reach, by peer id, sorted; this one is among them
}

func (s Shortage) String() string {
	names := make([]string, len(s.InReach))
	for i, p := range s.InReach {
		names[i] = p[max(0, len(p)-8):] // what distinguishes ids stands at their end
	}
	return fmt.Sprintf("waiting for %d more of %d peers to hold turn %d; in reach: %d (%s)", s.Need-s.Held, s.Need, s.Turn, len(s.InReach), strings.Join(names, ", "))
}

// Shortage is what a run that is owned here waits for; nil: its newest turn is durable, or enough members are in reach to make it so.
func (s *Sandbox) Shortage(st replication.RunStatus) *Shortage {
	h := st.Head
	if !st.Owned || h.Durable == replication.Local {
		return nil
	}
	now := s.replica.Status()
	x := &Shortage{Turn: h.Turn, Need: int(h.Durable)}
	voters := now.Members
	if h.Durable == replication.Majority {
		voters = h.Voters
		x.Need = len(voters)/2 + 1
	}
	for _, v := range voters {
		if st.Held[v] >= h.Turn {
			x.Held++
		}
		if v == now.Self || slices.ContainsFunc(now.Peers, func(p replication.PeerStatus) bool { return p.Peer == v && p.Reachable }) {
			x.InReach = append(x.InReach, v)
		}
	}
	if x.Held >= x.Need || len(x.InReach) >= x.Need {
		return nil
	}
	return x
}

// watchHolders tells when the members that must hold the run's turns are out of reach for a while, and when it goes on.
func (r *Run) watchHolders(ctx context.Context) {
	tick := time.NewTicker(r.s.lease())
	defer tick.Stop()
	short := 0 // ticks in a row
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-r.done:
			return
		}
		st, ok := r.status()
		if !ok {
			continue
		}
		e := Event{Run: r.id, Name: r.name, Epoch: r.epoch.Number, Turn: st.Head.Turn}
		x := r.s.Shortage(st)
		switch {
		case x != nil:
			if short++; short == shortTicks {
				e.Kind, e.Err = RunWaits, errors.New(x.String())
				r.s.log.Warn("run waits for members", "run", r.id.String(), "why", x.String())
				r.s.tell(e)
			}
		default:
			if short >= shortTicks {
				e.Kind = RunHeld
				r.s.log.Info("run's turns are held again", "run", r.id.String(), "turn", st.Head.Turn)
				r.s.tell(e)
			}
			short = 0
		}
	}
}

// shortTicks is for how many leases members may be out of reach before it is told: a restart is no news.
const shortTicks = 2

// status is the run as the replica has it.
func (r *Run) status() (replication.RunStatus, bool) {
	runs := r.s.replica.Runs()
	i := slices.IndexFunc(runs, func(st replication.RunStatus) bool { return st.Head.Run == r.id })
	if i < 0 {
		return replication.RunStatus{}, false
	}
	return runs[i], true
}
