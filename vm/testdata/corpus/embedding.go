package main

import "fmt"

type Animal interface {
	Name() string
	Sound() string
}
type base struct{ name string }

func (b base) Name() string     { return b.name }
func (b *base) Rename(s string) { b.name = s }

type Dog struct {
	base
	age int
}

func (d Dog) Sound() string { return "woof" }

type Puppy struct {
	*Dog
	toys []string
}

func (p Puppy) Sound() string { return "yip(" + p.Dog.Sound() + ")" }

type Loud struct{ Animal }

func (l Loud) Sound() string { return l.Animal.Sound() + "!" }
func main() {
	d := &Dog{base{"rex"}, 3}
	p := Puppy{d, nil}
	p.Rename("max")
	for _, a := range []Animal{d, *d, p, &p, Loud{p}, Loud{Loud{d}}} {
		fmt.Printf("%s %s %T\n", a.Name(), a.Sound(), a)
	}
	f := d.Name
	g := (*Dog).Rename
	h := Dog.Sound
	k := Animal.Name
	g(d, "zed")
	fmt.Println(f(), d.Name(), h(*d), k(p))
	_, isStringer := any(d).(fmt.Stringer)
	fmt.Println(isStringer)
	fmt.Printf("%v %+v %#v\n", *d, *d, *d)
}
