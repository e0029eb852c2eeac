package code

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
)

// The byte format of an image. Numbers are little-endian or minimal unsigned varints (signed ones zigzag), strings are a
// varint length and bytes. One image has exactly one encoding; Decode refuses every other.
//
//	offset 0   8 bytes   magic "TandemIm"
//	       8   uint32    format version
//	      12   uint32    number of sections
//	      16   uint64    digest of the compiler's op table: op numbers mean what they meant to it
//	      24   sections, in order of id, each: uint32 id, uint64 length in bytes, content
//	     end   32 bytes  SHA-256 of everything before
//
//	section     content
//	1 meta      GoVersion, Entry, ROBytes
//	2 code      8 bytes a word: Op, A, B, C
//	3 funcs     count; per function: name, entry, words, frame slots, result slots, argument slots, recover, flags, file, line
//	4 natives   count; symbols
//	5 files     count; names
//	6 lines     count; per inlined call: name, file, line, outer call; count; per entry: PC since the last entry, signed
//	            differences of file and line, inlined call
//	7 data      length in bytes; the bytes up to the last that is not zero
//	8 globals   count; per variable: name, address, type address, class, spec
//	9 known     count; per symbol, ascending: name, value
//	10 links    count; addresses
//	11 itabs    count; addresses
//	12 locals   count; names, ascending; count; per entry: From since the last entry, length, name, type address, At * 4 + Place
//
// Addresses are written as offsets from Base; Known values as they are.
const (
	magic = "TandemIm"
	// FormatVersion is the version of the byte format this package reads and writes.
	FormatVersion = 3
	headerBytes   = 24
	sectionBytes  = 12
	sectionCount  = 12
	// zeroTailMax bounds the zero bytes at the end of the data, which an image does not spell out.
	zeroTailMax = 256 << 20
)

var (
	// ErrFormat is wrapped by the error about bytes that are no image.
	ErrFormat = errors.New("code: not an image")
	// ErrVersion is wrapped by the error about an image of another format version or op table: compile the program again.
	ErrVersion = errors.New("code: image is for another version of the machine")
	// ErrChecksum says that an image was damaged: fetch it again.
	ErrChecksum = errors.New("code: image does not match its checksum")
	// ErrNoEncoding is wrapped by Encode's error about an image that has numbers out of range.
	ErrNoEncoding = errors.New("code: image cannot be encoded")
)

// opsDigests identify op tables, by the number of ops they have: names and forms in order. Ops are added at the end, so the images of all of them mean what they
// meant.
var opsDigests = func() (all [OpCount]uint64) {
	h := fnv.New64a()
	for op, info := range Table {
		fmt.Fprintf(h, "%s %d\n", info.Name, info.Form)
		all[op] = h.Sum64()
	}
	return all
}()

// HashBytes is the length of a program hash.
const HashBytes = sha256.Size

// Hash names the program whose encoding is data: SHA-256 of all of it.
func Hash(data []byte) [HashBytes]byte { return sha256.Sum256(data) }

// Encode is the canonical encoding of m. The error wraps ErrNoEncoding.
func (m *Image) Encode() ([]byte, error) {
	out := append([]byte(magic), make([]byte, headerBytes-len(magic))...)
	binary.LittleEndian.PutUint32(out[8:], FormatVersion)
	binary.LittleEndian.PutUint32(out[12:], sectionCount)
	ops := m.Ops
	if ops == 0 {
		ops = OpCount
	}
	if ops > OpCount {
		return nil, fmt.Errorf("%w: a table of %d ops", ErrNoEncoding, ops)
	}
	binary.LittleEndian.PutUint64(out[16:], opsDigests[ops-1])
	for i, section := range []func(*writer){m.putMeta, m.putCode, m.putFuncs, m.putNatives, m.putFiles, m.putLines,
		m.putData, m.putGlobals, m.putKnown, m.putTypeLinks, m.putItabs, m.putLocals} {
		w := writer{}
		section(&w)
		if w.err != nil {
			return nil, w.err
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(i+1))
		out = binary.LittleEndian.AppendUint64(out, uint64(len(w.b)))
		out = append(out, w.b...)
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:]...), nil
}

// writer appends a section's content; the first number out of range is the error.
type writer struct {
	b   []byte
	err error
}

func (w *writer) fail(what string, v any) {
	if w.err == nil {
		w.err = fmt.Errorf("%w: %s is %v", ErrNoEncoding, what, v)
	}
}

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }

func (w *writer) count(n int) { w.uint(uint64(n)) }

func (w *writer) int32(what string, v int32) {
	if v < 0 {
		w.fail(what, v)
	}
	w.uint(uint64(uint32(v)))
}

