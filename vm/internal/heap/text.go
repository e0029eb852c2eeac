package heap

import (
	"bytes"
	"unicode/utf8"
)

// String is a Go string, two slots.
type String struct{ Ptr, Len uint64 }

// bytes is a view of n bytes at ptr; n 0 is any address.
func (h *Heap) bytes(ptr, n uint64) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if b := h.m.Bytes(ptr, n); b != nil {
		return b, nil
	}
	return nil, ErrFault
}

// raw is n new bytes to be written at once.
func (h *Heap) raw(n uint64) (uint64, []byte, error) {
	at, err := h.AllocKind(KindRaw, n, 0)
	if err != nil || n == 0 {
		return at, nil, err
	}
	return at, h.m.Writable(at, n), nil
}

// NewString is a guest string with the content of s.
func (h *Heap) NewString(s string) (String, error) {
	if s == "" {
		return String{}, nil
	}
	at, b, err := h.raw(uint64(len(s)))
	if err != nil {
		return String{}, err
	}
	copy(b, s)
	return String{at, uint64(len(s))}, nil
}

// GoString is a host copy of s; ErrFault when it is not in memory.
func (h *Heap) GoString(s String) (string, error) {
	b, err := h.bytes(s.Ptr, s.Len)
	return string(b), err
}

// EqualString compares two strings.
func (h *Heap) EqualString(a, b String) (bool, error) {
	if a.Len != b.Len {
		return false, nil
	}
	if a.Ptr == b.Ptr {
		return true, nil
	}
	x, err := h.bytes(a.Ptr, a.Len)
	if err != nil {
		return false, err
	}
	y, err := h.bytes(b.Ptr, b.Len)
	if a.Len >= handledMin {
		h.Handle(a.Len)
	}
	return err == nil && bytes.Equal(x, y), err
}

// CompareString is -1, 0 or 1.
func (h *Heap) CompareString(a, b String) (int, error) {
	x, err := h.bytes(a.Ptr, a.Len)
	if err != nil {
		return 0, err
	}
	y, err := h.bytes(b.Ptr, b.Len)
	if err != nil {
		return 0, err
	}
	return bytes.Compare(x, y), nil
}

// Concat joins the n strings that stand at the guest address at, two words each. When all but one are empty the result is that one, not a copy.
func (h *Heap) Concat(at uint64, n int) (String, error) {
	if n < 0 || !h.m.InRange(at, uint64(n)*16) && n > 0 {
		return String{}, ErrFault
	}
	var total uint64
	var only String
	full := 0
	for i := range uint64(n) {
		s := String{h.m.Load64(at + i*16), h.m.Load64(at + i*16 + 8)}
		if s.Len == 0 {
			continue
		}
		if !h.m.InRange(s.Ptr, s.Len) {
			return String{}, ErrFault
		}
		total += s.Len // each is at most the size of memory and n fits 16 bits in code: no overflow
		full++
		only = s
	}
	if full <= 1 {
		return only, nil
	}
	to, b, err := h.raw(total)
	if err != nil {
		return String{}, err
	}
	for i := range uint64(n) {
		src := h.m.Bytes(h.m.Load64(at+i*16), h.m.Load64(at+i*16+8))
		b = b[copy(b, src):]
	}
	return String{to, total}, nil
}

// StringToBytes is []byte(s), with gc's capacity.
func (h *Heap) StringToBytes(s String) (Slice, error) {
	src, err := h.bytes(s.Ptr, s.Len)
	if err != nil {
		return Slice{}, err
	}
	if s.Len == 0 {
		return Slice{Ptr: ZeroBase}, nil
	}
	capacity := gcRoundUp(s.Len, true)
	at, b, err := h.raw(capacity)
	if err != nil {
		return Slice{}, err
	}
	copy(b, src)
	return Slice{at, s.Len, capacity}, nil
}

// BytesToString is string(b); only b.Ptr and b.Len are read.
func (h *Heap) BytesToString(b Slice) (String, error) {
	src, err := h.bytes(b.Ptr, b.Len)
	if err != nil || len(src) == 0 {
		return String{}, err
	}
	at, dst, err := h.raw(b.Len)
	if err != nil {
		return String{}, err
	}
	copy(dst, src)
	return String{at, b.Len}, nil
}

// StringToRunes is []rune(s), with gc's capacity.
func (h *Heap) StringToRunes(s String) (Slice, error) {
	src, err := h.bytes(s.Ptr, s.Len)
	if err != nil {
		return Slice{}, err
	}
	n := uint64(utf8.RuneCount(src))
	if n == 0 {
		return Slice{Ptr: ZeroBase}, nil
	}
	size := gcRoundUp(n*4, true)
	at, err := h.AllocKind(KindRaw, size, 0)
	if err != nil {
		return Slice{}, err
	}
	h.m.Touch(at, size)
	for to := at; len(src) > 0; to += 4 {
		r, w := utf8.DecodeRune(src)
		h.m.Store32(to, uint32(r))
		src = src[w:]
	}
	return Slice{at, n, size / 4}, nil
}

// RunesToString is string(r) for a []rune.
func (h *Heap) RunesToString(r Slice) (String, error) {
	if r.Len > h.m.Size() {
		return String{}, ErrFault
	}
	if _, err := h.bytes(r.Ptr, r.Len*4); err != nil {
		return String{}, err
	}
	n := uint64(0)
	for i := range r.Len {
		n += runeBytes(int64(int32(h.m.Load32(r.Ptr + i*4))))
	}
	if n == 0 {
		return String{}, nil
	}
	at, b, err := h.raw(n)
	if err != nil {
		return String{}, err
	}
	var text [utf8.UTFMax]byte
	for i := range r.Len { // in damaged memory the new bytes may be the runes
		b = b[copy(b, text[:utf8.EncodeRune(text[:], rune(h.m.Load32(r.Ptr+i*4)))]):]
	}
	return String{at, n}, nil
}

// runeBytes is the length of an integer's UTF-8; what is no rune becomes U+FFFD.
func runeBytes(r int64) uint64 {
	if r != int64(rune(r)) {
		return 3
	}
	if n := utf8.RuneLen(rune(r)); n > 0 {
		return uint64(n)
	}
	return 3
}

// RuneToString is string(r) for an integer r of any size (invalid ones give U+FFFD).
func (h *Heap) RuneToString(r int64) (String, error) {
	if r != int64(rune(r)) {
		r = utf8.RuneError
	}
	n := runeBytes(r)
	at, b, err := h.raw(n)
	if err != nil {
		return String{}, err
	}
	utf8.EncodeRune(b, rune(r))
	return String{at, n}, nil
}

// NextRune is the rune of s at byte pos and its width; ok is false at the end. Invalid UTF-8 gives U+FFFD, width 1.
func (h *Heap) NextRune(s String, pos uint64) (r rune, width uint64, ok bool, err error) {
	if pos >= s.Len {
		return 0, 0, false, nil
	}
	b, err := h.bytes(s.Ptr+pos, min(s.Len-pos, utf8.UTFMax))
	if err != nil {
		return 0, 0, false, err
	}
	if b[0] < utf8.RuneSelf {
		return rune(b[0]), 1, true, nil
	}
	r, w := utf8.DecodeRune(b)
	return r, uint64(w), true, nil
}
