// What is evaluated when: ranges over arrays of which only the length counts, selects of one case.
package main

import "fmt"

func say[T any](what string, v T) T {
	fmt.Println(what)
	return v
}

func main() {
	var p *[4]int
	for i := range *p {
		fmt.Print(i, " ")
	}
	for i := range *p {
		fmt.Print(i, " ")
	}
	n := 0
	for range *p {
		n++
	}
	fmt.Println(n)
	func() {
		defer func() { fmt.Println(recover()) }()
		for range *say("called", p) {
			fmt.Println("not reached")
		}
	}()

	c, x, ok := make(chan int, 4), 0, false
	for i := range 4 {
		c <- i + 1
	}
	var m map[string]any
	select {
	case *say("place", &x) = <-say("channel", c):
		fmt.Println(x)
	}
	select {
	case x, *say("ok", &ok) = <-say("channel", c):
		fmt.Println(x, ok)
	}
	select {
	case _ = <-c:
	}
	defer func() { fmt.Println(recover(), len(c)) }()
	select {
	case m[say("key", "k")] = <-c:
	}
}
