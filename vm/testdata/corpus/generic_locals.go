// The names of types that generic functions declare tell the type arguments.
package main

import (
	"fmt"
	"reflect"
)

type Box[T any] struct{ v T }

type Num int

type Namer interface{ Name() string }

type base struct{ n string }

func (b base) Name() string { return b.n }

func (b Box[T]) local() any {
	type in struct{ x T }
	return in{b.v}
}

func (b *Box[T]) closure() func() any {
	return func() any {
		type deep struct {
			x    T
			next *deep
		}
		return &deep{x: b.v}
	}
}

func local[A, B any](a A, b B) []any {
	type pair struct {
		a A
		b B
	}
	type list []pair
	type gen[C any] struct {
		p pair
		c C
	}
	type small int
	type named struct{ base }
	var out []any
	out = append(out, pair{a, b}, &pair{a, b}, list{{a, b}}, gen[int]{pair{a, b}, 1}, gen[A]{}, gen[gen[pair]]{}, small(3), [2]small{}, map[small]pair{}, named{base{"n"}}, Box[small]{}, Box[gen[B]]{})
	{
		type pair struct{ only A }
		out = append(out, pair{a}, func(pair) *small { return nil }, make(chan pair), Box[*pair]{})
	}
	return append(out, struct{ p pair }{}, interface{ m(pair) }(nil), (*interface{ m(pair) })(nil))
}

func tiny[T any]() any {
	type t struct{}
	return t{}
}

func within[T any](x T) []any {
	type key struct{ t T }
	return append(local(key{x}, tiny[key]()), tiny[key](), tiny[T]())
}

// again is instantiated with a type that it declared itself.
func again[T any](n int) []any {
	type mine struct{ t T }
	out := []any{mine{}, []T{}}
	if n > 0 {
		out = append(out, other[mine](n-1)...)
	}
	return out
}

func other[T any](n int) []any {
	if n > 0 {
		return []any{tiny[T]()}
	}
	return []any{Box[T]{}}
}

func recursive[T any](depth int, x T) {
	type mine struct{ n int }
	fmt.Printf("%T %T\n", mine{}, x)
	var i any = mine{}
	_, same := i.(T)
	fmt.Println(same)
	if depth > 0 {
		func() { once(mine{}) }()
	}
}

func once[T any](x T) { fmt.Printf("%T %T\n", x, Box[T]{x}) }

func show(list []any) {
	for _, x := range list {
		t := reflect.TypeOf(x)
		if t == nil {
			fmt.Println(nil)
			continue
		}
		fmt.Printf("%T|%+v|%q|%q\n", x, t.Kind(), t.Name(), t.String())
		if n, ok := x.(Namer); ok {
			fmt.Println(n.Name())
		}
	}
}

func convert[T any](x any) (err error) {
	defer func() { err = recover().(error) }()
	type want struct{ t T }
	_ = x.(want)
	return nil
}

func main() {
	type Num string
	show(local(1, "x"))
	show(local(Num("m"), Box[Num]{}))
	show(within(2.5))
	show(again[int](1))
	show([]any{Box[int]{}.local(), Box[Num]{}.local(), (&Box[[]int]{}).closure()(), tiny[int](), tiny[Num](), tiny[struct{ A int }](), tiny[func(int) error](), tiny[Namer](), tiny[map[string]Box[int8]]()})
	recursive(1, 1)
	recursive(0, "s")
	fmt.Println(convert[int](tiny[int]()))
	fmt.Println(convert[string](convert[int]))
	fmt.Println(tiny[int]() == tiny[int](), tiny[int]() == tiny[uint](), reflect.TypeOf(tiny[Num]()) == reflect.TypeOf(tiny[string]()))
	m := map[any]int{}
	for _, x := range []any{tiny[int](), tiny[uint](), tiny[int](), tiny[Num]()} {
		m[x]++
	}
	fmt.Println(len(m), m[tiny[int]()])
}
