package main

import "fmt"

func main() {
	c := make(chan int, 3)
	done := make(chan int)
	go func() {
		s := 0
		for v := range c {
			s += v
			if v%50 == 0 {
				fmt.Println("at", v, "sum", s, "len<=3", len(c) <= 3, cap(c))
			}
		}
		done <- s
	}()
	for i := 0; i < 500; i++ {
		c <- i
	}
	close(c)
	fmt.Println(<-done)
	v, ok := <-c
	fmt.Println(v, ok)
}
