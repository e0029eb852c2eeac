package code

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Decode is the image whose encoding is data, checked for form only: package check says whether it may be run. The error
// wraps ErrFormat, ErrVersion or ErrChecksum. Time and memory are linear in len(data) but for zeroTailMax bytes of zero variables.
func Decode(data []byte) (*Image, error) {
	if len(data) < headerBytes+HashBytes || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrFormat)
	}
	if v := binary.LittleEndian.Uint32(data[8:]); v != FormatVersion {
		return nil, fmt.Errorf("%w: format version %d, this machine reads %d", ErrVersion, v, FormatVersion)
	}
	body := data[:len(data)-HashBytes]
	if sha256.Sum256(body) != [HashBytes]byte(data[len(body):]) {
		return nil, ErrChecksum
	}
	ops := slices.Index(opsDigests[:], binary.LittleEndian.Uint64(data[16:])) + 1
	if ops == 0 {
		return nil, fmt.Errorf("%w: its op table is not this machine's: compile the program again", ErrVersion)
	}
	if n := binary.LittleEndian.Uint32(data[12:]); n != sectionCount {
		return nil, fmt.Errorf("%w: %d sections, not %d", ErrFormat, n, sectionCount)
	}
	m := &Image{}
	if Op(ops) != OpCount {
		m.Ops = Op(ops)
	}
	rest := body[headerBytes:]
	for i, section := range []func(*reader){m.getMeta, m.getCode, m.getFuncs, m.getNatives, m.getFiles, m.getLines,
		m.getData, m.getGlobals, m.getKnown, m.getTypeLinks, m.getItabs, m.getLocals} {
		if len(rest) < sectionBytes || binary.LittleEndian.Uint32(rest) != uint32(i+1) {
			return nil, fmt.Errorf("%w: section %d is missing", ErrFormat, i+1)
		}
		size := binary.LittleEndian.Uint64(rest[4:])
		rest = rest[sectionBytes:]
		if size > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: section %d ends early", ErrFormat, i+1)
		}
		r := reader{b: rest[:size]}
		section(&r)
		if len(r.b) > 0 {
			r.fail("bytes left over")
		}
		if r.err != nil {
			return nil, fmt.Errorf("%w: section %d: %w", ErrFormat, i+1, r.err)
		}
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes behind the last section", ErrFormat, len(rest))
	}
	if m.ROBytes > uint64(len(m.Data)) {
		return nil, fmt.Errorf("%w: read-only data longer than the data", ErrFormat)
	}
	return m, nil
}

// reader takes a section's content apart; after the first error everything read is zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s", what)
	}
	r.b = nil
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.fail("a number is cut off or not minimal")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) below(limit uint64, what string) uint64 {
	v := r.uint()
	if v > limit {
		r.fail(what + " is out of range")
		return 0
	}
	return v
}

func (r *reader) int32(what string) int32 { return int32(r.below(math.MaxInt32, what)) }

// diff reads a zigzag varint and adds it to last, which gives a number that is no negative int32.
func (r *reader) diff(last int32) int32 {
	u := r.uint()
	v := int64(u>>1) ^ -int64(u&1)
	if v < math.MinInt32 || v > math.MaxInt32 || int64(last)+v < 0 || int64(last)+v > math.MaxInt32 {
		r.fail("a line entry is out of range")
		return 0
	}
	return last + int32(v)
}

// count reads a number of elements that take at least size bytes each.
func (r *reader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.b)/size) {
		r.fail("a count is out of range")
		return 0
	}
	return int(n)
}

