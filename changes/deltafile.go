package changes

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"math"
)

// DeltaVersion is the format version of delta and snapshot files.
const DeltaVersion = 1

// deltaMagic: a byte that is no text, the name, and line ends that a text-mode copy would spoil.
const deltaMagic = "\xD7TNDM\r\n\x1A"

// flagCompressed is reserved: this version writes no compressed files and refuses them.
const flagCompressed = 1

// Tags of the records after the header, in their order; pages and zeros share one section.
const (
	tagEnd = iota
	tagPage
	tagZeros
	tagChange
	tagLine
	tagLimit
)

// recordOrder checks the order that a file keeps, for writer and reader alike.
type recordOrder struct {
	header   Header
	section  int
	counts   [tagLimit]uint64 // by tag-1
	nextPage uint64           // least index the next stretch may have
	lastZero bool
	lastPath []byte
	lastLine uint64
	lastName string
}

func (o *recordOrder) enter(tag int) error {
	section := max(tag, tagZeros)
	if section < o.section {
		return malformed("record of kind %d after kind %d", tag, o.section)
	}
	o.section = section
	o.counts[tag-1]++
	return nil
}

func (o *recordOrder) stretch(tag int, s stretch) error {
	end := pageCount(o.header.MemoryBytes)
	switch {
	case s.count == 0 || s.first >= end || s.count > end-s.first:
		return malformed("%d pages from %d on in a memory of %d bytes", s.count, s.first, o.header.MemoryBytes)
	case s.first < o.nextPage:
		return malformed("page %d out of order", s.first)
	case s.data != nil && *s.data == [PageBytes]byte{}:
		return malformed("page %d is all zero and not said to be (use AddPage)", s.first)
	case s.data == nil && o.header.IsSnapshot():
		return malformed("zero pages in a snapshot")
	case s.data == nil && o.lastZero && s.first == o.nextPage:
		return malformed("zero pages at %d in two ranges", s.first)
	}
	o.nextPage, o.lastZero = s.first+s.count, s.data == nil
	return o.enter(tag)
}

func (o *recordOrder) change(c Change) error {
	code := c.Path.Encode()
	switch {
	case o.counts[tagChange-1] > 0 && bytes.Compare(code, o.lastPath) <= 0:
		return malformed("change of %v out of order", c.Path)
	case !c.Kind.ofLeaf() || c.Old.form == Absent && c.New.form == Absent:
		return malformed("change of %v says nothing", c.Path)
	}
	o.lastPath = code
	return o.enter(tagChange)
}

func (o *recordOrder) line(l Line) error {
	if l.Stream != 1 && l.Stream != 2 || o.counts[tagLine-1] > 0 && l.Number != o.lastLine+1 {
		return malformed("output line %d of stream %d after line %d", l.Number, l.Stream, o.lastLine)
	}
	o.lastLine = l.Number
	return o.enter(tagLine)
}

func (o *recordOrder) limit(l Limit) error {
	if o.counts[tagLimit-1] > 0 && l.Name <= o.lastName || len(l.Name) > 1<<16-1 {
		return malformed("limit %q out of order", l.Name)
	}
	o.lastName = l.Name
	return o.enter(tagLimit)
}

// Validate says why d cannot be written (ErrFormat), or nil.
func (d *Delta) Validate() error {
	if err := d.Header.validate(); err != nil {
		return err
	}
	return d.records(&recordOrder{header: d.Header})
}

// recordSink takes the records of a delta in their order.
type recordSink interface {
	stretch(tag int, s stretch) error
	change(Change) error
	line(Line) error
	limit(Limit) error
}

func (d *Delta) records(sink recordSink) error {
	for _, s := range d.stretches() {
		tag := tagPage
		if s.data == nil {
			tag = tagZeros
		}
		if err := sink.stretch(tag, s); err != nil {
			return err
		}
	}
	for _, c := range d.Changes {
		if err := sink.change(c); err != nil {
			return err
		}
	}
	for _, l := range d.Lines {
		if err := sink.line(l); err != nil {
			return err
		}
	}
	for _, l := range d.Limits {
		if err := sink.limit(l); err != nil {
			return err
		}
	}
	return nil
}

