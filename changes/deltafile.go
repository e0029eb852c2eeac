package changes

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"

	"github.com/tandemvm/tandem/changes/merkle"
	"github.com/tandemvm/tandem/changes/patch"
)

// DeltaVersion is the format version of delta and snapshot files.
const DeltaVersion = 2

// deltaMagic: a byte that is no text, the name, and line ends that a text-mode copy would spoil.
const deltaMagic = "\xD7TNDM\r\n\x1A"

// Flags of a file.
const (
	flagCompressed = 1 << iota // the body is DEFLATE data
	flagPatched                // pages may be said by what they change of the base's
	flagNext                   // it follows a delta that the reader has: the header says only what is new
	flagIndexed                // the hashes of the pages stand before them
	flagsKnown     = 1<<iota - 1
)

const frontBytes = len(deltaMagic) + 2 + 1

// PageReader is the memory that a delta leads on from; nil is a page that is all zero.
type PageReader interface {
	Page(index uint64) *[PageBytes]byte
}

// Encode is the file as bytes, every page whole: the fastest form. Cost: a copy, and hashing pages whose Hash is not known.
func (d *Delta) Encode() ([]byte, error) {
	e := encoder{d: d}
	return e.file(0)
}

// Pack is the smallest file for a reader that has base, the memory before the delta (nil: an empty one): pages as what changed in them, then
// compressed if that helps. Unpack reads it.
func (d *Delta) Pack(base PageReader) ([]byte, error) {
	e := encoder{d: d, base: base, patch: true}
	return e.file(flagPatched)
}

// PackNext is Pack for a reader that also has the header of the delta before, which d follows: same program, VM, run and epoch,
// prev's result is d's base, and d's first turn is the next one (ErrBase). What follows from prev is left out. UnpackNext reads it.
func (d *Delta) PackNext(prev *Header, base PageReader) ([]byte, error) {
	if err := d.follows(prev); err != nil {
		return nil, err
	}
	e := encoder{d: d, base: base, patch: true, prev: prev}
	return e.file(flagPatched | flagNext)
}

func (h *Header) follows(prev *Header) error {
	if h.Program != prev.Program || h.VM != prev.VM || h.Run != prev.Run || h.Epoch != prev.Epoch || h.Base != prev.Result || h.IsSnapshot() ||
		h.BaseMemoryBytes != prev.MemoryBytes || h.FirstTurn != prev.LastTurn+1 || h.Instructions < prev.Instructions {
		return fmt.Errorf("%w: turn %d of run %v cannot follow turn %d of run %v", ErrBase, h.FirstTurn, h.Run, prev.LastTurn, prev.Run)
	}
	return nil
}

// DecodeDelta reads a file that Encode wrote. Every hash in it is checked. Pages are in b, which must not be written
// afterwards. Anything but what Encode wrote is an error: ErrFormat, ErrVersion or ErrChecksum. Memory stays linear in len(b).
func DecodeDelta(b []byte) (*Delta, error) { return decode(b, nil, nil, 0, math.MaxInt64) }

// Unpack reads a file that Pack wrote for the same base, or Encode. What it makes takes no more than bytesMax bytes, and a few times that while it
// is made (ErrTooLarge): a small file may stand for large pages.
func Unpack(b []byte, base PageReader, bytesMax int64) (*Delta, error) {
	return decode(b, base, nil, flagCompressed|flagPatched, bytesMax)
}

// UnpackNext reads a file that PackNext wrote for the same base and prev.
func UnpackNext(b []byte, prev *Header, base PageReader, bytesMax int64) (*Delta, error) {
	return decode(b, base, prev, flagCompressed|flagPatched|flagNext, bytesMax)
}

// compressMin is the body size from which compression is tried.
const compressMin = 96

// EncodeIndexed is Encode with the hashes of the pages before their contents, so that OpenIndex can read a page when it is needed.
func (d *Delta) EncodeIndexed() ([]byte, error) {
	e := encoder{d: d}
	return e.file(flagIndexed)
}