func (w *writer) diff(v int64) { w.b = binary.AppendVarint(w.b, v) }

func (w *writer) string(s string) {
	w.count(len(s))
	w.b = append(w.b, s...)
}

func (w *writer) addr(what string, a uint64) {
	if a < Base || a-Base > math.MaxInt32 {
		w.fail(what, fmt.Sprintf("%#x", a))
	}
	w.uint(a - Base)
}

func (m *Image) putMeta(w *writer) {
	w.string(m.GoVersion)
	w.int32("the entry function", m.Entry)
	if m.ROBytes > uint64(len(m.Data)) {
		w.fail("ROBytes", m.ROBytes)
	}
	w.uint(m.ROBytes)
}

func (m *Image) putCode(w *writer) {
	w.b = make([]byte, 0, 8*len(m.Code))
	for _, i := range m.Code {
		w.b = binary.LittleEndian.AppendUint64(w.b, i.Ext())
	}
}

func (m *Image) putFuncs(w *writer) {
	w.count(len(m.Funcs))
	for _, f := range m.Funcs {
		w.string(f.Name)
		w.int32("a function's entry", f.Entry)
		w.int32("a function's length", f.End-f.Entry)
		w.int32("a function's frame", f.FrameSlots)
		w.int32("a function's results", f.ResSlots)
		w.int32("a function's arguments", f.ArgSlots)
		w.int32("a function's recover address", f.Recover)
		w.uint(uint64(f.Flags))
		w.int32("a function's file", f.File)
		w.int32("a function's line", f.Line)
	}
}

func (w *writer) strings(list []string) {
	w.count(len(list))
	for _, s := range list {
		w.string(s)
	}
}

func (m *Image) putNatives(w *writer) { w.strings(m.Natives) }
func (m *Image) putFiles(w *writer)   { w.strings(m.Files) }

func (m *Image) putLines(w *writer) {
	w.count(len(m.Inlined))
	for _, c := range m.Inlined {
		w.string(c.Name)
		w.int32("an inlined call's file", c.File)
		w.int32("an inlined call's line", c.Line)
		w.int32("an inlined call's outer call", c.In)
	}
	w.count(len(m.Lines))
	var last Line
	for _, l := range m.Lines {
		w.int32("the distance of two line entries", l.PC-last.PC)
		w.diff(int64(l.File) - int64(last.File))
		w.diff(int64(l.Line) - int64(last.Line))
		w.int32("an inlined call", l.In)
		if l.PC < 0 || l.File < 0 || l.Line < 0 {
			w.fail("a line entry", l)
		}
		last = l
	}
}

func (m *Image) putData(w *writer) {
	body := bytes.TrimRight(m.Data, "\x00")
	if tail := len(m.Data) - len(body); tail > zeroTailMax {
		w.fail("the length of zero variables in bytes", tail)
	}
	w.count(len(m.Data))
	w.b = append(w.b, body...)
}

func (m *Image) putGlobals(w *writer) {
	w.count(len(m.Globals))
	for _, g := range m.Globals {
		w.string(g.Name)
		w.addr("the address of "+g.Name, g.Addr)
		w.addr("the type address of "+g.Name, g.Type)
		w.uint(uint64(g.Class))
		w.string(g.Spec)
	}
}

func (m *Image) putKnown(w *writer) {
	names := make([]string, 0, len(m.Known))
	for name := range m.Known {
		names = append(names, name)
	}
	slices.Sort(names)
	w.count(len(names))
	for _, name := range names {
		w.string(name)
		w.uint(m.Known[name])
	}
}

func (w *writer) addrs(what string, list []uint64) {
	w.count(len(list))
	for _, a := range list {
		w.addr(what, a)
	}
}

func (m *Image) putTypeLinks(w *writer) { w.addrs("a type link", m.TypeLinks) }
func (m *Image) putItabs(w *writer)     { w.addrs("an itab address", m.Itabs) }

func (m *Image) putLocals(w *writer) {
	index := map[string]int{}
	for _, l := range m.Locals {
		index[l.Name] = 0
	}
	names := slices.Sorted(maps.Keys(index))
	for i, name := range names {
		index[name] = i
	}
	w.strings(names)
	w.count(len(m.Locals))
	last := int32(0)
	for _, l := range m.Locals {
		w.int32("the distance of two local variables", l.From-last)
		w.int32("the length of a local variable", l.To-l.From)
		w.uint(uint64(index[l.Name]))
		w.addr("the type address of "+l.Name, l.Type)
		if l.From < 0 || l.At < 0 || l.Place >= placeCount {
			w.fail("the place of "+l.Name, l)
		}
		w.uint(uint64(l.At)<<2 | uint64(l.Place))
		last = l.From
	}
}
