package record

import (
	"encoding/binary"
	"fmt"

	"github.com/tandemvm/tandem/replication/internal/block"
)

// Bounds of messages.
const (
	MessageIDMax    = 128
	MessageBytesMax = 16 << 20
)

// Message is the record of a message under its sender's key; a message of no bytes has neither Inline nor Blob.
type Message struct {
	ID     string     `cbor:"1,keyasint"`
	From   string     `cbor:"2,keyasint"`
	SentMs int64      `cbor:"3,keyasint"`
	Inline []byte     `cbor:"4,keyasint,omitempty"`
	Blob   *block.Ref `cbor:"5,keyasint,omitempty"`
}

// DecodeMessage reads the record. ErrFormat.
func DecodeMessage(b []byte) (*Message, error) {
	m := new(Message)
	if err := Decode(b, m); err != nil {
		return nil, err
	}
	if !m.valid() {
		return nil, fmt.Errorf("%w: malformed message", ErrFormat)
	}
	return m, nil
}

func (m *Message) valid() bool {
	return len(m.ID) > 0 && len(m.ID) <= MessageIDMax && len(m.Inline) <= InlineBytesMax &&
		(m.Blob == nil || len(m.Inline) == 0 && m.Blob.Valid() && m.Blob.Bytes <= MessageBytesMax)
}

// Drop is the record that a message was taken away, under the key of who did it. It holds the message, since its own record goes when the run has
// passed it over.
type Drop struct {
	Message
	By   string `cbor:"6,keyasint"` // peer
	AtMs int64  `cbor:"7,keyasint"` // by that peer's clock, ms since 1970
}

// DecodeDrop reads the record under a key. ErrFormat.
func DecodeDrop(k Key, b []byte) (*Drop, error) {
	d := new(Drop)
	if err := Decode(b, d); err != nil {
		return nil, err
	}
	if !d.valid() || k.Number != DropNumber(d.ID) {
		return nil, fmt.Errorf("%w: malformed drop of a message", ErrFormat)
	}
	return d, nil
}

// DropNumber is the number in the key of a drop, so that one actor drops an id once.
func DropNumber(id string) uint64 {
	h := block.Tagged("tandem drop 1", []byte(id))
	return binary.BigEndian.Uint64(h[:8])
}
