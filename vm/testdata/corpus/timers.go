package main

import (
	"fmt"
	"time"
)

func main() {
	t := time.NewTimer(30 * time.Millisecond)
	tick := time.NewTicker(7 * time.Millisecond)
	n := 0
loop:
	for {
		select {
		case <-tick.C:
			n++
			if n == 3 {
				fmt.Println("three ticks")
			}
		case <-t.C:
			break loop
		}
	}
	tick.Stop()
	fmt.Println(n >= 3)
	done := make(chan string, 3)
	time.AfterFunc(20*time.Millisecond, func() { done <- "after 20" })
	time.AfterFunc(5*time.Millisecond, func() { done <- "after 5" })
	s := time.AfterFunc(10*time.Millisecond, func() { done <- "never" })
	fmt.Println(s.Stop())
	fmt.Println(<-done, <-done)
	start := time.Now()
	time.Sleep(10 * time.Millisecond)
	fmt.Println(time.Since(start) >= 10*time.Millisecond)
	select {
	case <-time.After(time.Millisecond):
		fmt.Println("timeout")
	case <-done:
		fmt.Println("bad")
	}
}
