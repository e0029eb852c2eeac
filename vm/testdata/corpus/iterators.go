package main

import (
	"fmt"
	"iter"
	"slices"
)

func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < n; i++ {
			if !yield(i) {
				fmt.Println("stopped at", i)
				return
			}
		}
	}
}
func pairs(s string) iter.Seq2[int, rune] {
	return func(yield func(int, rune) bool) {
		for i, r := range s {
			if !yield(i, r) {
				return
			}
		}
	}
}
func find(n int) (r int) {
	defer func() { r *= 10 }()
	for i := range count(100) {
		defer func() { r++ }()
		if i == n {
			return i
		}
	}
	return -1
}
func main() {
	for i := range 3 {
		fmt.Print(i, " ")
	}
	for i := range count(10) {
		if i == 2 {
			continue
		}
		if i > 5 {
			break
		}
		fmt.Print(i, " ")
	}
outer:
	for i := range count(4) {
		for j := range count(4) {
			if j == 2 {
				continue outer
			}
			if i == 2 {
				break outer
			}
			fmt.Print(i, j, ";")
		}
	}
	fmt.Println(find(3))
	for i, r := range pairs("héλ") {
		fmt.Print(i, string(r), " ")
	}
	next, stop := iter.Pull(count(5))
	for {
		v, ok := next()
		if !ok || v == 3 {
			break
		}
		fmt.Print("pull", v, " ")
	}
	stop()
	fmt.Println(slices.Collect(count(3)))
}
