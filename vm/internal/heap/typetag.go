package heap

// TypeFieldTag is the tag of field i of a struct type, "" when it has none.
func (h *Heap) TypeFieldTag(t uint64, i int) string {
	const structFields, fieldBytes = 56, 24 // abi.StructType.Fields, abi.StructField
	if i < 0 || i >= h.TypeFields(t) {
		return ""
	}
	name := h.m.Load64(h.m.Load64(t+structFields) + uint64(i)*fieldBytes)
	const hasTag = 1 << 1
	if h.m.Load8(name)&hasTag == 0 {
		return ""
	}
	n, at := h.varint(name + 1)
	n, at = h.varint(at + n)
	return string(h.m.Bytes(at, n))
}

// varint is the number at addr, seven bits a byte, and the address after it; a number of more than three bytes is none (names are shorter).
func (h *Heap) varint(addr uint64) (n, after uint64) {
	for shift := 0; shift < 21; shift += 7 {
		b := h.m.Load8(addr)
		addr++
		n |= uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
	}
	return n, addr
}
