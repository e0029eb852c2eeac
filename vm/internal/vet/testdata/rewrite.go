package main

import "fmt"

//tandem:shared
var Count int

//tandem:shared lww
var Title string

//tandem:shared
var Items []int

//tandem:shared map lww
var Scores = map[string]int{}

//tandem:shared
var Table = map[string]int{}

type config struct {
	Port int
	Name string
}

//tandem:shared
var Config config

//tandem:shared
var Best int

//tandem:shared fields
var Stats struct {
	Hits int
	Sum  int `tandem:"counter"`
}

type box struct{ n int }

func (b *box) bump() {
	Count += b.n // vet: share it as counter
}

func main() {
	Count++                  // vet: Count is written from its old value
	Title = Title + "!"      // vet: share it as text
	Items = append(Items, 1) // vet: share it as log
	Scores["a"] += 2         // vet: Scores[...] is written from its old value
	Table["a"] = 1           // vet: share it as map KIND, or set
	delete(Table, "a")       // vet: Table[...] is written, but its variable merges as a whole
	Config.Port = 80         // vet: share it as fields
	Items[0] = 2             // vet: share it as list
	x := 3
	if x > Best {
		Best = x // vet: share it as max or min
	}
	old := Count
	fmt.Println(old)
	Count = old - 1 // vet: share it as counter
	Stats.Hits++    // vet: Stats.Hits is written from its old value
	(&box{1}).bump()
}
