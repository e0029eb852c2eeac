// The texts and types of what the language and the runtime panic with.
package main

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unsafe"
)

func try(what string, f func()) {
	defer func() { r := recover(); _, is := r.(runtime.Error); fmt.Printf("%s: %v %T %v\n", what, r, r, is) }()
	f()
}

var saved func(int) bool

func bad(yield func(int) bool)     { yield(1); yield(2) }
func save(yield func(int) bool)    { saved = yield; yield(1) }
func swallow(yield func(int) bool) { defer func() { recover() }(); yield(1) }

type T struct {
	f func()
	m map[any]int
}

func (t T) M() {}
func main() {
	try("continued", func() {
		for range bad {
			break
		}
	})
	try("exit", func() {
		for range save {
		}
		saved(3)
	})
	try("swallow", func() {
		for range swallow {
			panic("x")
		}
	})
	try("afterpanic", func() {
		defer func() { fmt.Println(recover()) }()
		for range save {
			panic("y")
		}
	})
	try("afterpanic2", func() { saved(3) })
	n := -1
	big := 1 << 62
	try("slice", func() { _ = unsafe.Slice(new(int), n) })
	try("slice2", func() { _ = unsafe.Slice(new(int), big) })
	try("slice3", func() { _ = unsafe.Slice((*int)(nil), 1) })
	try("string", func() { _ = unsafe.String(new(byte), n) })
	try("string", func() { _ = unsafe.String((*byte)(nil), 1) })
	try("makechan", func() { _ = make(chan int, n) })
	try("makechan", func() { _ = make(chan int, big) })
	try("makemap", func() { _ = make(map[int]int, n) })
	try("makeslice", func() { _ = make([]int, n) })
	try("makeslice", func() { _ = make([]int, 1, big) })
	try("makeslice", func() { _ = make([]int, 2, 1+n) })
	try("shift", func() { _ = 1 << n })
	try("div", func() { _ = 1 / (n + 1) })
	try("conv", func() { _ = [4]int(make([]int, 3)) })
	try("nilfunc", func() { var f func(); f() })
	try("nilmap", func() { var t T; t.m["x"] = 1 })
	try("unhash", func() { m := map[any]int{}; m[[]int{}] = 1 })
	try("unhash2", func() { m := map[any]int{}; m[func() {}] = 1 })
	try("uncmp", func() { var a, b any = T{}, T{}; _ = a == b })
	try("uncmp2", func() { var a, b any = []int{}, []int{}; _ = a == b })
	try("assert", func() { var a any = 1; _ = a.(string) })
	try("assert2", func() { var a any = 1; _ = a.(fmt.Stringer) })
	try("assert3", func() { var a any; _ = a.(fmt.Stringer) })
	try("assert4", func() { var a fmt.Stringer; _ = a.(interface{ X() }) })
	try("nilptr", func() { var p *T; p.M() })
	try("chan", func() { var c chan int; close(c) })
	try("chan", func() { c := make(chan int); close(c); close(c) })
	try("chan", func() { c := make(chan int); close(c); c <- 1 })
	try("chan", func() {
		c := make(chan int)
		close(c)
		select {
		case c <- 1:
		default:
		}
	})
	try("repeat", func() { strings.Repeat("x", n) })
	try("nil", func() { panic(nil) })
	try("reflect", func() { reflect.ValueOf(1).SetInt(2) })
	try("reflect2", func() { reflect.Value{}.Int() })
	try("reflect3", func() { reflect.ValueOf("").Int() })
	try("reflect4", func() { reflect.ValueOf(try).Call(nil) })
	s := make([]int, 2, 4)
	k := 9
	try("s1", func() { _ = s[k] })
	try("s2", func() { _ = s[:k] })
	try("s3", func() { _ = s[k:] })
	try("s4", func() { _ = s[:2:k] })
	try("s5", func() { _ = s[:k:4] })
	try("s6", func() { _ = s[3 : n+2] })
	try("s7", func() { _ = "abc"[k] })
	try("s8", func() { _ = "abc"[k:] })
	try("s9", func() { a := [3]int{}; _ = a[k] })
	try("s10", func() { a := [3]int{}; _ = a[:k] })
	var u uint64 = 1<<63 + 5
	try("u1", func() { _ = s[u] })
	try("u2", func() { _ = s[u:] })
	try("u3", func() { _ = s[:u] })
	try("n1", func() { _ = s[n] })
	try("n2", func() { _ = s[n:] })
	var u8 uint8 = 200
	try("n3", func() { _ = s[u8] })
	try("grow", func() { var b []struct{} = make([]struct{}, 1<<63-1); b = append(b, struct{}{}); _ = b })
}
