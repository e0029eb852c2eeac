// Types and values made by reflection alone.
package main

import (
	"fmt"
	"reflect"
)

type S struct{ n int }

func (s S) String() string { return fmt.Sprint("S", s.n) }

type I interface{ String() string }

func try(what string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Println(what, "panics:", r)
		}
	}()
	f()
}

func main() {
	try("structof", func() {
		t := reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeOf(0), Tag: `json:"a"`}, {Name: "B", Type: reflect.TypeOf("")}})
		v := reflect.New(t).Elem()
		v.Field(0).SetInt(4)
		fmt.Printf("%v %+v %v\n", t, v, v.Interface() == struct {
			A int `json:"a"`
			B string
		}{4, ""})
	})
	try("embed", func() {
		t := reflect.StructOf([]reflect.StructField{{Name: "S", Type: reflect.TypeOf(S{}), Anonymous: true}})
		v := reflect.New(t).Elem()
		fmt.Println(t.NumMethod(), v.Interface().(I).String())
	})
	try("embedptr", func() {
		t := reflect.StructOf([]reflect.StructField{{Name: "S", Type: reflect.TypeOf(&S{}), Anonymous: true}})
		v := reflect.New(t).Elem()
		v.Field(0).Set(reflect.ValueOf(&S{3}))
		fmt.Println(t.NumMethod(), v.Interface().(I).String())
	})
	try("embedif", func() {
		t := reflect.StructOf([]reflect.StructField{{Name: "I", Type: reflect.TypeOf((*I)(nil)).Elem(), Anonymous: true}})
		v := reflect.New(t).Elem()
		v.Field(0).Set(reflect.ValueOf(S{5}))
		fmt.Println(t.NumMethod(), v.Interface().(I).String())
	})
	try("others", func() {
		i := reflect.TypeOf(0)
		fmt.Println(reflect.ArrayOf(5, i), reflect.MapOf(i, i), reflect.ChanOf(reflect.RecvDir, i), reflect.FuncOf([]reflect.Type{i}, []reflect.Type{i}, false), reflect.SliceOf(i), reflect.PointerTo(reflect.PointerTo(i)))
		m := reflect.MakeMap(reflect.MapOf(reflect.ArrayOf(2, i), i))
		m.SetMapIndex(reflect.ValueOf([2]int{1, 2}), reflect.ValueOf(3))
		fmt.Println(m, m.MapIndex(reflect.ValueOf([2]int{1, 2})))
		c := reflect.MakeChan(reflect.ChanOf(reflect.BothDir, i), 1)
		c.Send(reflect.ValueOf(7))
		n, v, ok := reflect.Select([]reflect.SelectCase{{Dir: reflect.SelectDefault}, {Dir: reflect.SelectRecv, Chan: c}})
		fmt.Println(n, v, ok)
		f := reflect.MakeFunc(reflect.FuncOf([]reflect.Type{i}, []reflect.Type{i}, false), func(in []reflect.Value) []reflect.Value { return in })
		fmt.Println(f.Interface().(func(int) int)(9), f.Call([]reflect.Value{reflect.ValueOf(8)})[0])
		fmt.Println(reflect.ValueOf(S{6}).MethodByName("String").Interface().(func() string)(), reflect.ValueOf(3.9).Convert(i), reflect.ValueOf([]int{1, 2}).Convert(reflect.ArrayOf(2, i)))
	})
}
