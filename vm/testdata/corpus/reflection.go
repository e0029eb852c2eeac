package main

import (
	"fmt"
	"reflect"
	"strings"
)

type Inner struct {
	N int `json:"n"`
}
type T struct {
	A int `k:"v"`
	B string
	Inner
	C []Inner
	D map[string]*Inner
	f func()
}

func (t T) Hello(s string) string { return "hello " + s + " from " + t.B }
func (t *T) Set(n int)            { t.A = n }
func main() {
	t := &T{A: 1, B: "b", C: []Inner{{2}}, D: map[string]*Inner{"x": {3}}}
	v := reflect.ValueOf(t).Elem()
	ty := v.Type()
	for i := 0; i < ty.NumField(); i++ {
		f := ty.Field(i)
		fmt.Println(f.Name, f.Type, f.Tag.Get("k"), f.Anonymous, f.Offset, f.IsExported())
	}
	v.Field(0).SetInt(42)
	v.FieldByName("N").SetInt(9)
	fmt.Println(t.A, t.N, v.NumField(), ty.Kind(), ty.Size(), ty.PkgPath(), ty)
	m := reflect.ValueOf(t).MethodByName("Hello")
	fmt.Println(m.Call([]reflect.Value{reflect.ValueOf("me")})[0])
	reflect.ValueOf(t).MethodByName("Set").Call([]reflect.Value{reflect.ValueOf(77)})
	fmt.Println(t.A, reflect.TypeOf(t).NumMethod(), ty.NumMethod())
	s := reflect.MakeSlice(reflect.TypeOf([]int{}), 0, 2)
	s = reflect.Append(s, reflect.ValueOf(5))
	fmt.Println(s.Interface(), s.Len())
	mm := reflect.MakeMap(reflect.TypeOf(map[string]int{}))
	mm.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf(1))
	fmt.Println(mm.Interface(), mm.MapIndex(reflect.ValueOf("k")))
	fn := reflect.MakeFunc(reflect.TypeOf(strings.Repeat), func(a []reflect.Value) []reflect.Value {
		return []reflect.Value{reflect.ValueOf(fmt.Sprint(a[0], "*", a[1]))}
	}).Interface().(func(string, int) string)
	fmt.Println(fn("z", 3), reflect.DeepEqual(t, &T{}), reflect.DeepEqual([]int{1}, []int{1}), reflect.TypeOf((*error)(nil)).Elem().Kind())
	fmt.Println(reflect.Zero(ty).Field(1).String() == "", reflect.New(ty).Elem().CanSet(), reflect.TypeOf(fn), reflect.PointerTo(ty), reflect.SliceOf(ty))
	defer func() { fmt.Println(recover()) }()
	reflect.ValueOf(3).SetInt(4)
}
