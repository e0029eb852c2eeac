package main

import "fmt"

type M [3][3]float64
type K struct {
	a [2]int
	s string
	b bool
}

func (m M) mul(n M) (r M) {
	for i := range m {
		for j := range n {
			for k := range r {
				r[i][j] += m[i][k] * n[k][j]
			}
		}
	}
	return
}
func swap(a [4]int) [4]int { a[0], a[3] = a[3], a[0]; return a }

type big struct {
	x [300]int
	n int
}

func grow(b big) big { b.x[7]++; b.n += b.x[7]; return b }
func main() {
	m := M{{1, 2}, {0, 1, 3}, {2}}
	fmt.Println(m.mul(m).mul(m))
	a := [4]int{1, 2, 3, 4}
	b := swap(a)
	fmt.Println(a, b, a == b, a == swap(b))
	k := map[K]int{{[2]int{1, 2}, "x", true}: 5}
	k[K{[2]int{1, 2}, "x", true}]++
	fmt.Println(k)
	var g big
	for i := 0; i < 50; i++ {
		g = grow(g)
	}
	h := g
	h.x[0] = 1
	fmt.Println(g.n, g.x[7], g == h, len(g.x))
	s := a[1:3:3]
	s = append(s, 99)
	s[0] = 50
	fmt.Println(a, s, len(s), cap(a[1:]))
	p := &a
	for i, v := range p {
		p[i] = v * 2
	}
	fmt.Println(*p, len(p))
	q := (*[2]int)(s)
	q[1] = -1
	fmt.Println(s, [2]int(s))
	var e [0]int
	var z struct{}
	fmt.Println(len(e), z, e)
	x := []any{1, "a", nil, 2.5, []int{1}, K{}}
	for _, v := range x {
		switch t := v.(type) {
		case int, string:
			fmt.Printf("%T ", t)
		case nil:
			fmt.Print("nil ")
		case fmt.Stringer:
			fmt.Print("no")
		default:
			fmt.Printf("other %T ", t)
		}
	}
	fmt.Println(copy(a[:], []int{7, 8}), a, min(3, 1, 2), max(2.5, 1), append([]byte("x"), "yz"...))
}
