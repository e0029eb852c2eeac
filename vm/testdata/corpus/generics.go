package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

type Number interface{ ~int | ~int64 | ~float64 }
type MyInt int

func (m MyInt) String() string { return fmt.Sprintf("my%d", int(m)) }
func Sum[T Number](xs ...T) (s T) {
	for _, x := range xs {
		s += x
	}
	return
}
func Map[A, B any](xs []A, f func(A) B) []B {
	r := make([]B, 0, len(xs))
	for _, x := range xs {
		r = append(r, f(x))
	}
	return r
}

type Tree[K cmp.Ordered, V any] struct {
	l, r *Tree[K, V]
	k    K
	v    V
}

func (t *Tree[K, V]) Put(k K, v V) *Tree[K, V] {
	if t == nil {
		return &Tree[K, V]{k: k, v: v}
	}
	switch c := cmp.Compare(k, t.k); {
	case c < 0:
		t.l = t.l.Put(k, v)
	case c > 0:
		t.r = t.r.Put(k, v)
	default:
		t.v = v
	}
	return t
}
func (t *Tree[K, V]) All(yield func(K, V) bool) { t.push(yield) }
func (t *Tree[K, V]) push(yield func(K, V) bool) bool {
	return t == nil || t.l.push(yield) && yield(t.k, t.v) && t.r.push(yield)
}

type Stack[T any] struct{ items []T }

func (s *Stack[T]) Push(x T) { s.items = append(s.items, x) }
func (s *Stack[T]) Pop() (x T, ok bool) {
	if len(s.items) == 0 {
		return
	}
	x = s.items[len(s.items)-1]
	s.items = s.items[:len(s.items)-1]
	return x, true
}
func main() {
	fmt.Println(Sum(1, 2, 3), Sum(1.5, 2.5), Sum(MyInt(3), MyInt(4)))
	fmt.Println(Map([]int{1, 2, 3}, func(i int) string { return fmt.Sprint(i * i) }))
	var t *Tree[string, int]
	for i, w := range []string{"m", "c", "x", "a", "d", "z", "c"} {
		t = t.Put(w, i)
	}
	for k, v := range t.All {
		fmt.Print(k, "=", v, " ")
		if k == "x" {
			break
		}
	}
	fmt.Println()
	s := &Stack[Tree[int, bool]]{}
	s.Push(Tree[int, bool]{k: 4})
	x, ok := s.Pop()
	_, ok2 := s.Pop()
	fmt.Println(x.k, ok, ok2)
	m := map[string]int{"b": 2, "a": 1, "c": 3}
	ks := slices.Sorted(maps.Keys(m))
	fmt.Println(ks, slices.Max(ks), slices.Index(ks, "b"))
	fmt.Printf("%T %T\n", t, s)
}
