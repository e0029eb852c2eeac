package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
)

// peer is what lives at a place: while it is up a replica and what an embedder does with it.
type peer struct {
	*Place
	w *world

	r       *replication.Replica // nil: down
	ctx     context.Context
	cancel  context.CancelFunc
	tasks   chan struct{} // closed when the embedder's goroutine has ended
	readers []chan struct{}

	owned  map[changes.RunID]*owned
	taking map[changes.RunID]bool
	taken  chan taken
	calls  chan func()
}

type owned struct {
	p      *program
	flight []flight
}

type flight struct {
	turn uint64
	done <-chan error
}

type taken struct {
	run changes.RunID
	s   *replication.State
	err error
}

const (
	tick        = 20 * time.Millisecond
	flightsMax  = 4
	takeTimeout = 3 * time.Second
)

// Rise starts the replica and the embedder.
func (w *world) Rise(place *Place) error {
	p := w.peers[place.Number]
	var err error
	ctx := context.Background()
	cfg := place.Config()
	if w.sandbox == (replication.SandboxID{}) {
		p.r, err = replication.Create(ctx, cfg, replication.Genesis{Name: "simulated", Variables: variables}, []byte("the image"))
	} else {
		cfg.Sandbox = w.sandbox
		p.r, err = replication.Open(ctx, cfg)
	}
	if err != nil {
		p.r = nil
		return err
	}
	w.sandbox = p.r.Sandbox()
	p.owned, p.taking, p.taken = map[changes.RunID]*owned{}, map[changes.RunID]bool{}, make(chan taken, 64)
	p.calls = make(chan func())
	p.readers = nil
	ctx, p.cancel = context.WithCancel(ctx)
	p.ctx = ctx
	p.tasks = make(chan struct{})
	go p.embed(ctx, p.r)
	return nil
}

// Fall ends the embedder and the replica.
func (w *world) Fall(place *Place, crash bool) {
	p := w.peers[place.Number]
	p.cancel()
	<-p.tasks
	for _, done := range p.readers {
		<-done
	}
	if err := p.r.Close(); err != nil && !crash {
		w.Fail("no failure", "%s: close: %v", p.Name, err)
	}
	p.r = nil
}

// embed is what package tandem does for a real peer: execute the runs owned here turn by turn, take over those whose owner is gone.
func (p *peer) embed(ctx context.Context, r *replication.Replica) {
	defer close(p.tasks)
	t := time.NewTicker(tick + time.Duration(p.w.Random("embed", p.Name).IntN(1000)))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			for range len(p.taking) {
				<-p.taken
			}
			return
		case e, ok := <-r.Events():
			if ok {
				p.event(ctx, r, e)
			} else {
				<-ctx.Done()
			}
		case x := <-p.taken:
			p.adopt(r, x)
		case f := <-p.calls:
			f()
		case <-t.C:
			p.turns(r)
		}
	}
}

func (p *peer) event(ctx context.Context, r *replication.Replica, e replication.Event) {
	switch e.Kind {
	case replication.OwnerGone:
		p.take(ctx, r, e.Run)
	case replication.Superseded:
		delete(p.owned, e.Run)
	case replication.HeadAdvanced:
		p.follow(ctx, r, e.Run)
	case replication.Failed:
		p.w.Fail("no failure", "%s: %v", p.Name, e.Err)
	}
}

// take takes a run over in the background, whether its owner is gone or not.
func (p *peer) take(ctx context.Context, r *replication.Replica, run changes.RunID) {
	if p.taking[run] || p.owned[run] != nil {
		return
	}
	p.taking[run] = true
	go func() {
		ctx, cancel := context.WithTimeout(ctx, takeTimeout)
		defer cancel()
		s, err := r.TakeOver(ctx, run)
		p.taken <- taken{run, s, err}
	}()
}

// steal takes some run over though its owner may well be alive: what a peer does whose clock runs wild.
func (p *peer) steal(which int) {
	if runs := p.r.Runs(); len(runs) > 0 {
		p.take(p.ctx, p.r, runs[which%len(runs)].Head.Run)
	}
}

// adopt goes on with a run that was taken over.
func (p *peer) adopt(r *replication.Replica, x taken) {
	delete(p.taking, x.run)
	if x.err != nil {
		return // too late, cut off, or continued elsewhere
	}
	p.w.Count(func(r *Report) { r.Takeovers++ })
	g := newProgram(x.s.Head.Name, x.run, x.s.Head.Epoch)
	g.turn, g.lines = x.s.Head.Turn, x.s.Head.Lines
	if err := g.check(x.s); err != nil {
		p.w.Fail("no torn turn", "%s takes over: %v", p.Name, err)
		return
	}
	p.w.mutant.taken(g)
	p.owned[x.run] = &owned{p: g}
}

