package main

import "fmt"

func main() {
	m := map[int]int{}
	for i := 0; i < 10; i++ {
		m[i] = i
	}
	seen := map[int]int{}
	steps := 0
	for k := range m {
		seen[k]++
		steps++
		if steps < 50 {
			m[1000+steps] = steps
		}
	}
	twice, old := 0, 0
	for k, c := range seen {
		if c > 1 {
			twice++
		}
		if k < 10 {
			old++
		}
	}
	fmt.Println(twice, old, len(m) >= 10)
	clear(m)
	fmt.Println(len(m))
}
