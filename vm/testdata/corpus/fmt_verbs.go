package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

type T struct {
	A int
	B string
	C []byte
	D map[string]int
	E *int
	F any
	g float32
}
type S string

func (s S) String() string { return "S(" + string(s) + ")" }

type G struct{}

func (G) GoString() string           { return "G!" }
func (G) Format(f fmt.State, c rune) { w, ok := f.Width(); fmt.Fprintf(f, "<%c %d %v>", c, w, ok) }

type P struct{ X, Y int }

func main() {
	t := T{1, "two", []byte("three"), map[string]int{"z": 26, "a": 1}, nil, 3.5, 0.25}
	fmt.Printf("%v\n%+v\n%#v\n%T\n", t, t, t, t)
	fmt.Printf("%v %d %s %x %q %v\n", []int{1, 2}, []int{1, 2}, []string{"a", "b"}, "hex", S("q"), S("s"))
	fmt.Printf("%!|%z|%d|%s|%d %d|%[2]d %[1]d|%[5]d\n", 1, "str", 2.5, 3)
	fmt.Printf("%6.2f|%-10s|%10s|%05d|%x|% x|%#x|%c|%v|%p\n", 3.14159, "left", "right", 42, []byte{1, 171}, []byte{1, 171}, 255, 'G', nil, nil)
	fmt.Printf("%v %+v %#v %v %v\n", &P{1, 2}, []P{{3, 4}}, map[P]bool{{1, 2}: true}, struct{}{}, [2][2]int{{1, 2}, {3, 4}})
	fmt.Printf("%8v|%v|%s\n", G{}, errors.Join(errors.New("e1"), errors.New("e2")), error(nil))
	fmt.Println(fmt.Sprint("a", 1, 2, "b", 3.0, nil, 'c'), fmt.Sprintln("x", 1))
	var a, b int
	var w string
	n, err := fmt.Sscanf("10 20 word", "%d %d %s", &a, &b, &w)
	fmt.Println(n, err, a, b, w)
	n, err = fmt.Sscan("7 8", &a, &b)
	fmt.Println(n, err, a, b)
	fmt.Fprintln(os.Stdout, time.Duration(3723)*time.Second, time.Unix(0, 0).UTC(), time.March, time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC).Format(time.RFC1123))
	fmt.Printf("%t %v %08.3f %+.2e %g %G\n", true, complex(1, -2), -3.14159, 123456.789, 1e-10, 1e20)
	println("builtin", 1, true, 'x')
}