type encoder struct {
	d     *Delta
	base  PageReader
	patch bool
	prev  *Header
}

func (e *encoder) file(flags byte) ([]byte, error) {
	if err := e.d.Validate(); err != nil {
		return nil, err
	}
	meta, whole := e.body()
	front := append(binary.BigEndian.AppendUint16([]byte(deltaMagic), DeltaVersion), flags)
	if e.patch {
		for _, p := range whole {
			meta = append(meta, p.Data[:]...)
		}
		whole = nil // they are in meta
		if small := deflate(meta); len(meta) >= compressMin && len(small) < len(meta) {
			meta = small
			front[frontBytes-1] |= flagCompressed
		}
	}
	if flags&flagIndexed != 0 {
		for _, p := range whole {
			meta = append(meta, p.Hash[:]...)
		}
		front = binary.AppendUvarint(front, uint64(len(meta)))
	}
	out := make([]byte, 0, len(front)+len(meta)+len(whole)*PageBytes+sha256.Size)
	out = append(append(out, front...), meta...)
	hashed := whole
	if flags&flagIndexed != 0 {
		hashed = nil // by their hashes in meta
	}
	sum := sumOf(out, hashed, e.prev)
	contents := out[len(out):][:len(whole)*PageBytes]
	spread(len(whole), func(from, to int) {
		for i := from; i < to; i++ {
			copy(contents[i*PageBytes:], whole[i].Data[:])
		}
	})
	return append(out[:len(out)+len(contents)], sum...), nil
}

// sumOf is the checksum over the bytes before the whole pages, and the hashes of those. Of a file that follows another it is short: the result hash
// and the carrier's signature stand behind it.
func sumOf(meta []byte, whole []Page, prev *Header) []byte {
	h := sha256.New()
	h.Write(meta)
	for _, p := range whole {
		h.Write(p.Hash[:])
	}
	if prev != nil {
		h.Write(prev.Result[:])
		return h.Sum(nil)[:nextSumBytes]
	}
	return h.Sum(nil)
}

const nextSumBytes = 8

// body is everything but the whole pages, which are known by their hashes then.
func (e *encoder) body() (b []byte, whole []Page) {
	d := e.d
	b = e.header()
	stretches := d.stretches()
	b = binary.AppendUvarint(b, uint64(len(stretches)))
	var patches patch.Set
	next := uint64(0)
	for _, s := range stretches {
		form := formPage
		switch {
		case s.data == nil:
			form = formZeros
		case e.patch && patches.Add(e.old(s.first), s.data):
			form = formPatch
		default:
			whole = append(whole, Page{Index: s.first, Data: s.data})
		}
		b = binary.AppendUvarint(b, (s.first-next)<<2|uint64(form))
		if s.data == nil {
			b = binary.AppendUvarint(b, s.count-1)
		}
		next = s.first + s.count
	}
	b = patches.Append(b)
	b = binary.AppendUvarint(b, uint64(len(d.Changes)))
	for _, c := range d.Changes {
		code := appendOptional(appendOptional(append(c.Path.Encode(), byte(c.Kind)), c.Old), c.New)
		b = append(binary.AppendUvarint(b, uint64(len(code))), code...)
	}
	b = binary.AppendUvarint(b, uint64(len(d.Lines)))
	for i, l := range d.Lines {
		if i == 0 {
			b = binary.AppendUvarint(b, l.Number)
		}
		b = append(binary.AppendUvarint(append(b, l.Stream), uint64(len(l.Text))), l.Text...)
	}
	b = binary.AppendUvarint(b, uint64(len(d.Limits)))
	for _, l := range d.Limits {
		b = binary.AppendUvarint(binary.AppendUvarint(appendShort(b, l.Name), l.Max), l.Used)
	}
	for i := range whole {
		whole[i].Hash = d.hashOf(whole[i].Index)
	}
	hashPages(whole)
	return b, whole
}

