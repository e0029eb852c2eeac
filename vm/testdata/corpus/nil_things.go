package main

import "fmt"

type I interface{ M() int }
type T struct{ x int }

func (t *T) M() int {
	if t == nil {
		return -1
	}
	return t.x
}
func try(name string, f func()) { defer func() { fmt.Println(name, recover()) }(); f() }
func main() {
	var t *T
	var i I = t
	fmt.Println(i.M(), i == nil, i != nil)
	var s []int
	var m map[string]int
	var f func()
	var c chan int
	var e error
	fmt.Println(len(s), cap(s), s == nil, len(m), m["q"], f == nil, c == nil, e == nil, len(c))
	for range m {
		fmt.Println("no")
	}
	delete(m, "x")
	s = append(s, 1)
	fmt.Println(s)
	try("nil func", func() { f() })
	try("nil iface", func() { var j I; j.M() })
	try("nil err", func() { _ = e.Error() })
	try("index", func() { k := 5; _ = s[k] })
	try("slice", func() { k := 3; _ = s[k:] })
	try("slice2", func() { a, b := 2, 1; _ = "hello"[a:b] })
	try("conv", func() { var x any = 3; _ = x.(string) })
	try("conv2", func() { var x any = t; _ = x.(fmt.Stringer) })
	try("conv3", func() { var x any; _ = x.(int) })
	try("array", func() { _ = [4]int(s) })
	try("make", func() { n := -1; _ = make([]int, n) })
	try("hash", func() { m := map[any]int{}; m[[]int{1}] = 2 })
	try("cmp", func() { var a, b any = []int{}, []int{}; fmt.Println(a == b) })
	try("shift", func() { n := -1; fmt.Println(1 << n) })
	try("nilpanic", func() { panic(nil) })
}
