package main

import "fmt"

type small struct {
	a int8
	b uint16
	c bool
	d int32
	e [3]byte
}

type nested struct {
	n int
	s small
	t string
	p *int
	f float32
}

type big struct {
	head int
	data [200]int
	tail nested
}

type empty struct{}

func (s small) sum() int { return int(s.a) + int(s.b) + int(s.d) + int(s.e[2]) }
func (s *small) bump()   { s.a--; s.b++; s.d *= -1; s.e[1] += 200 }
func (b big) total() (t int) {
	for _, x := range b.data {
		t += x
	}
	return t + b.head
}
func (empty) hello() string { return "hello" }

type totaler interface{ total() int }
type summer interface{ sum() int }

func change(b big) big { b.data[7] = 99; b.head++; return b }

func fields(n nested) (int8, uint16, bool, int32, [3]byte, string) {
	return n.s.a, n.s.b, n.s.c, n.s.d, n.s.e, n.t
}

func index(a [5]int16, i int) int16 { return a[i] }

var global = big{head: 5, tail: nested{t: "tail"}}
var table = [...]nested{{n: 1}, {n: 2, s: small{d: -7}}, {t: "x"}}

func main() {
	s := small{-1, 65535, true, -70000, [3]byte{1, 2, 3}}
	n := nested{n: 4, s: s, t: "t", f: 1.5}
	fmt.Println(fields(n))
	m := n
	m.s.bump()
	m.s.e[0] = 77
	fmt.Println(n.s, m.s, n == m, n.s == s, m.s.sum(), summer(m.s).sum(), summer(&m.s).sum())
	var b big
	for i := range b.data {
		b.data[i] = i * i
	}
	c := change(b)
	fmt.Println(b.data[7], c.data[7], b.head, c.head, b == c, b.total(), totaler(c).total())
	global = c
	global.data[3]++
	p := &global
	p.tail.s = s
	d := *p
	p.tail.s.bump()
	fmt.Println(d.tail.s, p.tail.s, d.data[3], len(p.data), global.total())
	var any1, any2 any = d, *p
	fmt.Println(any1 == any2, any1.(big).head, any1 == any(d))
	bigs := map[string]big{"a": b, "b": c}
	bb, ok := bigs["b"]
	fmt.Println(bb.data[7], ok, bigs["zz"].head, len(bigs))
	ch := make(chan big, 2)
	ch <- b
	ch <- c
	x := <-ch
	y, ok := <-ch
	fmt.Println(x.data[7], y.data[7], ok)
	list := append([]big(nil), b, c)
	list = append(list, d)
	fmt.Println(len(list), list[2].tail.s, list[1].head)
	for i, v := range table {
		v.n += 10
		fmt.Println(i, v.n, table[i].n, v.s.d, v.t)
	}
	arr := [5]int16{1, -2, 3, -4, 5}
	for i := range arr {
		fmt.Print(index(arr, i), " ")
	}
	var e empty
	var i any = e
	fmt.Println(i.(interface{ hello() string }).hello(), i == any(empty{}), [0]int{} == [0]int{})
	es := map[empty]int{{}: 3}
	es[e]++
	fmt.Println(es[empty{}], len(es))
	matrix := [3][3]float32{{1, 2, 3}, {4, 5, 6}}
	t := matrix
	t[1][1] = -1
	k := 2
	fmt.Println(matrix[1][k], t[k-1], matrix == t, t[0] == matrix[0])
	defer func() { fmt.Println(recover()) }()
	k = 3
	fmt.Println(t[k])
}
