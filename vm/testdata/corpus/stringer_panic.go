package main

import "fmt"

type bad struct{ n *int }

func (b bad) String() string { return fmt.Sprint("bad ", *b.n) }

type code int

func (c code) Error() string { return fmt.Sprintf("code %d", int(c)) }
func main() {
	fmt.Println(bad{})
	x := 5
	fmt.Println(bad{&x})
	fmt.Printf("%s %d %v\n", code(3), code(4), []error{code(5)})
	panic(code(9))
}
