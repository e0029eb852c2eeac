package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Action is something that happens to the world at a moment.
type Action struct {
	At   time.Duration `json:"at"`   // since the beginning
	Kind string        `json:"kind"` // start, consume, send, poison, drop, cut, heal, crash, stop, restart, skew, steal
	Peer int           `json:"peer"`
	Arg  int           `json:"arg"` // start: turns; cut: bits of the peers on the other side; skew: ms; crash: seed of what the disk keeps
}

func (a Action) String() string { return fmt.Sprintf("%v %s %d %d", a.At, a.Kind, a.Peer, a.Arg) }

// drawPlan draws what happens: runs begin early, faults at any time.
func (w *world) drawPlan(rnd *rand.Rand) (plan []Action) {
	c := w.Config
	for i := range 1 + rnd.IntN(c.Peers+1) {
		plan = append(plan, Action{c.moment(rnd, 0.3), "start", rnd.IntN(c.Peers), 10 + rnd.IntN(60) + i})
	}
	plan = append(plan, Action{c.moment(rnd, 0.2), "consume", rnd.IntN(c.Peers), 0})
	plan = append(plan, c.drawFaults(rnd, "steal")...)
	for range rnd.IntN(6) { // the same message may be sent from several peers
		plan = append(plan, Action{c.moment(rnd, 1), "send", rnd.IntN(c.Peers), rnd.IntN(4)})
	}
	if rnd := w.Random("poison"); rnd.IntN(2) == 0 {
		for i := range 1 + rnd.IntN(3) {
			plan = append(plan, Action{c.moment(rnd, 0.8), "poison", rnd.IntN(c.Peers), i}, Action{c.moment(rnd, 1), "drop", rnd.IntN(c.Peers), i})
		}
	}
	slices.SortStableFunc(plan, func(a, b Action) int { return cmp.Compare(a.At, b.At) })
	return plan
}

// DrawFaults draws what goes wrong at which moment, sorted.
func (c Config) DrawFaults(rnd *rand.Rand) []Action {
	plan := c.drawFaults(rnd)
	slices.SortStableFunc(plan, func(a, b Action) int { return cmp.Compare(a.At, b.At) })
	return plan
}

// drawFaults draws faults; wild are the kinds of a peer whose clock runs wild.
func (c Config) drawFaults(rnd *rand.Rand, wild ...string) (plan []Action) {
	kinds := []string{}
	for _, k := range []struct {
		f     Faults
		kinds []string
	}{{Partition, []string{"cut", "cut", "heal"}}, {Crash, []string{"crash", "stop", "restart", "restart"}}, {Skew, append([]string{"skew"}, wild...)}} {
		if c.Faults&k.f != 0 && rnd.IntN(4) > 0 && (k.f != Partition || c.Peers > 1) {
			kinds = append(kinds, k.kinds...)
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	for range rnd.IntN(16) {
		a := Action{c.moment(rnd, 1), kinds[rnd.IntN(len(kinds))], rnd.IntN(c.Peers), 0}
		switch a.Kind {
		case "cut":
			a.Arg = 1 + rnd.IntN(1<<c.Peers-2)
		case "skew":
			a.Arg = rnd.IntN(4000) - 2000
		case "crash", "steal":
			a.Arg = rnd.IntN(1 << 30)
		}
		plan = append(plan, a)
	}
	return plan
}

// moment draws one of the first share of the time in which things go wrong.
func (c Config) moment(rnd *rand.Rand, share float64) time.Duration {
	first := 200 * time.Millisecond
	return first + time.Duration(rnd.Float64()*share*float64(c.Chaos-first))
}

// act does what makes things go wrong, and leaves the rest to the cast.
func (s *Stage) act(a Action) {
	p := s.Places[a.Peer]
	switch a.Kind {
	case "cut":
		var side []string
		for i, q := range s.Places {
			if a.Arg>>i&1 == 1 {
				side = append(side, q.Name)
			}
		}
		s.Net.Split(side)
	case "heal":
		s.Net.Heal()
	case "crash":
		if p.Up {
			s.crash(p, rand.New(rand.NewPCG(uint64(a.Arg), 0)))
		}
	case "stop":
		if p.Up {
			s.fall(p, false)
		}
	case "restart":
		s.restart(p)
	case "skew":
		p.Clock.skew.Store(int64(time.Duration(a.Arg) * time.Millisecond))
	default:
		s.cast.Act(a)
	}
}

// Act does what belongs to the program of this package.
func (w *world) Act(a Action) {
	p := w.peers[a.Peer]
	if p.r == nil {
		return
	}
	switch a.Kind {
	case "start":
		p.call(func() { p.start(fmt.Sprintf("worker %d until %d", w.runs(), a.Arg)) })
	case "consume":
		p.call(func() { p.start(consumer) })
	case "send":
		p.call(func() { p.send(fmt.Sprintf("message %d", a.Arg)) })
	case "poison":
		p.call(func() { p.send(fmt.Sprint(poison, a.Arg)) })
	case "drop":
		p.call(func() { p.drop(fmt.Sprint(poison, a.Arg)) })
	case "steal":
		p.call(func() { p.steal(a.Arg) })
	default:
		panic("BUG: action " + a.Kind)
	}
}

// runs numbers the workers.
func (w *world) runs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.workers++
	return w.workers
}

// Shrink looks for a smaller plan that fails in the same property, by leaving actions out as long as try says that the rest still fails.
func Shrink(c Config, r *Report, try func(Config) *Report) (Config, *Report) {
	c.Plan = r.Plan
	began, took := time.Now(), 3*time.Minute // shrinking is outside the bubble: real time
	for size := len(c.Plan) / 2; size > 0; size /= 2 {
		for from := 0; from < len(c.Plan) && time.Since(began) < took; {
			less := c
			less.Plan = slices.Delete(slices.Clone(c.Plan), from, min(from+size, len(c.Plan)))
			if len(less.Plan) == 0 {
				from += size
				continue
			}
			if x := try(less); len(x.Failures) > 0 && x.Failures[0].Property == r.Failures[0].Property {
				c, r = less, x
			} else {
				from += size
			}
		}
	}
	return c, r
}
