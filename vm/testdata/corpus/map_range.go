package main

import (
	"fmt"
	"sort"
)

func main() {
	m := map[string]int{}
	for i := 0; i < 300; i++ {
		m[fmt.Sprintf("k%03d", i)] = i
	}
	sum, n := 0, 0
	for k, v := range m {
		sum += v
		n++
		if v%3 == 0 {
			delete(m, k)
		}
	}
	fmt.Println(sum, n, len(m))
	for k := range m {
		if m[k]%2 == 0 {
			delete(m, k)
		} else {
			m[k] *= 2
		}
	}
	var ks []string
	for k := range m {
		ks = append(ks, k)
	}
	sort.Strings(ks)
	fmt.Println(len(ks), ks[:5], m[ks[7]])
	type P struct{ x, y int }
	g := map[P][]string{}
	for i := 0; i < 40; i++ {
		p := P{i % 4, i % 3}
		g[p] = append(g[p], fmt.Sprint(i))
	}
	fmt.Println(g)
}
