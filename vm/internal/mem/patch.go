package mem

import (
	"encoding/binary"
	"slices"
)

// patches are the pages that a content changes of another, each as the runs of words that differ: small for who holds many contents made from one. It is a Source,
// since a page is made again when somebody looks at it.
type patches struct {
	base  *Pages
	pages []uint32 // ascending
	ends  []uint64 // of each one's runs in data
	data  []byte   // runs: number of the first word and how many (16 bits each), then the words
}

const (
	wordBytes    = 8
	runHeadBytes = 4
	// patchBytesMax is the size from which a page is kept whole: making it again takes time.
	patchBytesMax = PageBytes / 2
)

// add appends the runs that lead from old to now; false: they are too many.
func (s *patches) add(page uint64, old, now *image) bool {
	if old == nil {
		old = &zeroPage
	}
	begin := len(s.data)
	for at := 0; at < PageBytes; at += wordBytes {
		if word(old, at) == word(now, at) {
			continue
		}
		end := at
		for end < PageBytes && word(old, end) != word(now, end) {
			end += wordBytes
		}
		s.data = binary.LittleEndian.AppendUint16(s.data, uint16(at/wordBytes))
		s.data = binary.LittleEndian.AppendUint16(s.data, uint16((end-at)/wordBytes))
		s.data = append(s.data, now[at:end]...)
		if at = end; len(s.data)-begin > patchBytesMax {
			s.data = s.data[:begin]
			return false
		}
	}
	s.pages, s.ends = append(s.pages, uint32(page)), append(s.ends, uint64(len(s.data)))
	return true
}

func word(i *image, at int) uint64 { return binary.LittleEndian.Uint64(i[at:]) }

// ReadPage makes a page again.
func (s *patches) ReadPage(page uint64, to *[PageBytes]byte) error {
	i, found := slices.BinarySearch(s.pages, uint32(page))
	if !found {
		panic("BUG: mem: a page without a patch is read from the patches")
	}
	begin := uint64(0)
	if i > 0 {
		begin = s.ends[i-1]
	}
	if old := s.base.cell(page).get(page); old != nil {
		*to = *old
	}
	for runs := s.data[begin:s.ends[i]]; len(runs) > 0; {
		at, n := int(binary.LittleEndian.Uint16(runs))*wordBytes, int(binary.LittleEndian.Uint16(runs[2:]))*wordBytes
		copy(to[at:at+n], runs[runHeadBytes:])
		runs = runs[runHeadBytes+n:]
	}
	return nil
}
