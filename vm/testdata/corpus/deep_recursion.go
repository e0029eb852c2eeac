package main

import "fmt"

func depth(n int) int {
	var pad [20]int
	pad[n%20] = n
	if n == 0 {
		return 0
	}
	return depth(n-1) + 1 + pad[n%20] - n
}
func ack(m, n int) int {
	if m == 0 {
		return n + 1
	}
	if n == 0 {
		return ack(m-1, 1)
	}
	return ack(m-1, ack(m, n-1))
}
func even(n int) bool {
	if n == 0 {
		return true
	}
	return odd(n - 1)
}
func odd(n int) bool {
	if n == 0 {
		return false
	}
	return even(n - 1)
}
func main() {
	fmt.Println(depth(20000), ack(2, 9), even(10001))
	c := make(chan int)
	for i := 0; i < 4; i++ {
		go func() { c <- depth(2000 * i) }()
	}
	s := 0
	for i := 0; i < 4; i++ {
		s += <-c
	}
	fmt.Println(s)
}
