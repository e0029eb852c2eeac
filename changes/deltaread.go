package changes

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/tandemvm/tandem/changes/merkle"
	"github.com/tandemvm/tandem/changes/patch"
)

// decode reads a file, whose flags must be among those allowed; one that follows another needs prev.
func decode(b []byte, base PageReader, prev *Header, allowed byte, bytesMax int64) (*Delta, error) {
	if len(b) < frontBytes || string(b[:len(deltaMagic)]) != deltaMagic {
		return nil, malformed("not a delta or snapshot file")
	}
	if v := uint64(b[8])<<8 | uint64(b[9]); v != DeltaVersion {
		return nil, wrongVersion("delta file", v, DeltaVersion)
	}
	flags := b[frontBytes-1]
	if flags&^flagsKnown != 0 {
		return nil, fmt.Errorf("%w: delta file has flags %#x, this release knows %#x; upgrade this peer", ErrVersion, flags, flagsKnown)
	}
	if flags&^(allowed|flagIndexed) != 0 || flags&flagIndexed != 0 && flags != flagIndexed || (flags&flagNext != 0) != (prev != nil) || flags&flagCompressed != 0 && flags&flagPatched == 0 {
		return nil, malformed("a file of another form (flags %#x)", flags)
	}
	sumBytes := sha256.Size
	if prev != nil {
		sumBytes = nextSumBytes
	}
	if len(b) < frontBytes+sumBytes {
		return nil, malformed("delta file cut short")
	}
	content, sum := b[:len(b)-sumBytes], b[len(b)-sumBytes:]
	d := decoder{base: base, prev: prev, flags: flags, roomBytes: bytesMax}
	got := d.read(content)
	if d.s.err != nil {
		return nil, d.s.err
	}
	if !bytes.Equal(got, sum) {
		return nil, fmt.Errorf("%w: the file is damaged; fetch it again", ErrChecksum)
	}
	return &d.d, d.d.Validate()
}

// read reads all but the checksum, and is what that should be.
func (d *decoder) read(content []byte) (sum []byte) {
	d.s = scan{b: content, off: frontBytes}
	if d.flags&flagPatched != 0 { // all of it was hashed as it is
		sum = sumOf(content, nil, d.prev)
	}
	if d.flags&flagCompressed != 0 {
		raw := d.inflate()
		if d.s.err != nil {
			return nil
		}
		d.s = scan{b: raw}
	}
	d.meta()
	meta := d.s.off
	d.whole()
	if d.s.end(); d.s.err != nil {
		return nil
	}
	hashPages(d.d.Pages)
	for i, h := range d.hashes {
		if d.d.Pages[i].Hash != h {
			d.s.err = damagedPage(d.d.Pages[i].Index)
			return nil
		}
	}
	switch {
	case sum != nil:
	case d.flags&flagIndexed != 0:
		sum = sumOf(content[:meta], nil, d.prev)
	default:
		sum = sumOf(content[:meta], d.d.Pages, d.prev)
	}
	return sum
}

type decoder struct {
	s         scan
	d         Delta
	base      PageReader
	prev      *Header
	flags     byte
	wholes    []int  // pages whose content comes at the end
	hashes    []Hash // of an indexed file: of those, which are all pages
	roomBytes int64  // bytes that may still be made
}

// room takes n bytes off what may be made of the file.
func (d *decoder) room(n uint64) {
	if d.s.err == nil && n > uint64(d.roomBytes) {
		d.s.err = fmt.Errorf("%w: a delta file stands for more bytes than allowed; raise the limit or refuse the peer", ErrTooLarge)
	}
	d.roomBytes -= int64(min(n, uint64(d.roomBytes)))
}

// Forms of a stretch of pages.
const (
	formPage = iota
	formZeros
	formPatch
	formBits = 2
)

// meta is what stands before the contents.
func (d *decoder) meta() {
	if d.flags&flagIndexed == 0 {
		d.body()
		return
	}
	n, begin := d.s.uvarint(), d.s.off
	d.body()
	d.hashes = make([]Hash, 0, len(d.wholes))
	for range d.wholes {
		var h Hash
		if copy(h[:], d.s.take(len(h))); h.IsZero() {
			d.s.fail("a page without a hash")
			return
		}
		d.hashes = append(d.hashes, h)
	}
	if d.s.err == nil && n != uint64(d.s.off-begin) {
		d.s.fail("an index of %d bytes that says %d", d.s.off-begin, n)
	}
}

