package sequel

import (
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// predicted is the block that an author is expected to write on top of parents when what it wrote in bases goes on: the same keys, a turn later, a head that names
// the one before, lines that go on where they stopped.
func predicted(parents, bases []*record.Delta) []byte {
	var elements []record.Element
	for _, b := range bases {
		for _, e := range b.Elements {
			elements = append(elements, later(e))
		}
	}
	var hashes []record.BlockHash
	height := uint64(0)
	for _, p := range parents {
		hashes = append(hashes, p.Hash)
		height = max(height, p.Height)
	}
	return record.MakeBlock(hashes, height+1, elements)
}

// later is an element as its author's next delta may have it.
func later(e record.Element) record.Element {
	switch e.Key.Kind {
	case record.HeadRecord:
		if h, err := record.DecodeHead(e.Value); err == nil {
			h.Prev = h.Hash()
			h.Turn++
			e.Value = h.Encode()
		}
	case record.CellRecord:
		if c, err := changes.DecodeCell(e.Value); err == nil {
			if c.Dot == c.Stamp.Turn {
				c.Dot++
			}
			c.Stamp.Turn++
			e.Value = c.Encode()
		}
	case record.LinesRecord:
		if c, err := record.DecodeContent(e.Value); err == nil {
			e.Key.Number += c.Count
		}
	case record.MessageRecord:
		e.Key.Number++
	}
	return e
}

// headOf is the head of a run that is the one before h, if it stands in one of the deltas.
func headOf(bases []*record.Delta, h *record.Head) *record.Head {
	for _, b := range bases {
		for _, e := range b.Elements {
			if e.Key.Kind != record.HeadRecord || e.Key.Run != h.Run {
				continue
			}
			if old, err := record.DecodeHead(e.Value); err == nil && old.Hash() == h.Prev {
				return old
			}
		}
	}
	return nil
}
