// Package turn in the machine. Natives: Commit, RunID, ForkID, nextChange, nextMessage.

package turn

import "unsafe"

//tandem:replace

// atomicDepth is the number of calls of Atomic that have not returned; the machine ends no turn while it is not 0.
//
//tandem:keep
var atomicDepth int

func Commit()

func RunID() string

func ForkID() string

// nextChange waits until changes of another peer were applied to a shared variable and returns the variable's address.
func nextChange() unsafe.Pointer

// anotherChange is nextChange that does not wait: nil when there is none.
func anotherChange() unsafe.Pointer

// nextMessage waits for a message that was not looked at since the run came to this machine.
func nextMessage() (id, from, body string)

type Message struct {
	ID   string
	From string
	Body []byte
}

var (
	inbox    chan Message
	received map[string]bool // ids
)

func Inbox() <-chan Message {
	if inbox == nil {
		inbox, received = make(chan Message), map[string]bool{}
		go receive()
	}
	return inbox
}

// receive passes messages on. Where the run came from they were looked at in another order, so what counts is which ids
// were, and that is in the run's memory.
func receive() {
	for {
		id, from, body := nextMessage()
		if !received[id] {
			received[id] = true
			inbox <- Message{id, from, []byte(body)}
		}
	}
}

func Atomic(f func()) {
	atomicDepth++
	defer leave()
	f()
}

func leave() { atomicDepth-- }

type watch struct {
	variable unsafe.Pointer
	c        chan struct{}
}

var watches []watch

func Changed(variables ...any) <-chan struct{} {
	if len(watches) == 0 && len(variables) > 0 {
		go deliver()
	}
	c := make(chan struct{}, 1)
	for _, v := range variables {
		watches = append(watches, watch{pointer(v), c})
	}
	return c
}

// deliver tells the watchers of the variables that changed, each once for all that a merge changed: it is looked at to the end before anybody is told, since
// who is told may run before the next is.
func deliver() {
	for {
		due := map[chan struct{}]bool{}
		var order []chan struct{}
		for p := nextChange(); p != nil; p = anotherChange() {
			for _, w := range watches {
				if w.variable == p && !due[w.c] {
					due[w.c] = true
					order = append(order, w.c)
				}
			}
		}
		for _, c := range order {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}

// pointer is the pointer in v.
func pointer(v any) unsafe.Pointer {
	const kindPointer = 22
	e := (*struct {
		typ *struct {
			_    [23]byte
			kind uint8
		}
		data unsafe.Pointer
	})(unsafe.Pointer(&v))
	if e.typ == nil || e.typ.kind != kindPointer || e.data == nil {
		panic("turn.Changed: an argument is no pointer to a variable")
	}
	return e.data
}
