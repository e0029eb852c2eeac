package main

import (
	"fmt"
	"sort"
	"strings"
)

const text = `the quick brown fox jumps over the lazy dog the fox and the hound ran over the hill and over the dale quick quick`

func main() {
	m := map[string]int{}
	for r := 0; r < 20; r++ {
		for _, w := range strings.Fields(text) {
			m[w]++
		}
	}
	type kv struct {
		k string
		v int
	}
	var l []kv
	for k, v := range m {
		l = append(l, kv{k, v})
	}
	sort.Slice(l, func(i, j int) bool {
		if l[i].v != l[j].v {
			return l[i].v > l[j].v
		}
		return l[i].k < l[j].k
	})
	for _, e := range l {
		fmt.Printf("%-6s %d\n", e.k, e.v)
	}
}
