package changes

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tandemvm/tandem/changes/sequence"
)

// A segment is what a cell of a log, list or text holds, encoded, as its value.
type segment = sequence.Segment[Value]

// elements is how the elements at the leaf s of a sequence are merged.
func (s *Spec) elements() *sequence.Kind[Value] {
	k := &sequence.Kind[Value]{Log: s.Kind == Log}
	switch s.Type.Form {
	case String:
		k.Unit = sequence.Runes
	case Bytes:
		k.Unit = sequence.Bytes
	default:
		k.Equal, k.Append = Value.Equal, func(b []byte, v Value) []byte { return v.appendNode(b) }
		k.Next = s.Type.Elem.next
	}
	return k
}

// next reads a value of type t from the front of b.
func (t *Type) next(b []byte) (Value, []byte, error) {
	s := scan{b: b}
	v := s.node(DepthMax)
	if s.err == nil {
		s.err = t.Check(v)
	}
	if s.err != nil {
		return Value{}, nil, s.err
	}
	return v, b[s.off:], nil
}

// content is v, a value of a sequence's form or absent, as package sequence has it.
func (v Value) content() sequence.Content[Value] {
	c := sequence.Content[Value]{Text: v.text}
	if v.tree != nil {
		c.Items = v.tree.items
	}
	return c
}

// ofSequence is the value, never nil, of what a sequence of form f holds.
func ofSequence(f Form, c sequence.Content[Value]) Value {
	if f == Slice {
		return SliceValue(c.Items)
	}
	return Value{form: f, text: c.Text}
}

// segment decodes the value of a cell of a sequence.
func (c Cell) segment(leaf *Spec) (*segment, error) {
	if c.Value.form != Bytes || c.Value.null || len(c.Seen) > 0 {
		return nil, fmt.Errorf("%w: a cell of kind %v holds %v", ErrCell, leaf.Kind, c.Value.form)
	}
	s, err := sequence.Decode([]byte(c.Value.text), sequence.Run(c.Stamp.Run), leaf.elements())
	switch {
	case errors.Is(err, sequence.ErrFormat):
		return nil, malformed("a segment of %v: %v", leaf, err)
	case errors.Is(err, sequence.ErrSegment):
		return nil, fmt.Errorf("%w: %v", ErrCell, err)
	}
	return s, err
}

// segmentCells are the cells of segments that a run wrote in a turn, by index, below the path of a sequence's change; have holds those before.
func segmentCells(p Path, leaf *Spec, written map[uint64]*segment, have map[uint64]Cell, at Stamp) []PathCell {
	var cells []PathCell
	k := leaf.elements()
	for _, index := range slices.Sorted(maps.Keys(written)) {
		c := Cell{Kind: leaf.Kind, Stamp: at, Dot: at.Turn, Value: BytesValue(written[index].Encode(sequence.Run(at.Run), k))}
		if !c.Value.Equal(have[index].Value) {
			above := Path{p.Var, p.Steps[:len(p.Steps)-1]}
			cells = append(cells, PathCell{above.Index(index), c})
		}
	}
	return cells
}
