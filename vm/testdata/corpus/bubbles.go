// Bubbles of testing/synctest: time that goes on when all goroutines of a bubble wait for one another.
package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var start time.Time

func since() time.Duration { return time.Since(start) }

func tickers(t *testing.T) {
	start = time.Now()
	fmt.Println(start.UTC())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			tick := time.NewTicker(time.Duration(i+1)*time.Hour + time.Duration(i)*time.Minute)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					fmt.Println("tick", i, since())
				case <-ctx.Done():
					return
				}
			}
		})
	}
	time.Sleep(150 * time.Minute)
	synctest.Wait()
	fmt.Println("half", since(), ctx.Err())
	wg.Wait()
	fmt.Println(ctx.Err(), since())
}

func waits(t *testing.T) {
	start = time.Now()
	steps := 0
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	c := make(chan int)
	go func() {
		for v := range c {
			mu.Lock()
			steps += v
			cond.Broadcast()
			mu.Unlock()
		}
	}()
	for i := range 4 {
		c <- i
		synctest.Wait()
		fmt.Println("steps", steps)
	}
	time.AfterFunc(time.Second, func() { c <- 100 })
	mu.Lock()
	for steps < 100 {
		cond.Wait()
	}
	mu.Unlock()
	fmt.Println("steps", steps, since())
	close(c)
	now := time.NewTimer(0)
	select {
	case <-now.C:
		fmt.Println("at once", now.Reset(time.Minute), now.Stop())
	default:
		fmt.Println("not yet")
	}
	time.Sleep(-time.Second)
	fmt.Println(since(), time.Until(start.Add(time.Hour)))
}

func stuck(t *testing.T) {
	go func() { select {} }()
	<-make(chan int)
}

func in(name string, f func(*testing.T)) testing.InternalTest {
	return testing.InternalTest{Name: name, F: func(t *testing.T) {
		defer func() {
			if e := recover(); e != nil {
				fmt.Println(name, "panics:", e)
			}
		}()
		synctest.Test(t, f)
	}}
}

func main() {
	testing.Main(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{
		in("tickers", tickers), in("waits", waits),
		{Name: "outside", F: func(*testing.T) {
			defer func() { fmt.Println(recover()) }()
			synctest.Wait()
		}},
		in("stuck", stuck), in("left", func(t *testing.T) { go func() { select {} }() }),
	}, nil, nil)
}
