// Agenda reminds people of things, however often the machine it runs on is switched off meanwhile.
//
//	agenda [REMINDER...]
//
// A reminder is a time and a text, as in "90m call Ann". More of them are sent to the run: `peer send agenda 90m call Ann`. It ends after
// "end", once all that is due has been said. What it waits for is held as any Go program would hold it: each reminder is a goroutine
// that sleeps.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tandemvm/tandem/vm/turn"
)

// Said are the reminders given so far by all runs at all peers.
//
//tandem:shared log
var Said []string

// agenda is what a run waits for.
type agenda struct {
	due     chan string
	pending int
	ending  bool
}

// accept enters what was said, which is a reminder or "end".
func (a *agenda) accept(line string) {
	line = strings.TrimSpace(line)
	if line == "end" {
		a.ending = true
		return
	}
	after, text, _ := strings.Cut(line, " ")
	wait, err := time.ParseDuration(after)
	if err != nil || text == "" {
		fmt.Printf("not understood: %q; say when and what, as in: 90m call Ann\n", line)
		return
	}
	fmt.Printf("in %v: %s\n", wait, text)
	a.pending++
	go func() {
		time.Sleep(wait)
		a.due <- text
	}()
}

func main() {
	a := &agenda{due: make(chan string)}
	for _, line := range os.Args[1:] {
		a.accept(line)
	}
	for !a.ending || a.pending > 0 {
		select {
		case m := <-turn.Inbox():
			a.accept(string(m.Body))
		case text := <-a.due:
			a.pending--
			Said = append(Said, text)
			fmt.Println("now:", text)
		}
	}
}
