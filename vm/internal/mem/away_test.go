package mem

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// pattern is a source whose pages hold their numbers in all words, but for bad, which cannot be read.
type pattern struct {
	bad   uint64
	reads map[uint64]int
}

var errBad = errors.New("bad page")

func (s *pattern) ReadPage(page uint64, to *[PageBytes]byte) error {
	if s.reads[page]++; page == s.bad {
		return errBad
	}
	for i := 0; i < PageBytes; i += 8 {
		to[i], to[i+1], to[i+2] = byte(page+1), byte((page+1)>>8), 1
	}
	return nil
}

func patterned(page uint64) uint64 { return (page+1)&0xffff | 1<<16 }

// awaited is a content of which every third page is all zero and the others come from a source.
func awaited(t *testing.T, s *pattern, pages uint64) *Pages {
	t.Helper()
	b := NewBuilder(nil, pages*PageBytes)
	var list []uint64
	for p := range pages {
		if p%3 != 1 {
			list = append(list, p)
		}
	}
	if !b.Await(s, list) || NewBuilder(nil, PageBytes).Await(s, []uint64{1}) {
		t.Fatal("pages within the size are refused, or one beyond it is not")
	}
	return b.Pages()
}

// TestPagesThatAreAway reads and writes a memory at random while its pages come, with saves, undos and takes between, against a model.
func TestPagesThatAreAway(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	const pages = 2 * groundPagesMin
	s := &pattern{bad: pages, reads: map[uint64]int{}}
	p := awaited(t, s, pages)
	m, err := New(4 * pages * PageBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Begin(p); err != nil {
		t.Fatal(err)
	}
	if !m.Away() && canProtect {
		t.Fatal("no page is away")
	}
	written := map[uint64]uint64{} // by word
	want := func(word uint64) uint64 {
		if v, ok := written[word]; ok {
			return v
		}
		if page := word / (PageBytes / 8); page%3 != 1 {
			return patterned(page)
		}
		return 0
	}
	met := 0
	read := func(word uint64) {
		var got uint64
		for !m.Try(func() { got = m.Load64(code.Base + word*8) }) {
			met++
		}
		if got != want(word) {
			t.Fatalf("word %d is %#x, want %#x", word, got, want(word))
		}
	}
	var saved []map[uint64]uint64
	for n := range 1500 {
		word := r.Uint64N(pages * PageBytes / 8)
		switch k := r.IntN(20); {
		case k < 8:
			read(word)
		case k < 14:
			m.Store64(code.Base+word*8, uint64(n))
			written[word] = uint64(n)
		case k == 14:
			if err := m.Save(); err != nil {
				t.Fatal(err)
			}
			c := map[uint64]uint64{}
			for w, v := range written {
				c[w] = v
			}
			saved = append(saved, c)
		case k == 15 && len(saved) > 0:
			if err := m.Undo(); err != nil {
				t.Fatal(err)
			}
			written, saved = saved[len(saved)-1], saved[:len(saved)-1]
		case k == 16:
			if _, err := m.Take(); err != nil {
				t.Fatal(err)
			}
		case k == 17 && n > 1000:
			m.Bring(1)
		}
	}
	if met == 0 && canProtect {
		t.Error("no load met a page that was away")
	}
	m.BringAll()
	for page := range uint64(pages) {
		read(page * PageBytes / 8)
	}
	for page, n := range s.reads {
		if n != 1 {
			t.Errorf("page %d was read %d times", page, n)
		}
	}
	if m.Err() != nil || p.Err() != nil {
		t.Error(m.Err(), p.Err())
	}
}

// TestPageThatCannotBeRead: a memory says so as soon as it met the page, and so does whatever was taken of it.
func TestPageThatCannotBeRead(t *testing.T) {
	const bad = 300
	p := awaited(t, &pattern{bad: bad, reads: map[uint64]int{}}, 2*groundPagesMin)
	m, err := New(LimitMax)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Begin(p); err != nil {
		t.Fatal(err)
	}
	if m.Err() != nil && canProtect {
		t.Fatal("before the page was met:", m.Err())
	}
	met := uint64(1)
	for !m.Try(func() { met = m.Load64(code.Base + bad*PageBytes) }) {
	}
	if met != 0 {
		t.Errorf("the page holds %#x", met)
	}
	m.Store8(code.Base, 1)
	taken, err := m.Take()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{m.Err(), p.Err(), taken.Err()} {
		if !errors.Is(err, errBad) {
			t.Error(err)
		}
	}
	if n, err := New(LimitMax); err != nil || !errors.Is(n.Load(p), errBad) {
		t.Error("loaded whole")
	} else {
		n.Close()
	}
}
