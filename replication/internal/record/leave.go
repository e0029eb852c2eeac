package record

import (
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
)

// Leave is the record that a peer is no member any more as of its Opening-th opening. It may come back: a member record of a later
// opening counts more.
type Leave struct {
	Peer    string `cbor:"1,keyasint"`
	Opening uint64 `cbor:"2,keyasint"`
}

// LeaverName stands for a peer in the key of its leave record.
func LeaverName(peer string) (id changes.RunID) {
	h := block.Tagged("tandem leave 1", []byte(peer))
	copy(id[:], h[:])
	return id
}

// DecodeLeave reads the record under its key. ErrFormat, ErrRule.
func DecodeLeave(k Key, value []byte) (*Leave, error) {
	l := new(Leave)
	if err := Decode(value, l); err != nil {
		return nil, err
	}
	if LeaverName(l.Peer) != k.Run {
		return nil, RuleError("leave of another peer")
	}
	return l, nil
}
