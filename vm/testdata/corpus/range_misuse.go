package main

import (
	"fmt"
	"iter"
	"runtime"
)

// Iterators that break the contract of range over functions: each is told by a run-time error of its own.

// insists goes on after the body said to stop.
func insists(yield func(int) bool) {
	for i := range 3 {
		yield(i)
	}
}

// keeps leaks the body, to be called after the loop.
func keeps(to *func(int) bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		*to = yield
		yield(0)
	}
}

// swallows recovers from whatever the body does.
func swallows(again bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		func() {
			defer func() { recover() }()
			yield(0)
		}()
		if again {
			yield(1)
		}
	}
}

func try(name string, f func()) {
	defer func() {
		r := recover()
		_, isError := r.(runtime.Error)
		fmt.Printf("%s: %v (runtime error: %t)\n", name, r, isError)
	}()
	f()
}

func main() {
	try("after false", func() {
		for x := range insists {
			fmt.Println("body", x)
			break
		}
	})
	try("after the loop", func() {
		var body func(int) bool
		for x := range keeps(&body) {
			fmt.Println("body", x)
		}
		body(1)
	})
	try("after the loop, left by break", func() {
		var body func(int) bool
		for x := range keeps(&body) {
			fmt.Println("body", x)
			break
		}
		body(1)
	})
	try("after a panic", func() {
		for x := range swallows(true) {
			panic(x)
		}
	})
	try("swallowed", func() {
		for x := range swallows(false) {
			panic(x)
		}
	})
	try("misuse swallowed", func() {
	outer:
		for x := range swallows(false) {
			for y := range insists {
				fmt.Println("body", x, y)
				continue outer
			}
		}
	})
	try("within itself", func() {
		var body func(int) bool
		for x := range keeps(&body) {
			if x == 0 {
				body(1)
			}
		}
	})
	fmt.Println(func() (s string) {
		defer func() { s = fmt.Sprint(recover()) }()
		for range insists {
			return "left"
		}
		return "not left"
	}())
}
