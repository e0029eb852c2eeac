// Package trial tries a program out on simulated peers whose network, disks, clocks and power fail: each peer has a run of its own, runs whose owner is gone are taken
// over, and at the end all is mended and compared. What executes is what executes in a real peer (packages tandem, replication, vm); the faults are those of
// package replication/sim, drawn from a seed.
//
// A program is compared with itself: the same runs one after another, where nothing is concurrent; the same runs at the same time with nothing going
// wrong; and with faults. What differs at the end depends on the schedule. A trial knows nothing of what the program is for.
//
// It is not a command: cmd/peer prints what is found. A seed costs two simulations, each some 100 ms a simulated second of five peers, and what the program
// executes, once for each run and peer that takes over.
package trial

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tandemvm/tandem/replication/sim"
	"github.com/tandemvm/tandem/vm"
)

// Setup is the program of a trial and what its runs are given.
type Setup struct {
	Image  []byte
	Name   string
	Args   []string // {peer} stands for the number of the peer, from 1, {peers} for how many there are
	Grants vm.Grants
	Limits vm.Limits
}

// Pace says how computing becomes time.
type Pace struct {
	WordNs    float64 // of an instruction word
	TurnWords uint64  // of a turn that does not end by itself
}

// Job is one simulation.
type Job struct {
	Stage  sim.Config
	Pace   Pace
	Serial bool          // one peer executes all runs, one after another
	Most   time.Duration // that runs may take; those that have not ended then are paused
	Events string        // file that all events are written to; "": none
}

// Outcome is what a simulation found.
type Outcome struct {
	Report    *sim.Report `json:"report"`
	Runs      []Run       `json:"runs"`
	Variables []Variable  `json:"variables"`
}

// Run is a run at the end.
type Run struct {
	Name         string        `json:"name"` // p0 is that of the first peer
	Ended        bool          `json:"ended"`
	Exit         int32         `json:"exit"`
	Failure      string        `json:"failure,omitempty"` // why it is paused
	Turns        uint64        `json:"turns"`
	Instructions uint64        `json:"instructions"`
	Took         time.Duration `json:"took"` // virtual, until it was seen to have ended
	Output       string        `json:"output"`
	Revoked      int           `json:"revoked,omitempty"` // lines that some reader was given and that do not count
}

// Variable is a shared variable at the end.
type Variable struct {
	Name      string            `json:"name"`
	Rule      string            `json:"rule"`
	Value     string            `json:"value"`               // at all peers, or at the first
	Sorted    string            `json:"sorted"`              // Value with what has no order of its own, as the entries of a log, in a fixed one
	Differing map[string]string `json:"differing,omitempty"` // by peer, where it is another
	Lost      uint64            `json:"lost,omitempty"`      // values written that another, concurrent one replaced
}

// emptyPlansMax bounds how often a seed draws what goes wrong, as long as nothing does.
const emptyPlansMax = 64

// simulate does one job. It must be called inside a bubble of package sim.
func (s *Setup) simulate(p *vm.Program, j Job) (*Outcome, error) {
	w, err := newWorld(s, p, j)
	if err != nil {
		return nil, err
	}
	defer w.close()
	plan := j.Stage.Plan
	if plan == nil {
		rnd := w.Random("plan")
		for try := 0; len(plan) == 0 && try < emptyPlansMax; try++ { // a seed under which nothing happens tries nothing out
			plan = w.DrawFaults(rnd)
		}
	}
	w.Play(w, plan)
	out := w.finish()
	out.Report = w.End()
	return out, nil
}

// answer is what a worker says.
type answer struct {
	Outcome *Outcome
	Error   string
}

// Serve does jobs for a Pool whose Setup is a *Setup, until there are no more.
func Serve() error {
	return sim.Serve(func(setup []byte) (func([]byte) any, error) {
		s := &Setup{}
		if err := json.Unmarshal(setup, s); err != nil {
			return nil, err
		}
		p, err := vm.DecodeProgram(s.Image)
		if err != nil {
			return nil, err
		}
		return func(job []byte) any {
			var j Job
			err := json.Unmarshal(job, &j)
			var out *Outcome
			if err == nil {
				out, err = s.simulate(p, j)
			}
			if err != nil {
				return answer{Error: err.Error()}
			}
			return answer{Outcome: out}
		}, nil
	})
}

func (s *Setup) args(peer, peers int) []string {
	var out []string
	r := strings.NewReplacer("{peer}", strconv.Itoa(peer+1), "{peers}", strconv.Itoa(peers))
	for _, a := range s.Args {
		out = append(out, r.Replace(a))
	}
	return out
}

func runName(peer int) string { return fmt.Sprintf("p%d", peer) }
