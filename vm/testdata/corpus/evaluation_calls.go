// Operands that tell when they are evaluated, in every kind of expression and statement.
package main

import "fmt"

func t[T any](name string, x T) T { fmt.Print(name, " "); return x }

type S struct {
	a, b int
	arr  [3]int
	p    *S
}

func (s S) m(x, y int) int   { fmt.Print("m "); return x }
func (s *S) pm(x, y int) int { fmt.Print("pm "); return x }

type I interface{ m(x, y int) int }

func v(x ...int) int              { return len(x) }
func g2[T any, U any](a T, b U) T { return a }

func cmp[T comparable](name string, f func() T) {
	fmt.Print(name, ": ")
	defer func() {
		if r := recover(); r != nil {
			fmt.Print(" panic ", r)
		}
		fmt.Println()
	}()
	fmt.Print("= ", f())
}

var pkg1 = t("s", "abc")[t("i", 1)]
var late, mixed = 1, late + bump(&late)

func bump(p *int) int { *p += 5; return *p }

var pkg2, pkg3 = t("A", [3]int{1, 2, 3})[t("i", 1)], t("s", "abcd")[t("lo", 1):t("hi", 2)]

func swap() {
	switch t("tag", byte('b')) {
	case t("s", "abc")[t("i", 0)], t("s", "abc")[t("i", 2)]:
		fmt.Println("no")
	case t("s", "abc")[t("i", 1)]:
		fmt.Println("yes")
	}
	switch {
	case t("s", "abc")[t("i", 0)] == t("x", byte('b')), t("A", [3]int{1, 2, 3})[t("i", 1)] == 2:
		fmt.Println("two")
	}
}

// faults has statements of which two parts panic: which comes first?
func faults() {
	x, ar, i, j, m := []int{1, 2, 3}, [3]int{}, 5, 6, map[int]int{}
	var p *S
	cmp("op=", func() int { x[i] += x[j]; return 1 })
	cmp("op= array", func() int { ar[i] -= x[j]; return 1 })
	cmp("op= nil", func() int { p.a += x[j]; return 1 })
	cmp("op= call", func() int { x[i] *= t("x", x)[j]; return 1 })
	cmp("op= div", func() int { x[i] /= ar[1]; return 1 })
	cmp("op= nested", func() int { x[x[i]] += x[j]; return 1 })
	cmp("op= right", func() int { x[1] += x[j]; return 1 })
	cmp("map", func() int { m[x[i]] = x[j]; return 1 })
	cmp("map op=", func() int { m[x[i]] += x[j]; return 1 })
	cmp("generic", func() int { h := &holder[[3]int]{}; h.add(x, 1, 2); return h.add(x, 1, 1)[1] })
	cmp("=", func() int { x[i] = x[j]; return 1 })
}

type holder[A ~[3]int] struct{ arr A }

func (h *holder[A]) add(x []int, i, j int) A {
	h.arr[i] += x[j]
	return h.arr
}

// jumps goes to labels of loops that have calls before them, from within and without.
func jumps() {
	n := 0
L:
	for i := range t("n", []int{n, add(&n), n}) {
		switch n {
		case 1, 3:
			goto L
		case 4:
			n++
			continue L
		}
		fmt.Print(i, n, "; ")
		if n++; n > 6 {
			break L
		}
	}
	k := 0
M:
	for k+add(&k) < 9 {
		for j := range k + add(&k) {
			switch {
			case j+add(&k) > 9:
				break M
			case k == 5:
				goto M
			}
			continue M
		}
	}
	var (
		a    = k + add(&k)
		b, c = k, k * add(&k)
	)
	fmt.Println(n, k, a, b, c)
}

func add(p *int) int { *p++; return *p }

