// Package turn is what a program may say to Tandem: where its turns end, what belongs together in one, and that it wants
// to know of changes made elsewhere and of messages sent to it. It is not needed: a program that never imports it is cut into turns by itself. Under plain
// `go run` this is an ordinary package in which there are no other peers, so nothing ever comes from one; in the VM
// its functions are the machine's. Neither costs more than a function call.
package turn

import (
	"fmt"
	"reflect"
)

// Commit ends the turn here: what it changed in shared variables and what it printed become visible to others, and what others
// changed becomes visible here. Inside Atomic, or while the program holds a sync.Mutex, it waits until neither is so.
func Commit() {}

// Atomic runs f within one turn: either all it changes becomes visible or nothing. Calls may be nested. Goroutines that run
// meanwhile are in the same turn. f should not wait for what another peer does, since nothing from there arrives before it returns.
func Atomic(f func()) { f() }

// Changed returns a channel that holds a value after another peer's changes to one of the variables were applied. Each
// argument is a pointer to a variable marked //tandem:shared. One merge gives one value at most, however many of the variables it
// touched. Changes are not counted: many may give one value.
func Changed(variables ...any) <-chan struct{} {
	for _, v := range variables {
		check(v)
	}
	return make(chan struct{}, 1)
}

// check panics unless v is a pointer to a variable.
func check(v any) {
	if r := reflect.ValueOf(v); r.Kind() != reflect.Pointer || r.IsNil() {
		panic(fmt.Sprintf("turn.Changed: %T is no pointer to a variable", v))
	}
}

// Message is what somebody sent to the run (`peer send`).
type Message struct {
	ID   string // makes it one message, however often it was sent
	From string // the peer it was sent at
	Body []byte
}

// Inbox returns the channel from which the run's messages are received, each id once in the life of the run, wherever it moves to. It is the same
// channel each time. Messages wait until they are received; one that was received in a turn that fails is received again.
func Inbox() <-chan Message { return inbox }

var inbox = make(chan Message)

// RunID names the run: the same wherever it moves to. It is "local" outside the VM.
func RunID() string { return "local" }

// ForkID names the fork that this run is: empty unless it went on as a clone from where another run stood.
func ForkID() string { return "" }
