package main

import "fmt"

type t struct {
	k, p uint32
	l, r *t
}

func split(n *t, k uint32) (a, b *t) {
	if n == nil {
		return
	}
	if n.k < k {
		n.r, b = split(n.r, k)
		return n, b
	}
	a, n.l = split(n.l, k)
	return a, n
}
func merge(a, b *t) *t {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	if a.p > b.p {
		a.r = merge(a.r, b)
		return a
	}
	b.l = merge(a, b.l)
	return b
}
func (n *t) walk(f func(uint32)) {
	if n != nil {
		n.l.walk(f)
		f(n.k)
		n.r.walk(f)
	}
}
func main() {
	var root *t
	s := uint32(7)
	next := func() uint32 { s ^= s << 13; s ^= s >> 17; s ^= s << 5; return s }
	for i := 0; i < 400; i++ {
		k := next() % 1000
		a, b := split(root, k)
		b, c := split(b, k+1)
		if b == nil {
			b = &t{k: k, p: next()}
		} else if i%3 == 0 {
			b = nil
		}
		root = merge(merge(a, b), c)
	}
	n, h := 0, uint32(0)
	root.walk(func(k uint32) { n++; h = h*31 + k })
	fmt.Println(n, h)
}
