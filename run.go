package tandem

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

// RunOptions describe a new run.
type RunOptions struct {
	Name string   // for people; default: the program's
	Args []string // os.Args, the program's name first
	// OnFailure is what becomes of the run when a turn fails: Pause if empty.
	OnFailure Policy
	// Durable is when a turn counts as durable, so that its output is given to readers: at this peer (the zero value), at a number of
	// members, or at a majority of them.
	Durable replication.Level
}

// Run is a run executing at this peer.
type Run struct {
	s     *Sandbox
	id    changes.RunID
	epoch changes.Epoch
	name  string
	level replication.Level

	machine *vm.Machine // replaced by the goroutine that drives the run only, with mu held
	stop    context.CancelFunc
	meta    meta // as it stands in the newest head
	mail    mail
	poke    chan struct{} // wakes the run: somebody asked it to pause or to go on

	mu    sync.Mutex
	back  chan *Run // while and after it is moved: the run as it goes on here all the same, nil if it does not
	asked []*ask    // what the run was asked to do and has not done
	why   error     // why execution was stopped from outside
	turn  uint64
	exit  int
	err   error
	ended bool // the program ended
	done  chan struct{}
}

// turnsInFlight bounds the turns handed in and not yet durable: beyond it execution waits for the disk.
const turnsInFlight = 32

// Start begins a new run of the program, owned here.
func (s *Sandbox) Start(ctx context.Context, o RunOptions) (*Run, error) {
	if o.Name == "" && len(o.Args) > 0 {
		o.Name = o.Args[0]
	}
	if err := o.OnFailure.Check(); err != nil {
		return nil, err
	}
	mt := meta{Args: o.Args, OnFailure: o.OnFailure}
	program := s.Program()
	if program == nil {
		return nil, fmt.Errorf("%w: the program is not here yet: wait for Join", ErrProgram)
	}
	m, err := vm.New(program, s.machineConfig(mt))
	if err != nil {
		return nil, err
	}
	id, epoch, err := s.replica.StartRun(ctx, replication.RunStart{Name: o.Name, Meta: mt.encode(), Durable: o.Durable})
	if err != nil {
		m.Close()
		return nil, s.ours(err)
	}
	m.SetRun(id)
	r, err := s.execute(&Run{s: s, id: id, epoch: epoch, name: o.Name, level: o.Durable, machine: m, meta: mt})
	if err == nil {
		s.tell(Event{Kind: RunStarted, Run: id, Name: o.Name, Epoch: epoch.Number})
	}
	return r, err
}

// machineConfig is what a machine of a run is given: what this peer allows, and the memory that the run was allowed by name.
func (s *Sandbox) machineConfig(m meta) vm.Config {
	c := vm.Config{Args: m.Args, Dir: s.cfg.Work, Grants: s.cfg.Grants, Limits: s.cfg.Limits}
	if m.MemoryBytes != 0 {
		c.Limits.MemoryBytes = m.MemoryBytes
	}
	if s.sim != nil {
		c.Clock = s.sim.Clock
	}
	return c
}

// execute starts the goroutine that drives r.
func (s *Sandbox) execute(r *Run) (*Run, error) {
	r.done, r.poke = make(chan struct{}), make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(s.ctx)
	r.stop = cancel
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		cancel()
		r.machine.Close()
		return nil, ErrClosed
	}
	s.runs[r.id] = r
	s.work.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.work.Done()
		r.drive(ctx)
	}()
	if r.level != replication.Local && s.cfg.Notify != nil {
		s.work.Go(func() { r.watchHolders(ctx) })
	}
	return r, nil
}

// take continues a run whose owner is gone, in the background: once at a time for each run.
func (s *Sandbox) take(id changes.RunID, noticed time.Time, handed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.taking[id] || s.program == nil {
		return
	}
	s.taking[id] = true
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		r, turn, err := s.takeOver(s.ctx, id, continuation{resume: handed, handed: handed})
		s.mu.Lock()
		delete(s.taking, id)
		s.mu.Unlock()
		if err != nil {
			// The replica says OwnerGone again as long as nobody continues the run.
			if errors.Is(err, replication.ErrDone) || errors.Is(err, ErrMoved) || errors.Is(err, ErrPaused) || s.ctx.Err() != nil {
				return
			}
			s.log.Warn("takeover failed", "run", id.String(), "err", err)
			return
		}
		s.tell(Event{Kind: RunTaken, Run: id, Name: r.name, Epoch: r.epoch.Number, Turn: turn, Took: time.Since(noticed)})
	}()
}

// continuation is how a run is to be continued.
type continuation struct {
	resume bool      // also if it is paused: otherwise it stays where it is
	handed bool      // its owner let go of it and asked this peer, so there is nobody to wait for
	limits vm.Limits // with resume: those that are not zero are the run's from then on
	asked  []*ask    // what it has to do before anything else
}

