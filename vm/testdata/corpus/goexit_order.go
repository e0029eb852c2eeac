package main

import (
	"fmt"
	"runtime"
	"sync"
)

func main() {
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		defer fmt.Println("goexit deferred", recover())
		func() { runtime.Goexit() }()
		fmt.Println("not reached")
	}()
	wg.Done()
	wg.Wait()
	c := make(chan int)
	for i := 0; i < 3; i++ {
		go func() {
			for j := 0; j < 3; j++ {
				runtime.Gosched()
			}
			c <- i
		}()
	}
	s := 0
	for i := 0; i < 3; i++ {
		s += <-c
	}
	fmt.Println(s, runtime.NumGoroutine() >= 1, runtime.GOOS, runtime.GOARCH)
}
