package record

import (
	"fmt"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
)

// content is a value that may be too large for a delta: then it stands in a blob, which is here before
// the delta is announced, wherever it is announced.
type content struct {
	Inline []byte     `cbor:"1,keyasint,omitempty"`
	Blob   *block.Ref `cbor:"2,keyasint,omitempty"`
	Count  uint64     `cbor:"3,keyasint,omitempty"` // lines in a segment
}

// InlineBytesMax is how many bytes stand in a record itself; longer contents stand in a blob.
const InlineBytesMax = 32 << 10

// EncodeContent makes the record of data, with the blocks of its blob when it is long. count is the number of lines of a segment.
func EncodeContent(data []byte, count uint64) (value []byte, made []block.Block) {
	if len(data) <= InlineBytesMax {
		return Encode(content{Inline: data, Count: count}), nil
	}
	ref, made := block.Split(data)
	return Encode(content{Blob: &ref, Count: count}), made
}

// DecodeContent reads the record; its blob may not be here. ErrFormat.
func DecodeContent(value []byte) (c content, err error) {
	if err := Decode(value, &c); err != nil {
		return c, err
	}
	if (c.Blob == nil) == (len(c.Inline) == 0) || c.Blob != nil && !c.Blob.Valid() {
		return c, fmt.Errorf("%w: content is neither inline nor a blob", ErrFormat)
	}
	return c, nil
}

// ReadContent gives the data of a record, from its blob if it stands in one.
func ReadContent(b *block.Store, value []byte) ([]byte, error) {
	c, err := DecodeContent(value)
	if err != nil {
		return nil, err
	}
	if c.Blob != nil {
		return b.ReadBlob(*c.Blob)
	}
	return c.Inline, nil
}

// Pack is many cells of one epoch in one record, for turns that touch more cells than a delta should hold keys.
type Pack struct {
	Cells []PackCell `cbor:"1,keyasint"`
}

// PackCell is an encoded path and the encoded cell under it.
type PackCell struct {
	_    struct{} `cbor:",toarray"`
	Path []byte
	Cell []byte
}

// DecodePack reads the data of a pack. ErrFormat.
func DecodePack(b []byte) ([]changes.PathCell, error) {
	var p Pack
	if err := Decode(b, &p); err != nil {
		return nil, err
	}
	var out []changes.PathCell
	for _, x := range p.Cells {
		path, err := changes.DecodePath(x.Path)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrFormat, err)
		}
		c, err := changes.DecodeCell(x.Cell)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrFormat, err)
		}
		out = append(out, changes.PathCell{Path: path, Cell: c})
	}
	return out, nil
}

// Segment is consecutive lines of output.
type Segment struct {
	First uint64 `cbor:"1,keyasint"`
	Lines []Line `cbor:"2,keyasint"`
}

// Line is one line of output in its segment.
type Line struct {
	_      struct{} `cbor:",toarray"`
	Stream uint8
	Text   []byte
}

// DecodeSegment reads the data of a segment, which holds at least one line. ErrFormat.
func DecodeSegment(b []byte) (*Segment, error) {
	s := new(Segment)
	if err := Decode(b, s); err != nil {
		return nil, err
	}
	if s.First == 0 || len(s.Lines) == 0 {
		return nil, fmt.Errorf("%w: empty segment of lines", ErrFormat)
	}
	return s, nil
}
