package vm

import (
	"runtime"
	"sync"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// state is the memory of a run at one point. It is hashed when somebody wants to know its hash, from the nearest earlier state that was:
// a take is not to pay for what may never be asked. It may be used from many goroutines.
type state struct {
	pages *mem.Pages

	mu   sync.Mutex
	tree *changes.Tree // nil: not hashed yet
	base *state        // until then: a hashed one before it, nil for an empty memory
}

// following is the state with these pages after s, which may be nil.
func (s *state) following(pages *mem.Pages) *state {
	if s != nil && s.pages == pages {
		return s
	}
	base := s
	if s != nil {
		s.mu.Lock()
		if s.tree == nil {
			base = s.base
		}
		s.mu.Unlock()
	}
	return &state{pages: pages, base: base}
}

// hashed is a state whose tree is known.
func hashed(pages *mem.Pages, tree *changes.Tree) *state { return &state{pages: pages, tree: tree} }

// clone is the tree, for the caller to change. The cost is hashing what differs from the base, once.
func (s *state) clone() *changes.Tree {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hash()
	return s.tree.Clone()
}

func (s *state) root() changes.Hash {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hash()
	return s.tree.Root()
}

func (s *state) hash() {
	if s.tree != nil {
		return
	}
	t, from := changes.NewTree(0), (*mem.Pages)(nil)
	if s.base != nil {
		t, from = s.base.clone(), s.base.pages
	}
	t.Resize(s.pages.Size())
	var h pageHasher
	s.pages.Changed(from, func(page uint64, data []byte) bool {
		if data == nil {
			t.Clear(page, 1)
		} else {
			h.add(page, (*[changes.PageBytes]byte)(data))
		}
		return true
	})
	h.sums(t.Set)
	s.tree, s.base = t, nil
}

// pageHasher hashes many pages, on all cores when that pays.
type pageHasher struct {
	pages []changes.Page
}

const hashAloneMax = 64 // pages hashed without asking other cores

func (h *pageHasher) add(page uint64, data *[changes.PageBytes]byte) {
	h.pages = append(h.pages, changes.Page{Index: page, Data: data})
}

// sums gives the hash of each page that was added, in that order.
func (h *pageHasher) sums(set func(page uint64, sum changes.Hash)) {
	sums := make([]changes.Hash, len(h.pages))
	each := func(from, to int) {
		for i := from; i < to; i++ {
			sums[i] = changes.PageHash(h.pages[i].Data)
		}
	}
	if n := runtime.GOMAXPROCS(0); n == 1 || len(sums) <= hashAloneMax {
		each(0, len(sums))
	} else {
		var w sync.WaitGroup
		part := (len(sums) + n - 1) / n
		for from := 0; from < len(sums); from += part {
			w.Go(func() { each(from, min(from+part, len(sums))) })
		}
		w.Wait()
	}
	for i, p := range h.pages {
		set(p.Index, sums[i])
	}
}
