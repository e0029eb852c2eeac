// Deferred calls whose records, closures and captured variables stand in the frame of the function that defers.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
)

type pair struct {
	a int32
	b int8
}

type long struct{ v [12]int }

// Numbers of all sizes are written by the closure and read by the frame, and the other way round.
func sizes() (i8 int8, i16 int16, i32 int32, u8 uint8, f float32, ok bool, p pair, l long, s string, e error) {
	defer func() {
		i8, i16, i32, u8, f, ok = i8-100, i16*-3, i32-7, u8+200, f/3, !ok
		p.b, p.a = -p.b, p.a-1
		l.v[11] += l.v[0]
		s += "!"
		e = errors.Join(e, errors.New(s))
	}()
	i8, i16, i32, u8, f, p, l.v[0], s, e = -20, 100, 3, 50, 1, pair{-5, 6}, 9, "text", os.ErrExist
	return -i8, i16 + 1, -i32, u8 + 1, f + 1, ok, pair{p.a - 1, p.b + 1}, l, s + s, e
}

func signs() (out []int) {
	n, m := int8(-1), int16(5)
	defer func() { out = append(out, int(n), int(m)) }()
	defer func() { n, m = n/2-1, -m }()
	n = -n - 2
	if n < 0 {
		m = int16(n) * 2
	}
	return []int{int(n), int(m)}
}

// The result without a name was computed before the deferred call changed what it was computed from.
func before() int {
	n := 1
	defer func() { n = 100 }()
	n++
	return n
}

func swap() (a, b int) {
	defer func() { a, b = b, a }()
	a, b = 1, 2
	return b * 10, a * 10
}

// What was stored before the panic is what the deferred call sees.
func atPanic(k int, list []int) (seen string) {
	step, x := "start", 0
	defer func() {
		r := recover()
		seen = fmt.Sprint(step, " ", x, " ", r)
	}()
	step = "index"
	x = list[k]
	step = "divide"
	x = 100 / x
	step = "done"
	return "not this"
}

func conditional(n int) (out []int) {
	if n&1 != 0 {
		defer func() { out = append(out, 1) }()
	}
	if n&2 != 0 {
		defer func(k int) { out = append(out, k) }(2)
	}
	for i := range n {
		defer func() { out = append(out, 10+i) }()
	}
	if n&4 != 0 {
		k := n * 100
		defer func() { out = append(out, k) }()
		k++
	}
	return nil
}

