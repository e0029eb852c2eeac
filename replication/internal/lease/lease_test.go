package lease

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	leaseTime = 1000 * time.Millisecond
	beatTime  = 200 * time.Millisecond
	stagger   = 300 * time.Millisecond
)

func seedOf(t *testing.T) uint64 {
	seed := rand.Uint64()
	if s := os.Getenv("TANDEM_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("TANDEM_SEED=%d", seed)
	return seed
}

// TestWinnerIsATotalOrder looks at all triples over small ranks: the winner of a set of heads does not
// depend on the order they are met in.
func TestWinnerIsATotalOrder(t *testing.T) {
	var all []Rank
	for e := range uint64(3) {
		for turn := range uint64(3) {
			for ic := range uint64(2) {
				for _, o := range []string{"a", "b"} {
					for a := range byte(2) {
						all = append(all, Rank{e, turn, ic, o, [16]byte{a}})
					}
				}
			}
		}
	}
	for i, a := range all {
		for j, b := range all {
			if got, back := a.Compare(b), b.Compare(a); got != -back || (got == 0) != (i == j) {
				t.Fatalf("%v and %v: %d and %d", a, b, got, back)
			}
			if a.Epoch > b.Epoch && a.Compare(b) <= 0 {
				t.Fatalf("%v does not win over %v", a, b)
			}
			for _, c := range all {
				if a.Compare(b) > 0 && b.Compare(c) > 0 && a.Compare(c) <= 0 {
					t.Fatalf("%v > %v > %v is not transitive", a, b, c)
				}
			}
		}
	}
}

// TestDecisionsExhaustively goes through every combination of what matters and compares with the rule
// written down plainly.
func TestDecisionsExhaustively(t *testing.T) {
	bools := []bool{false, true}
	for members := 1; members <= 5; members++ {
		for reach := 0; reach < members; reach++ {
			for _, silent := range bools {
				for _, warm := range bools {
					for _, standby := range bools {
						for _, done := range bools {
							for _, early := range bools {
								c := New(Config{Self: "p0", Lease: leaseTime, Stagger: stagger})
								for i := range members {
									c.Member(fmt.Sprint("p", i))
								}
								r := Run{ID: RunID{1}, Epoch: 1, Owner: "gone", Warm: warm, Done: done}
								now := 10 * time.Second
								if early {
									now = leaseTime / 2
								}
								c.Tick(0, []Run{r}, standby)
								for at := beatTime; at < now; at += beatTime { // it is not stalled
									c.Tick(at, nil, standby)
								}
								for i := 1; i <= reach; i++ {
									c.Heard(now, fmt.Sprint("p", i), false, nil) // in reach, but no candidates
								}
								if !silent {
									c.Heard(now, "gone", false, []Claim{{r.ID, 1}})
								}
								got := slices.Contains(c.Tick(now, []Run{r}, standby), Decision{r.ID, TakeOver})
								want := silent && warm && standby && !done && !early && (members < 3 || 2*(reach+1) > members)
								if got != want {
									t.Fatalf("members %d reach %d silent %v warm %v standby %v done %v early %v: takes over %v, want %v",
										members, reach, silent, warm, standby, done, early, got, want)
								}
							}
						}
					}
				}
			}
		}
	}
}

func TestStaleClaimsDoNotHoldARun(t *testing.T) {
	c := New(Config{Self: "b", Lease: leaseTime, Stagger: stagger})
	r := Run{ID: RunID{1}, Epoch: 3, Owner: "c", Warm: true}
	c.Tick(0, []Run{r}, true)
	for now := time.Duration(0); now < 3*leaseTime; now += beatTime {
		c.Heard(now, "a", false, []Claim{{r.ID, 2}}) // the owner of an epoch that lost
		for _, d := range c.Tick(now, []Run{r}, true) {
			if d.Action == TakeOver && now <= leaseTime {
				t.Fatalf("taken over after %v", now)
			} else if d.Action == TakeOver {
				return
			}
		}
	}
	t.Fatal("a claim of a lost epoch holds the run")
}

// watch ticks a candidate from one moment on and says when it takes the run over; heard is called before each Tick.
func watch(c *Core, r Run, from, to, every time.Duration, heard func(now time.Duration)) (at time.Duration, over bool) {
	for now := from; now <= to; now += every {
		if heard != nil {
			heard(now)
		}
		if slices.Contains(c.Tick(now, []Run{r}, true), Decision{r.ID, TakeOver}) {
			return now, true
		}
	}
	return 0, false
}

// TestStalledCandidateListensFirst: a candidate that did not execute for long does not take the silence of that time for the owner's. It gives the owner a whole lease from
// when it is back, and takes over when nothing is heard in that.
func TestStalledCandidateListensFirst(t *testing.T) {
	r := Run{ID: RunID{1}, Epoch: 1, Owner: "a", Warm: true}
	for _, members := range []int{2, 3, 5} {
		for _, stall := range []time.Duration{600 * time.Millisecond, leaseTime, 2 * leaseTime, 60 * leaseTime} {
			for _, alive := range []bool{true, false} {
				c := New(Config{Self: "c", Lease: leaseTime, Stagger: stagger})
				for _, m := range []string{"a", "b", "d", "e"}[:members-1] {
					c.Member(m)
				}
				others := func(now time.Duration) {
					for _, m := range []string{"b", "d", "e"}[:members-2] {
						c.Heard(now, m, false, nil)
					}
				}
				owner := func(now time.Duration) { c.Heard(now, "a", false, []Claim{{r.ID, 1}}) }
				begin := 5 * time.Second
				if at, over := watch(c, r, 0, begin, beatTime, func(now time.Duration) { others(now); owner(now) }); over {
					t.Fatalf("taken over at %v from an owner that is well", at)
				}
				back := begin + stall
				at, over := watch(c, r, back, back+3*leaseTime, beatTime, func(now time.Duration) {
					others(now)
					if alive && now >= back+leaseTime*9/10 { // it was stalled too, and is back a little later
						owner(now)
					}
				})
				if alive && over {
					t.Errorf("%d members, stalled for %v: taken over %v later from an owner that is well", members, stall, at-back)
				}
				if !alive && (!over || at < back+leaseTime || at > back+2*leaseTime) {
					t.Errorf("%d members, stalled for %v: taken over %v later: %v", members, stall, at-back, over)
				}
			}
		}
	}
}

// TestSlowCandidateTakesOver: a candidate that is always slow takes over from an owner that is dead, and not from one that is as slow as itself.
func TestSlowCandidateTakesOver(t *testing.T) {
	r := Run{ID: RunID{1}, Epoch: 1, Owner: "a", Warm: true}
	rnd := rand.New(rand.NewPCG(seedOf(t), 0))
	for _, every := range []time.Duration{leaseTime / 10, leaseTime / 2, leaseTime * 7 / 10, leaseTime, 3 * leaseTime, 20 * leaseTime} {
		for _, alive := range []bool{true, false} {
			c := New(Config{Self: "c", Lease: leaseTime, Stagger: stagger})
			c.Member("a")
			said, late := time.Duration(0), time.Duration(0)
			began, over := time.Duration(0), false
			for now := time.Duration(0); now < 200*every && !over; now += every + time.Duration(rnd.Int64N(int64(every)/2)) {
				if dead := !alive && now > 100*every; now >= said+late && !dead {
					c.Heard(now, "a", false, []Claim{{r.ID, 1}})
					said, late, began = now, every+time.Duration(rnd.Int64N(int64(every)/2)), now
				}
				over = slices.Contains(c.Tick(now, []Run{r}, true), Decision{r.ID, TakeOver})
				if took := now - began; over && (alive || took > 8*max(every, leaseTime)) {
					t.Errorf("a Tick every %v: taken over after a silence of %v, the owner lives: %v", every, took, alive)
				}
			}
			if !alive && !over {
				t.Errorf("a Tick every %v: never taken over from the dead", every)
			}
		}
	}
}

// node is a peer of the simulation: what a replica does around a Core, without a store.
type node struct {
	name  string
	core  *Core
	up    bool
	owned uint64 // epoch of the run it owns, 0: none
	head  Rank   // winner it knows of
}

type packet struct {
	at    time.Duration
	to    int
	from  string
	claim []Claim
	head  Rank
}

// TestSimulation runs peers over a network that loses, delays and splits, with crashes and restarts, and
// checks that a run always finds an owner again when a majority is in reach, that owners of lost epochs
// stand down, and that at rest all peers name the same single owner.
func TestSimulation(t *testing.T) {
	seed := seedOf(t)
	takeovers := 0
	for i := range uint64(200) {
		takeovers += simulate(t, seed+i)
	}
	if takeovers < 100 {
		t.Errorf("only %d takeovers in 200 simulations: nothing was tested", takeovers)
	}
}

func simulate(t *testing.T, seed uint64) (takeovers int) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	n := 2 + rnd.IntN(4)
	loss := rnd.Float64() * 0.4
	var nodes []*node
	var wire []packet
	part := make([]int, n)
	now := time.Duration(0)
	restart := func(d *node) {
		d.core = New(Config{Self: d.name, Lease: leaseTime, Stagger: stagger, Start: now})
		for i := range n {
			d.core.Member(fmt.Sprint("p", i))
		}
		d.up, d.owned = true, 0
	}
	for i := range n {
		d := &node{name: fmt.Sprint("p", i), head: Rank{Epoch: 1, Owner: "p0"}}
		restart(d)
		nodes = append(nodes, d)
	}
	nodes[0].owned = 1
	id := RunID{9}
	beat := func(i int) {
		d := nodes[i]
		var claims []Claim
		if d.owned > 0 {
			d.head = maxRank(d.head, Rank{d.owned, uint64(now / beatTime), 0, d.name, [16]byte{}})
			claims = []Claim{{id, d.owned}}
		}
		for j := range nodes {
			if j != i && part[i] == part[j] && rnd.Float64() >= loss {
				wire = append(wire, packet{now + time.Duration(rnd.IntN(100))*time.Millisecond, j, d.name, claims, d.head})
			}
		}
	}
	const quiet = 40 * time.Second
	for ; now < quiet+40*time.Second; now += 10 * time.Millisecond {
		if now < quiet && rnd.IntN(400) == 0 {
			switch rnd.IntN(3) {
			case 0:
				nodes[rnd.IntN(n)].up = false
			case 1:
				restart(nodes[rnd.IntN(n)])
			case 2:
				for i := range part {
					part[i] = rnd.IntN(2)
				}
			}
		}
		if now == quiet {
			loss = 0
			for i, d := range nodes {
				part[i] = 0
				if !d.up {
					restart(d)
				}
			}
		}
		rest := wire[:0]
		for _, p := range wire {
			d := nodes[p.to]
			if p.at > now {
				rest = append(rest, p)
			} else if d.up {
				d.core.Heard(now, p.from, true, p.claim)
				d.head = maxRank(d.head, p.head)
				if d.owned > 0 && d.head.Compare(Rank{Epoch: d.owned, Turn: ^uint64(0)}) > 0 || d.owned > 0 && d.head.Epoch == d.owned && d.head.Owner != d.name {
					d.owned = 0
				}
			}
		}
		wire = rest
		for i, d := range nodes {
			if !d.up || (now/(10*time.Millisecond)+time.Duration(i))%20 != 0 {
				continue
			}
			for _, x := range d.core.Tick(now, []Run{{ID: id, Epoch: d.head.Epoch, Owner: d.head.Owner, Mine: d.owned > 0, Warm: true}}, true) {
				if x.Action == TakeOver {
					if !d.core.Majority(now) {
						t.Fatalf("seed %d: %s takes over without a majority", seed, d.name)
					}
					d.owned = max(d.head.Epoch, d.core.Epoch(id)) + 1
					takeovers++
				}
			}
			beat(i)
		}
	}
	owners := 0
	for _, d := range nodes {
		if d.owned > 0 {
			owners++
		}
		if d.head.Owner != nodes[0].head.Owner || d.head.Epoch != nodes[0].head.Epoch {
			t.Fatalf("seed %d: %s and p0 name other owners: %+v, %+v", seed, d.name, d.head, nodes[0].head)
		}
	}
	if owners != 1 {
		t.Fatalf("seed %d: %d owners at rest", seed, owners)
	}
	if takeovers > 60 {
		t.Fatalf("seed %d: %d takeovers: peers fight over the run", seed, takeovers)
	}
	return takeovers
}

func maxRank(a, b Rank) Rank {
	if b.Compare(a) > 0 {
		return b
	}
	return a
}
