// Package patch says pages of memory by the runs of bytes in which they differ from the pages before. The runs of all pages of a file stand together, their
// distances first, then their lengths, then the bytes: alike things beside each other compress. It knows nothing of the file around them, nor of what the
// bytes mean. Cost: a look at each byte of both pages.
package patch

import (
	"encoding/binary"
	"errors"
)

// PageBytes is the size of a page.
const PageBytes = 4096

// Run is N bytes at an offset in a page.
type Run struct{ At, N int }

// ErrRun is what Read says about runs that do not lie within their pages.
var ErrRun = errors.New("patch: a run beyond its page, or more runs than the input holds")

// Set is the patches of one file.
type Set struct {
	counts, gaps, lengths, data []byte
}

const (
	gapMin = 3 // equal bytes between two runs that are worth a second run
	// bytesMax is what a patch may take of a page; beyond it the page is better written whole.
	bytesMax = 3 * PageBytes / 4
	runsMax  = bytesMax / 3 // of a page: a run takes a byte and two numbers
)

// Add adds the patch that makes now of old; false when the page is better written whole.
func (s *Set) Add(old, now *[PageBytes]byte) bool {
	runs, bytes := differ(old, now)
	if bytes+2*len(runs) > bytesMax {
		return false
	}
	s.counts = binary.AppendUvarint(s.counts, uint64(len(runs)))
	end := 0
	for _, r := range runs {
		s.gaps = binary.AppendUvarint(s.gaps, uint64(r.At-end))
		s.lengths = binary.AppendUvarint(s.lengths, uint64(r.N-1))
		s.data = append(s.data, now[r.At:r.At+r.N]...)
		end = r.At + r.N
	}
	return true
}

// Append is b with the patches after it.
func (s *Set) Append(b []byte) []byte { return append(s.AppendRuns(b), s.data...) }

// AppendRuns is b with the patches after it, up to their bytes.
func (s *Set) AppendRuns(b []byte) []byte {
	return append(append(append(b, s.counts...), s.gaps...), s.lengths...)
}

// Bytes is what stands in the runs.
func (s *Set) Bytes() []byte { return s.data }

// differ are the runs in which now differs, and how many bytes they hold.
func differ(old, now *[PageBytes]byte) (runs []Run, bytes int) {
	for i := 0; i < PageBytes; {
		if i%8 == 0 && [8]byte(old[i:i+8]) == [8]byte(now[i:i+8]) {
			i += 8
			continue
		}
		if old[i] == now[i] {
			i++
			continue
		}
		end := i + 1
		for k := end; k < PageBytes && k-end <= gapMin; k++ {
			if old[k] != now[k] {
				end = k + 1
			}
		}
		runs = append(runs, Run{i, end - i})
		bytes += end - i
		i = end
	}
	return runs, bytes
}

// Read reads the runs of n pages, up to their bytes, which follow: next gives the numbers and leftRuns is how many runs there is room for in
// what is still to be read. Runs lie within their pages: else ErrRun.
func Read(n int, next func() uint64, leftRuns int) ([][]Run, error) {
	all := make([][]Run, n)
	for i := range all {
		c := next()
		if c > runsMax || c > uint64(leftRuns) {
			return nil, ErrRun
		}
		leftRuns -= int(c)
		all[i] = make([]Run, c)
	}
	for _, runs := range all {
		for i := range runs {
			runs[i].At = int(min(next(), PageBytes))
		}
	}
	for _, runs := range all {
		end := 0
		for i := range runs {
			r := &runs[i]
			r.At, r.N = r.At+end, int(min(next(), PageBytes))+1
			if end = r.At + r.N; end > PageBytes {
				return nil, ErrRun
			}
		}
	}
	return all, nil
}
