package main

import (
	"fmt"
	"reflect"
)

type T struct{ n int }

func (t T) Add(a, b int) (int, string) { return t.n + a + b, fmt.Sprint(a, b) }

var swap = reflect.MakeFunc(reflect.TypeOf(func(int, string) (string, int) { return "", 0 }), func(a []reflect.Value) []reflect.Value {
	return []reflect.Value{a[1], a[0]}
}).Interface().(func(int, string) (string, int))

var add = reflect.ValueOf(T{5}).Method(0).Interface().(func(int, int) (int, string))

// deep calls both at every depth, so that some calls land on a new piece of stack.
func deep(n int) int {
	if n == 0 {
		return 0
	}
	s, i := swap(n, "x")
	v, t := add(n, 1)
	if s != "x" || i != n || v != n+6 || t != fmt.Sprint(n, 1) {
		fmt.Println("wrong at", n, s, i, v, t)
	}
	return deep(n-1) + 1
}

func main() {
	fmt.Println(deep(3000))
}