// Writer writes a delta file record by record, for one too large to hold. Records come in the order of
// the file: pages and zeros by index, changes by path, lines, limits. After an error all calls fail with it.
type Writer struct {
	to    io.Writer
	sum   hash.Hash
	buf   []byte
	order recordOrder
	bytes int64
	err   error
}

// NewWriter writes the header.
func NewWriter(to io.Writer, h Header) (*Writer, error) {
	if err := h.validate(); err != nil {
		return nil, err
	}
	w := &Writer{to: to, sum: sha256.New(), order: recordOrder{header: h}}
	b := binary.BigEndian.AppendUint16([]byte(deltaMagic), DeltaVersion)
	b = binary.BigEndian.AppendUint16(b, 0) // flags
	b = append(b, h.Program[:]...)
	b = append(b, h.Base[:]...)
	b = append(b, h.Result[:]...)
	b = append(b, h.Run[:]...)
	for _, n := range [...]uint64{h.Epoch.Number, h.FirstTurn, h.LastTurn, h.Instructions, h.BaseMemoryBytes, h.MemoryBytes} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = append16(append16(b, h.VM), h.Epoch.Owner)
	return w, w.flush(b)
}

// append16 appends s behind its 2-byte length.
func append16(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// flush hashes and writes b, which becomes the next record's buffer.
func (w *Writer) flush(b []byte) error {
	if w.err != nil {
		return w.err
	}
	w.sum.Write(b)
	n, err := w.to.Write(b)
	w.bytes += int64(n)
	w.buf, w.err = b[:0], err
	return err
}

// check remembers an error, so that no later record hides it.
func (w *Writer) check(err error) bool {
	if w.err == nil {
		w.err = err
	}
	return w.err == nil
}

// Page writes the content of a page, not all zero.
func (w *Writer) Page(p Page) error { return w.stretch(tagPage, stretch{p.Index, 1, p.Data}) }

// Zeros writes a range of zero pages.
func (w *Writer) Zeros(r PageRange) error { return w.stretch(tagZeros, stretch{r.First, r.Count, nil}) }

// Change writes one change.
func (w *Writer) Change(c Change) error { return w.change(c) }

// Line writes one line of output.
func (w *Writer) Line(l Line) error { return w.line(l) }

// Limit writes one limit.
func (w *Writer) Limit(l Limit) error { return w.limit(l) }

func (w *Writer) stretch(tag int, s stretch) error {
	if !w.check(w.order.stretch(tag, s)) {
		return w.err
	}
	b := binary.BigEndian.AppendUint64(append(w.buf, byte(tag)), s.first)
	if s.data != nil {
		return w.flush(append(b, s.data[:]...))
	}
	return w.flush(binary.BigEndian.AppendUint64(b, s.count))
}

func (w *Writer) change(c Change) error {
	if !w.check(w.order.change(c)) {
		return w.err
	}
	b := append(w.buf, tagChange, 0, 0, 0, 0)
	b = append(c.Path.append(b), byte(c.Kind))
	b = appendOptional(appendOptional(b, c.Old), c.New)
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-5))
	return w.flush(b)
}

func (w *Writer) line(l Line) error {
	if !w.check(w.order.line(l)) {
		return w.err
	}
	b := binary.BigEndian.AppendUint64(append(w.buf, tagLine), l.Number)
	b = binary.BigEndian.AppendUint32(append(b, l.Stream), uint32(len(l.Text)))
	return w.flush(append(b, l.Text...))
}

func (w *Writer) limit(l Limit) error {
	if !w.check(w.order.limit(l)) {
		return w.err
	}
	b := append16(append(w.buf, tagLimit), l.Name)
	b = binary.BigEndian.AppendUint64(b, l.Max)
	return w.flush(binary.BigEndian.AppendUint64(b, l.Used))
}

