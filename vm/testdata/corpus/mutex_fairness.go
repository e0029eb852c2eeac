// One goroutine holds a mutex nearly always; the others get it all the same, and nobody is in with another.
package main

import (
	"fmt"
	"runtime"
	"sync"
)

func main() {
	var mu sync.Mutex
	in, order, stop := 0, 0, false
	var wg sync.WaitGroup
	go func() {
		for !stop {
			mu.Lock()
			for range 30000 {
				order++
			}
			mu.Unlock()
		}
	}()
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 200 {
				if (i+g)%5 != 0 || !mu.TryLock() {
					mu.Lock()
				}
				if in++; in != 1 {
					panic("two at once")
				}
				for range (i * 7) % 300 {
					order++
				}
				if i%3 == 0 {
					runtime.Gosched()
				}
				in--
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	stop = true
	fmt.Println("all done", in)
	defer fmt.Println("never")
	mu = sync.Mutex{}
	mu.Unlock()
}
