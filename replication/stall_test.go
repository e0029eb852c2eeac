package replication

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stallingClock is the wall clock of a process that is stopped now and then: no tick comes through meanwhile.
type stallingClock struct {
	wallClock
	stalled atomic.Bool
}

func (c *stallingClock) NewTicker(d time.Duration) (<-chan time.Time, func()) {
	t, out, done := time.NewTicker(d), make(chan time.Time, 1), make(chan struct{})
	go func() {
		for {
			select {
			case now := <-t.C:
				if c.stalled.Load() {
					continue
				}
				select {
				case out <- now:
				default:
				}
			case <-done:
				return
			}
		}
	}()
	return out, func() { t.Stop(); close(done) }
}

// TestStalledStandbyTakesNothing: a standby whose process stood still takes no run from an owner that it could not hear meanwhile, and one whose owner is gone
// is taken over a lease after it is back.
func TestStalledStandbyTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		clock := &stallingClock{}
		c.config = func(cfg *Config) {
			if cfg.Transport.Self() == "b" {
				cfg.Clock = clock
			}
		}
		a, b := c.create("a"), c.join("b")
		p := start(t, a, 1)
		p.step(t)
		c.converge()
		warm(t, b)
		gone := func(d time.Duration) bool {
			end := time.After(d)
			for {
				select {
				case e := <-b.Events():
					if e.Kind == OwnerGone {
						return true
					}
				case <-end:
					return false
				}
			}
		}
		stall := func() {
			clock.stalled.Store(true)
			c.net.Split([]string{"b"}) // what is said to it meanwhile is lost
			time.Sleep(3 * time.Second)
			clock.stalled.Store(false)
		}
		for range 3 {
			stall()
			time.Sleep(b.cfg.Lease / 2)
			c.net.Heal()
			if gone(5 * b.cfg.Lease) {
				t.Fatal("b holds the owner for gone that it could not hear")
			}
		}
		stall()
		c.stop("a")
		if gone(b.cfg.Lease * 9 / 10) {
			t.Error("b did not listen for a lease")
		}
		if !gone(3 * b.cfg.Lease) {
			t.Error("b never takes over from the dead")
		}
	})
}
