package main

import "fmt"

type E struct {
	code int
	msg  string
}

func (e E) Error() string { return fmt.Sprint("E", e.code, ": ", e.msg) }
func main() {
	defer fmt.Println("deferred runs")
	defer func() { r := recover(); fmt.Println("got", r); panic(fmt.Sprint("again: ", r)) }()
	panic(E{7, "bad"})
}
