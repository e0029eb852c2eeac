package sequel

import (
	"encoding/binary"
	"errors"
)

var errDifference = errors.New("a difference that does not fit what it is to")

const (
	matchMin  = 4 // equal bytes at the expected place that end an insertion
	windowMin = 8 // equal bytes at another place
	lookMax   = 16
)

// difference says to by from: how many bytes are copied; then how many are inserted, these, and by how much the place to copy from moves beside going on
// behind as many bytes as were inserted; and so on. restore makes to of it again.
func difference(from, to []byte) (out []byte) {
	var x index
	at, done := 0, 0 // place in from that the next byte is expected at; of to what is said
	for {
		n := common(from[at:], to[done:])
		out = binary.AppendUvarint(out, uint64(n))
		at, done = at+n, done+n
		if done == len(to) {
			return out
		}
		end, next := len(to), at+len(to)-done
		for j := done + 1; j < len(to); j++ {
			expected := at + j - done
			if expected <= len(from) && common(from[expected:], to[j:]) >= min(matchMin, len(to)-j) {
				end, next = j, expected
				break
			}
			if x.from == nil {
				x.build(from)
			}
			if p, ok := x.find(to[j:], expected); ok {
				for end, next = j, p; end > done && next > 0 && from[next-1] == to[end-1]; {
					end, next = end-1, next-1
				}
				break
			}
		}
		next = min(next, len(from))
		out = binary.AppendUvarint(out, uint64(end-done))
		out = append(out, to[done:end]...)
		out = binary.AppendVarint(out, int64(next-at-(end-done)))
		at, done = next, end
	}
}

// common is how many bytes a and b begin with alike.
func common(a, b []byte) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// index finds where windows of bytes stand.
type index struct {
	from  []byte
	first []int32 // by hash: the first place + 1
	after []int32 // by place: the next place + 1 of the same hash
	shift uint
}

func (x *index) build(from []byte) {
	x.from, x.shift = from, 64-8
	for 1<<(64-x.shift) < len(from) && x.shift > 64-18 {
		x.shift--
	}
	x.first, x.after = make([]int32, 1<<(64-x.shift)), make([]int32, len(from))
	for i := len(from) - windowMin; i >= 0; i-- {
		h := x.hash(from[i:])
		x.after[i], x.first[h] = x.first[h], int32(i+1)
	}
}

func (x *index) hash(b []byte) uint64 {
	return binary.LittleEndian.Uint64(b) * 0x9e3779b97f4a7c15 >> x.shift
}

// find is the place of b's first bytes that is nearest to the expected one.
func (x *index) find(b []byte, expected int) (place int, ok bool) {
	if len(b) < windowMin {
		return 0, false
	}
	far := func(p int) int { return max(p-expected, expected-p) }
	p := int(x.first[x.hash(b)]) - 1
	for looks := 0; p >= 0 && looks < lookMax; looks++ {
		if [windowMin]byte(x.from[p:]) == [windowMin]byte(b) && (!ok || far(p) < far(place)) {
			place, ok = p, true
		}
		p = int(x.after[p]) - 1
	}
	return place, ok
}

// restore is the reverse of difference; what it makes is at most bytesMax long.
func restore(from, diff []byte, bytesMax int) (to []byte, err error) {
	at := 0
	s := scan{b: diff}
	for {
		n := s.number()
		if s.err != nil || n > uint64(len(from)-at) || n > uint64(bytesMax-len(to)) {
			return nil, errDifference
		}
		to = append(to, from[at:at+int(n)]...)
		at += int(n)
		if len(s.b) == 0 {
			return to, nil
		}
		n = s.number()
		if s.err != nil || n > uint64(bytesMax-len(to)) {
			return nil, errDifference
		}
		to = append(to, s.take(n)...)
		move, w := binary.Varint(s.b)
		if s.err != nil || w <= 0 || move < -int64(len(from))-int64(n) || move > int64(len(from)) {
			return nil, errDifference
		}
		s.b = s.b[w:]
		if next := int64(at) + int64(n) + move; next < 0 || next > int64(len(from)) {
			return nil, errDifference
		} else {
			at = int(next)
		}
	}
}

// scan reads numbers and bytes; after an error it gives zeros.
type scan struct {
	b   []byte
	err error
}

func (s *scan) number() uint64 {
	v, n := binary.Uvarint(s.b)
	if n <= 0 || s.err != nil {
		s.err = errDifference
		return 0
	}
	s.b = s.b[n:]
	return v
}

func (s *scan) take(n uint64) []byte {
	if s.err != nil || n > uint64(len(s.b)) {
		s.err = errDifference
		return nil
	}
	out := s.b[:n]
	s.b = s.b[n:]
	return out
}
