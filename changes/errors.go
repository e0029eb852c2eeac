package changes

import (
	"errors"
	"fmt"
)

// The sentinels that callers branch on. Every error of this package wraps one of them.
var (
	ErrFormat   = errors.New("changes: malformed bytes")
	ErrVersion  = errors.New("changes: unknown format version")
	ErrChecksum = errors.New("changes: checksum mismatch")
	ErrProgram  = errors.New("changes: another program")
	ErrVM       = errors.New("changes: incompatible VM version")
	ErrBase     = errors.New("changes: delta does not continue this state")
	ErrIndex    = errors.New("changes: a file without an index of its pages; decode it whole")
	ErrResult   = errors.New("changes: delta does not lead to the state it names")
	ErrTooLarge = errors.New("changes: larger than the limit")
	ErrType     = errors.New("changes: value does not suit the type")
	ErrSpec     = errors.New("changes: bad shared declaration")
	ErrPath     = errors.New("changes: no such leaf path")
	ErrSkew     = errors.New("changes: clock too far ahead")
	ErrTurn     = errors.New("changes: turns count from 1")
)

// malformed is ErrFormat with what was wrong.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s; the bytes are damaged or were not written by this program", ErrFormat, fmt.Sprintf(format, args...))
}

// wrongVersion is ErrVersion with what to do about it.
func wrongVersion(what string, got, want uint64) error {
	hint := "it was written by a newer release: upgrade this peer"
	if got < want {
		hint = "it was written by an older release: read it with that one"
	}
	return fmt.Errorf("%w: %s has version %d, this release reads %d; %s", ErrVersion, what, got, want, hint)
}
