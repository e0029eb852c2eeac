package main

import (
	"fmt"
	"runtime"
	"time"
	"weak"
)

// What only a variable that is not needed any more refers to is collected, and what is still needed is not.

type node struct {
	next *node
	text string
}

func (n *node) String() string { return n.text }

// gone says whether a collection takes what p points to.
func gone(p weak.Pointer[node]) bool {
	runtime.GC()
	return p.Value() == nil
}

func local() {
	n := &node{text: "local"}
	p := weak.Make(n)
	fmt.Println("needed", gone(p), n.text)
	fmt.Println("forgotten", gone(p))
}

func kept() {
	n := &node{text: "kept"}
	p := weak.Make(n)
	fmt.Println("kept", gone(p))
	runtime.KeepAlive(n)
	fmt.Println("let go", gone(p))
}

//go:noinline
func argument(n *node, p weak.Pointer[node]) {
	text := n.text
	fmt.Println("argument", gone(p), text)
}

func loops() {
	var last *node
	var ps []weak.Pointer[node]
	for i := range 3 {
		n := &node{next: last, text: fmt.Sprint(i)}
		ps = append(ps, weak.Make(n))
		if last = n; i == 1 {
			last.next = nil
		}
		fmt.Println("loop", i, gone(ps[0]), gone(ps[i]))
	}
	fmt.Println("list", last.text, last.next.text, gone(ps[1]))
	gone(ps[1])
	fmt.Println("after", gone(ps[2]))
}

func recovered() (text string) {
	n := &node{text: "recovered"}
	p := weak.Make(n)
	defer func() {
		recover()
		text = fmt.Sprint(n.text, gone(p))
	}()
	var none *node
	fmt.Println(none.text)
	return "no"
}

func waits() {
	n := &node{text: "waits"}
	p := weak.Make(n)
	c := make(chan bool)
	go func() { time.Sleep(time.Millisecond); fmt.Println("asleep", gone(p)); c <- true }()
	<-c
	fmt.Println(n.text)
}

func held() {
	var s fmt.Stringer = &node{text: "held"}
	p := weak.Make(s.(*node))
	fmt.Println("interface", gone(p), s)
	f := func() string { return s.String() }
	s = nil
	fmt.Println("captured", gone(p), f == nil)
}

func cleanups() {
	done := make(chan string, 2)
	n := &node{text: "cleaned"}
	runtime.AddCleanup(n, func(s string) { done <- s }, "cleanup")
	fmt.Println(n.text)
	runtime.GC()
	fmt.Println(<-done)
	m := &node{text: "finalized"}
	runtime.SetFinalizer(m, func(m *node) { done <- m.text })
	m = nil
	runtime.GC()
	fmt.Println(<-done)
}

func main() {
	local()
	kept()
	n := &node{text: "n"}
	argument(n, weak.Make(n))
	loops()
	fmt.Println(recovered())
	waits()
	held()
	cleanups()
}
