package runtime

// Coroutines of package iter: two goroutines of which one always waits in coroswitch.

type coro struct {
	waits   uintptr // the goroutine that waits; 0 before the new one ran
	f       func(*coro)
	started bool
}

// coroStatus is what a traceback says the waiting one waits for: coroutine.
const coroStatus = 19

func getg() uintptr
func gopark(reason uint8)
func goready(g uintptr)

//go:linkname newcoro runtime.newcoro
func newcoro(f func(*coro)) *coro {
	c := &coro{f: f}
	go corostart(c)
	return c
}

//go:linkname coroswitch runtime.coroswitch
func coroswitch(c *coro) {
	next := c.waits
	c.waits, c.started = getg(), true
	if next != 0 { // else the new goroutine did not get to run yet: it will, and begins
		goready(next)
	}
	gopark(coroStatus)
}

func corostart(c *coro) {
	if !c.started {
		c.waits = getg()
		gopark(coroStatus)
	}
	defer coroexit(c)
	c.f(c)
}

func coroexit(c *coro) {
	next := c.waits
	c.waits = 0
	goready(next)
}