func (r *reader) string() string {
	n := r.count(1)
	if r.err != nil {
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) addr() uint64 { return Base + r.below(math.MaxInt32, "an address") }

// list reads a count and as many elements, each at least size bytes long; nil when there are none.
func list[T any](r *reader, size int, element func() T) []T {
	n := r.count(size)
	if n == 0 {
		return nil
	}
	out := make([]T, 0, n)
	for range n {
		out = append(out, element())
		if r.err != nil {
			return nil
		}
	}
	return out
}

func (m *Image) getMeta(r *reader) {
	m.GoVersion = r.string()
	m.Entry = r.int32("the entry function")
	m.ROBytes = r.uint()
}

func (m *Image) getCode(r *reader) {
	if len(r.b)%8 != 0 {
		r.fail("half a code word")
		return
	}
	m.Code = make([]Instr, len(r.b)/8)
	for i := range m.Code {
		m.Code[i] = ExtWord(binary.LittleEndian.Uint64(r.b[8*i:]))
	}
	r.b = nil
}

func (m *Image) getFuncs(r *reader) {
	m.Funcs = list(r, 10, func() Func {
		f := Func{Name: r.string(), Entry: r.int32("a function's entry")}
		f.End = int32(r.below(uint64(math.MaxInt32-f.Entry), "a function's length")) + f.Entry
		f.FrameSlots = r.int32("a function's frame")
		f.ResSlots = r.int32("a function's results")
		f.ArgSlots = r.int32("a function's arguments")
		f.Recover = r.int32("a function's recover address")
		f.Flags = FuncFlag(r.below(math.MaxUint32, "a function's flags"))
		f.File = r.int32("a function's file")
		f.Line = r.int32("a function's line")
		return f
	})
}

func (m *Image) getNatives(r *reader) { m.Natives = list(r, 1, r.string) }
func (m *Image) getFiles(r *reader)   { m.Files = list(r, 1, r.string) }

func (m *Image) getLines(r *reader) {
	m.Inlined = list(r, 4, func() Inlined {
		return Inlined{r.string(), r.int32("an inlined call's file"), r.int32("an inlined call's line"), r.int32("an inlined call's outer call")}
	})
	var last Line
	m.Lines = list(r, 4, func() Line {
		last.PC += int32(r.below(uint64(math.MaxInt32-last.PC), "a line entry"))
		last.File = r.diff(last.File)
		last.Line = r.diff(last.Line)
		last.In = r.int32("an inlined call")
		return last
	})
}

func (m *Image) getData(r *reader) {
	n := r.uint()
	body := uint64(len(r.b))
	if n < body || n-body > zeroTailMax || body > 0 && r.b[body-1] == 0 {
		r.fail("the length is out of range or the end is not trimmed")
		return
	}
	m.Data = make([]byte, n)
	copy(m.Data, r.b)
	r.b = nil
}

func (m *Image) getGlobals(r *reader) {
	m.Globals = list(r, 5, func() Global {
		return Global{
			Name:  r.string(),
			Addr:  r.addr(),
			Type:  r.addr(),
			Class: Class(r.below(uint64(ClassLocal), "a variable's class")),
			Spec:  r.string(),
		}
	})
}

func (m *Image) getKnown(r *reader) {
	last := ""
	n := r.count(2)
	m.Known = make(map[string]uint64, n)
	for i := range n {
		name := r.string()
		if i > 0 && name <= last {
			r.fail("symbols are not in ascending order")
			return
		}
		m.Known[name], last = r.uint(), name
	}
}

func (m *Image) getTypeLinks(r *reader) { m.TypeLinks = list(r, 1, r.addr) }
func (m *Image) getItabs(r *reader)     { m.Itabs = list(r, 1, r.addr) }

func (m *Image) getLocals(r *reader) {
	names := list(r, 1, r.string)
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			r.fail("names are not in ascending order")
			return
		}
	}
	used := make([]bool, len(names))
	last := int32(0)
	m.Locals = list(r, 5, func() (l Local) {
		last += int32(r.below(uint64(math.MaxInt32-last), "a local variable"))
		l.From = last
		l.To = last + int32(r.below(uint64(math.MaxInt32-last), "the length of a local variable"))
		if n := r.uint(); n < uint64(len(names)) {
			l.Name, used[n] = names[n], true
		} else {
			r.fail("the name of a local variable does not exist")
		}
		l.Type = r.addr()
		at := r.below(math.MaxInt32<<2|3, "the place of a local variable")
		l.Place, l.At = Place(at&3), int32(at>>2)
		return l
	})
	if slices.Contains(used, false) {
		r.fail("a name is not used")
	}
}
