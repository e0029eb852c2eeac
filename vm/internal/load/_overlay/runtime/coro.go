package runtime

// Coroutines of package iter: two goroutines of which one always waits in coroswitch.

type coro struct {
	waits   uintptr // the goroutine in coroswitch
	f       func(*coro)
	started bool
}

// coroStatus is what a traceback says the waiting one waits for: chan receive.
const coroStatus = 3

func getg() uintptr
func gopark(reason uint8)
func goready(g uintptr)

//go:linkname newcoro runtime.newcoro
func newcoro(f func(*coro)) *coro { return &coro{f: f} }

//go:linkname coroswitch runtime.coroswitch
func coroswitch(c *coro) {
	next := c.waits
	c.waits = getg()
	if !c.started {
		c.started = true
		go corostart(c)
	} else {
		goready(next)
	}
	gopark(coroStatus)
}

func corostart(c *coro) {
	defer coroexit(c)
	c.f(c)
}

func coroexit(c *coro) {
	next := c.waits
	c.waits = 0
	goready(next)
}
