package vm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const related = `package main

import "runtime"

type point struct{ x, y int }

func keep(...any) { runtime.Gosched() }

func next(n int) int { keep(n); return n + 1 }

func count(n int) int {
	twice := 2 * n
	s := 0
	for i := 0; i < 4; i++ {
		sq := i * i
		keep(i, sq)
		s += sq
		if i == 2 {
			n = n + 1
			twice = 2 * n
		}
		keep(s, n)
		if s > 100 {
			return twice
		}
		keep(sq)
	}
	return s + twice
}

func swap(n int) int {
	a, b := 0, 1
	for k := 0; k < n; k++ {
		a, b = b, a+b
		keep()
	}
	keep(a, b)
	return a
}

func old(n int) int {
	prev, cur := 0, 0
	for range n {
		prev = cur
		cur = next(prev)
		keep(prev, cur)
	}
	return prev + cur
}

func shadow(x int) int {
	{
		x := "inner"
		keep(x)
		keep(len(x))
	}
	keep(x)
	return x
}

func heap(n int) *int {
	p := point{n, -n}
	q := &point{n, -n}
	f := func() {
		p.x++
		p.y--
		q.x, q.y = p.x, p.y
		keep(n)
		n += 0
	}
	f()
	keep(p.x, q)
	f()
	return &n
}

func chans(limit int) {
	const depth = 3
	room := depth
	c := make(chan int)
	done := make(chan string, 1)
	go func() {
		for v := range c {
			neg := -v
			keep(v)
			done <- "got"
			keep(neg)
		}
	}()
	for v := 0; v < limit; v++ {
		c <- v
		<-done
	}
	keep(room)
	keep(room)
}

func generic[T any](v T, more ...T) []T {
	all := append(more, v)
	keep(all)
	return all
}

func main() {
	for round := 0; round < 3; round++ {
		keep(count(round), swap(6), old(3), shadow(round), heap(round))
		chans(2)
		keep(generic(1.5), generic("s", "t"))
	}
}
`

// What a snapshot shows of a function's variables is what they are, at every place where a run can stand.
func TestLocalsAreWhatTheyAre(t *testing.T) {
	ctx := context.Background()
	m, clock := machine(t, source(t, related), nil)
	seen := map[string]int{}
	at := func(m *Machine) *Machine {
		s, err := m.Take(ctx)
		if err != nil {
			t.Fatal(err)
		}
		gs, err := s.Goroutines()
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range gs {
			for _, f := range g.Frames {
				if err := relations(f, seen); err != nil {
					t.Fatalf("after %d instructions, goroutine %d [%s], %s:%d: %v: %+v", s.InstructionCounter, g.ID, g.Status, f.Function, f.Line, err, f.Locals)
				}
			}
		}
		return m
	}
	finish(t, m, clock, 1, at)
	for _, want := range []string{"count.n", "count.twice", "count.i", "count.sq", "count.s", "swap.a", "swap.b", "swap.k", "swap.n", "old.prev", "old.cur",
		"shadow.x", "heap.p", "heap.q", "heap.n", "heap.func1.p", "heap.func1.q", "heap.func1.n", "chans.v", "chans.c", "chans.done", "chans.room", "chans.limit",
		"chans.func1.neg", "chans.func1.c", "generic[...].all", "main.round"} {
		if seen["main."+want] == 0 {
			t.Errorf("%s was never shown; shown were %v", want, slices.Sorted(maps.Keys(seen)))
		}
	}
}

// relations says what does not hold between the variables of a frame of the program above.
func relations(f Frame, seen map[string]int) error {
	num, text := map[string]int{}, map[string]string{}
	for _, l := range f.Locals {
		if _, twice := text[l.Name]; twice {
			return fmt.Errorf("%s is shown twice", l.Name)
		}
		seen[f.Function+"."+l.Name]++
		text[l.Name] = l.Text
		if n, err := strconv.Atoi(l.Text); err == nil {
			num[l.Name] = n
		}
	}
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { _, ok := num[n]; return !ok })
	}
	fib := []int{0, 1, 1, 2, 3, 5, 8, 13, 21}
	switch strings.TrimPrefix(f.Function, "main.") {
	case "count":
		switch {
		case has("n", "twice") && num["twice"] != 2*num["n"]:
			return fmt.Errorf("twice is not 2n")
		case has("i", "sq") && num["sq"] != num["i"]*num["i"]:
			return fmt.Errorf("sq is not the square of i")
		}
	case "swap":
		switch {
		case has("k") && num["k"] >= 0 && has("a") && num["a"] != fib[num["k"]] && num["a"] != fib[num["k"]+1]:
			return fmt.Errorf("a is no Fibonacci number of k")
		case has("a", "b") && (num["b"] < num["a"] || !slices.Contains(fib, num["b"]) || !slices.Contains(fib, num["a"]+num["b"])):
			return fmt.Errorf("a and b do not follow each other")
		}
	case "old":
		if d := num["cur"] - num["prev"]; has("prev", "cur") && d != 0 && d != 1 {
			return fmt.Errorf("cur does not follow prev")
		}
	case "shadow":
		if x := text["x"]; f.Line < 55 && x != "" && x != `"inner"` || f.Line >= 57 && x == `"inner"` {
			return fmt.Errorf("x is %s", x)
		}
	case "heap", "heap.func1":
		var x, y int
		if n, _ := fmt.Sscanf(text["q"], "{x: %d, y: %d}", &x, &y); n == 2 && x != -y {
			return fmt.Errorf("q is %s", text["q"])
		}
	case "chans":
		if has("room") && num["room"] != 3 {
			return fmt.Errorf("room is not 3")
		}
	case "chans.func1":
		if has("v", "neg") && num["neg"] != -num["v"] {
			return fmt.Errorf("neg is not -v")
		}
	case "generic[...]":
		if all := text["all"]; all != "" && all != "{[0]: 1.5}" && all != `{[0]: "t", [1]: "s"}` && all != "[0]: 1.5" {
			return fmt.Errorf("all is %s", all)
		}
	}
	return nil
}
