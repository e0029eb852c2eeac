package quorum

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// Tag names an epoch of a run in a Brief, to those who know the epoch.
type Tag [8]byte

// Tag is the epoch's in a run.
func (e Epoch) Tag(run [16]byte) (t Tag) {
	b := append([]byte("tandem epoch tag 1\x00"), run[:]...)
	b = append(binary.BigEndian.AppendUint64(b, e.Number), e.Actor[:]...)
	h := sha256.Sum256(b)
	copy(t[:], h[:])
	return t
}

// Brief is a member's word about an epoch that it has named in full before: what it holds, and the epoch below which it acknowledges nothing.
type Brief struct {
	Tag                   Tag
	Turn, Lines, Promised uint64
}

var errBrief = errors.New("not a brief acknowledgement")

// Append is b with the bytes of w after it.
func (w Brief) Append(b []byte) []byte {
	b = append(b, w.Tag[:]...)
	for _, n := range []uint64{w.Turn, w.Lines, w.Promised} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// ReadBrief reads what Append wrote, and nothing else.
func ReadBrief(b []byte) (w Brief, err error) {
	if len(b) < len(w.Tag) {
		return w, errBrief
	}
	b = b[copy(w.Tag[:], b):]
	for _, n := range []*uint64{&w.Turn, &w.Lines, &w.Promised} {
		v, size := binary.Uvarint(b)
		if size <= 0 || size > 1 && b[size-1] == 0 {
			return w, errBrief
		}
		*n, b = v, b[size:]
	}
	if len(b) > 0 {
		return w, errBrief
	}
	return w, nil
}
