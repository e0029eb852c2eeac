// A timer or ticker with a channel goes when the program has neither it nor its channel any more; whoever has one of them still gets its values.
package main

import (
	"fmt"
	"runtime"
	"time"
)

const rounds = 5000

var sink any

// left tells whether what f leaves behind is collected.
func left(what string, f func()) {
	var n runtime.MemStats
	gc := func() int64 {
		for range 3 {
			runtime.GC()
		}
		runtime.ReadMemStats(&n)
		return int64(n.Mallocs - n.Frees)
	}
	before := gc()
	for range rounds {
		f()
	}
	fmt.Println(what, "collected:", gc()-before < rounds)
}

// deep uses the stack that the calls before have used.
//
//go:noinline
func deep(n int) int {
	var room [64]int
	if n == 0 {
		return 0
	}
	room[n] = n
	return room[n] + deep(n-1)
}

func collect() {
	deep(50)
	for range 3 {
		runtime.GC()
	}
}

//go:noinline
func onlyChannel(d time.Duration) <-chan time.Time { return time.NewTimer(d).C }

type box struct {
	name string
	t    *time.Timer
}

func main() {
	left("After", func() { time.After(time.Hour) })
	left("Tick", func() { time.Tick(time.Hour) })
	left("NewTimer", func() { time.NewTimer(time.Hour) })
	left("NewTicker", func() { time.NewTicker(time.Hour) })
	left("stopped", func() { time.NewTimer(time.Hour).Stop() })
	left("reset", func() { time.NewTimer(time.Hour).Reset(2 * time.Hour) })
	work := make(chan int, 1)
	left("select", func() {
		work <- 1
		select {
		case <-work:
		case <-time.After(time.Hour):
		}
	})
	left("replaced", func() { sink = &box{"b", time.NewTimer(time.Hour)} })
	left("a ring of timers", func() {
		a, b := time.NewTimer(time.Hour), time.NewTimer(time.Hour)
		a.C, b.C = b.C, a.C
	})
	left("AfterFunc", func() { time.AfterFunc(time.Hour, func() {}) })

	fired := make(chan string, 1)
	time.AfterFunc(5*time.Millisecond, func() { fired <- "a function nobody has" })
	c := onlyChannel(5 * time.Millisecond)
	tick := time.Tick(3 * time.Millisecond)
	boxed := map[string]*box{"x": {"x", time.NewTimer(time.Hour)}}
	t := time.NewTimer(time.Hour)
	done := make(chan bool)
	go func() {
		select {
		case <-time.After(5 * time.Millisecond):
			done <- true
		case <-time.After(time.Hour):
			done <- false
		}
	}()
	go func() {
		time.Sleep(5 * time.Millisecond)
		done <- true
	}()
	collect()
	fmt.Println(<-fired, <-done, <-done)
	<-c
	for range 3 {
		<-tick
		collect()
	}
	fmt.Println(boxed["x"].t.Reset(time.Millisecond))
	collect()
	<-boxed["x"].t.C
	fmt.Println(t.Stop(), t.Stop(), t.Reset(time.Millisecond))
	collect()
	<-t.C
	fmt.Println(t.Stop())

	// What holds the channel of another holds that one too.
	first, second := time.NewTimer(time.Hour), time.NewTimer(5*time.Millisecond)
	other := second.C
	second.C, first.C = nil, second.C
	first, second = nil, nil
	collect()
	<-other
	fmt.Println("end")
}
