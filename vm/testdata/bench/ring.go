package main

import "sync"

// Goroutines, channels, a mutex, and calls of closures.
func main() {
	const n = 50
	var wait sync.WaitGroup
	var mu sync.Mutex
	total := 0
	first := make(chan func(int) int)
	in := first
	for i := range n {
		from, out := in, make(chan func(int) int, i%3)
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer close(out)
			for f := range from {
				mu.Lock()
				total += f(i)
				mu.Unlock()
				out <- func(x int) int { return f(x) ^ i&7 }
			}
		}()
		in = out
	}
	go func() {
		for k := range 300 {
			first <- func(x int) int { return x*k + 1 }
		}
		close(first)
	}()
	last := 0
	for f := range in {
		last += f(1)
	}
	wait.Wait()
	println(total, last)
}
