// Finalizers, cleanups and weak pointers follow the collector, in an order that does not depend on where the run is.
package main

import (
	"fmt"
	"runtime"
	"strings"
	"unique"
	"weak"
)

type node struct {
	name string
	next *node
	pad  [4]int
}

type namer interface{ Name() string }

func (n *node) Name() string { return n.name }

//go:noinline
func chain() (a, b, c weak.Pointer[node]) {
	x := &node{name: "x"}
	y := &node{name: "y", next: x}
	z := &node{name: "z"}
	runtime.SetFinalizer(x, func(n *node) { fmt.Println("finalize", n.name) })
	runtime.SetFinalizer(y, func(n namer) (int, string) {
		fmt.Println("finalize", n.Name())
		return 1, "ignored"
	})
	runtime.SetFinalizer(z, func(any) { fmt.Println("never") })
	runtime.SetFinalizer(z, nil)
	runtime.AddCleanup(z, func(s string) { fmt.Println("cleanup", s) }, "of z")
	runtime.AddCleanup(z, func(s string) { fmt.Println("cleanup", s) }, "stopped").Stop()
	a, b, c = weak.Make(x), weak.Make(y), weak.Make(z)
	fmt.Println(a == weak.Make(x), a == b, a.Value() == x, weak.Make(&z.pad[1]) == weak.Make(&z.pad[1]))
	return a, b, c
}

// resurrect has a finalizer that makes its object reachable again, and a second one that is set by the first.
//
//go:noinline
func resurrect(to **node) {
	n := &node{name: "phoenix"}
	runtime.SetFinalizer(n, func(n *node) {
		*to = n
		runtime.SetFinalizer(n, func(n *node) { fmt.Println("gone:", n.name) })
	})
}

//go:noinline
func fill(n int) (cleaned *int) {
	cleaned = new(int)
	for i := range n {
		p := &node{name: fmt.Sprint(i)}
		runtime.AddCleanup(p, func(by int) { *cleaned += by }, 1)
	}
	return cleaned
}

//go:noinline
func handles() weak.Pointer[string] {
	h := unique.Make(strings.Repeat("ab", 3))
	fmt.Println(h == unique.Make("ababab"), h.Value())
	s := new(string)
	*s = h.Value()
	return weak.Make(s)
}

// deep uses the stack that the calls before have used, so that nothing they left there is taken for a pointer.
//
//go:noinline
func deep(n int) int {
	var room [64]int
	if n == 0 {
		return 0
	}
	room[n] = n
	return room[n] + deep(n-1)
}

func collect() {
	deep(20)
	runtime.GC()
	runtime.Gosched()
}

func main() {
	a, b, c := chain()
	for i := range 3 {
		collect()
		fmt.Println(i, a.Value() != nil, b.Value() != nil, c.Value() != nil)
	}
	var back *node
	resurrect(&back)
	collect()
	fmt.Println("back:", back.name)
	back = nil
	collect()
	cleaned := fill(1000)
	collect()
	collect()
	fmt.Println("most are cleaned up:", *cleaned > 990, *cleaned <= 1000)
	s := handles()
	collect()
	fmt.Println(s.Value() == nil)
	kept := &node{name: "kept"}
	w := weak.Make(kept)
	collect()
	fmt.Println(w.Value() == kept, weak.Make[int](nil).Value() == nil)
	runtime.KeepAlive(kept)
	for _, f := range []func(){
		func() { runtime.AddCleanup(kept, func(*node) {}, kept) },
		func() { runtime.AddCleanup(kept, func(*int) {}, &kept.pad[2]) },
		func() { runtime.AddCleanup((*node)(nil), func(int) {}, 0) },
	} {
		func() {
			defer func() { fmt.Println(recover()) }()
			f()
		}()
	}
	runtime.SetFinalizer(kept, func(int) {})
}
