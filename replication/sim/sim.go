// Package sim runs replicas of package replication on peers whose network, disks, clocks and power fail, in virtual time, all drawn
// from one seed, and checks what must hold whatever happens. The code under test is the production code: only the network
// (memnet), the disk (in memory, losing what was not synced), the clock and the source of randomness are given to it.
//
// A simulation must run inside a bubble of testing/synctest: time passes only when nothing is left to do, so each message and each tick
// is worked off before the next. The order of goroutines within one such moment is the scheduler's; it rarely shows, and
// Report.Trace says whether two runs were the same to the byte.
//
// Costs: some 100 ms a simulated second of three peers on one core.
package sim

import (
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/replication/internal/store"
	"github.com/tandemvm/tandem/replication/memnet"
)

// Faults are what may go wrong.
type Faults uint8

const (
	Partition Faults = 1 << iota
	Crash
	Loss
	Reorder
	Duplicate
	Skew
	All = Partition | Crash | Loss | Reorder | Duplicate | Skew
)

var faultNames = []string{"partition", "crash", "loss", "reorder", "duplicate", "skew"}

// ParseFaults reads names with commas between them, or "all", or "none".
func ParseFaults(text string) (f Faults, err error) {
	switch text {
	case "all":
		return All, nil
	case "none", "":
		return 0, nil
	}
next:
	for w := range strings.SplitSeq(text, ",") {
		for i, n := range faultNames {
			if n == w {
				f |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("fault %q: known are %s", w, strings.Join(faultNames, ", "))
	}
	return f, nil
}

// Config is one simulation.
type Config struct {
	Seed    uint64
	Peers   int           // default 3
	Faults  Faults        // of those that are allowed each seed uses some
	Chaos   time.Duration // how long things go wrong; default 4 s
	Durable string        // level of all runs: local, majority or a number; "": drawn from the seed
	Plan    []Action      // instead of the one drawn from the seed

	Logger *slog.Logger // of the replicas; nil: discard
}

// Report is what a simulation found.
type Report struct {
	Failures  []Failure
	Plan      []Action
	Trace     changes.Hash // of all messages
	Turns     int
	Takeovers int
	Virtual   time.Duration
}

// Failure is a property that did not hold.
type Failure struct{ Property, Text string }

func (f Failure) String() string { return f.Property + ": " + f.Text }

// world is a running simulation.
type world struct {
	c       Config
	net     *memnet.Network
	peers   []*peer
	sandbox replication.SandboxID
	begun   time.Time
	level   replication.Level

	mu      sync.Mutex
	report  *Report
	acks    map[lineage]ack
	lines   map[follower][]string
	workers int
}

// lineage is one epoch of a run; ack is the newest of its turns that was acknowledged, and whose disk has it.
type lineage struct {
	run   changes.RunID
	epoch changes.Epoch
}

type ack struct {
	peer string
	name string
	turn uint64
}

// follower reads the lines of a run at a peer in one of its lives.
type follower struct {
	peer string
	life int
	run  changes.RunID
}

func (w *world) fail(property, format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := Failure{property, fmt.Sprintf("%v: ", time.Since(w.begun)) + fmt.Sprintf(format, a...)}
	if len(w.report.Failures) < 20 {
		w.report.Failures = append(w.report.Failures, f)
	}
}

func (w *world) count(n *int) {
	w.mu.Lock()
	*n++
	w.mu.Unlock()
}

func (w *world) acknowledged(peer string, p *program, turn uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := lineage{p.run, p.epoch}
	if turn > w.acks[k].turn {
		w.acks[k] = ack{peer, p.name, turn}
	}
}

func (w *world) follow(k follower) (fresh bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, on := w.lines[k]; on {
		return false
	}
	w.lines[k] = nil
	return true
}

// line takes a line that a reader was given.
func (w *world) line(k follower, l changes.Line) {
	w.mu.Lock()
	n := uint64(len(w.lines[k])) + 1
	w.lines[k] = append(w.lines[k], string(l.Text))
	w.mu.Unlock()
	if l.Number != n {
		w.fail("lines once", "%s is given line %d after %d", k.peer, l.Number, n-1)
	}
}

// rnd is a source of randomness for one purpose.
func (w *world) rnd(purpose ...string) *rand.Rand {
	h := fnv.New64a()
	for _, p := range purpose {
		h.Write([]byte(p + "\x00"))
	}
	return rand.New(rand.NewPCG(w.c.Seed, h.Sum64()))
}

// Run simulates. It must be called inside a bubble of testing/synctest.
func Run(c Config) *Report {
	if c.Peers == 0 {
		c.Peers = 3
	}
	if c.Chaos == 0 {
		c.Chaos = 4 * time.Second
	}
	w := &world{c: c, net: memnet.New(c.Seed), begun: time.Now(), report: &Report{}, acks: map[lineage]ack{}, lines: map[follower][]string{}}
	w.net.CheapSignatures()
	level := c.Durable
	if level == "" {
		level = []string{"local", "majority", "2"}[w.rnd("level").IntN(3)]
	}
	var err error
	if w.level, err = replication.ParseLevel(level); err != nil {
		w.fail("no failure", "%v", err)
		return w.report
	}
	draw := w.rnd("plan")
	plan := drawPlan(c, draw)
	if c.Plan != nil {
		plan = c.Plan
	}
	w.report.Plan = plan
	for i := range c.Peers {
		w.peers = append(w.peers, &peer{w: w, name: fmt.Sprintf("p%d", i), disk: store.NewDisk(), clock: &clock{}})
	}
	w.setFaults()
	for i, p := range w.peers {
		if err := p.up(); err != nil {
			w.fail("no failure", "%s: %v", p.name, err)
			return w.report
		}
		time.Sleep(time.Duration(10+i)*time.Millisecond + time.Duration(w.rnd("start", p.name).IntN(1000)))
	}
	for _, a := range plan {
		time.Sleep(a.At - time.Since(w.begun))
		w.act(a)
		w.probe()
	}
	time.Sleep(c.Chaos - time.Since(w.begun))
	w.finish()
	for _, p := range w.peers {
		if p.r != nil {
			p.down(false, nil)
		}
	}
	w.report.Trace = w.net.Trace()
	w.report.Virtual = time.Since(w.begun)
	time.Sleep(time.Minute) // timers of messages under way
	return w.report
}

// setFaults makes the network as bad as the seed says.
func (w *world) setFaults() {
	rnd := w.rnd("faults")
	f := memnet.Faults{DelayMin: 200 * time.Microsecond, DelayMax: time.Millisecond}
	some := func(x Faults) bool { return w.c.Faults&x != 0 && rnd.IntN(2) == 0 }
	if some(Loss) {
		f.Loss = rnd.Float64() * 0.3
	}
	if some(Duplicate) {
		f.Duplicate = rnd.Float64() * 0.3
	}
	if some(Reorder) {
		f.DelayMax = time.Duration(1+rnd.IntN(40)) * time.Millisecond
	}
	w.net.SetFaults(f)
}