func main() {
	fmt.Println("pkg", pkg1, pkg2, pkg3, late, mixed)
	s := &S{}
	sl := []int{1, 2, 3, 4}
	ar := [4]int{1, 2, 3, 4}
	m := map[int]int{}
	_ = ar
	cmp("index string", func() byte { return t("s", "abc")[t("i", 1)] })
	cmp("index array", func() int { return t("A", [3]int{1, 2, 3})[t("i", 1)] })
	cmp("index slice", func() int { return t("A", sl)[t("i", 1)] })
	cmp("index parray", func() int { return t("A", &ar)[t("i", 1)] })
	cmp("index map", func() int { return t("A", m)[t("i", 1)] })
	cmp("slice", func() int { return len(t("A", sl)[t("lo", 1):t("hi", 2):t("max", 3)]) })
	cmp("slice2", func() int { return len(t("A", sl)[t("lo", 1):t("hi", 2)]) })
	cmp("slice str", func() string { return t("A", "abcdef")[t("lo", 1):t("hi", 2)] })
	cmp("add", func() int { return t("x", 1) + t("y", 2)*t("z", 3) })
	cmp("shift", func() int { return t("x", 1) << t("y", 2) >> t("z", uint8(3)) })
	cmp("div", func() int { return t("x", 1) / t("y", 2) % t("z", 3) })
	cmp("str", func() string { return t("x", "1") + t("y", "2") + t("z", "3") })
	cmp("cmp", func() bool { return t("x", "1") < t("y", "2") })
	cmp("cmpI", func() bool { return t("x", any(1)) == t("y", 2) })
	cmp("cmpI2", func() bool { return t("x", 1) == t("y", any(2)) })
	cmp("cmpS", func() bool { return t("x", S{}) == t("y", S{}) })
	cmp("and", func() bool { return t("x", true) && t("y", false) || t("z", true) })
	cmp("call", func() int { return t("f", v)(t("x", 1), t("y", 2)) })
	cmp("meth", func() int { return t("s", S{}).m(t("x", 1), t("y", 2)) })
	cmp("pmeth", func() int { return t("s", s).pm(t("x", 1), t("y", 2)) })
	cmp("vmeth", func() int { return t("s", s).m(t("x", 1), t("y", 2)) })
	cmp("imeth", func() int { return t("s", I(s)).m(t("x", 1), t("y", 2)) })
	cmp("methexp", func() int { return S.m(t("s", S{}), t("x", 1), t("y", 2)) })
	cmp("generic", func() int { return g2(t("x", 1), t("y", 2)) })
	cmp("struct", func() int { return S{b: t("b", 1), a: t("a", 2)}.a })
	cmp("structp", func() int { return (&S{b: t("b", 1), a: t("a", 2), arr: [3]int{2: t("2", 1), 0: t("0", 2)}}).a })
	cmp("arr", func() int { return len([...]int{2: t("2", 1), 0: t("0", 2), 1: t("1", 1)}) })
	cmp("sl", func() int { return len([]int{2: t("2", 1), 0: t("0", 2), 1: t("1", 1)}) })
	cmp("map", func() int { return len(map[int]int{t("k", 1): t("v", 2), t("k2", 3): t("v2", 4)}) })
	cmp("mapm", func() int {
		return len(map[int]map[int]int{t("k", 1): {t("v", 2): t("w", 3)}, t("k2", 3): {t("v2", 4): t("w2", 5)}})
	})
	cmp("append", func() int { return len(append(t("s", sl), t("x", 1), t("y", 2))) })
	cmp("append...", func() int { return len(append(t("s", sl), t("x", sl)...)) })
	cmp("copy", func() int { return copy(t("s", sl), t("x", sl)) })
	cmp("min", func() int { return min(t("x", 2), t("y", 1), t("z", 3)) })
	cmp("max", func() string { return max(t("x", "2"), t("y", "1"), t("z", "3")) })
	cmp("complex", func() complex128 { return complex(t("x", 2.0), t("y", 1.0)) })
	cmp("make", func() int { return len(make([]int, t("len", 1), t("cap", 2))) })
	cmp("delete", func() int { delete(t("m", m), t("k", 1)); return 0 })
	cmp("print", func() int { _ = fmt.Sprint(t("m", 1), t("k", 1)); return 0 })
	cmp("assert", func() int { return t("x", any(1)).(int) + t("y", any(2)).(int) })
	cmp("recv", func() int { c := make(chan int, 2); c <- 1; c <- 2; return <-t("c", c) + <-t("d", c) })
	cmp("send", func() int { c := make(chan int, 2); t("c", c) <- t("v", 2); return 1 })
	cmp("assign", func() int { t("x", sl)[t("i", 1)] = t("y", 1); return 1 })
	cmp("assign2", func() int { t("x", sl)[t("i", 1)], t("m", m)[t("k", 1)] = t("y", 1), t("z", 2); return 1 })
	cmp("opassign", func() int { t("x", sl)[t("i", 1)] += t("y", 1); return 1 })
	cmp("opassignm", func() int { t("x", m)[t("i", 1)] += t("y", 1); return 1 })
	cmp("inc", func() int { t("x", sl)[t("i", 1)]++; return 1 })
	cmp("deref", func() int { *t("p", &sl[1]) = t("y", 1); return 1 })
	cmp("field", func() int { t("p", s).a, t("q", s).b = t("y", 1), t("z", 2); return 1 })
	cmp("arrfield", func() int { t("p", s).arr[t("i", 1)] = t("y", 1); return 1 })
	cmp("chain", func() int { return t("p", s).arr[t("i", 1)] + t("p", S{}).arr[t("j", 2)] })
	cmp("2d", func() int { return t("p", [2][2]int{})[t("i", 1)][t("j", 1)] })
	cmp("2ds", func() byte { return t("p", []string{"ab"})[t("i", 0)][t("j", 1)] })
	cmp("2dss", func() byte { return t("p", "abcdef")[t("i", 0):][t("j", 1)] })
	cmp("tuple", func() int {
		t("x", sl)[t("i", 1)], t("m", m)[t("k", 1)] = func() (int, int) { fmt.Print("f "); return 1, 2 }()
		return 1
	})
	cmp("commaok", func() bool {
		var ok bool
		bs := []bool{ok}
		t("x", sl)[t("i", 1)], t("b", bs)[t("k", 0)] = t("m", m)[t("z", 3)]
		return bs[0]
	})
	cmp("range", func() int {
		for t("x", sl)[t("i", 1)], t("y", sl)[t("j", 2)] = range t("r", []int{7, 8}) {
			fmt.Print("| ")
		}
		return sl[1]*10 + sl[2]
	})
	cmp("rangefn", func() int {
		for t("x", sl)[t("i", 1)], t("y", sl)[t("j", 2)] = range t("r", func(y func(int, int) bool) { y(1, 2) }) {
			fmt.Print("| ")
		}
		return sl[1]*10 + sl[2]
	})
	cmp("go", func() int { c := make(chan int); go func(a, b int) { c <- a }(t("a", 1), t("b", 2)); return <-c })
	cmp("defer", func() int { defer t("f", func(a, b int) { fmt.Print("D ") })(t("a", 1), t("b", 2)); return t("r", 1) })
	cmp("select", func() int {
		c := make(chan int, 1)
		select {
		case t("x", sl)[t("i", 1)] = <-t("c", (chan int)(nil)):
		case t("c2", c) <- t("v", 1):
		}
		return 1
	})
	cmp("selrecv", func() int {
		c := make(chan int, 1)
		c <- 1
		var ok [1]bool
		select {
		case t("x", sl)[t("i", 1)], ok[t("o", 0)] = <-t("c", c):
		case t("c2", (chan int)(nil)) <- t("v", 1):
		}
		return 1
	})
	cmp("sel1", func() int {
		c := make(chan int, 1)
		c <- 1
		select {
		case t("x", sl)[t("i", 1)] = <-t("c", c):
		}
		return 1
	})
	cmp("conv", func() string { return string(t("b", []byte("a"))) + string(t("r", 'x')) })
	cmp("sl2arr", func() int { return [2]int(t("a", sl))[t("i", 1)] })
	cmp("ret", func() int {
		return func() int { a, b := func() (int, int) { return t("a", 1), t("b", 2) }(); return a + b }()
	})
	cmp("nilmap", func() int { var m map[int]int; t("m", m)[t("k", 1)] = t("v", 1); return 1 })
	cmp("oob", func() int { t("m", sl)[t("k", 10)] = t("v", 1); return 1 })
	cmp("nilderef", func() int { var s *S; t("m", s).p.a = t("v", 1); return 1 })
	cmp("divz", func() int { return t("a", 1)/t("b", 0) + t("c", 2) })
	cmp("idxoob", func() int { return t("a", sl)[t("b", 10)] + t("c", 2) })
	cmp("strlen", func() int { return len(t("a", "abc")[t("lo", 1):]) })
	cmp("clear", func() int { clear(t("a", m)); return 1 })
	cmp("closurecall", func() int { return func(a, b int) int { return a }(t("a", 1), t("b", 2)) })
	cmp("nested", func() int { return v(t("a", 1), v(t("b", 2), t("c", 3)), t("d", 4)) })
	swap()
	jumps()
	faults()
}
