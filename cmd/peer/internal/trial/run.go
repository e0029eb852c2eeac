package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/tandemvm/tandem/replication/sim"
)

// Config is a trial.
type Config struct {
	Setup  *Setup
	Stage  sim.Config    // of the first seed; Chaos and Plan are not used
	Seeds  int           // how many, Stage.Seed the first
	Shrink bool          // look for the smallest that fails alike
	Most   time.Duration // virtual, for the runs of one seed
	Events string        // file that the events of the first seed are written to; "": none
	Worker []string      // arguments that make this executable a worker
	Done   func(Seed)    // called for each seed; may be nil
}

// Result is what a trial found.
type Result struct {
	Serial *Outcome `json:"serial"` // the runs one after another
	Seeds  []Seed   `json:"seeds"`  // in order
}

// Seed is what one seed showed.
type Seed struct {
	Seed     uint64      `json:"seed"`
	Findings []Finding   `json:"findings"`
	Outcome  *Outcome    `json:"outcome"`
	Calm     *Outcome    `json:"calm"`             // without faults
	Shrunk   *sim.Config `json:"shrunk,omitempty"` // with findings: the smallest that fails alike
}

// Finding is a property that did not hold.
type Finding struct {
	Property string `json:"property"`
	Text     string `json:"text"`
	Ours     bool   `json:"ours,omitempty"` // nothing that a program can do should cause it
}

// serialWordNs is how long an instruction word takes before it is known how many there are.
const serialWordNs = 20

// Try tries the program out.
func Try(ctx context.Context, c Config) (*Result, error) {
	t := &trial{Config: c, pool: sim.Pool{Args: c.Worker, Fresh: true, Setup: c.Setup}}
	serial := Job{Stage: c.Stage, Serial: true, Most: c.Most, Pace: Pace{serialWordNs, 1 << 20}}
	serial.Stage.Faults, serial.Stage.Plan = 0, []sim.Action{}
	outs, err := t.simulate(ctx, serial)
	if err != nil {
		return nil, err
	}
	t.plan(outs[0])
	r := &Result{Serial: outs[0]}
	for seed := range uint64(c.Seeds) {
		s, err := t.seed(ctx, c.Stage.Seed+seed, outs[0])
		if err != nil {
			return r, err
		}
		r.Seeds = append(r.Seeds, s)
		if c.Done != nil {
			c.Done(s)
		}
	}
	return r, nil
}

type trial struct {
	Config
	pool  sim.Pool
	pace  Pace
	chaos time.Duration
}

// Runs are spread over busyTime, so that faults meet them in the middle of their work, in at least turnsMin turns.
const (
	busyTime     = 2 * time.Second
	turnsMin     = 60
	turnWordsMin = 500
	turnWordsMax = 4 << 20
)

// plan chooses how fast the runs compute and how long things go wrong, from what they took one after another.
func (t *trial) plan(serial *Outcome) {
	words, waits := uint64(1), time.Duration(0)
	for _, r := range serial.Runs {
		words = max(words, r.Instructions)
		waits = max(waits, r.Took-time.Duration(serialWordNs*float64(r.Instructions)))
		if !r.Ended {
			waits = t.Most
		}
	}
	t.pace = Pace{WordNs: float64(busyTime) / float64(words), TurnWords: min(max(words/turnsMin, turnWordsMin), turnWordsMax)}
	t.chaos = min(busyTime*3/2+waits, max(t.Most/3, time.Second))
}

// simulate does jobs, at the same time if there are cores.
func (t *trial) simulate(ctx context.Context, jobs ...Job) ([]*Outcome, error) {
	outs := make([]*Outcome, len(jobs))
	var failed error
	err := t.pool.Each(ctx, len(jobs), func(i int) any { return jobs[i] }, func(i int, data []byte, err error) {
		var a answer
		if err == nil {
			err = json.Unmarshal(data, &a)
		}
		if err == nil && a.Error != "" {
			err = errors.New(a.Error)
		}
		if err != nil && failed == nil {
			failed = fmt.Errorf("seed %d: %w", jobs[i].Stage.Seed, err)
		}
		outs[i] = a.Outcome
	})
	return outs, errors.Join(failed, err)
}

// seed simulates with and without faults, and shrinks what fails.
func (t *trial) seed(ctx context.Context, seed uint64, serial *Outcome) (Seed, error) {
	c := t.Stage
	c.Seed = seed
	s, err := t.try(ctx, c, serial, seed == t.Stage.Seed)
	if err != nil || len(s.Findings) == 0 || !t.Shrink {
		return s, err
	}
	small, err := t.shrink(ctx, c, serial, s.Findings[0].Property)
	s.Shrunk = &small
	return s, err
}

func (t *trial) try(ctx context.Context, c sim.Config, serial *Outcome, log bool) (Seed, error) {
	c.Chaos = t.chaos
	faulty := Job{Stage: c, Pace: t.pace, Most: t.Most}
	calm := faulty
	calm.Stage.Faults = 0
	if log {
		faulty.Events = t.Events
	}
	outs, err := t.simulate(ctx, faulty, calm)
	if err != nil {
		return Seed{Seed: c.Seed}, err
	}
	s := Seed{Seed: c.Seed, Outcome: outs[0], Calm: outs[1]}
	for _, f := range outs[0].Report.Failures {
		s.Findings = append(s.Findings, Finding{f.Property, f.Text, true})
	}
	s.Findings = append(s.Findings, compare(outs[0], outs[1], serial)...)
	return s, nil
}

// shrink looks for fewer kinds of faults and fewer peers with which the property fails too.
func (t *trial) shrink(ctx context.Context, c sim.Config, serial *Outcome, property string) (sim.Config, error) {
	fails := func(c sim.Config) (bool, error) {
		if c.Peers != t.Stage.Peers {
			job := Job{Stage: c, Serial: true, Most: t.Most, Pace: Pace{serialWordNs, 1 << 20}}
			job.Stage.Faults, job.Stage.Plan = 0, []sim.Action{}
			outs, err := t.simulate(ctx, job)
			if err != nil {
				return false, err
			}
			serial = outs[0]
		}
		s, err := t.try(ctx, c, serial, false)
		return slices.ContainsFunc(s.Findings, func(f Finding) bool { return f.Property == property }), err
	}
	whole := serial
	for peers := 2; peers <= c.Peers; peers++ {
		less := c
		if less.Peers = peers; peers == c.Peers {
			serial = whole
			break
		}
		if yes, err := fails(less); yes || err != nil {
			if err != nil {
				return c, err
			}
			c = less
			break
		}
	}
	for _, without := range append([]sim.Faults{c.Faults}, kinds(c.Faults)...) {
		less := c
		if less.Faults &^= without; without == 0 || less.Faults == c.Faults {
			continue
		}
		s, err := t.try(ctx, less, serial, false)
		if err != nil {
			return c, err
		}
		if slices.ContainsFunc(s.Findings, func(f Finding) bool { return f.Property == property }) {
			c = less
		}
	}
	return c, nil
}

// kinds are the single faults of f.
func kinds(f sim.Faults) (out []sim.Faults) {
	for ; f != 0; f &= f - 1 {
		out = append(out, 1<<bits.TrailingZeros8(uint8(f)))
	}
	return out
}