// pagesAtOnce is the room that a file's word for its number of pages is taken for.
const pagesAtOnce = 4096

func (d *decoder) body() {
	d.header()
	s := &d.s
	n := s.many(1)
	next := uint64(0)
	var patched []int
	room := min(n, pagesAtOnce)
	d.wholes, d.d.Pages = make([]int, 0, room), make([]Page, 0, room)
	for range n {
		v := s.uvarint()
		first := next + v>>formBits
		count := uint64(1)
		switch v & (1<<formBits - 1) {
		case formPage:
			d.wholes = append(d.wholes, len(d.d.Pages))
			d.d.Pages = append(d.d.Pages, Page{Index: first})
		case formZeros:
			count = s.uvarint() + 1
			d.d.Zeros = append(d.d.Zeros, PageRange{first, count})
		case formPatch:
			if d.flags&flagPatched == 0 {
				s.fail("a patch in a file of whole pages")
			}
			d.room(PageBytes)
			patched = append(patched, len(d.d.Pages))
			d.d.Pages = append(d.d.Pages, Page{Index: first})
		default:
			s.fail("stretch of form 3")
		}
		if s.err != nil {
			return
		}
		if next = first + count; next < first {
			s.fail("pages beyond the end")
			return
		}
	}
	if d.flags&flagPatched != 0 {
		d.patches(patched)
	}
	for range s.many(1) {
		c := scan{b: s.take(s.many(1))}
		x := Change{c.path(), c.kind(), c.optional(), c.optional()}
		if c.end(); c.err != nil && s.err == nil {
			s.err = c.err
		}
		d.d.Changes = append(d.d.Changes, x)
	}
	number := uint64(0)
	for i := range s.many(2) {
		if number++; i == 0 {
			number = s.uvarint()
		}
		d.d.Lines = append(d.d.Lines, Line{Number: number, Stream: s.u8(), Text: s.take(s.many(1))})
	}
	for range s.many(3) {
		d.d.Limits = append(d.d.Limits, Limit{s.short(), s.uvarint(), s.uvarint()})
	}
}

func (d *decoder) header() {
	s, h := &d.s, &d.d.Header
	if p := d.prev; p != nil {
		*h = *p
		h.Base, h.BaseMemoryBytes, h.FirstTurn = p.Result, p.MemoryBytes, p.LastTurn+1
		copy(h.Result[:], s.take(len(h.Result)))
		h.LastTurn = h.FirstTurn + s.uvarint()
		if h.Instructions += s.uvarint(); h.Instructions < p.Instructions {
			s.fail("more instructions than can be counted")
		}
		h.MemoryBytes = s.uvarint()
		return
	}
	for _, to := range [][]byte{h.Program[:], h.Base[:], h.Result[:], h.Run[:]} {
		copy(to, s.take(len(to)))
	}
	h.VM, h.Epoch.Owner = s.short(), s.short()
	h.Epoch.Number, h.FirstTurn = s.uvarint(), s.uvarint()
	h.LastTurn = h.FirstTurn + s.uvarint()
	h.Instructions, h.BaseMemoryBytes, h.MemoryBytes = s.uvarint(), s.uvarint(), s.uvarint()
}

// patches makes the pages that are said by what they change.
func (d *decoder) patches(pages []int) {
	runs, err := patch.Read(len(pages), d.s.uvarint, d.s.left()/3) // a run is a distance, a length and at least a byte
	if err != nil {
		d.s.fail("%v", err)
		return
	}
	for i, at := range pages {
		p := &d.d.Pages[at]
		p.Data = new([PageBytes]byte)
		if d.base != nil && p.Index < merkle.PageCount(d.d.BaseMemoryBytes) {
			if old := d.base.Page(p.Index); old != nil {
				*p.Data = *old
			}
		}
		if d.s.err == nil {
			for _, r := range runs[i] {
				copy(p.Data[r.At:r.At+r.N], d.s.take(r.N))
			}
		}
	}
}

func (d *decoder) whole() {
	if d.s.err == nil && d.s.left() != len(d.wholes)*PageBytes {
		d.s.fail("%d whole pages in %d bytes", len(d.wholes), d.s.left())
	}
	for _, at := range d.wholes {
		if b := d.s.take(PageBytes); b != nil {
			d.d.Pages[at].Data = (*[PageBytes]byte)(b)
		}
	}
}
