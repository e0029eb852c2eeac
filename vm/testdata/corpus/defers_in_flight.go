package main

import "fmt"

func f(n int) (r int) {
	for i := 0; i < n; i++ {
		defer func(k int) {
			r = r*3 + k
			if k%5 == 0 {
				for j := 0; j < 100; j++ {
					r ^= j
				}
			}
		}(i)
	}
	if n > 0 {
		r = f(n - 1)
	}
	return r + n
}
func main() {
	for i := 0; i < 12; i++ {
		fmt.Println(i, f(i))
	}
	defer fmt.Println("last")
	defer func() { defer fmt.Println("inner deferred"); fmt.Println("outer deferred") }()
}
