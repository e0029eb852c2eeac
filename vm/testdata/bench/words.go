package main

import (
	"sort"
	"strings"
)

// Text: building it, splitting it, counting its words in a map, and sorting them.
func main() {
	var b strings.Builder
	x := uint32(7)
	for range 60000 {
		x = x*1664525 + 1013904223
		for n := x >> 16 % 500; ; n /= 7 {
			b.WriteByte(byte('a' + n%7))
			if n < 7 {
				break
			}
		}
		b.WriteByte(' ')
	}
	count := map[string]int{}
	for _, w := range strings.Fields(b.String()) {
		count[strings.ToUpper(w)]++
	}
	words := make([]string, 0, len(count))
	for w := range count {
		words = append(words, w)
	}
	sort.Slice(words, func(i, j int) bool {
		if count[words[i]] != count[words[j]] {
			return count[words[i]] > count[words[j]]
		}
		return words[i] < words[j]
	})
	println(len(words), words[0], count[words[0]])
}
