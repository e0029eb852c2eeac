package main

import (
	"fmt"
	"os"
)

func main() {
	defer fmt.Println("never printed")
	for i := 0; i < 10; i++ {
		fmt.Print(i, ",")
	}
	fmt.Println()
	fmt.Fprintln(os.Stderr, "to stderr")
	os.Exit(3)
}
