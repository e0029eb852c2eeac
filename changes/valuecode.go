package changes

import (
	"encoding/binary"
	"math"
)

// ValueVersion is the first byte of an encoded value.
const ValueVersion = 1

// Encode is the canonical encoding: the version, then the node (FORMAT.md). Equal values have equal
// encodings and bytes.Compare of encodings is Compare. v must be present.
func (v Value) Encode() []byte {
	mustForm(v.form != Absent, "Encode", v.form)
	return v.appendNode([]byte{ValueVersion})
}

// appendNode appends the node of v. No node is a prefix of another. An absent value is its tag alone;
// only Compare asks for that, decoders refuse it.
func (v Value) appendNode(b []byte) []byte {
	b = append(b, byte(v.form))
	switch f := v.form; {
	case f == Bool:
		return append(b, byte(v.bits))
	case f.isInt() || f.isUint():
		return appendInteger(b, f, v.bits)
	case f.isFloat():
		return appendFloat(b, f == Float32, v.bits)
	case f.isComplex():
		return appendFloat(appendFloat(b, f == Complex64, v.bits), f == Complex64, v.imag)
	case f == String:
		return appendText(b, v.text)
	case f == Bytes || f == Slice || f == Map:
		if v.null {
			return append(b, 0)
		}
		b = append(b, 1)
	}
	return v.appendChildren(b)
}

func (v Value) appendChildren(b []byte) []byte {
	switch v.form {
	case Bytes:
		b = binary.BigEndian.AppendUint32(b, uint32(len(v.text)))
		b = append(b, v.text...)
	case Array, Slice:
		b = binary.BigEndian.AppendUint32(b, uint32(len(v.tree.items)))
		for _, it := range v.tree.items {
			b = it.appendNode(b)
		}
	case Struct:
		b = binary.BigEndian.AppendUint16(b, uint16(len(v.tree.items)))
		for i, it := range v.tree.items {
			b = it.appendNode(appendText(b, v.tree.names[i]))
		}
	case Map:
		b = binary.BigEndian.AppendUint32(b, uint32(len(v.tree.entries)))
		for _, e := range v.tree.entries {
			b = e.Value.appendNode(append(b, e.code...))
		}
	}
	return b
}

// appendInteger writes the form's width big endian; signed ones with the sign bit flipped, so that
// bytes order as numbers do.
func appendInteger(b []byte, f Form, bits uint64) []byte {
	width := f.widthBytes()
	if f.isInt() {
		bits ^= 1 << (8*width - 1)
	}
	for i := width - 1; i >= 0; i-- {
		b = append(b, byte(bits>>(8*i)))
	}
	return b
}

// appendFloat writes IEEE bits, all flipped when negative and the sign flipped otherwise, so that
// bytes order as numbers do, NaN last.
func appendFloat(b []byte, single bool, bits uint64) []byte {
	if single {
		w := math.Float32bits(float32(math.Float64frombits(bits)))
		if bits == nanBits {
			w = 0x7FC00001
		}
		if w>>31 == 1 {
			w = ^w
		} else {
			w ^= 1 << 31
		}
		return binary.BigEndian.AppendUint32(b, w)
	}
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits ^= 1 << 63
	}
	return binary.BigEndian.AppendUint64(b, bits)
}

// appendText writes s with each 0x00 as 00 FF and 00 01 at the end: prefix free, and ordered as s.
func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		b = append(b, s[i])
		if s[i] == 0 {
			b = append(b, 0xFF)
		}
	}
	return append(b, 0, 1)
}

// DecodeValue reads what Encode wrote. Any other bytes are an error: ErrFormat or ErrVersion.
func DecodeValue(b []byte) (Value, error) {
	s := scan{b: b}
	s.version(ValueVersion, "value")
	v := s.node(DepthMax)
	s.end()
	return v, s.err
}

// scan reads fixed layouts from bytes. After the first error every read yields zero values and
// moves nothing, so that callers check once, at loops and at the end.
type scan struct {
	b   []byte
	off int
	err error
}

func (s *scan) fail(format string, args ...any) {
	if s.err == nil {
		s.err = malformed(format, args...)
	}
}

func (s *scan) left() int { return len(s.b) - s.off }

// take is the next n bytes, or nil.
func (s *scan) take(n int) []byte {
	if s.err == nil && (n < 0 || n > s.left()) {
		s.fail("%d bytes wanted at offset %d, %d left", n, s.off, s.left())
	}
	if s.err != nil {
		return nil
	}
	s.off += n
	return s.b[s.off-n : s.off]
}

func (s *scan) integer(width int) uint64 {
	var n uint64
	for _, c := range s.take(width) {
		n = n<<8 | uint64(c)
	}
	return n
}

func (s *scan) u8() byte    { return byte(s.integer(1)) }
func (s *scan) u16() int    { return int(s.integer(2)) }
func (s *scan) u64() uint64 { return s.integer(8) }

// aheadMax bounds what is allocated by a count before the things counted are read: counts nest, and each level's may be
// as large as the input.
const aheadMax = 64

// count is a 4-byte count of things that take at least sizeMin bytes each: it never promises more
// than the input can hold.
func (s *scan) count(sizeMin int) int {
	n := s.integer(4)
	if s.err == nil && n > uint64(s.left()/sizeMin) {
		s.fail("count %d at offset %d is more than the input holds", n, s.off-4)
		return 0
	}
	return int(n)
}

// flag is a byte that must be 0 or 1.
func (s *scan) flag() bool {
	c := s.u8()
	if c > 1 {
		s.fail("flag byte %d at offset %d", c, s.off-1)
	}
	return c == 1
}

func (s *scan) version(want byte, what string) {
	if got := s.u8(); s.err == nil && got != want {
		s.err = wrongVersion(what, uint64(got), uint64(want))
	}
}