func backwards(n int) (out []int) {
	i := 0
again:
	x := i
	defer func() { out = append(out, x); x++ }()
	if i++; i < n {
		goto again
	}
	last := i
	defer func() { out = append(out, last) }()
	return
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add(k int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += k
	return c.n
}

type adder interface{ add(int) int }

func methods(a adder, c *counter) int {
	defer a.add(1000)
	f := c.add
	defer f(100)
	defer c.add(10)
	return c.add(1)
}

func arguments(out *[]int) {
	defer func(a, b, c, d, e, f, g, h, i, j int, s string, l []int) {
		*out = append(*out, a, b, c, d, e, f, g, h, i, j, len(s))
		*out = append(*out, l...)
	}(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, "eleven", []int{12, 13})
	defer func(a, b int) { *out = append(*out, a*b) }(20, 3)
}

func builtins(m map[string]int, c chan int) {
	defer close(c)
	defer delete(m, "a")
	defer copy([]int{1}, []int{2})
	m["b"] = len(m)
}

func noFunction() (err any) {
	defer func() { err = recover() }()
	var f func()
	defer f()
	return "f is called when it is time"
}

func tree(depth int, visits *int) (size int) {
	left, right := 0, 0
	defer func() { size = left + right + 1; *visits++ }()
	if depth > 0 {
		left, right = tree(depth-1, visits), tree(depth-1, visits)
	}
	return
}

// Deep frames stand in chunks of their own, and garbage is collected while all of them wait.
func deep(n int, sum *int) {
	word := strings.Repeat("x", n%7)
	p := &pair{int32(n), 1}
	defer func() {
		if n%97 == 0 {
			runtime.GC()
		}
		*sum += len(word) + int(p.a) + int(p.b)
	}()
	if n > 0 {
		deep(n-1, sum)
	}
}

func deepPanic(n int, trace *[]int) {
	defer func() {
		if n%100 == 0 {
			*trace = append(*trace, n)
		}
		if n%250 == 0 {
			panic(fmt.Sprint(recover(), " ", n))
		}
	}()
	if n == 1000 {
		runtime.GC()
		panic("bottom")
	}
	deepPanic(n+1, trace)
}

func replaced() (out string) {
	defer func() { out = fmt.Sprint(out, "; ", recover(), "; ", recover()) }()
	defer func() {
		defer func() { out = fmt.Sprint("inner ", recover()) }()
		panic("second")
	}()
	panic("first")
}

func again() (n int) {
	defer func() { n++; recover() }()
	defer func() { n += 10; panic("c") }()
	defer func() { n += 100; recover(); panic("b") }()
	panic("a")
}

func goexit(done chan<- string) {
	text := "left"
	defer func() { done <- text }()
	defer func() { recover() }()
	defer func() { text += " by Goexit"; panic("on the way") }()
	func() {
		defer func() { text += " early" }()
		runtime.Goexit()
	}()
	text = "not this"
}

func goexitInDeferred(done chan<- string) {
	text := ""
	defer func() { done <- text + "outer" }()
	defer func() {
		defer func() { text += "inner " }()
		runtime.Goexit()
	}()
	panic("ends with the goroutine")
}

func waiting(c, back chan int) (sum int) {
	defer func() {
		for v := range c {
			sum += v
			back <- sum
		}
		close(back)
	}()
	return 1000
}

func kept() (f func() int) {
	n := 5
	defer func() { f = func() int { n++; return n } }() // the variable outlives the frame
	return nil
}

func each(yield func(int) bool) {
	text := "each"
	defer func() { fmt.Print(text, " over\n") }()
	for i := range 3 {
		text += fmt.Sprint(i)
		if !yield(i) {
			return
		}
	}
}

func ranged() (out []int) {
	first := 1
	defer func() { out = append(out, first) }()
	for i := range each {
		defer func() { out = append(out, i+50) }()
		first += i
	}
	defer func() { out = append(out, 99) }()
	return nil
}

func main() {
	fmt.Println(sizes())
	fmt.Println(signs(), before())
	fmt.Println(swap())
	for k := range 4 {
		fmt.Println(atPanic(k, []int{0, 5, 7}))
	}
	for n := range 8 {
		fmt.Println(conditional(n))
	}
	fmt.Println(backwards(4))
	a, b := &counter{}, &counter{}
	fmt.Println(methods(a, b), a.n, b.n)
	var list []int
	arguments(&list)
	fmt.Println(list)
	m, c := map[string]int{"a": 1}, make(chan int)
	builtins(m, c)
	_, open := <-c
	fmt.Println(m, open, noFunction())
	visits := 0
	fmt.Println(tree(9, &visits), visits)
	sum := 0
	deep(3000, &sum)
	fmt.Println(sum)
	var trace []int
	func() {
		defer func() { fmt.Println(recover(), trace) }()
		deepPanic(1, &trace)
	}()
	fmt.Println(replaced(), again())
	done := make(chan string)
	go goexit(done)
	fmt.Println(<-done)
	go goexitInDeferred(done)
	fmt.Println(<-done)
	in, back := make(chan int), make(chan int)
	result := make(chan int)
	go func() { result <- waiting(in, back) }()
	for i := range 5 {
		in <- i
		fmt.Print(<-back, " ")
	}
	close(in)
	fmt.Println(<-result)
	f := kept()
	fmt.Println(f(), f())
	fmt.Println(ranged())
}
