// Package sequence merges what many runs insert into and remove from one sequence: a log, a list or a text. Each run keeps what it contributed
// in segments, which only it writes; whoever has the segments of all orders their elements (New), and the result depends on the set of
// segments alone. A run folds a turn of its own into its segments by comparing the content before and after (Elements.Edit).
//
// It knows nothing of variables, paths, stamps or cells (package changes puts segments into those), and of items only what Kind says.
//
// What it costs: ordering is linear in the spans of all segments but for sorting, reading in the content, an edit in both contents
// and the differing part times the number of edits (at most editsMax). A span is elements written one after the other, whatever the number of turns.
package sequence

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Run names who inserted an element.
type Run [16]byte

// Compare orders runs by bytes.
func (r Run) Compare(q Run) int { return bytes.Compare(r[:], q[:]) }

// Unit is what the elements of a sequence are.
type Unit uint8

const (
	Items Unit = iota // values
	Runes             // of a text: a rune or an invalid byte
	Bytes             // of a text
)

// Kind says what the elements of a sequence are and how they are ordered.
type Kind[T any] struct {
	Log  bool // by time alone
	Unit Unit

	// Of Items only.
	Equal  func(a, b T) bool
	Append func(b []byte, item T) []byte                   // canonical
	Next   func(b []byte) (item T, rest []byte, err error) // what Append wrote, and what follows it
}

// Content is what is in a sequence: items, or text.
type Content[T any] struct {
	Items []T
	Text  string
}

// The sentinels that callers branch on.
var (
	ErrFormat  = errors.New("sequence: malformed bytes")
	ErrSegment = errors.New("sequence: no run writes such a segment")
	// ErrFull is an edit for which there are no ids or times left. That many elements nobody inserts: a member forged some. Elements come after all that
	// their run saw, so nothing can be inserted here until the forged ones are voided.
	ErrFull = errors.New("sequence: no ids or times are left: a member wrote forged ones")
)

// offset is where the k-th unit of text begins.
func (u Unit) offset(text string, k uint64) int {
	if u == Bytes {
		return int(k)
	}
	at := 0
	for ; k > 0; k-- {
		if at < len(text) && text[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

// count is the number of units of text.
func (u Unit) count(text string) uint64 {
	if u == Bytes {
		return uint64(len(text))
	}
	return uint64(utf8.RuneCountInString(text))
}
