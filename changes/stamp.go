package changes

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// RunID names a run. The zero RunID is the genesis run, which holds initial values (Genesis).
type RunID [16]byte

// String is 32 hex digits.
func (r RunID) String() string { return hex.EncodeToString(r[:]) }

// Compare orders run ids by bytes.
func (r RunID) Compare(q RunID) int { return bytes.Compare(r[:], q[:]) }

// Stamp orders writes: by logical time, then run, then turn.
type Stamp struct {
	Time uint64 // hybrid logical clock: milliseconds since 1970 << 16 | counter
	Run  RunID
	Turn uint64 // counts from 1
}

// StampBytes is the length of an encoded stamp.
const StampBytes = 32

// Compare is -1, 0 or 1; a total order.
func (s Stamp) Compare(t Stamp) int {
	switch {
	case s.Time != t.Time:
		return order(s.Time, t.Time)
	case s.Run != t.Run:
		return s.Run.Compare(t.Run)
	}
	return order(s.Turn, t.Turn)
}

func order(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Append appends StampBytes bytes, big endian, that bytes.Compare orders as Compare does.
func (s Stamp) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.Time)
	b = append(b, s.Run[:]...)
	return binary.BigEndian.AppendUint64(b, s.Turn)
}

// DecodeStamp reads exactly what Append wrote.
func DecodeStamp(b []byte) (Stamp, error) {
	s := scan{b: b}
	t := s.stamp()
	s.end()
	return t, s.err
}

func (s *scan) stamp() Stamp { return Stamp{Time: s.u64(), Run: s.run(), Turn: s.u64()} }

// counterBits is how much of a logical time counts events within one millisecond.
const counterBits = 16

// Clock is a hybrid logical clock (Kulkarni, Demirbas et al., "Logical Physical Clocks", 2014) that
// reads no clock itself: its owner passes wall milliseconds since 1970. The zero Clock is ready. It is
// not safe for concurrent use.
type Clock struct{ last uint64 }

// Next is a logical time greater than every one given out or observed before. More than 65,536 in a
// millisecond borrow from the next one.
func (c *Clock) Next(wallMs uint64) uint64 {
	c.last = max(c.last+1, wallMs<<counterBits)
	return c.last
}

// Observe makes later times greater than remote, which came with a message. A remote time more than
// driftMaxMs ahead of the wall is ErrSkew and changes nothing: following it would drag all clocks along.
func (c *Clock) Observe(remote, wallMs, driftMaxMs uint64) error {
	if ms := remote >> counterBits; ms > wallMs && ms-wallMs > driftMaxMs {
		return fmt.Errorf("%w: a message is stamped %d ms ahead of this machine, at most %d are accepted; set the clocks of both machines", ErrSkew, ms-wallMs, driftMaxMs)
	}
	c.last = max(c.last, remote)
	return nil
}

// Last is the greatest time given out or observed.
func (c *Clock) Last() uint64 { return c.last }
