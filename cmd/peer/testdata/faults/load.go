// Load is what the peers do in TestFaults: runs that count words into variables that all share, print lines by timers, and receive messages, each until it
// is sent "end". What a run says of itself in its last line is what it did, as its own memory has it.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"time"

	"github.com/tandemvm/tandem/vm/turn"
)

// Counts is how often each word was drawn.
//
//tandem:shared map counter
var Counts = map[string]int{}

// Total is how many words were drawn.
//
//tandem:shared counter
var Total int

// Furthest is the most that one run has drawn.
//
//tandem:shared max
var Furthest int

// Runners are the runs that count.
//
//tandem:shared set
var Runners = map[string]bool{}

func main() {
	switch os.Args[1] {
	case "tally":
		tally(os.Args[2])
	case "print":
		show()
	case "receive":
		receive()
	}
}

func tally(name string) {
	words := strings.Fields("the ray which is most refrangible goes to one side and that least to another")
	mine := map[string]int{}
	n := 0
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-turn.Inbox():
			text, _ := json.Marshal(mine)
			fmt.Printf("%s drew %d: %s\n", name, n, text)
			return
		case <-tick.C:
		}
		for range 1 + rand.Intn(5) {
			w := words[rand.Intn(len(words))]
			Counts[w]++
			Total++
			mine[w]++
			n++
		}
		Runners[name] = true
		if n > Furthest {
			Furthest = n
		}
	}
}

func show() {
	n := 0
	for next := time.NewTimer(0); ; {
		select {
		case <-turn.Inbox():
			fmt.Println("printed", n)
			return
		case <-next.C:
			n++
			fmt.Println("line", n, rand.Uint32())
			next.Reset(time.Duration(20+rand.Intn(60)) * time.Millisecond)
		}
	}
}

func receive() {
	n := 0
	for m := range turn.Inbox() {
		if string(m.Body) == "end" {
			fmt.Println("received", n)
			return
		}
		n++
		fmt.Println("got", m.ID, string(m.Body))
	}
}
