package record

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// MakeBlock is the block of a delta as the engine makes it (dag-pb around its own message), by this package's own hand: both ends of a wire have to make the
// same bytes of the same parts, whatever version of a library they were built with.
func MakeBlock(parents []BlockHash, height uint64, elements []Element) []byte {
	var data []byte
	for _, e := range elements {
		x := field(nil, 1, []byte(e.Key.String()))
		x = field(x, 3, e.Value)
		data = field(data, 1, x)
	}
	data = protowire.AppendTag(data, 3, protowire.VarintType)
	data = protowire.AppendVarint(data, height)
	var out []byte
	for _, p := range parents {
		link := field(nil, 1, p.Cid().Bytes())
		link = field(link, 2, nil)
		link = protowire.AppendTag(link, 3, protowire.VarintType)
		out = field(out, 2, protowire.AppendVarint(link, 0))
	}
	return slices.Clip(field(out, 1, data))
}

func field(to []byte, number protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, number, protowire.BytesType), b)
}
