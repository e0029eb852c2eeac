package main

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func sum(s []int) (t int) {
	for _, v := range s {
		t += v
	}
	return t
}

func count(n int) int {
	k := 0
	for i := 0; i < n; i++ {
		if i%3 == 0 {
			k++
		}
	}
	return k
}

func sieve(n int) int {
	s := make([]bool, n)
	c := 0
	for i := 2; i < n; i++ {
		if !s[i] {
			c++
			for j := i * i; j < n; j += i {
				s[j] = true
			}
		}
	}
	return c
}

type point struct{ x, y int }

func (p *point) move(dx int) { p.x += dx; p.y++ }

func build(n int) []int {
	var s []int
	for i := range n {
		s = append(s, i*2)
	}
	return s
}

func swap(a, b int, n int) (int, int) {
	for n > 0 {
		a, b = b, a
		n--
	}
	return a, b
}

var total int

func main() {
	p := &point{1, 2}
	p.move(3)
	total += fib(5) + sum(build(3)) + count(10) + sieve(100) + p.x
	a, b := swap(1, 2, 3)
	println(total, a, b)
}
