// Functions made by reflection, called by reflection; the goroutine behind an iterator.
package main

import (
	"fmt"
	"iter"
	"reflect"
	"runtime"
)

type big struct {
	head string
	rest [200]int64
}

func main() {
	join := func(n int8, b big, more ...string) (string, big) { return "", b }
	made := reflect.MakeFunc(reflect.TypeOf(join), func(in []reflect.Value) []reflect.Value {
		b := in[1].Interface().(big)
		b.rest[199] += in[0].Int()
		text := fmt.Sprint(in[0], b.head, in[2].Len(), in[2])
		return []reflect.Value{reflect.ValueOf(text), reflect.ValueOf(b)}
	})
	v := reflect.ValueOf(big{head: "h"})
	for _, out := range [][]reflect.Value{
		made.Call([]reflect.Value{reflect.ValueOf(int8(-3)), v, reflect.ValueOf("x"), reflect.ValueOf("y")}),
		made.CallSlice([]reflect.Value{reflect.ValueOf(int8(4)), v, reflect.ValueOf([]string{"z"})}),
	} {
		fmt.Println(out[0], out[1].Interface().(big).rest[199])
	}
	text, b := made.Interface().(func(int8, big, ...string) (string, big))(5, big{}, "a")
	fmt.Println(text, b.rest[199])
	swap := reflect.ValueOf(&join).Elem()
	swap.Set(made)
	text, _ = join(1, big{head: "set"})
	fmt.Println(text, reflect.MakeFunc(reflect.TypeOf(func() {}), func([]reflect.Value) []reflect.Value { return nil }).Call(nil))

	before := runtime.NumGoroutine()
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	})
	fmt.Println(runtime.NumGoroutine() - before)
	next()
	n, ok := next()
	stop()
	fmt.Println(n, ok, runtime.NumGoroutine()-before)
}
