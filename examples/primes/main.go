// Primes is a long computation that prints a numbered line for every thousandth prime: a run to be watched while it moves.
//
//	primes LINES
package main

import (
	"fmt"
	"os"
	"strconv"
)

// Found is the number of primes found, for whoever watches from another peer.
//
//tandem:shared max
var Found int

func main() {
	last := 60
	if len(os.Args) > 1 {
		n, err := strconv.Atoi(os.Args[1])
		if err != nil || n < 1 {
			fmt.Fprintln(os.Stderr, "usage: primes LINES")
			os.Exit(2)
		}
		last = n
	}
	primes := []int{2}
	for n, line := 3, 1; line <= last; n += 2 {
		if !prime(n, primes) {
			continue
		}
		primes = append(primes, n)
		Found = len(primes)
		if len(primes)%1000 == 0 {
			fmt.Printf("%d: prime number %d is %d\n", line, len(primes), n)
			line++
		}
	}
}

func prime(n int, primes []int) bool {
	for _, p := range primes {
		if p*p > n {
			return true
		}
		if n%p == 0 {
			return false
		}
	}
	return true
}
