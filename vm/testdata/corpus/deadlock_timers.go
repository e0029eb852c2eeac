package main

import (
	"fmt"
	"time"
)

// Timers with channels that nobody waits for keep no program alive.

var ticker = time.NewTicker(time.Second)

func main() {
	after, spare := time.After(20*time.Millisecond), time.NewTimer(time.Hour)
	got := make(chan string)
	go func() {
		select {
		case <-after:
			got <- "after"
		case <-spare.C:
			got <- "spare"
		}
	}()
	time.AfterFunc(10*time.Millisecond, func() { got <- "func" })
	fmt.Println(<-got)
	fmt.Println(<-got)
	<-ticker.C
	fmt.Println("tick")
	select {
	case <-got:
	case got <- "nobody":
	}
}