// Close writes the record counts and the checksum. It does not close the writer below.
func (w *Writer) Close() error {
	b := append(w.buf, tagEnd)
	for _, n := range w.order.counts {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	if err := w.flush(b); err != nil {
		return err
	}
	return w.flush(w.sum.Sum(w.buf))
}

// WriteTo writes the file and returns its length in bytes.
func (d *Delta) WriteTo(to io.Writer) (int64, error) {
	w, err := NewWriter(to, d.Header)
	if err != nil {
		return 0, err
	}
	if err = d.records(w); err == nil {
		err = w.Close()
	}
	return w.bytes, err
}

// Encode is the file as bytes.
func (d *Delta) Encode() ([]byte, error) {
	var b bytes.Buffer
	_, err := d.WriteTo(&b)
	return b.Bytes(), err
}

// DecodeDelta reads a whole file. Anything but what Encode wrote is an error: ErrFormat, ErrVersion or
// ErrChecksum. Memory stays linear in len(b).
func DecodeDelta(b []byte) (*Delta, error) {
	r := bytes.NewReader(b)
	d, err := ReadDelta(r, math.MaxInt64)
	if err == nil && r.Len() > 0 {
		err = malformed("%d bytes after the checksum", r.Len())
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// ReadDelta reads one file from a stream, at most bytesMax bytes of it (ErrTooLarge). If from is no
// io.ByteReader it may read ahead.
func ReadDelta(from io.Reader, bytesMax int64) (*Delta, error) {
	r, err := NewReader(from, bytesMax)
	if err != nil {
		return nil, err
	}
	d := &Delta{Header: r.Header()}
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return d, nil
		}
		if err != nil {
			return nil, err
		}
		switch {
		case rec.Page != nil:
			d.Pages = append(d.Pages, *rec.Page)
		case rec.Zeros != nil:
			d.Zeros = append(d.Zeros, *rec.Zeros)
		case rec.Change != nil:
			d.Changes = append(d.Changes, *rec.Change)
		case rec.Line != nil:
			d.Lines = append(d.Lines, *rec.Line)
		case rec.Limit != nil:
			d.Limits = append(d.Limits, *rec.Limit)
		}
	}
}

// Record is one record of a file; one field is set.
type Record struct {
	Page   *Page
	Zeros  *PageRange
	Change *Change
	Line   *Line
	Limit  *Limit
}

// Reader reads a delta file record by record. What it returned is to be trusted only once Next has
// returned io.EOF, because the checksum comes last.
type Reader struct {
	from  io.Reader
	sum   hash.Hash
	left  int64 // bytes that may still be read
	max   int64
	order recordOrder
	err   error
}

// NewReader reads the header.
func NewReader(from io.Reader, bytesMax int64) (*Reader, error) {
	if _, ok := from.(io.ByteReader); !ok {
		from = bufio.NewReaderSize(from, 64<<10)
	}
	r := &Reader{from: from, sum: sha256.New(), left: bytesMax, max: bytesMax}
	if magic := r.take(len(deltaMagic)); r.err == nil && string(magic) != deltaMagic {
		r.err = malformed("not a delta or snapshot file")
	}
	if v := r.integer(2); r.err == nil && v != DeltaVersion {
		r.err = wrongVersion("delta file", v, DeltaVersion)
	}
	if f := r.integer(2); r.err == nil && f != 0 {
		r.err = fmt.Errorf("%w: delta file has flags %#x, this release knows none (%#x, compression, is reserved)", ErrVersion, f, flagCompressed)
	}
	h := Header{Program: r.hash(), Base: r.hash(), Result: r.hash()}
	copy(h.Run[:], r.take(len(h.Run)))
	for _, n := range [...]*uint64{&h.Epoch.Number, &h.FirstTurn, &h.LastTurn, &h.Instructions, &h.BaseMemoryBytes, &h.MemoryBytes} {
		*n = r.integer(8)
	}
	h.VM = string(r.take(int(r.integer(2))))
	h.Epoch.Owner = string(r.take(int(r.integer(2))))
	if r.err == nil {
		r.err = h.validate()
	}
	r.order.header = h
	return r, r.err
}

// Header is the front of the file.
func (r *Reader) Header() Header { return r.order.header }

// chunkBytes bounds what is allocated before the bytes for it have come.
const chunkBytes = 64 << 10

// take reads and hashes n bytes; nil after an error.
func (r *Reader) take(n int) []byte {
	if r.err == nil && int64(n) > r.left {
		r.err = fmt.Errorf("%w: delta file of more than %d bytes; raise the limit or refuse the peer", ErrTooLarge, r.max)
	}
	if r.err != nil {
		return nil
	}
	b := make([]byte, 0, min(n, chunkBytes))
	for len(b) < n {
		at := len(b)
		b = append(b, make([]byte, min(n-at, chunkBytes))...)
		if _, err := io.ReadFull(r.from, b[at:]); err != nil {
			r.fail(err)
			return nil
		}
	}
	r.left -= int64(n)
	r.sum.Write(b)
	return b
}

// fail keeps a transport's own error and turns an early end into ErrFormat.
func (r *Reader) fail(err error) {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = malformed("delta file cut short")
	}
	r.err = err
}

