package changes

import "encoding/binary"

// A patch says a page by the runs of bytes in which it differs from the page before. The runs of all pages of a file stand together, their
// distances first, then their lengths, then the bytes: alike things beside each other compress.

// bytesRun is n bytes at an offset in a page.
type bytesRun struct{ at, n int }

// patches are those of one file.
type patches struct {
	counts, gaps, lengths, data []byte
}

const (
	runGapMin = 3 // equal bytes between two runs that are worth a second run
	// patchPart is the part of a page's bytes that a patch of it may take; beyond it the page is written whole.
	patchPart = 3 * PageBytes / 4
)

// add adds the patch that makes now of old; false when the page is better written whole.
func (p *patches) add(old, now *[PageBytes]byte) bool {
	runs, bytes := diffPages(old, now)
	if bytes+2*len(runs) > patchPart {
		return false
	}
	p.counts = binary.AppendUvarint(p.counts, uint64(len(runs)))
	end := 0
	for _, r := range runs {
		p.gaps = binary.AppendUvarint(p.gaps, uint64(r.at-end))
		p.lengths = binary.AppendUvarint(p.lengths, uint64(r.n-1))
		p.data = append(p.data, now[r.at:r.at+r.n]...)
		end = r.at + r.n
	}
	return true
}

func (p *patches) append(b []byte) []byte {
	return append(append(append(append(b, p.counts...), p.gaps...), p.lengths...), p.data...)
}

// diffPages are the runs in which now differs, and how many bytes they hold.
func diffPages(old, now *[PageBytes]byte) (runs []bytesRun, bytes int) {
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
		for k := end; k < PageBytes && k-end <= runGapMin; k++ {
			if old[k] != now[k] {
				end = k + 1
			}
		}
		runs = append(runs, bytesRun{i, end - i})
		bytes += end - i
		i = end
	}
	return runs, bytes
}

// readPatches are the runs of n patches, which lie within their pages.
func readPatches(s *scan, n int) [][]bytesRun {
	all := make([][]bytesRun, n)
	for i := range all {
		if c := s.uvarint(); c <= PageBytes {
			all[i] = make([]bytesRun, min(c, uint64(s.left())))
			if c > uint64(s.left()) {
				s.fail("%d runs in a page", c)
			}
		} else {
			s.fail("%d runs in a page", c)
		}
	}
	for _, read := range []func(r *bytesRun){
		func(r *bytesRun) { r.at = int(min(s.uvarint(), PageBytes)) },
		func(r *bytesRun) { r.n = int(min(s.uvarint(), PageBytes)) + 1 },
	} {
		for _, runs := range all {
			for i := range runs {
				read(&runs[i])
			}
		}
	}
	for _, runs := range all {
		end := 0
		for i := range runs {
			runs[i].at += end
			if end = runs[i].at + runs[i].n; end > PageBytes {
				s.fail("a run beyond its page")
				return all
			}
		}
	}
	return all
}
