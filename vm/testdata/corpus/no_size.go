// Values of no size, as many as there can be.
package main

import (
	"fmt"
	"math"
	"runtime"
)

type none struct{}

var many [math.MaxInt]none

func try(what string, f func()) {
	defer func() { fmt.Println(what, recover()) }()
	f()
}

func main() {
	other := many
	var boxed any = many
	fmt.Println(len(many), other == many, boxed == any(other), len(many[1<<40:]))
	m := map[any]int{boxed: 1}
	m[other]++
	fmt.Println(m[many])
	s := make([]none, math.MaxInt)
	try("append", func() { s = append(s, none{}) })
	try("index", func() { i := math.MaxInt; s[i] = none{} })
	n := 0
	for i := range many {
		if n = i; i == 1000 {
			break
		}
	}
	clear(s)
	fmt.Println(n, copy(s, many[:]), len(s))
	done := false
	go func() {
		for !done {
			runtime.GC()
		}
	}()
	for range 100 {
		runtime.Gosched()
	}
	done = true
}
