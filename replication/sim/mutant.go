package sim

import (
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
)

// mutant is a fault in what is simulated, so that a test can see each property fail. The zero value is none.
type mutant struct {
	Saw   func(saw map[changes.RunID]rank)          // what a turn says that it saw
	Turn  func(p *program, t *replication.Turn)     // a turn before it is handed in
	Taken func(p *program)                          // a run that was just taken over
	Level func(replication.Level) replication.Level // of runs, of which the checks believe another
	Place func(*replication.Config)                 // of each replica
	Over  func(w *world)                            // when all has ended, before it is checked
}

func (m mutant) saw(saw map[changes.RunID]rank) {
	if m.Saw != nil {
		m.Saw(saw)
	}
}

func (m mutant) turn(p *program, t *replication.Turn) {
	if m.Turn != nil {
		m.Turn(p, t)
	}
}

func (m mutant) taken(p *program) {
	if m.Taken != nil {
		m.Taken(p)
	}
}

func (m mutant) level(l replication.Level) replication.Level {
	if m.Level != nil {
		return m.Level(l)
	}
	return l
}

func (m mutant) over(w *world) {
	if m.Over != nil {
		m.Over(w)
	}
}
