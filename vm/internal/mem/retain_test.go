package mem

import (
	"runtime"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// heldBytes is what Go's heap holds.
func heldBytes() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// TestTakesHoldNoHistory has each take change the same few pages and one that no other changes. Whoever has the newest take only holds that one's pages, whether
// takes are read or not, though one cell of each of the others is a part of it.
func TestTakesHoldNoHistory(t *testing.T) {
	const pages, hot = 4000, 16
	for _, read := range []bool{false, true} {
		m, err := New(pages * PageBytes)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Grow(pages * PageBytes); err != nil {
			t.Fatal(err)
		}
		before := heldBytes()
		var newest *Pages
		for i := range uint64(pages) {
			for page := range uint64(hot) {
				m.Store64(code.Base+page*PageBytes, i+1)
			}
			m.Store64(code.Base+i*PageBytes+8, i+1)
			p, err := m.Take()
			if err != nil {
				t.Fatal(err)
			}
			if read {
				p.Page(0)
				p.Page(i)
			}
			newest = p
		}
		held, most := heldBytes()-before, int64(pages*PageBytes*5/4)
		t.Logf("read: %v; %d KiB are held, at most %d", read, held>>10, most>>10)
		if held > most {
			t.Errorf("read: %v; %d KiB are held, at most %d may be", read, held>>10, most>>10)
		}
		runtime.KeepAlive(newest)
		m.Close()
	}
}
