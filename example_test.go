package tandem_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm"
)

const poll = `package main

import "os"

//tandem:shared map counter
var Votes = map[string]int{}

func main() {
	for _, name := range os.Args[1:] {
		Votes[name]++
	}
	println(len(os.Args)-1, "votes counted")
}
`

// Two peers run the same program, each its own run of it, and read what both have counted. They are one process here; the ticket works from
// any machine that reaches the first.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "tandem")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	config := func(name string) tandem.Config {
		return tandem.Config{Dir: filepath.Join(dir, name), Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
	}

	program, err := vm.Compile(ctx, vm.Source{Paths: []string{"poll.go"}, Overlay: map[string][]byte{"poll.go": []byte(poll)}})
	if err != nil {
		log.Fatal(err)
	}
	north, err := tandem.Create(ctx, config("north"), program, "poll")
	if err != nil {
		log.Fatal(err)
	}
	defer north.Close()
	ticket, err := north.Ticket()
	if err != nil {
		log.Fatal(err)
	}
	south, err := tandem.Join(ctx, config("south"), ticket)
	if err != nil {
		log.Fatal(err)
	}
	defer south.Close()

	for peer, votes := range map[*tandem.Sandbox][]string{north: {"ann", "bob", "ann"}, south: {"bob", "ann"}} {
		run, err := peer.Start(ctx, tandem.RunOptions{Args: append([]string{"poll"}, votes...)})
		if err != nil {
			log.Fatal(err)
		}
		if _, err := run.Wait(ctx); err != nil {
			log.Fatal(err)
		}
		// What it printed is read once its turn is durable, here or at any other peer.
		err = peer.Lines(ctx, run.ID(), 1, func(l changes.Line) error { fmt.Printf("%s", l.Text); return nil })
		if err != nil {
			log.Fatal(err)
		}
	}

	for peer, name := range map[*tandem.Sandbox]string{north: "north", south: "south"} {
		for {
			changed := peer.Changed()
			var votes map[string]int
			if err := peer.Read("main.Votes", &votes); err != nil {
				log.Fatal(err)
			}
			if votes["ann"]+votes["bob"] == 5 {
				fmt.Println(name, "reads", votes)
				break
			}
			<-changed
		}
	}
	// Unordered output:
	// 3 votes counted
	// 2 votes counted
	// north reads map[ann:3 bob:2]
	// south reads map[ann:3 bob:2]
}
