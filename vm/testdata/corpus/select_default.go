package main

import "fmt"

func main() {
	a, b := make(chan int, 1), make(chan string, 1)
	hits := [3]int{}
	for i := 0; i < 300; i++ {
		if i%3 == 0 {
			select {
			case a <- i:
			default:
			}
		}
		if i%4 == 0 {
			select {
			case b <- fmt.Sprint(i):
			default:
			}
		}
		select {
		case <-a:
			hits[0]++
		case <-b:
			hits[1]++
		default:
			hits[2]++
		}
	}
	for {
		select {
		case <-a:
			hits[0]++
			continue
		case <-b:
			hits[1]++
			continue
		default:
		}
		break
	}
	fmt.Println(hits[0]+hits[1]+hits[2] > 250, hits[0] > 0, hits[1] > 0, hits[2] > 0)
	var nilc chan int
	select {
	case <-nilc:
		fmt.Println("bad")
	default:
		fmt.Println("nil channel never ready")
	}
	close(a)
	v, ok := <-a
	fmt.Println(v, ok)
	defer func() { fmt.Println(recover()); defer func() { fmt.Println(recover()) }(); close(a) }()
	a <- 1
}