func (r *Reader) integer(width int) uint64 {
	var n uint64
	for _, c := range r.take(width) {
		n = n<<8 | uint64(c)
	}
	return n
}

func (r *Reader) hash() (h Hash) {
	copy(h[:], r.take(len(h)))
	return h
}

// Next is the next record, or io.EOF once the file has ended and its checksum was right.
func (r *Reader) Next() (Record, error) {
	var rec Record
	tag := int(r.integer(1))
	if r.err != nil {
		return rec, r.err
	}
	var err error
	switch tag {
	case tagEnd:
		r.end()
		return rec, r.err
	case tagPage:
		rec.Page = &Page{Index: r.integer(8)}
		if b := r.take(PageBytes); b != nil {
			rec.Page.Data = (*[PageBytes]byte)(b)
			err = r.order.stretch(tag, stretch{rec.Page.Index, 1, rec.Page.Data})
		}
	case tagZeros:
		rec.Zeros = &PageRange{r.integer(8), r.integer(8)}
		err = r.order.stretch(tag, stretch{rec.Zeros.First, rec.Zeros.Count, nil})
	case tagChange:
		s := scan{b: r.take(int(r.integer(4)))}
		rec.Change = &Change{s.path(), s.kind(), s.optional(), s.optional()}
		if s.end(); s.err != nil {
			err = s.err
		} else {
			err = r.order.change(*rec.Change)
		}
	case tagLine:
		rec.Line = &Line{Number: r.integer(8), Stream: uint8(r.integer(1))}
		rec.Line.Text = r.take(int(r.integer(4)))
		err = r.order.line(*rec.Line)
	case tagLimit:
		rec.Limit = &Limit{Name: string(r.take(int(r.integer(2))))}
		rec.Limit.Max, rec.Limit.Used = r.integer(8), r.integer(8)
		err = r.order.limit(*rec.Limit)
	default:
		err = malformed("record of kind %d", tag)
	}
	if r.err == nil {
		r.err = err
	}
	if r.err != nil {
		return Record{}, r.err
	}
	return rec, nil
}

// end checks the counts and the checksum and leaves io.EOF when both are right.
func (r *Reader) end() {
	for i, n := range r.order.counts {
		if got := r.integer(8); r.err == nil && got != n {
			r.err = malformed("%d records of kind %d, %d announced", n, i+1, got)
		}
	}
	want := r.sum.Sum(nil)
	if got := r.take(len(want)); r.err == nil && !bytes.Equal(got, want) {
		r.err = fmt.Errorf("%w: the file is damaged; fetch it again", ErrChecksum)
	}
	if r.err == nil {
		r.err = io.EOF
	}
}
