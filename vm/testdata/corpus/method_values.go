package main

import "fmt"

type Acc struct{ n int }

func (a *Acc) Add(k int) *Acc { a.n += k; return a }
func (a Acc) Get() int        { return a.n }

type F func(int) int

func (f F) Twice(x int) int { return f(f(x)) }

type I interface{ Get() int }

func apply(fs []func(int) *Acc) {
	for i, f := range fs {
		f(i + 1)
	}
}
func main() {
	a := &Acc{}
	add := a.Add
	get := a.Get
	add(5).Add(6)
	fmt.Println(a.n, get(), Acc.Get(*a), (*Acc).Get(a))
	apply([]func(int) *Acc{a.Add, add, (&Acc{}).Add})
	fmt.Println(a.Get())
	fmt.Println(F(func(x int) int { return x * 3 }).Twice(2))
	t := F(func(x int) int { return x - 1 }).Twice
	fmt.Println(t(10))
	var i I = a
	ig := i.Get
	a.n = 1000
	fmt.Println(ig(), I.Get(i))
	defer a.Add(1).Add(2)
	go a.Add(3)
	defer fmt.Println("deferred arg", a.Get())
	defer func() { fmt.Println(recover()) }()
	var np *Acc
	fmt.Println(np.Get())
}