func (s *scan) end() {
	if s.err == nil && s.left() != 0 {
		s.fail("%d bytes after the end", s.left())
	}
}

// run is a 16-byte run id.
func (s *scan) run() (r RunID) {
	copy(r[:], s.take(len(r)))
	return r
}

// text reads what appendText wrote.
func (s *scan) text() string {
	start, zeros := s.off, 0
	for s.err == nil {
		c := s.u8()
		if c != 0 || s.err != nil {
			continue
		}
		switch s.u8() {
		case 0xFF:
			zeros++
		case 1:
			raw := s.b[start : s.off-2]
			if zeros == 0 {
				return string(raw)
			}
			out := make([]byte, 0, len(raw)-zeros)
			for i := 0; i < len(raw); i++ {
				if out = append(out, raw[i]); raw[i] == 0 {
					i++
				}
			}
			return string(out)
		default:
			s.fail("bad text escape at offset %d", s.off-1)
		}
	}
	return ""
}

func (s *scan) float(single bool) uint64 {
	at := s.off
	var bits uint64
	if single {
		w := uint32(s.integer(4))
		if w>>31 == 1 {
			w ^= 1 << 31
		} else {
			w = ^w
		}
		if x := math.Float32frombits(w); x != x {
			if bits = nanBits; w != 0x7FC00001 {
				s.fail("NaN at offset %d is not the canonical one", at)
			}
		} else {
			bits = math.Float64bits(float64(x))
		}
		return bits
	}
	bits = s.u64()
	if bits>>63 == 1 {
		bits ^= 1 << 63
	} else {
		bits = ^bits
	}
	if x := math.Float64frombits(bits); x != x && bits != nanBits {
		s.fail("NaN at offset %d is not the canonical one", at)
	}
	return bits
}

// node reads one node whose children nest at most depth deep.
func (s *scan) node(depth int) Value {
	at := s.off
	f := Form(s.u8())
	if s.err == nil && (f == Absent || f >= formEnd) {
		s.fail("form %d at offset %d", f, at)
	}
	if s.err != nil {
		return Value{}
	}
	v := Value{form: f}
	switch {
	case f == Bool:
		if s.flag() {
			v.bits = 1
		}
	case f.isInt():
		width := f.widthBytes()
		v = IntValue(f, int64(s.integer(width)^1<<(8*width-1)))
	case f.isUint():
		v = UintValue(f, s.integer(f.widthBytes()))
	case f.isFloat():
		v.bits = s.float(f == Float32)
	case f.isComplex():
		v.bits = s.float(f == Complex64)
		v.imag = s.float(f == Complex64)
	case f == String:
		v.text = s.text()
	default:
		v = s.composite(f, depth)
	}
	if s.err != nil {
		return Value{}
	}
	return v
}

func (s *scan) composite(f Form, depth int) Value {
	if (f == Bytes || f == Slice || f == Map) && !s.flag() {
		return Value{form: f, null: true}
	}
	if f == Bytes {
		return Value{form: f, text: string(s.take(s.count(1)))}
	}
	if depth == 0 {
		s.fail("values nested deeper than %d at offset %d", DepthMax, s.off)
		return Value{}
	}
	switch f {
	case Struct:
		return s.structure(depth - 1)
	case Map:
		return s.mapping(depth - 1)
	}
	n := s.count(1)
	items := make([]Value, 0, min(n, aheadMax))
	for i := 0; i < n && s.err == nil; i++ {
		items = append(items, s.node(depth-1))
		if items[i].form != items[0].form || f == Slice && items[i].form == Uint8 {
			s.fail("element of form %v in %v at offset %d", items[i].form, f, s.off)
		}
	}
	if s.err != nil {
		return Value{}
	}
	return itemsValue(f, items)
}

func (s *scan) structure(depth int) Value {
	n := s.u16()
	if n > s.left()/3 {
		s.fail("%d fields at offset %d are more than the input holds", n, s.off)
		return Value{}
	}
	fields := make([]NamedValue, 0, min(n, aheadMax))
	for i := 0; i < n && s.err == nil; i++ {
		name := s.text()
		fields = append(fields, NamedValue{name, s.node(depth)})
	}
	if s.err != nil {
		return Value{}
	}
	return StructValue(fields...)
}

func (s *scan) mapping(depth int) Value {
	n := s.count(2)
	entries := make([]Entry, 0, min(n, aheadMax))
	for i := 0; i < n && s.err == nil; i++ {
		start := s.off
		e := Entry{Key: s.key(depth)}
		if s.err != nil {
			return Value{}
		}
		e.code = string(s.b[start:s.off])
		e.Value = s.node(depth)
		if i > 0 && (e.code <= entries[i-1].code || e.Key.form != entries[0].Key.form || e.Value.form != entries[0].Value.form) {
			s.fail("map entry at offset %d out of order or of another form", start)
		}
		entries = append(entries, e)
	}
	if s.err != nil {
		return Value{}
	}
	return mapOfSorted(entries)
}

// key reads a node that must be a canonical map key.
func (s *scan) key(depth int) Value {
	at := s.off
	k := s.node(depth)
	if s.err == nil && !keyable(k) {
		s.fail("node at offset %d cannot be a map key", at)
	}
	return k
}

// keyable says whether v is what keyOf returns.
func keyable(v Value) bool {
	if !canKey(v.form) || v.form.isFloat() && v.bits == 1<<63 || v.form.isComplex() && (v.bits == 1<<63 || v.imag == 1<<63) {
		return false
	}
	if v.form == Array || v.form == Struct {
		for _, it := range v.tree.items {
			if !keyable(it) {
				return false
			}
		}
	}
	return true
}