// takeOver opens the next epoch of a run and executes it; turn is the one it goes on from.
func (s *Sandbox) takeOver(ctx context.Context, id changes.RunID, c continuation) (r *Run, turn uint64, err error) {
	if old := s.running(id); old != nil {
		select {
		case <-old.done:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	if !c.handed {
		if err := s.wanted(ctx, id, c.resume); err != nil {
			return nil, 0, err
		}
	}
	st, err := s.replica.TakeOver(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	r, err = s.load(ctx, st, c.limits)
	if err != nil {
		s.replica.Release(id)
		return nil, 0, err
	}
	r.asked = c.asked
	r, err = s.execute(r)
	return r, st.Head.Turn, err
}

// wanted is an error when the run goes on elsewhere after all, or waits for somebody. Whether it has ended the replica says: a run that has may need a
// taker still, to make its last turn durable (TestEndBecomesDurable). A peer that has just been reached again, as at the end of a
// partition, is given a lease to say what happened on its side; fetching the state can take seconds, so it is done before asking.
func (s *Sandbox) wanted(ctx context.Context, id changes.RunID, resume bool) error {
	if p := s.pauseOf(id); p != nil && !resume {
		return fmt.Errorf("%w: run %s: %s", ErrPaused, id, p.Reason)
	}
	for {
		s.mu.Lock()
		rest := s.lease() - time.Since(s.metAt)
		s.mu.Unlock()
		if rest <= 0 {
			break
		}
		if err := (vm.WallClock{}).Sleep(ctx, rest); err != nil {
			return err
		}
	}
	if _, err := s.replica.LoadState(ctx, id); err != nil {
		return err
	}
	for _, st := range s.replica.Runs() {
		switch {
		case st.Head.Run != id:
		case st.Alive && !st.Owned:
			return fmt.Errorf("%w: run %s", ErrMoved, id)
		}
	}
	return nil
}

// lease is the silence after which an owner is gone.
func (s *Sandbox) lease() time.Duration {
	if s.cfg.Lease > 0 {
		return s.cfg.Lease
	}
	return time.Second
}

// load makes a machine that continues from a replicated state, with those limits of l that are not zero.
func (s *Sandbox) load(ctx context.Context, st *replication.State, l vm.Limits) (*Run, error) {
	h := st.Head
	snap, err := snapshotOf(s.program, st)
	if err != nil {
		return nil, err
	}
	mt, err := decodeMeta(h.Meta)
	if err != nil {
		return nil, err
	}
	m, err := vm.Resume(ctx, s.program, s.machineConfig(mt), snap)
	if err != nil {
		return nil, err
	}
	r := &Run{s: s, id: h.Run, epoch: h.Epoch, name: h.Name, level: h.Durable, machine: m, turn: h.Turn, meta: mt}
	if err := r.resumed(ctx, l); err != nil {
		r.machine.Close()
		return nil, err
	}
	return r, nil
}

// ID names the run.
func (r *Run) ID() changes.RunID { return r.id }

// Name is the run's name.
func (r *Run) Name() string { return r.name }

// Wait waits until the run ends, stops here, or ctx ends. The error is ErrMoved when another peer continues it, ErrClosed
// when the sandbox was closed, else what made a turn fail.
func (r *Run) Wait(ctx context.Context) (exit int, err error) {
	for {
		select {
		case <-r.done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		r.mu.Lock()
		exit, err = r.exit, r.err
		back := r.back
		r.mu.Unlock()
		if back == nil {
			return exit, err
		}
		select { // it is on its way to another peer, which may not take it
		case next := <-back:
			back <- next // for others who wait
			if next == nil {
				return exit, err
			}
			r = next
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// stand makes the run stop executing here.
func (r *Run) stand(why error) {
	r.mu.Lock()
	if r.why == nil {
		r.why = why
	}
	r.mu.Unlock()
	r.stop()
}

// drive executes turn after turn and hands them in, until the program ends or execution is stopped.
func (r *Run) drive(ctx context.Context) {
	defer close(r.done)
	err := r.turns(ctx)
	r.machine.Close()
	r.mu.Lock()
	// A program that ended while it was stopped has ended, if its last turn counts already.
	ended := r.ended && err == nil && (ctx.Err() == nil || r.level == replication.Local)
	switch {
	case ended:
	case r.why != nil:
		err = r.why
	case errors.Is(err, replication.ErrSuperseded) || errors.Is(err, replication.ErrNotOwner):
		err = ErrMoved
	case ctx.Err() != nil && (err != nil || r.ended):
		err = ErrClosed
	}
	r.err = err
	r.mu.Unlock()
	r.s.mu.Lock()
	delete(r.s.runs, r.id)
	r.s.mu.Unlock()
	switch {
	case ended:
		r.s.tell(Event{Kind: RunEnded, Run: r.id, Name: r.name, Epoch: r.epoch.Number, Turn: r.turn})
	case err != nil && !errors.Is(err, ErrMoved) && !errors.Is(err, ErrClosed):
		r.s.log.Error("run stopped executing", "run", r.id.String(), "err", err)
		r.s.tell(Event{Kind: RunStuck, Run: r.id, Name: r.name, Epoch: r.epoch.Number, Turn: r.turn, Err: err})
	}
}

// turns is the loop of a run: see what others changed, execute, hand in.
func (r *Run) turns(ctx context.Context) error {
	var flight []<-chan error
	var giveUp <-chan struct{} // a turn that others must hold may wait for them for ever; it is durable here all the same
	if r.level != replication.Local {
		giveUp = ctx.Done()
	}
	settle := func(leave int) error {
		for len(flight) > leave {
			select {
			case err := <-flight[0]:
				if err != nil {
					return err
				}
			case <-giveUp:
				return nil
			}
			flight = flight[1:]
		}
		return nil
	}
	for {
		if r.wants(toPause) {
			if err := settle(0); err != nil {
				return err
			}
			if r.begins(toPause) { // it may have been taken back meanwhile
				if err := r.rest(ctx, Paused{Reason: "paused by request", Turn: r.turn}); err != nil {
					return err
				}
			}
		}
		touched := r.s.Changed()
		t, stop, err := r.oneTurn(ctx)
		var failed *vm.Failure
		if errors.As(err, &failed) && ctx.Err() == nil {
			if err = settle(0); err == nil {
				t, err = r.failed(ctx, failed)
			}
			if err == nil && t == nil {
				continue
			}
		}
		if err != nil {
			return errors.Join(err, settle(0))
		}
		if t == nil {
			if err := r.idle(ctx, stop.Wake, touched); err != nil {
				return errors.Join(err, settle(0))
			}
			continue
		}
		done, err := r.s.replica.SubmitTurn(r.submission(t))
		if err != nil {
			return errors.Join(err, settle(0))
		}
		flight = append(flight, done)
		r.mu.Lock()
		r.turn = t.Number
		r.mu.Unlock()
		if t.Stop.End == vm.EndExit {
			err := settle(0)
			r.mu.Lock()
			r.exit, r.ended = t.Stop.Exit, true
			r.mu.Unlock()
			return err
		}
		if err := settle(turnsInFlight - 1); err != nil {
			return err
		}
		if t.Stop.End == vm.EndIdle {
			if err := r.idle(ctx, t.Stop.Wake, touched); err != nil {
				return errors.Join(err, settle(0))
			}
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), settle(0))
		}
	}
}

// oneTurn runs one turn, or the one that ends the run by request. A turn that fails is taken back whole. There is none (nil) when nothing could run: every goroutine waits for
// later.
func (r *Run) oneTurn(ctx context.Context) (*vm.Turn, vm.Stop, error) {
	if r.begins(toEnd) {
		t, err := r.machine.Abort(endedByRequest)
		return t, vm.Stop{}, err
	}
	as, err := r.s.replica.Pull(r.id)
	if err != nil {
		return nil, vm.Stop{}, err
	}
	if err := r.machine.Assign(as); err != nil {
		return nil, vm.Stop{}, err
	}
	if err := r.deliver(); err != nil {
		return nil, vm.Stop{}, err
	}
	if err := r.machine.BeginTurn(); err != nil {
		return nil, vm.Stop{}, err
	}
	before := r.machine.Instructions()
	stop, err := r.machine.RunTurn(ctx, r.s.cfg.TurnWords)
	if err != nil {
		if back := r.machine.FailTurn(); back != nil {
			return nil, stop, fmt.Errorf("tandem: turn %d of run %s cannot be taken back: %v: %w", r.turn+1, r.name, err, back)
		}
		return nil, stop, fmt.Errorf("tandem: turn %d of run %s was taken back: %w", r.turn+1, r.name, err)
	}
	r.s.pace(ctx, r.machine.Instructions()-before)
	if stop.End == vm.EndIdle && r.machine.Instructions() == before {
		return nil, stop, r.machine.FailTurn()
	}
	t, err := r.machine.EndTurn()
	return t, stop, err
}

func (r *Run) submission(t *vm.Turn) replication.Turn {
	return replication.Turn{Run: r.id, Epoch: r.epoch, Number: t.Number, Instructions: t.Instructions, Root: t.Root, MemoryBytes: t.MemoryBytes,
		Pages: t.Pages, Zeros: t.Zeros, Changes: t.Changes, Lines: t.Lines, Taken: r.taken(), Done: t.Stop.End == vm.EndExit, Exit: int32(t.Stop.Exit)}
}

// idle waits until the earliest timer is due or others changed what the run shares.
func (r *Run) idle(ctx context.Context, wake time.Time, touched <-chan struct{}) error {
	var due <-chan time.Time
	if !wake.IsZero() {
		t := time.NewTimer(wake.Sub(r.s.now()))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
	case <-touched:
	case <-r.poke:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
