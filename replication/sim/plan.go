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
	At   time.Duration // since the beginning
	Kind string        // start, consume, cut, heal, crash, stop, restart, skew, steal
	Peer int
	Arg  int // start: turns; cut: bits of the peers on the other side; skew: ms; crash: seed of what the disk keeps
}

func (a Action) String() string { return fmt.Sprintf("%v %s %d %d", a.At, a.Kind, a.Peer, a.Arg) }

// drawPlan draws what happens: runs begin early, faults at any time.
func drawPlan(c Config, rnd *rand.Rand) (plan []Action) {
	at := func(share float64) time.Duration {
		first := 200 * time.Millisecond
		return first + time.Duration(rnd.Float64()*share*float64(c.Chaos-first))
	}
	for i := range 1 + rnd.IntN(c.Peers+1) {
		plan = append(plan, Action{at(0.3), "start", rnd.IntN(c.Peers), 10 + rnd.IntN(60) + i})
	}
	plan = append(plan, Action{at(0.2), "consume", rnd.IntN(c.Peers), 0})
	kinds := []string{}
	for _, k := range []struct {
		f     Faults
		kinds []string
	}{{Partition, []string{"cut", "cut", "heal"}}, {Crash, []string{"crash", "stop", "restart", "restart"}}, {Skew, []string{"skew", "steal"}}} {
		if c.Faults&k.f != 0 && rnd.IntN(4) > 0 {
			kinds = append(kinds, k.kinds...)
		}
	}
	if len(kinds) > 0 {
		for range rnd.IntN(16) {
			a := Action{at(1), kinds[rnd.IntN(len(kinds))], rnd.IntN(c.Peers), 0}
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
	}
	slices.SortStableFunc(plan, func(a, b Action) int { return cmp.Compare(a.At, b.At) })
	return plan
}

func (w *world) act(a Action) {
	p := w.peers[a.Peer]
	switch a.Kind {
	case "start":
		if p.r != nil {
			p.call(func() { p.start(fmt.Sprintf("worker %d until %d", w.runs(), a.Arg)) })
		}
	case "consume":
		if p.r != nil {
			p.call(func() { p.start(consumer) })
		}
	case "cut":
		var side []string
		for i, q := range w.peers {
			if a.Arg>>i&1 == 1 {
				side = append(side, q.name)
			}
		}
		w.net.Split(side)
	case "heal":
		w.net.Heal()
	case "crash":
		if p.r != nil {
			p.down(true, rand.New(rand.NewPCG(uint64(a.Arg), 0)))
		}
	case "stop":
		if p.r != nil {
			p.down(false, nil)
		}
	case "restart":
		w.restart(p)
	case "skew":
		p.clock.skew.Store(int64(time.Duration(a.Arg) * time.Millisecond))
	case "steal":
		if p.r != nil {
			p.call(func() { p.steal(a.Arg) })
		}
	default:
		panic("BUG: action " + a.Kind)
	}
}

func (w *world) restart(p *peer) {
	if p.r != nil {
		return
	}
	if err := p.up(); err != nil {
		w.fail("no failure", "%s comes up: %v", p.name, err)
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
