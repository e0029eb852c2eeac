package main

import "fmt"

func worker(id int, in <-chan int, quit <-chan bool, out chan<- string) {
	for {
		select {
		case v, ok := <-in:
			if !ok {
				out <- fmt.Sprint("worker ", id, " closed")
				return
			}
			out <- fmt.Sprint("worker ", id, " got ", v)
		case <-quit:
			out <- fmt.Sprint("worker ", id, " quit")
			return
		}
	}
}
func main() {
	ins := make([]chan int, 4)
	quit := make(chan bool)
	out := make(chan string)
	for i := range ins {
		ins[i] = make(chan int)
		go worker(i, ins[i], quit, out)
	}
	for r := 0; r < 20; r++ {
		ins[r%4] <- r * r
		fmt.Println(<-out)
	}
	close(ins[1])
	fmt.Println(<-out)
	quit <- true
	fmt.Println(len(<-out) > 0)
}
