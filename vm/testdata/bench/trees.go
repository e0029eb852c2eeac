package main

type node struct {
	left, right *node
	v           int
}

func build(d, v int) *node {
	if d == 0 {
		return &node{v: v}
	}
	return &node{build(d-1, 2*v), build(d-1, 2*v+1), v}
}

func (n *node) sum() int {
	if n == nil {
		return 0
	}
	return n.v + n.left.sum() + n.right.sum()
}

func main() {
	s := 0
	for i := 0; i < 60; i++ {
		s += build(14, i).sum()
	}
	println(s)
}
