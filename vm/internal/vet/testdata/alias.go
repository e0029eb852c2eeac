package main

import (
	"fmt"
	"time"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared list
var Items []int

//tandem:shared map counter
var Counts = map[string]int{}

//tandem:shared map list
var Lists = map[string][]int{}

func wait() { time.Sleep(time.Millisecond) }

func main() {
	items := Items
	turn.Commit()
	fmt.Println(items[0]) // vet: Items was read before a turn may have ended

	for _, x := range Items { // vet: Items was read before
		fmt.Println(x)
		wait()
	}
	for k := range Counts { // vet: Counts was read before
		fmt.Println(k)
		turn.Commit()
	}
	one := Lists["a"]
	p := &Items[0]
	done := make(chan bool, 1)
	done <- true
	*p = 1 // vet: Items was read before
	<-done
	fmt.Println(one)
}
