// Package sim runs replicas of package replication on peers whose network, disks, clocks and power fail, in virtual time, all drawn
// from one seed, and checks what must hold whatever happens. The code under test is the production code: only the network
// (memnet), the disk (in memory, losing what was not synced), the clock and the source of randomness are given to it.
//
// A simulation must run inside a Bubble: time passes only when nothing is left to do, so each message and each tick is worked off before the next.
// The order of goroutines within one such moment is the scheduler's; in the processes of a Pool it is the same each time, and Report.Trace says whether two
// runs were the same to the byte.
//
// Stage is the world that fails; Run plays on it a small program of its own, of which is known what every state must be (see Properties). Whoever wants something
// else to live there gives a Cast of his own.
//
// Costs: some 50 ms a simulated second of three peers on one core.
package sim

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
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

// String is what ParseFaults reads.
func (f Faults) String() string {
	var words []string
	for i, n := range faultNames {
		if f>>i&1 == 1 {
			words = append(words, n)
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ",")
}

// Config is one simulation.
type Config struct {
	Seed    uint64
	Peers   int           // default 3
	Faults  Faults        // of those that are allowed each seed uses some
	Chaos   time.Duration // how long things go wrong; default 4 s
	Durable string        // level of all runs: local, majority or a number; "": drawn from the seed
	Plan    []Action      // instead of the one drawn from the seed

	Logger *slog.Logger `json:"-"` // of the replicas; nil: discard
	Events io.Writer    `json:"-"` // a line for all that goes into Report.Trace; nil: discard
}

func (c *Config) fillIn() {
	if c.Peers == 0 {
		c.Peers = 3
	}
	if c.Chaos == 0 {
		c.Chaos = 4 * time.Second
	}
}

// Report is what a simulation found.
type Report struct {
	Failures  []Failure     `json:"failures"`
	Plan      []Action      `json:"plan"`
	Trace     string        `json:"trace"` // hash of all that happened, hexadecimal
	Turns     int           `json:"turns"`
	Takeovers int           `json:"takeovers"`
	Virtual   time.Duration `json:"virtual"`
	Stored    float64       `json:"stored"` // how many times what is live and the window the fullest store holds; 0 when they are not compacted all the time
}

// Failure is a property that did not hold.
type Failure struct {
	Property string `json:"property"`
	Text     string `json:"text"`
}

func (f Failure) String() string { return f.Property + ": " + f.Text }

// world is a running simulation of the program of this package.
type world struct {
	*Stage
	mutant  mutant
	peers   []*peer
	sandbox replication.SandboxID

	acks    map[lineage]ack // guarded by Stage.mu, as the rest
	lines   map[follower][]string
	workers int
	sent    map[string]bool // messages that were sent: true once a peer has said that one is durable
	heads   map[turnKey]changes.Hash
}

// turnKey names a turn of a run in one epoch: it has one head.
type turnKey struct {
	lineage
	turn uint64
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

// sends notes a message that is being sent, and then that it is durable.
func (w *world) sends(id string, durable bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent[id] = w.sent[id] || durable
}

// line takes a line that a reader was given.
func (w *world) line(k follower, l changes.Line) {
	w.mu.Lock()
	n := uint64(len(w.lines[k])) + 1
	w.lines[k] = append(w.lines[k], string(l.Text))
	w.mu.Unlock()
	if l.Number != n {
		w.Fail("lines once", "%s is given line %d after %d", k.peer, l.Number, n-1)
	}
}

// Run simulates. It must be called inside a Bubble.
func Run(c Config) *Report { return run(c, mutant{}) }

func run(c Config, m mutant) *Report {
	s, err := NewStage(c)
	if err != nil {
		return &Report{Failures: []Failure{{"no failure", err.Error()}}}
	}
	w := &world{Stage: s, mutant: m, acks: map[lineage]ack{}, lines: map[follower][]string{}, sent: map[string]bool{}, heads: map[turnKey]changes.Hash{}}
	s.doctor = m.Place
	for _, p := range s.Places {
		w.peers = append(w.peers, &peer{w: w, Place: p})
	}
	plan := c.Plan
	if plan == nil {
		plan = w.drawPlan(s.Random("plan"))
	}
	s.Play(w, plan)
	w.finish()
	return s.End()
}
