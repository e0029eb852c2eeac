package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/replication/sim"
	"github.com/tandemvm/tandem/vm"
)

// world is a running simulation: the cast of a stage.
type world struct {
	*sim.Stage
	setup   *Setup
	program *vm.Program
	job     Job
	peers   []*peer
	count   int // of runs
	events  *os.File

	mu      sync.Mutex
	sandbox replication.SandboxID
	ended   map[string]time.Duration // when runs were seen to have ended
	given   map[reader][]string      // lines
}

// reader follows the output of a run at a peer in one of its lives.
type reader struct {
	peer, life int
	run        changes.RunID
}

// peer is what lives at a place.
type peer struct {
	w     *world
	place *sim.Place

	cancel context.CancelFunc
	tasks  sync.WaitGroup
	follow map[changes.RunID]bool

	mu  sync.Mutex
	box *tandem.Sandbox // nil: it has not got the program yet
}

func newWorld(s *Setup, p *vm.Program, j Job) (*world, error) {
	w := &world{setup: s, program: p, job: j, count: j.Stage.Peers, ended: map[string]time.Duration{}, given: map[reader][]string{}}
	c := j.Stage
	if j.Serial {
		c.Peers = 1
	}
	if j.Events != "" {
		f, err := os.Create(j.Events)
		if err != nil {
			return nil, err
		}
		w.events, c.Events = f, f
	}
	var err error
	if w.Stage, err = sim.NewStage(c); err != nil {
		w.close()
		return nil, err
	}
	for _, place := range w.Places {
		w.peers = append(w.peers, &peer{w: w, place: place})
	}
	return w, nil
}

func (w *world) close() {
	if w.events != nil {
		w.events.Close()
	}
}

// Rise opens the sandbox of a peer and starts its run, in the background: it may have to fetch the program.
func (w *world) Rise(place *sim.Place) error {
	p := w.peers[place.Number]
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.follow = cancel, map[changes.RunID]bool{}
	c := place.Config()
	c.Sandbox = w.sandbox
	if w.sandbox == (replication.SandboxID{}) {
		box, err := p.open(ctx, c)
		if err != nil {
			return err
		}
		w.sandbox = box.ID()
		p.live(ctx, box)
		return nil
	}
	p.tasks.Go(func() {
		box, err := p.open(ctx, c)
		if err == nil {
			p.live(ctx, box)
		} else if ctx.Err() == nil {
			w.Fail("no failure", "%s: %v", place.Name, err)
		}
	})
	return nil
}

func (p *peer) open(ctx context.Context, c replication.Config) (*tandem.Sandbox, error) {
	w := p.w
	return tandem.Simulate(ctx, tandem.Config{Standby: true, Grants: w.setup.Grants, Limits: w.setup.Limits, TurnWords: w.job.Pace.TurnWords,
		Logger: c.Logger, Notify: p.notify}, tandem.Simulation{Replica: c, Clock: p.place.Clock, Program: w.program, Name: w.setup.Name,
		Pace: func(words uint64) time.Duration { return time.Duration(float64(words) * w.job.Pace.WordNs) }})
}

// notify counts takeovers and notes what must not happen.
func (p *peer) notify(e tandem.Event) {
	w := p.w
	switch e.Kind {
	case tandem.RunTaken:
		w.Net.Note(fmt.Sprintf("%s takes %s over at turn %d in epoch %d", p.place.Name, e.Name, e.Turn, e.Epoch))
		w.Count(func(r *sim.Report) { r.Takeovers++ })
	case tandem.RunEnded:
		w.Net.Note(fmt.Sprintf("%s ends %s at turn %d in epoch %d", p.place.Name, e.Name, e.Turn, e.Epoch))
	case tandem.RunStuck, tandem.Broken:
		w.Fail("no failure", "%s: run %s: %s: %v", p.place.Name, e.Name, e.Kind, e.Err)
	}
}

// live starts the peer's run unless it has one, and begins to follow what others run.
func (p *peer) live(ctx context.Context, box *tandem.Sandbox) {
	p.mu.Lock()
	p.box = box
	p.mu.Unlock()
	if p.w.job.Serial {
		return
	}
	name := runName(p.place.Number)
	if slices.ContainsFunc(box.Runs(), func(s replication.RunStatus) bool { return s.Head.Name == name }) {
		return
	}
	p.start(ctx, box, p.place.Number)
}

// start begins the run of that number.
func (p *peer) start(ctx context.Context, box *tandem.Sandbox, number int) {
	o := tandem.RunOptions{Name: runName(number), Args: p.w.setup.args(number, p.w.count), Durable: p.w.Level}
	if _, err := box.Start(ctx, o); err != nil && ctx.Err() == nil && !errors.Is(err, tandem.ErrClosed) {
		p.w.Fail("no failure", "%s starts its run: %v", p.place.Name, err)
	}
}

// Fall closes the sandbox of a peer.
func (w *world) Fall(place *sim.Place, crash bool) {
	p := w.peers[place.Number]
	p.cancel()
	if box := p.sandboxNow(); box != nil {
		if err := box.Close(); err != nil && !crash {
			w.Fail("no failure", "%s closes: %v", place.Name, err)
		}
	}
	p.tasks.Wait()
	if box := p.sandboxNow(); box != nil { // it came while we waited
		box.Close()
	}
	p.mu.Lock()
	p.box = nil
	p.mu.Unlock()
}

// sandboxNow is the sandbox of the peer, nil if it has none at the moment.
func (p *peer) sandboxNow() *tandem.Sandbox {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.box
}

// Act is called for no action: all are the stage's.
func (w *world) Act(a sim.Action) { panic("BUG: trial: action " + a.Kind) }

// Look begins to follow runs that were not known before, and notes those that have ended.
func (w *world) Look() {
	for _, p := range w.peers {
		box := p.sandboxNow()
		if box == nil {
			continue
		}
		for _, s := range box.Runs() {
			id := s.Head.Run
			if _, known := w.ended[s.Head.Name]; s.Head.Done && !known {
				w.ended[s.Head.Name] = w.Since()
			}
			if p.follow[id] {
				continue
			}
			p.follow[id] = true
			k := reader{p.place.Number, p.place.Lives, id}
			p.tasks.Go(func() { p.read(box, k) })
		}
	}
}

// read takes the lines of a run as they come, until the sandbox is closed.
func (p *peer) read(box *tandem.Sandbox, k reader) {
	box.Lines(context.Background(), k.run, 1, func(l changes.Line) error {
		p.w.mu.Lock()
		n := uint64(len(p.w.given[k])) + 1
		p.w.given[k] = append(p.w.given[k], string(l.Text))
		p.w.mu.Unlock()
		if l.Number != n {
			p.w.Fail("lines once", "%s is given line %d of a run after %d", p.place.Name, l.Number, n-1)
		}
		return nil
	})
}

// runs are the runs as a peer sees them, by name.
func (p *peer) runs() map[string]replication.RunStatus {
	m := map[string]replication.RunStatus{}
	if box := p.sandboxNow(); box != nil {
		for _, s := range box.Runs() {
			m[s.Head.Name] = s
		}
	}
	return m
}
