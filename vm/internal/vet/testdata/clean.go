package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared counter
var Hits int

//tandem:shared map counter
var Counts = map[string]int{}

//tandem:shared max
var Best int

//tandem:shared
var Title string

//tandem:shared list
var Items []int

//tandem:shared log
var Events []string

//tandem:shared text
var Text string

//tandem:shared set
var Seen = map[string]bool{}

//tandem:shared fields
var Stats struct {
	Hits int `tandem:"counter"`
	Name string
}

//tandem:shared
var Limit = 10

//tandem:local
var cache []int

var own = map[string]int{}

func init() { Title = "start" + Title }

func main() {
	Hits++
	Hits -= 2
	Counts["a"] += 5
	delete(Counts, "b")
	if x := 3; x > Best {
		Best = x
	}
	Title = "new"
	Items = append(Items, 1)
	Items[0] = 2
	Events = append(Events, "e")
	Text = Text[:0] + "x" + Text
	if !Seen["a"] {
		Seen["a"] = true
	}
	Stats.Hits++
	Stats.Name = "x"
	if Hits < Limit { // nobody changes Limit
		fmt.Println("low")
	}
	turn.Atomic(func() {
		if Hits > 3 {
			Title = "busy"
		}
	})
	items := slices.Clone(Items)
	turn.Commit()
	fmt.Println(items, Items, len(Items))
	for i := range 3 {
		fmt.Println(Items[i:])
		turn.Commit()
	}
	own["a"]++
	cache = append(cache, 1)
	var wg sync.WaitGroup
	wg.Go(func() { Hits++ })
	wg.Wait()
	time.Sleep(1)
	title := Title
	turn.Commit()
	fmt.Println(title)
}
