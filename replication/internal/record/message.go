package record

import (
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
	if len(m.ID) == 0 || len(m.ID) > MessageIDMax || len(m.Inline) > InlineBytesMax ||
		m.Blob != nil && (len(m.Inline) > 0 || !m.Blob.Valid() || m.Blob.Bytes > MessageBytesMax) {
		return nil, fmt.Errorf("%w: malformed message", ErrFormat)
	}
	return m, nil
}
