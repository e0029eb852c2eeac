package changes

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// Index is a snapshot file whose pages are read when they are needed: all of it but their contents, which is verified against the result hash.
type Index struct {
	Header
	Changes []Change
	Lines   []Line
	Limits  []Limit
	Pages   []uint64 // the pages that are not all zero, ascending

	tree  *Tree
	file  io.ReaderAt
	start int64 // of the contents
}

// OpenIndex reads the front of a file that EncodeIndexed wrote for a snapshot; ErrIndex if it is a file of another form, which DecodeDelta may read. The file must not
// change while pages are read. Cost follows the number of pages: 32 bytes each are read.
func OpenIndex(file io.ReaderAt, sizeBytes int64) (*Index, error) {
	front := make([]byte, min(sizeBytes, int64(frontBytes+binary.MaxVarintLen64)))
	if err := readFull(file, front, 0); err != nil {
		return nil, err
	}
	if len(front) < frontBytes || string(front[:len(deltaMagic)]) != deltaMagic {
		return nil, malformed("not a delta or snapshot file")
	}
	if v := uint64(front[8])<<8 | uint64(front[9]); v != DeltaVersion {
		return nil, wrongVersion("delta file", v, DeltaVersion)
	}
	if front[frontBytes-1] != flagIndexed {
		return nil, ErrIndex
	}
	n, w := binary.Uvarint(front[frontBytes:])
	start := int64(frontBytes + w)
	if w <= 0 || n > uint64(sizeBytes) || start+int64(n) > sizeBytes-sha256.Size {
		return nil, malformed("delta file cut short")
	}
	start += int64(n)
	meta, sum := make([]byte, start), make([]byte, sha256.Size)
	if err := readFull(file, meta, 0); err != nil {
		return nil, err
	}
	if err := readFull(file, sum, sizeBytes-sha256.Size); err != nil {
		return nil, err
	}
	d := decoder{s: scan{b: meta, off: frontBytes}, flags: flagIndexed}
	if d.meta(); d.s.err == nil && (d.s.left() != 0 || sizeBytes-sha256.Size-start != int64(len(d.wholes))*PageBytes) {
		d.s.fail("%d whole pages in %d bytes", len(d.wholes), sizeBytes-sha256.Size-start)
	}
	if d.s.err != nil {
		return nil, d.s.err
	}
	for i := range d.hashes {
		d.d.Pages[i].Hash, d.d.Pages[i].Data = d.hashes[i], somePage
	}
	if !bytes.Equal(sumOf(meta, nil, nil), sum) {
		return nil, fmt.Errorf("%w: the file is damaged; fetch it again", ErrChecksum)
	}
	x := &Index{Header: d.d.Header, Changes: d.d.Changes, Lines: d.d.Lines, Limits: d.d.Limits, file: file, start: start}
	return x, x.verify(&d.d)
}

// somePage stands for the content of a page that is not read yet.
var somePage = &[PageBytes]byte{1}

// verify makes the tree of d's page hashes, which has to be the result's.
func (x *Index) verify(d *Delta) error {
	if !d.IsSnapshot() {
		return ErrIndex
	}
	if err := d.Validate(); err != nil {
		return err
	}
	x.tree = NewTree(x.MemoryBytes)
	x.Pages = make([]uint64, len(d.Pages))
	for i, p := range d.Pages {
		x.Pages[i] = p.Index
		x.tree.Set(p.Index, p.Hash)
	}
	if got := x.tree.Root(); got != x.Result {
		return fmt.Errorf("%w: it promises %v, its pages make %v; fetch it again from another peer", ErrResult, x.Result, got)
	}
	return nil
}

// Tree is the tree of the state.
func (x *Index) Tree() *Tree { return x.tree.Clone() }

// ReadPage reads the content of Pages[i] and verifies it: ErrChecksum.
func (x *Index) ReadPage(i int, to *[PageBytes]byte) error {
	if err := readFull(x.file, to[:], x.start+int64(i)*PageBytes); err != nil {
		return err
	}
	if PageHash(to) != x.tree.Get(x.Pages[i]) {
		return damagedPage(x.Pages[i])
	}
	return nil
}

func damagedPage(page uint64) error {
	return fmt.Errorf("%w: page %d of the file is damaged; fetch it again", ErrChecksum, page)
}

func readFull(file io.ReaderAt, to []byte, off int64) error {
	if n, err := file.ReadAt(to, off); n < len(to) {
		return fmt.Errorf("changes: delta file: %d of %d bytes at %d: %w", n, len(to), off, err)
	}
	return nil
}
