package main

import (
	"fmt"
	"reflect"
	"runtime"
)

func try(name string, f func()) {
	defer func() {
		r := recover()
		_, re := r.(runtime.Error)
		fmt.Printf("%s: %v %v %T\n", name, r, re, r)
	}()
	f()
}

type st struct{ a any }

func main() {
	var n map[any]int
	e := map[any]int{}
	m := map[any]int{1: 2}
	s := map[st]int{}
	s1 := map[st]int{{1}: 2}
	a := map[[1]any]int{}
	big := map[any]int{}
	for i := range 100 {
		big[i] = i
	}
	del := map[any]int{1: 2}
	delete(del, 1)
	i := map[fmt.Stringer]int{}
	k := []int{}
	try("nil get", func() { _ = n[k] })
	try("nil get2", func() { _, ok := n[k]; _ = ok })
	try("nil delete", func() { delete(n, k) })
	try("empty get", func() { _ = e[k] })
	try("empty delete", func() { delete(e, k) })
	try("empty set", func() { e[k] = 1 })
	try("get", func() { _ = m[k] })
	try("delete", func() { delete(m, k) })
	try("set", func() { m[k] = 1 })
	try("struct get", func() { _ = s[st{k}] })
	try("struct get1", func() { _ = s1[st{k}] })
	try("struct delete", func() { delete(s, st{k}) })
	try("struct set", func() { s[st{k}] = 1 })
	try("array get", func() { _ = a[[1]any{k}] })
	try("nested", func() { _ = e[st{k}] })
	try("nested", func() { _ = e[[2]any{1, st{k}}] })
	try("nested ok", func() { _ = e[[2]any{1, st{5}}] })
	try("nested", func() { _ = m[st{k}] })
	try("big", func() { _ = big[k] })
	try("emptied", func() { _ = del[k] })
	try("iface", func() { _ = i[sl{1}] })
	try("iface set", func() { i[sl{1}] = 1 })
	try("func", func() { _ = e[func() {}] })
	try("map", func() { e[map[string]int{}] = 1 })
	try("reflect get", func() { reflect.ValueOf(e).MapIndex(reflect.ValueOf(k)) })
	try("reflect get m", func() { reflect.ValueOf(m).MapIndex(reflect.ValueOf(k)) })
	try("reflect set", func() { reflect.ValueOf(e).SetMapIndex(reflect.ValueOf(k), reflect.ValueOf(1)) })
	try("reflect del", func() { reflect.ValueOf(e).SetMapIndex(reflect.ValueOf(k), reflect.Value{}) })
	try("literal", func() { _ = map[any]int{k: 1} })
	try("set nil", func() { n[k] = 1 })
	try("uncmp", func() { var x, y any = k, k; _ = x == y })
	try("uncmp st", func() { var x, y any = st{k}, st{k}; _ = x == y })
	try("for st", func() { x, y := st{k}, st{k}; _ = x == y })
}

type sl []int

func (sl) String() string { return "" }
