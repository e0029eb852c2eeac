package main

import "fmt"

func collatz(n int) (steps int) {
top:
	if n == 1 {
		return
	}
	steps++
	if n%2 == 0 {
		n /= 2
		goto top
	}
	n = 3*n + 1
	goto top
}
func main() {
	for i := 1; i < 15; i++ {
		fmt.Print(collatz(i), " ")
	}
	fmt.Println()
outer:
	for i := 0; i < 5; i++ {
		switch {
		case i == 1:
			continue outer
		case i == 3:
			break outer
		case i == 2:
			fmt.Print("two ")
			fallthrough
		case false:
			fmt.Print("fell ")
		default:
			fmt.Print("def ")
		}
	}
	x := 0
	for {
		x++
		if x > 1000 {
			break
		}
	}
	fmt.Println(x)
	{
		x := "shadow"
		len := func(s string) int { return 42 }
		fmt.Println(x, len(x))
	}
}
