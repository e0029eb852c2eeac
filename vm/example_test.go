package vm_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/tandemvm/tandem/vm"
)

const steps = `package main

import "fmt"

func main() {
	squares := map[int]int{}
	for i := range 4 {
		squares[i] = i * i
		fmt.Println("step", i, squares)
	}
}
`

// screen shows what a program prints, and counts it.
type screen struct{ lines int }

func (s *screen) WriteOutput(stream uint8, text []byte) error {
	fmt.Printf("%s", text)
	s.lines += bytes.Count(text, []byte("\n"))
	return nil
}

func compiledSteps(ctx context.Context) *vm.Program {
	p, err := vm.Compile(ctx, vm.Source{Paths: []string{"steps.go"}, Overlay: map[string][]byte{"steps.go": []byte(steps)}})
	if err != nil {
		log.Fatal(err)
	}
	return p
}

// A program runs for a while, is taken in the middle of what it does, and goes on in another machine.
func ExampleMachine_Take() {
	ctx := context.Background()
	p := compiledSteps(ctx)
	var s screen
	m, err := vm.New(p, vm.Config{Output: &s})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for s.lines < 2 {
		if _, err := m.Run(ctx, 100); err != nil { // 100 instruction words
			log.Fatal(err)
		}
	}
	snapshot, err := m.Take(ctx)
	if err != nil {
		log.Fatal(err)
	}
	file, err := snapshot.Encode()
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println("-- elsewhere --")
	if snapshot, err = vm.DecodeSnapshot(p, file); err != nil {
		log.Fatal(err)
	}
	n, err := vm.Resume(ctx, p, vm.Config{Output: &s}, snapshot)
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()
	stop, err := n.Run(ctx, 1<<40)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("exit status", stop.Exit)
	// Output:
	// step 0 map[0:0]
	// step 1 map[0:0 1:1]
	// -- elsewhere --
	// step 2 map[0:0 1:1 2:4]
	// step 3 map[0:0 1:1 2:4 3:9]
	// exit status 0
}

// A session saves, lets the program go on, and undoes what it did since, as often as one likes.
func ExampleMachine_Session() {
	ctx := context.Background()
	var out bytes.Buffer
	m, err := vm.New(compiledSteps(ctx), vm.Config{Output: writer{&out}})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	session := m.Session()
	if err := session.Save(); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		if _, err := m.Run(ctx, 1<<40); err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Instructions() > 0, bytes.Count(out.Bytes(), []byte("\n")), "lines")
		if err := session.Reset(); err != nil { // back to the save, which stays
			log.Fatal(err)
		}
		out.Reset()
	}
	fmt.Println(m.Instructions(), "instructions, depth", session.Depth())
	// Output:
	// true 4 lines
	// true 4 lines
	// 0 instructions, depth 1
}

type writer struct{ *bytes.Buffer }

func (w writer) WriteOutput(stream uint8, text []byte) error {
	_, err := w.Write(text)
	return err
}
