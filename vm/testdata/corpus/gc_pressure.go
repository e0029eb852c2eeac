package main

import (
	"fmt"
	"runtime"
)

type node struct {
	l, r *node
	v    int
	pad  [4]string
}

func build(d int) *node {
	if d == 0 {
		return &node{v: 1}
	}
	return &node{build(d - 1), build(d - 1), d, [4]string{fmt.Sprint(d)}}
}
func (n *node) sum() int {
	if n == nil {
		return 0
	}
	return n.v + n.l.sum() + n.r.sum() + len(n.pad[0])
}
func main() {
	keep := build(8)
	m := map[int]*node{}
	for i := 0; i < 30; i++ {
		t := build(7)
		if i%10 == 0 {
			m[i] = t
		}
		if i == 15 {
			runtime.GC()
		}
	}
	fmt.Println(keep.sum(), m[0].sum(), m[20].sum(), len(m))
	s := ""
	for i := 0; i < 300; i++ {
		s += fmt.Sprint(i % 10)
	}
	fmt.Println(len(s), s[290:])
}
