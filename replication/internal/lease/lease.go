// Package lease decides who may write for a run and who takes over: pure logic, no clock, no I/O. The
// owner of a Core tells it what was heard and asks what to do; the same calls give the same decisions.
//
// An owner holds a run as long as its beats, which list the run, are heard. When they stop for longer than the
// lease, the candidates take turns, each a stagger after the one before it, in an order all of them
// compute alike. With three or more members a candidate needs a majority of them in reach; with two
// the survivor is enough. It does not prevent two owners of one run (no lease without a quorum write can);
// it makes them rare, and the order of heads makes them harmless.
//
// Silence is evidence only as far as the one who heard it was listening. A candidate that was stalled itself, which it sees by the time between two Ticks, listens for a whole lease from then on
// before it takes anything over; one whose Ticks are always slow waits for as many of them as would make a lease otherwise, so that it still takes over from the dead.
//
// Costs: a Tick looks at every run once.
package lease

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"
)

// RunID names a run.
type RunID = [16]byte

// Claim is what an owner says in a beat: I write for the run in this epoch.
type Claim struct {
	Run   RunID
	Epoch uint64
}

// Run is what this peer knows about a run when it asks for decisions.
type Run struct {
	ID    RunID
	Epoch uint64 // of the winning head
	Owner string // peer id of the winning head's owner
	Done  bool
	Mine  bool // owned here, now
	Warm  bool // its state is here, it could be continued
}

// Action is what to do about a run.
type Action uint8

const (
	TakeOver Action = iota + 1 // open the next epoch
	Lost                       // owned here, but a majority has not been heard for a lease
	Held                       // a majority is heard again
)

// Decision is one action.
type Decision struct {
	Run    RunID
	Action Action
}

// Config of a Core. Times are durations since any fixed moment.
type Config struct {
	Self    string
	Lease   time.Duration
	Stagger time.Duration // between candidates; more than a beat and a round trip
	Start   time.Duration // nothing is taken over before one lease of listening
}

// Core holds what was heard. Not safe for concurrent use.
type Core struct {
	c       Config
	members map[string]bool
	heard   map[string]beat
	claims  map[RunID]claim
	seen    map[RunID]sighting
	retry   map[RunID]time.Duration // not decided again before
	lost    map[RunID]bool

	ticked time.Duration // the last Tick
	pace   time.Duration // between Ticks, as they have been lately
	awake  time.Duration // since when this peer listens without a stall
}

type beat struct {
	at      time.Duration
	standby bool
}

type claim struct {
	epoch uint64
	at    time.Duration
}

type sighting struct {
	epoch uint64
	owner string
	at    time.Duration
}

// New makes a Core that has heard nobody.
func New(c Config) *Core {
	return &Core{c: c, members: map[string]bool{c.Self: true}, heard: map[string]beat{}, claims: map[RunID]claim{},
		seen: map[RunID]sighting{}, retry: map[RunID]time.Duration{}, lost: map[RunID]bool{}, ticked: c.Start, awake: c.Start}
}

// Member adds a known member.
func (c *Core) Member(peer string) { c.members[peer] = true }

// Gone takes a member out.
func (c *Core) Gone(peer string) {
	if peer != c.c.Self {
		delete(c.members, peer)
	}
}

// Members are all known members, sorted.
func (c *Core) Members() []string {
	var out []string
	for m := range c.members {
		out = append(out, m)
	}
	slices.Sort(out)
	return out
}

// Heard records a beat of another peer with the runs it owns. A claim of a lower epoch than one heard is ignored.
func (c *Core) Heard(now time.Duration, peer string, standby bool, claims []Claim) {
	if peer == c.c.Self {
		return
	}
	c.heard[peer] = beat{now, standby}
	for _, x := range claims {
		if old := c.claims[x.Run]; x.Epoch >= old.epoch {
			c.claims[x.Run] = claim{x.Epoch, now}
		}
	}
}

// Epoch is the highest epoch number claimed for the run in any beat.
func (c *Core) Epoch(run RunID) uint64 { return c.claims[run].epoch }

// Reachable says whether a peer was heard within the lease.
func (c *Core) Reachable(now time.Duration, peer string) bool {
	b, ok := c.heard[peer]
	return peer == c.c.Self || ok && now-b.at <= c.c.Lease
}

// Since is the time since a peer's last beat; false if it was never heard.
func (c *Core) Since(now time.Duration, peer string) (time.Duration, bool) {
	b, ok := c.heard[peer]
	return now - b.at, ok
}

