package main

import "fmt"

func get(a []int, i int) int { return a[i] }
func main() {
	a := []int{1, 2, 3}
	for i := 0; i < 5; i++ {
		fmt.Println(get(a, i))
	}
}
