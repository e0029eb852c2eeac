package main

import (
	"errors"
	"fmt"
)

var errBase = errors.New("base")

func risky(n int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			for i := 0; i < 200; i++ {
				n += i
			}
			switch x := r.(type) {
			case error:
				err = fmt.Errorf("wrapped %d: %w", n, x)
			default:
				err = fmt.Errorf("value %v", x)
			}
		}
	}()
	switch n % 6 {
	case 0:
		panic(errBase)
	case 1:
		var a []int
		_ = a[n]
	case 2:
		var m map[string]int
		m["x"] = 1
	case 3:
		var p *struct{ x int }
		p.x = 1
	case 4:
		z := 0
		fmt.Println(n / z)
	case 5:
		panic(fmt.Sprint("string ", n))
	}
	return nil
}
func nested() (s string) {
	defer func() { s = fmt.Sprint(s, "|outer ", recover()) }()
	defer func() { defer func() { s = fmt.Sprint("inner ", recover()) }(); panic("second") }()
	panic("first")
}
func main() {
	for i := 0; i < 18; i++ {
		err := risky(i)
		fmt.Println(err, errors.Is(err, errBase))
	}
	fmt.Println(nested())
	var e interface{ Error() string }
	defer func() { fmt.Println(recover()); fmt.Println(e) }()
	var x any = "str"
	fmt.Println(x.(int))
}
