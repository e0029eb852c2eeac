// Names of functions by what reflect says that they point to, as programs ask for them.
package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
)

type T struct{ n int }

func (T) Val()         {}
func (*T) Ptr(int)     {}
func Map[A any](a A) A { return a }

var global = func() {}

func name(f any) string {
	p := runtime.FuncForPC(reflect.ValueOf(f).Pointer())
	file, line := p.FileLine(p.Entry())
	return fmt.Sprint(p.Name(), " ", filepath.Base(file), ":", line, " ", p.Entry() == reflect.ValueOf(f).Pointer())
}

func main() {
	x := 1
	clo := func() int { x++; return x }
	t := &T{}
	for _, f := range []any{main, name, T.Val, (*T).Ptr, clo, func() {}, global} {
		fmt.Println(name(f))
	}
	fmt.Println(strings.Split(name(t.Val), " ")[0], strings.Split(name(t.Ptr), " ")[0], strings.Split(name(Map[int]), " ")[0], strings.Split(name(strings.ToUpper), " ")[0])
	fmt.Println(runtime.FuncForPC(0) == nil)
	pc, _, line, _ := runtime.Caller(0)
	fmt.Println(runtime.FuncForPC(pc).Name(), line)
	fmt.Println(reflect.ValueOf(clo).Pointer() != 0, reflect.ValueOf(main).Pointer() == reflect.ValueOf(main).Pointer(), reflect.ValueOf(t.Val).Pointer() == reflect.ValueOf(t.Ptr).Pointer())
}