func (e *encoder) old(page uint64) *[PageBytes]byte {
	if e.base != nil && page < merkle.PageCount(e.d.BaseMemoryBytes) {
		if p := e.base.Page(page); p != nil {
			return p
		}
	}
	return &zeroPage
}

var zeroPage [PageBytes]byte

// hashOf is the hash of a page of d as far as it is known.
func (d *Delta) hashOf(page uint64) Hash {
	for lo, hi := 0, len(d.Pages); lo < hi; {
		mid := (lo + hi) / 2
		switch p := d.Pages[mid].Index; {
		case p == page:
			return d.Pages[mid].Hash
		case p < page:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return Hash{}
}

func (e *encoder) header() []byte {
	h := &e.d.Header
	var b []byte
	numbers := []uint64{h.Epoch.Number, h.FirstTurn, h.LastTurn - h.FirstTurn, h.Instructions, h.BaseMemoryBytes, h.MemoryBytes}
	if e.prev == nil {
		b = append(append(append(append(b, h.Program[:]...), h.Base[:]...), h.Result[:]...), h.Run[:]...)
		b = appendShort(appendShort(b, h.VM), h.Epoch.Owner)
	} else {
		b = append(b, h.Result[:]...)
		numbers = []uint64{h.LastTurn - h.FirstTurn, h.Instructions - e.prev.Instructions, h.MemoryBytes}
	}
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func appendShort(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// hashPages fills in the hashes that are not known.
func hashPages(pages []Page) {
	spread(len(pages), func(from, to int) {
		for i := from; i < to; i++ {
			if pages[i].Hash.IsZero() {
				pages[i].Hash = PageHash(pages[i].Data)
			}
		}
	})
}

// spread calls each for parts of n pages, on all cores when that pays.
func spread(n int, each func(from, to int)) {
	cores := runtime.GOMAXPROCS(0)
	if cores == 1 || n < 64 {
		each(0, n)
		return
	}
	var w sync.WaitGroup
	size := (n + cores - 1) / cores
	for from := 0; from < n; from += size {
		w.Go(func() { each(from, min(from+size, n)) })
	}
	w.Wait()
}

func deflate(b []byte) []byte {
	var to bytes.Buffer
	w, err := flate.NewWriter(&to, flate.DefaultCompression)
	if err != nil {
		panic("BUG: changes: " + err.Error())
	}
	to.Write(binary.AppendUvarint(nil, uint64(len(b))))
	w.Write(b) // to a buffer: no error
	w.Close()
	return to.Bytes()
}

func (d *decoder) inflate() []byte {
	n := d.s.uvarint()
	if d.room(n); d.s.err != nil {
		return nil
	}
	from := bytes.NewReader(d.s.take(d.s.left()))
	var to bytes.Buffer
	got, err := io.Copy(&to, io.LimitReader(flate.NewReader(from), int64(n)+1))
	if err != nil || got != int64(n) || from.Len() > 0 {
		d.s.fail("compressed data is damaged")
	}
	return to.Bytes()
}

// uvarint is a number in its shortest form.
func (s *scan) uvarint() uint64 {
	if s.err != nil {
		return 0
	}
	v, n := binary.Uvarint(s.b[s.off:])
	if n <= 0 || n > 1 && s.b[s.off+n-1] == 0 {
		s.fail("a number at offset %d", s.off)
		return 0
	}
	s.off += n
	return v
}

// many is a count of things that take at least sizeMin bytes each.
func (s *scan) many(sizeMin int) int {
	n := s.uvarint()
	if s.err == nil && n > uint64(s.left()/sizeMin) {
		s.fail("count %d at offset %d is more than the input holds", n, s.off)
		return 0
	}
	return int(n)
}

func (s *scan) short() string { return string(s.take(s.many(1))) }
