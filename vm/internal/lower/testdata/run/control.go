package main

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
)

func count(n int) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i := range n {
			if !yield(i, strings.Repeat("x", i)) {
				return
			}
		}
	}
}

func find(want string) (at int, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("recovered %v at %d", x, at)
		}
	}()
	for i, s := range count(10) {
		defer func() { at += 100 }()
		if s == want {
			return i, nil
		}
		if i == 5 {
			panic("five")
		}
	}
	return -1, errors.New("none")
}

func nested() (out []int) {
outer:
	for i := range count(5) {
		for j := range count(5) {
			switch {
			case j == 3:
				continue outer
			case i == 3:
				break outer
			}
			out = append(out, 10*i+j)
		}
	}
	return out
}

func swaps(a, b, c int) (int, int, int) {
	for i := 0; i < 7; i++ {
		a, b, c = b, c, a
		if i%2 == 0 {
			a, c = c, a
		}
	}
	return a, b, c
}

func named() (x int, s string) {
	defer func() {
		x *= 2
		s += "!"
		recover()
	}()
	x, s = 21, "half"
	var p *int
	return *p, "never"
}

type list[T any] struct {
	head *node[T]
	n    int
}
type node[T any] struct {
	v    T
	next *node[T]
}

func (l *list[T]) push(v T) { l.head = &node[T]{v, l.head}; l.n++ }
func (l *list[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for n := l.head; n != nil && yield(n.v); n = n.next {
		}
	}
}

type shape interface {
	area() float64
	fmt.Stringer
}
type square struct{ side float64 }
type circle struct{ r float64 }

func (s square) area() float64   { return s.side * s.side }
func (s square) String() string  { return fmt.Sprintf("square %g", s.side) }
func (c *circle) area() float64  { return 3 * c.r * c.r }
func (c *circle) String() string { return fmt.Sprintf("circle %g", c.r) }

func closures() {
	var fs []func() int
	sum := 0
	for i := 0; i < 4; i++ {
		fs = append(fs, func() int { i += 10; sum += i; return i })
	}
	for _, f := range fs {
		fmt.Print(f(), f(), " ")
	}
	fmt.Println(sum)
	add := func(a ...int) (t int) {
		for _, x := range a {
			t += x
		}
		return
	}
	fmt.Println(add(), add(1), add([]int{1, 2, 3}...))
}

func channels() {
	a, b, quit := make(chan int8), make(chan string), make(chan struct{})
	go func() {
		for i := range int8(4) {
			a <- -i
			b <- fmt.Sprint("s", i)
		}
		close(quit)
	}()
	for done := false; !done; {
		select {
		case x := <-a:
			fmt.Print(x, " ")
		case s, ok := <-b:
			fmt.Print(s, ok, " ")
		case <-quit:
			done = true
		}
	}
	select {
	case s := <-b:
		fmt.Println("left", s)
	default:
		fmt.Println("nothing")
	}
}

func main() {
	fmt.Println(find("xx"))
	fmt.Println(find("xxxxxxxx"))
	fmt.Println(find("?"))
	fmt.Println(nested())
	fmt.Println(swaps(1, 2, 3))
	fmt.Println(named())
	var l list[fmt.Stringer]
	l.push(square{2})
	l.push(&circle{1})
	for s := range l.all() {
		fmt.Print(s, " ", s.(shape).area(), "; ")
	}
	fmt.Println(l.n)
	closures()
	channels()
	m := map[string]func(int) int{"dbl": func(x int) int { return 2 * x }}
	m["inc"] = func(x int) int { return x + 1 }
	fmt.Println(m["dbl"](m["inc"](4)), m["none"] == nil)
	goto end
end:
	defer fmt.Println("deferred", len(os.Args))
	defer func() {
		fmt.Println("panicking:", recover())
		defer func() { fmt.Println(recover()); os.Exit(3) }()
		var s fmt.Stringer
		fmt.Println(s.String())
	}()
	var arr []int
	arr[len(m)] = 1
}
