package main

import (
	"fmt"
	"math/rand"
)

func main() {
	r := rand.New(rand.NewSource(42))
	for i := 0; i < 5; i++ {
		fmt.Print(r.Intn(1000), " ")
	}
	fmt.Println(r.Perm(6), r.Float64(), r.Int63())
	x := rand.Intn(10)
	fmt.Println(x >= 0 && x < 10)
	s := []int{1, 2, 3, 4, 5}
	r.Shuffle(5, func(i, j int) { s[i], s[j] = s[j], s[i] })
	fmt.Println(s, r.NormFloat64())
}
