package main

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared counter
var OnCall int

//tandem:shared
var Closed bool

//tandem:shared map counter
var Sold = map[string]int{}

//tandem:shared
var Limit = 10

//tandem:shared
var Last string

func leave() {
	if OnCall > 1 {
		Closed = true // vet: Closed is written because of OnCall
	}
	OnCall--
}

func sell(what string) {
	if !Closed && Sold[what] < Limit {
		Sold[what]++ // vet: Sold[...] is written because of Closed
	}
	Last = fmt.Sprint(Sold[what]) // vet: Last is written because of Sold
}

func safely() {
	if Closed {
		OnCall++
	}
}

func main() {
	leave()
	sell("x")
	turn.Atomic(func() {
		safely()
		if OnCall > 1 {
			Closed = false
		}
	})
}
