package tandem

import (
	"context"
	"time"

	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

// Simulation is what a simulated peer is given in place of the network, the disk, the clock and chance. It has no ticket, no address and no identity of
// its own; everything else is as in a real one.
type Simulation struct {
	Replica replication.Config // of its replica: network, disk, clock, randomness, times; Sandbox is what it opens, or joins, the zero value to create one
	Clock   vm.Clock           // of its runs
	Program *vm.Program        // what the sandbox runs; not decoded again when it is what the members say
	Name    string             // of the sandbox, when it is created
	// Pace is the time that executing so many instruction words takes: without it computing takes no virtual time.
	Pace func(words uint64) time.Duration
}

// Simulate opens a simulated peer. It fetches the program from the members if it is not here, for which it waits as long as ctx lets it.
func Simulate(ctx context.Context, cfg Config, sim Simulation) (*Sandbox, error) {
	s := newSandbox(cfg)
	s.sim = &sim
	rc := sim.Replica
	rc.Standby, rc.Logger = s.cfg.Standby, s.log
	s.cfg.Lease = rc.Lease
	created := rc.Sandbox == (replication.SandboxID{})
	var err error
	if created {
		s.program, s.name = sim.Program, sim.Name
		s.replica, err = replication.Create(ctx, rc, genesis(sim.Program, sim.Name), sim.Program.Encode())
	} else {
		s.replica, err = replication.Open(ctx, rc)
	}
	if err != nil {
		s.cancel()
		return nil, err
	}
	s.begin()
	if created {
		return s, nil
	}
	return s.fetch(ctx)
}

// now is the time on this peer's clock.
func (s *Sandbox) now() time.Time {
	if s.sim != nil {
		return s.sim.Clock.Now()
	}
	return time.Now()
}

// pace lets the time pass that executing words took.
func (s *Sandbox) pace(ctx context.Context, words uint64) {
	if s.sim != nil && s.sim.Pace != nil {
		s.sim.Clock.Sleep(ctx, s.sim.Pace(words))
	}
}

// decode is the program of an image.
func (s *Sandbox) decode(image []byte, g replication.Genesis) (*vm.Program, error) {
	if s.sim != nil && s.sim.Program != nil && s.sim.Program.Hash() == g.Program {
		return s.sim.Program, nil
	}
	return vm.DecodeProgram(image)
}
