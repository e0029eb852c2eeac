package main

import "fmt"

// What each operation on a map says of a key that cannot be hashed, of a map that is nil, and of both; and what it leaves in the map.

type st struct {
	n int
	a any
}

type list []int

func (list) String() string { return "list" }

func (st) String() string { return "st" }

type named interface{ String() string }

// try says what f panics with and what it returns.
func try(name string, f func() any) {
	defer func() {
		if r := recover(); r != nil {
			_, isError := r.(error)
			fmt.Println(name, "panics:", r, isError)
		}
	}()
	fmt.Println(name, f())
}

var zero, minus = 0, -1

// all does everything to m at the keys.
func all[K comparable](what string, make func() map[K]int, keys ...K) {
	for i, k := range keys {
		for _, op := range []struct {
			name string
			f    func(m map[K]int)
		}{
			{"read", func(m map[K]int) { fmt.Print(m[k], " ") }},
			{"comma ok", func(m map[K]int) { v, ok := m[k]; fmt.Print(v, ok, " ") }},
			{"for ok", func(m map[K]int) { _, ok := m[k]; fmt.Print(ok, " ") }},
			{"assign", func(m map[K]int) { m[k] = 7 }},
			{"assign from it", func(m map[K]int) { m[k] = m[k] + 1 }},
			{"++", func(m map[K]int) { m[k]++ }},
			{"+=", func(m map[K]int) { m[k] += 3 }},
			{"/=", func(m map[K]int) { m[k] /= 3 }},
			{"/= 0", func(m map[K]int) { m[k] /= zero }},
			{"%= 0", func(m map[K]int) { m[k] %= zero }},
			{"<<=", func(m map[K]int) { m[k] <<= minus }},
			{"+= lookup", func(m map[K]int) { m[k] += m[k] }},
			{"+= panic", func(m map[K]int) { m[k] += []int{}[zero] }},
			{"-= division", func(m map[K]int) { m[k] -= 1 / zero }},
			{"= division", func(m map[K]int) { m[k] = 1 / zero }},
			{"pair", func(m map[K]int) { m[k], _ = 1, 2 }},
			{"pair division", func(m map[K]int) { m[k], m[keys[0]] = 1, 2/zero }},
			{"delete", func(m map[K]int) { delete(m, k) }},
			{"range", func(m map[K]int) {
				for m[k] = range 2 {
				}
			}},
			{"ok", func(m map[K]int) { var x any = 5; m[k], _ = x.(int) }},
		} {
			m := make()
			try(fmt.Sprint(what, " ", i, " ", op.name), func() any { op.f(m); return "-" })
			fmt.Println(len(m))
		}
	}
}

func texts[K comparable](what string, m map[K]string, l map[K][]int, c map[K]complex128, k K) {
	try(what+" string", func() any { m[k] += "x"; m[k] += m[k]; return m[k] })
	try(what+" append", func() any { l[k] = append(l[k], 1, zero); return l[k] })
	try(what+" append panics", func() any { l[k] = append(l[k], 1/zero); return l[k] })
	try(what+" append slice", func() any { l[k] = append(l[k], l[k]...); return l[k] })
	try(what+" append of itself", func() any { l[k] = append(l[k], len(l[k])); return l[k] })
	try(what+" complex", func() any { c[k] += 1i; c[k] *= 2i; return c[k] })
	fmt.Println(len(m), len(l), len(c))
}

func kinds[K comparable](what string, some K, keys ...K) {
	all(what+" nil", func() map[K]int { return nil }, keys...)
	all(what+" empty", func() map[K]int { return map[K]int{} }, keys...)
	all(what+" filled", func() map[K]int { return map[K]int{some: 1} }, keys...)
	for _, k := range keys {
		texts[K](what+" nil", nil, nil, nil, k)
		texts(what+" empty", map[K]string{}, map[K][]int{}, map[K]complex128{}, k)
		texts(what+" filled", map[K]string{some: "s"}, map[K][]int{some: {1, 2}}, map[K]complex128{some: 5}, k)
	}
}

func main() {
	kinds[any]("any", 1, 1, 2, nil, []int{}, st{1, 2}, st{1, []int{}}, [2]any{1, func() {}}, struct{ l list }{}, &st{})
	kinds("struct", st{1, 1}, st{1, 1}, st{2, nil}, st{1, list{}}, st{1, st{2, map[int]int{}}})
	kinds("array", [2]any{1, 2}, [2]any{1, 2}, [2]any{1, []int{}}, [2]any{[]string{}, []int{}})
	kinds[named]("interface", st{}, st{}, list{}, st{1, list{}}, nil)
	kinds("string", "a", "a", "b")
	kinds("int", 1, 1, 2)
	kinds("float", 1.0, 1, 0)
	direct()
}

// direct does it where the map's type is known.
func direct() {
	var none map[any]int
	empty, some, lists := map[any]int{}, map[any]int{1: 2}, map[any][]int{}
	var k any = []int{}
	try("nil ++", func() any { none[k]++; return nil })
	try("empty ++", func() any { empty[k]++; return nil })
	try("some ++", func() any { some[k]++; return nil })
	try("some 1++", func() any { some[1]++; return some[1] })
	try("nil /=", func() any { none[k] /= 1; return nil })
	try("empty /=", func() any { empty[k] /= 1; return nil })
	try("some /=", func() any { some[k] /= 1; return nil })
	try("nil <<=", func() any { none[k] <<= minus; return nil })
	try("empty <<=", func() any { empty[5] <<= minus; return nil })
	try("lists", func() any { lists[k] = append(lists[k], 1); return nil })
	try("lists of another", func() any { j := k; lists[k] = append(lists[j], 1); return nil })
	try("lists 1/0", func() any { lists[k] = append(lists[k], 1/zero); return nil })
	try("lists 1", func() any { lists[1] = append(lists[1], 1); lists[1] = append(lists[1], 2, 3); return lists[1] })
	try("lists of a list", func() any { l := list{}; lists[l] = append(lists[l], 1); return nil })
	try("by value", func() any { some[st{1, k}]++; return nil })
	try("by call", func() any { some[func() any { return k }()] += func() int { return 1 / zero }(); return nil })
	fmt.Println(len(empty), len(some))
}
