package heap

import (
	"errors"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/mem"
)

// TestRaise fills a heap to its limit, goes on with it in memory that allows more, and raises the limit, twice: it takes so much more and no more, is sound each
// time, and what stood in it stands.
func TestRaise(t *testing.T) {
	w := newWorld(t, 4<<20)
	h := w.Heap
	var kept []uint64
	fill := func(want uint64) {
		t.Helper()
		for {
			at, err := h.AllocKind(KindWords, 3000, 0)
			if errors.Is(err, ErrNoSpace) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			h.m.Store64(at, uint64(len(kept))+1)
			kept = append(kept, at)
		}
		if size := h.m.Size(); size > want || size < want-want/16 {
			t.Errorf("full at %d bytes, want nearly %d", size, want)
		}
		for i, at := range kept {
			if got := h.m.Load64(at); got != uint64(i)+1 {
				t.Fatalf("object %d holds %d", i, got)
			}
		}
		if err := Check(h.m); err != nil {
			t.Fatal(err)
		}
	}
	fill(4 << 20)
	if err := h.Raise(8 << 20); !errors.Is(err, ErrNoSpace) {
		t.Errorf("raised beyond what memory allows: %v", err)
	}
	pages, err := h.m.Take()
	if err != nil {
		t.Fatal(err)
	}
	larger, err := mem.New(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer larger.Close()
	if err := larger.Load(pages); err != nil {
		t.Fatal(err)
	}
	if h, err = Attach(larger); err != nil {
		t.Fatal(err)
	}
	if _, err := h.AllocKind(KindWords, 30000, 0); !errors.Is(err, ErrNoSpace) {
		t.Errorf("memory that allows more raises the limit by itself: %v", err)
	}
	for _, limit := range []uint64{4<<20 - 1, 4 << 20, 4<<20 + mem.PageBytes} {
		if err := h.Raise(limit); !errors.Is(err, ErrNoSpace) || Check(h.m) != nil {
			t.Errorf("raised to %d: %v, %v", limit, err, Check(h.m))
		}
	}
	for _, limit := range []uint64{8 << 20, 40 << 20} {
		if err := h.Raise(limit); err != nil {
			t.Fatal(err)
		}
		if err := Check(h.m); err != nil {
			t.Fatal(err)
		}
		fill(limit)
	}
	h.Collect(func(k *Marker) { k.Pointer(kept[7]) })
	if err := Check(h.m); err != nil {
		t.Error(err)
	}
	if got := h.m.Load64(kept[7]); got != 8 {
		t.Errorf("the object kept holds %d", got)
	}
}
