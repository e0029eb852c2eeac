package main

import "fmt"

func gen(c chan<- int) {
	for i := 2; ; i++ {
		c <- i
	}
}
func filter(in <-chan int, out chan<- int, p int) {
	for {
		if i := <-in; i%p != 0 {
			out <- i
		}
	}
}
func main() {
	c := make(chan int)
	go gen(c)
	for i := 0; i < 30; i++ {
		p := <-c
		fmt.Print(p, " ")
		n := make(chan int)
		go filter(c, n, p)
		c = n
	}
	fmt.Println()
}
