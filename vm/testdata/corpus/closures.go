package main

import "fmt"

type gen func() (int, gen)

func counter() (inc func() int, get func() int) {
	n := 0
	return func() int { n++; return n }, func() int { return n }
}
func fib() gen {
	a, b := 0, 1
	var g gen
	g = func() (int, gen) { r := a; a, b = b, a+b; return r, g }
	return g
}
func compose(fs ...func(int) int) func(int) int {
	return func(x int) int {
		for _, f := range fs {
			x = f(x)
		}
		return x
	}
}
func main() {
	inc, get := counter()
	for i := 0; i < 1000; i++ {
		inc()
	}
	fmt.Println(get())
	g := fib()
	var v int
	for i := 0; i < 30; i++ {
		v, g = g()
		fmt.Print(v, " ")
	}
	fmt.Println()
	var fs []func(int) int
	for i := 1; i <= 5; i++ {
		fs = append(fs, func(x int) int { return x*i + 1 })
	}
	fmt.Println(compose(fs...)(2))
}