// turns executes one turn of each run owned here.
func (p *peer) turns(r *replication.Replica) {
	for _, id := range p.runs() {
		o := p.owned[id]
		if err := p.settle(o); err != nil {
			if !errors.Is(err, replication.ErrSuperseded) && !errors.Is(err, replication.ErrNotOwner) {
				p.w.Fail("no failure", "%s: %v", p.Name, err)
			}
			delete(p.owned, id)
			continue
		}
		if len(o.flight) >= flightsMax || o.p.last > 0 && o.p.turn == o.p.last {
			continue
		}
		p.turn(r, o)
	}
}

func (p *peer) runs() (ids []changes.RunID) {
	for id := range p.owned {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b changes.RunID) int { return slices.Compare(a[:], b[:]) })
	return ids
}

func (p *peer) turn(r *replication.Replica, o *owned) {
	saw := map[changes.RunID]rank{}
	for _, s := range r.Runs() {
		if s.Head.Run != o.p.run {
			saw[s.Head.Run] = rank{s.Head.Epoch.Number, s.Head.Turn}
		}
	}
	as, err := r.Pull(o.p.run)
	if err == nil {
		err = o.p.assign(as)
	}
	if err != nil {
		if !errors.Is(err, replication.ErrNotOwner) {
			p.w.Fail("no failure", "%s: pull: %v", p.Name, err)
		}
		return
	}
	if err := p.offer(r, o.p); err != nil {
		p.w.Fail("no failure", "%s: messages: %v", p.Name, err)
	}
	if o.p.idle() {
		return
	}
	p.w.mutant.saw(saw)
	t := o.p.next(saw)
	p.w.mutant.turn(o.p, &t)
	done, err := r.SubmitTurn(t)
	if err != nil {
		if !errors.Is(err, replication.ErrSuperseded) && !errors.Is(err, replication.ErrNotOwner) {
			p.w.Fail("no failure", "%s: turn %d: %v", p.Name, t.Number, err)
		}
		delete(p.owned, o.p.run)
		return
	}
	p.w.Count(func(r *Report) { r.Turns++ })
	o.flight = append(o.flight, flight{t.Number, done})
}

// offer tells the consumer the time and what was sent to it.
func (p *peer) offer(r *replication.Replica, g *program) error {
	if g.name != consumer {
		return nil
	}
	g.tick(p.Clock.Now())
	ms, next, err := r.Messages(g.run, g.place)
	if err != nil {
		return err
	}
	gone, drops := r.DroppedIDs(g.run, g.drops)
	g.gone, g.drops = append(g.gone, gone...), drops
	g.place = next
	for _, m := range ms {
		g.sent, g.places = append(g.sent, m.ID), append(g.places, m.Next)
	}
	return nil
}

// send sends a message to the consumer, if it is known here.
func (p *peer) send(id string) {
	p.toConsumer(func(ctx context.Context, r *replication.Replica, run changes.RunID) {
		p.w.sends(id, false)
		if r.Send(ctx, run, id, []byte(id)) == nil {
			p.w.sends(id, true)
		}
	})
}

// drop takes a message away from the consumer, if both are known here.
func (p *peer) drop(id string) {
	p.toConsumer(func(ctx context.Context, r *replication.Replica, run changes.RunID) {
		r.Drop(ctx, run, id) // what cannot be dropped here now is dropped in the end
	})
}

// toConsumer does something with the consumer beside whatever else goes on, if it is known here.
func (p *peer) toConsumer(do func(ctx context.Context, r *replication.Replica, run changes.RunID)) {
	for _, s := range p.r.Runs() {
		if s.Head.Name != consumer {
			continue
		}
		done := make(chan struct{})
		p.readers = append(p.readers, done)
		ctx, r := p.ctx, p.r
		go func() {
			defer close(done)
			do(ctx, r, s.Head.Run)
		}()
	}
}

// settle takes note of the turns that became durable.
func (p *peer) settle(o *owned) error {
	for len(o.flight) > 0 {
		select {
		case err := <-o.flight[0].done:
			if err != nil {
				return err
			}
			p.w.acknowledged(p.Name, o.p, o.flight[0].turn)
			o.flight = o.flight[1:]
		default:
			return nil
		}
	}
	return nil
}

// call has the embedder's goroutine do something.
func (p *peer) call(f func()) {
	done := make(chan struct{})
	p.calls <- func() { f(); close(done) }
	<-done
}

// start begins a run here.
func (p *peer) start(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), takeTimeout)
	defer cancel()
	id, epoch, err := p.r.StartRun(ctx, replication.RunStart{Name: name, Durable: p.w.mutant.level(p.w.Level)})
	if err != nil {
		return // it has no genesis yet
	}
	p.owned[id] = &owned{p: newProgram(name, id, epoch)}
}

// follow reads a run's lines as they come, once from this life of the peer.
func (p *peer) follow(ctx context.Context, r *replication.Replica, run changes.RunID) {
	key := follower{p.Name, p.Lives, run}
	if !p.w.follow(key) {
		return
	}
	done := make(chan struct{})
	p.readers = append(p.readers, done)
	go func() {
		defer close(done)
		r.Lines(ctx, run, 1, func(l changes.Line) error {
			p.w.line(key, l)
			return nil
		})
	}()
}