// Majority says whether enough members are in reach to take a run over.
func (c *Core) Majority(now time.Duration) bool {
	if len(c.members) < 3 {
		return true
	}
	n := 0
	for m := range c.members {
		if c.Reachable(now, m) {
			n++
		}
	}
	return 2*n > len(c.members)
}

// Alive says whether the run's owner was heard within the lease.
func (c *Core) Alive(now time.Duration, r Run) bool {
	return r.Mine || c.silence(now, r) <= c.c.Lease
}

// silence is how long nobody has claimed the run's winning epoch or a later one. A head counts as a
// claim when it is first seen, since it may travel faster than its owner's beat.
func (c *Core) silence(now time.Duration, r Run) time.Duration {
	s := c.seen[r.ID]
	last := s.at
	if x, ok := c.claims[r.ID]; ok && x.epoch >= r.Epoch && x.at > last {
		last = x.at
	}
	return now - last
}

// Tick decides. It is to be called every beat or so with all known runs.
func (c *Core) Tick(now time.Duration, runs []Run, standby bool) []Decision {
	var out []Decision
	c.listen(now)
	majority := c.Majority(now)
	for _, r := range runs {
		if s, ok := c.seen[r.ID]; !ok || s.epoch != r.Epoch || s.owner != r.Owner {
			at := now
			if !ok && now-c.c.Start < c.c.Lease {
				at = c.c.Start // known since before this start: it is not news
			}
			c.seen[r.ID] = sighting{r.Epoch, r.Owner, at}
		}
		switch {
		case r.Done:
			delete(c.lost, r.ID)
		case r.Mine:
			if c.lost[r.ID] == majority {
				c.lost[r.ID] = !majority
				out = append(out, Decision{r.ID, map[bool]Action{true: Held, false: Lost}[majority]})
			}
		case c.due(now, r, majority, standby):
			c.retry[r.ID] = now + c.c.Lease
			out = append(out, Decision{r.ID, TakeOver})
		}
	}
	return out
}

// paceShare is how many Ticks make a lease at least: an owner on a machine as slow as this one beats as seldom. With the default of five beats a lease it
// changes nothing as long as Ticks come in time.
const paceShare = 4

// listen takes note of the time since the last Tick. More than half a lease, and than twice what is usual lately, is a stall: what was not heard in it may have been said.
func (c *Core) listen(now time.Duration) {
	gap := max(now-c.ticked, 0)
	if gap > max(c.c.Lease/2, 2*c.pace) {
		c.awake = now
	}
	c.pace += (min(gap, c.c.Lease+2*c.pace) - c.pace) / 4 // one stall is not yet slowness
	c.ticked = now
}

func (c *Core) due(now time.Duration, r Run, majority, standby bool) bool {
	former := r.Owner == c.c.Self
	lease := max(c.c.Lease, paceShare*c.pace)
	if !majority || !r.Warm || !standby && !former || now-c.awake < lease || now < c.retry[r.ID] {
		return false
	}
	over := c.silence(now, r) - lease
	return over > 0 && over >= time.Duration(c.rank(now, r))*c.c.Stagger
}

// rank is this peer's place among the candidates in reach: the former owner first, then the standbys in
// an order drawn from run and epoch.
func (c *Core) rank(now time.Duration, r Run) int {
	if r.Owner == c.c.Self {
		return 0
	}
	var all []string
	for p, b := range c.heard {
		if c.members[p] && c.Reachable(now, p) && (b.standby || p == r.Owner) {
			all = append(all, p)
		}
	}
	all = append(all, c.c.Self)
	return slices.Index(Order(r.ID, r.Epoch+1, r.Owner, all), c.c.Self)
}

// Order sorts the candidates for an epoch of a run as every peer does.
func Order(run RunID, epoch uint64, former string, peers []string) []string {
	draw := func(p string) []byte {
		h := sha256.Sum256(append(binary.BigEndian.AppendUint64(run[:], epoch), p...))
		return h[:]
	}
	return slices.SortedFunc(slices.Values(peers), func(a, b string) int {
		if (a == former) != (b == former) {
			return cmp.Compare(b2i(b == former), b2i(a == former))
		}
		return cmp.Or(bytes.Compare(draw(a), draw(b)), cmp.Compare(a, b))
	})
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Rank is what the winner of two heads of a run is decided by, the same at every peer.
type Rank struct {
	Epoch, Turn, Instructions uint64
	Owner                     string // peer id
	Actor                     [16]byte
}

// Compare is positive when a wins over b.
func (a Rank) Compare(b Rank) int {
	return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Turn, b.Turn), cmp.Compare(a.Instructions, b.Instructions),
		cmp.Compare(a.Owner, b.Owner), bytes.Compare(a.Actor[:], b.Actor[:]))
}
