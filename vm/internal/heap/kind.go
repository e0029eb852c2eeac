package heap

import (
	"errors"
	"fmt"
)

// Kind says what an object is, beside Go values with a type.
type Kind uint8

const (
	KindFree       Kind = iota // no object
	KindObject                 // one value of the header's type
	KindArray                  // values of the header's type, one after another, to the end of the object
	KindRaw                    // bytes without pointers
	KindWords                  // words that may be pointers, scanned conservatively
	KindStack                  // stack chunk; not scanned as an object: exec gives the live part as a root
	KindClosure                // {function index, captured slots...}, scanned conservatively
	KindMap                    // map header
	KindMapEntries             // entries of a map; header type is the map type
	KindMapIndex               // index of a map
	KindMapIter                // iterator of a map
	KindChan                   // channel with its buffer, header type is the channel type; scanned conservatively
	KindGoroutine              // exec's records from here on, scanned conservatively
	KindDefer
	KindPanic
	KindTimer // header type: that of the channel that holds it, if one does
	KindSudog
	KindBox     // host-made value record of exec or host
	KindSpecial // record of a weak pointer, finalizer or cleanup: special.go
	kindCount
)

var (
	// ErrNoSpace says that the memory limit leaves no room: collect and repeat. Errors wrapping it also wrap mem.ErrLimit and name the limit.
	ErrNoSpace = errors.New("heap: out of memory")
	// ErrFault says that an operand is not an address in memory (nil included): exec's nil dereference panic.
	ErrFault = errors.New("heap: address outside memory")
	// ErrNilMap is an assignment to a nil map.
	ErrNilMap = errors.New("heap: assignment to entry in nil map")
	// ErrMapSize is a map of more than 2^31 entries.
	ErrMapSize = errors.New("heap: map of more than 2^31 entries")
	// ErrLen and ErrCap are makeslice's panics: len out of range, cap out of range. ErrLen also is growslice's.
	ErrLen = errors.New("heap: len out of range")
	ErrCap = errors.New("heap: cap out of range")
	// ErrBadType is a type descriptor that is none (arbitrary memory).
	ErrBadType = errors.New("heap: malformed type descriptor")
)

// TypeError is Go's run-time error about a dynamic type without == : "hash of unhashable type T" when Hash, else "comparing uncomparable type T".
type TypeError struct {
	Type      uint64 // address of the type descriptor
	Hash      bool
	NoEntries bool // of a key of a map that is nil or empty, and was only to be looked up or deleted
}

func (e *TypeError) Error() string {
	if e.Hash {
		return fmt.Sprintf("heap: hash of unhashable type at %#x", e.Type)
	}
	return fmt.Sprintf("heap: comparing uncomparable type at %#x", e.Type)
}

var kindText = [kindCount]string{KindFree: "free", KindObject: "object", KindArray: "array", KindRaw: "bytes", KindWords: "words", KindStack: "stack",
	KindClosure: "closure", KindMap: "map header", KindMapEntries: "map entries", KindMapIndex: "map index", KindMapIter: "map iterator", KindChan: "channel",
	KindGoroutine: "goroutine", KindDefer: "deferred call", KindPanic: "panic", KindTimer: "timer", KindSudog: "waiting goroutine", KindBox: "box", KindSpecial: "special"}

func (k Kind) String() string {
	if k < kindCount {
		return kindText[k]
	}
	return "unknown"
}
