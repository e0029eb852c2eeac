package heap

import "math/bits"

// Slice is a Go slice, three slots.
type Slice struct{ Ptr, Len, Cap uint64 }

// MakeSlice is make([]elem, length, capacity); errors are ErrLen and ErrCap as gc's makeslice decides between them.
func (h *Heap) MakeSlice(elem uint64, length, capacity int64) (Slice, error) {
	if !h.m.InRange(elem, typeBytes) {
		return Slice{}, ErrBadType
	}
	size := h.TypeSize(elem)
	if tooLarge(size, capacity) || length < 0 || length > capacity {
		if tooLarge(size, length) {
			return Slice{}, ErrLen
		}
		return Slice{}, ErrCap
	}
	at, err := h.NewArray(elem, uint64(capacity))
	if err != nil {
		return Slice{}, err
	}
	return Slice{at, uint64(length), uint64(capacity)}, nil
}

// tooLarge reports whether n elements of size bytes are negative or more than gc's address space.
func tooLarge(size uint64, n int64) bool {
	hi, total := bits.Mul64(size, uint64(n))
	return n < 0 || hi != 0 || total > gcAllocMax
}

// GrowSlice is s with room for n more elements and its length unchanged; a new array has gc's capacity. ErrLen when the length overflows.
func (h *Heap) GrowSlice(elem uint64, s Slice, n uint64) (Slice, error) {
	want := s.Len + n
	if want <= s.Cap && want >= s.Len {
		return s, nil
	}
	if want < s.Len || int64(want) < 0 {
		return Slice{}, ErrLen
	}
	if !h.m.InRange(elem, typeBytes) {
		return Slice{}, ErrBadType
	}
	size := h.TypeSize(elem)
	if size == 0 {
		return Slice{ZeroBase, s.Len, want}, nil
	}
	capacity := nextCap(want, s.Cap)
	if tooLarge(size, int64(capacity)) {
		return Slice{}, ErrLen
	}
	if s.Len > 0 && (s.Len > h.m.Size()/size || !h.m.InRange(s.Ptr, s.Len*size)) {
		return Slice{}, ErrFault
	}
	block := gcRoundUp(capacity*size, h.TypePtrBytes(elem) == 0)
	capacity = block / size
	at, err := h.NewArray(elem, capacity)
	if err != nil {
		return Slice{}, err
	}
	h.m.Copy(at, s.Ptr, s.Len*size)
	h.Handle(s.Len * size)
	return Slice{at, s.Len, capacity}, nil
}

// nextCap is how gc grows: twice for small slices, by a quarter for large ones, smoothly between, at least to want.
func nextCap(want, old uint64) uint64 {
	const small = 256
	if want > 2*old {
		return want
	}
	if old < small {
		return 2 * old
	}
	c := old
	for c < want {
		c += (c + 3*small) >> 2
	}
	return c
}

// Append is append(s, t...); only t.Ptr and t.Len are read, so a string serves for []byte.
func (h *Heap) Append(elem uint64, s Slice, t Slice) (Slice, error) {
	if t.Len == 0 {
		return s, nil
	}
	size := h.TypeSize(elem)
	if size > 0 && (t.Len > h.m.Size()/size || !h.m.InRange(t.Ptr, t.Len*size)) {
		return Slice{}, ErrFault
	}
	s, err := h.GrowSlice(elem, s, t.Len)
	if err != nil {
		return Slice{}, err
	}
	if !h.m.Copy(s.Ptr+s.Len*size, t.Ptr, t.Len*size) {
		return Slice{}, ErrFault
	}
	s.Len += t.Len
	return s, nil
}

// AppendValue is append(s, v) for the value at addr (memory layout of elem: slots of a frame serve).
func (h *Heap) AppendValue(elem uint64, s Slice, addr uint64) (Slice, error) {
	if s.Len >= s.Cap {
		var err error
		if s, err = h.GrowSlice(elem, s, 1); err != nil {
			return Slice{}, err
		}
	}
	size := h.TypeSize(elem)
	at := s.Ptr + s.Len*size
	ok := true
	switch size {
	case 8:
		ok = h.m.Store64(at, h.m.Load64(addr))
	case 4:
		ok = h.m.Store32(at, h.m.Load32(addr))
	case 1:
		ok = h.m.Store8(at, h.m.Load8(addr))
	default:
		ok = h.m.Copy(at, addr, size)
	}
	if !ok {
		return Slice{}, ErrFault
	}
	s.Len++
	return s, nil
}

// CopySlice is copy(dst, src) for elements of elemBytes; the result is the number of elements copied.
func (h *Heap) CopySlice(dst, src Slice, elemBytes uint64) (uint64, error) {
	n := min(dst.Len, src.Len)
	if n == 0 || elemBytes == 0 {
		return n, nil
	}
	if n > h.m.Size()/elemBytes || !h.m.Copy(dst.Ptr, src.Ptr, n*elemBytes) {
		return 0, ErrFault
	}
	return n, nil
}
