// Slices of constant capacity whose length does not fit, and fields named _ in composite literals.
package main

import "fmt"

type pair struct{ a, b int }

type spaced struct {
	a int
	_ pair
	b int
	_ [2]string
}

var global = spaced{1, pair{2, 3}, 4, [2]string{"x", "y"}}

func try(what string, f func()) {
	defer func() { fmt.Println(what, recover()) }()
	f()
}

func length[T any](n int) { fmt.Println(len(make([]T, n, 4))) }

func main() {
	for _, n := range []int{-1, 0, 4, 5} {
		try(fmt.Sprint("ints ", n), func() { fmt.Println(len(make([]int, n, 4)), cap(make([]int, n, 4))) })
		try(fmt.Sprint("strings ", n), func() { length[string](n) })
		try(fmt.Sprint("many ", n), func() { fmt.Println(len(make([]byte, n*50000, 200000))) })
	}
	five, less := 5, -1
	try("five", func() { five := 5; _ = make([]int, five, 4) })
	try("less", func() { less := -1; _ = make([]int, less, 4) })
	fmt.Println(five, less)
	var small int8 = -3
	try("small", func() { _ = make([]int, small, 10) })
	var big uint64 = 1 << 63
	try("big", func() { _ = make([]int, big, 10) })

	called := 0
	value := func(n int) int { called++; return n }
	local := struct{ a, _, c int }{value(1), value(2), value(3)}
	fmt.Printf("%v %d %v %+v\n", local, called, global, spaced{5, pair{6, 7}, 8, [2]string{"z"}})
}
