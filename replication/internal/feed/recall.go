package feed

import (
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// shelfBytesMax is how many bytes of deltas are at hand without reading the store.
const shelfBytesMax = 2 << 20

// shortName is the front of a delta's hash.
type shortName [6]byte

// numbered is a place in an actor's chain.
type numbered struct {
	actor record.Actor
	seq   uint64
}

// shelf is the deltas that came or were made last, also those that are not in the store yet.
type shelf struct {
	named  map[shortName]*record.Delta
	placed map[numbered]*record.Delta
	order  []*record.Delta
	bytes  int
}

func newShelf() shelf {
	return shelf{named: map[shortName]*record.Delta{}, placed: map[numbered]*record.Delta{}}
}

func (s *shelf) put(d *record.Delta) {
	if s.named[shortName(d.Hash[:])] != nil || len(d.Bytes) > shelfBytesMax {
		return
	}
	s.named[shortName(d.Hash[:])], s.placed[numbered{d.Actor, d.Seq}] = d, d
	s.order = append(s.order, d)
	for s.bytes += len(d.Bytes); s.bytes > shelfBytesMax; s.order = s.order[1:] {
		old := s.order[0]
		s.bytes -= len(old.Bytes)
		delete(s.named, shortName(old.Hash[:]))
		if at := (numbered{old.Actor, old.Seq}); s.placed[at] == old {
			delete(s.placed, at)
		}
	}
}

// Named finds a delta by the first bytes of its hash, at least as many as the shelf goes by; nil when it is not here.
func (f *Feed) Named(front []byte) *record.Delta {
	if len(front) < len(shortName{}) {
		return nil
	}
	f.mu.Lock()
	d := f.recent.named[shortName(front)]
	f.mu.Unlock()
	if d == nil {
		low := append([]byte{'d'}, front...)
		f.s.Scan(low, store.After(low), func(_, v []byte) bool {
			d = load(append([]byte(nil), v...))
			return false
		})
	}
	return d
}

// At finds an actor's delta by its number; nil when it is not here.
func (f *Feed) At(a record.Actor, seq uint64) *record.Delta {
	f.mu.Lock()
	d := f.recent.placed[numbered{a, seq}]
	f.mu.Unlock()
	if d != nil {
		return d
	}
	v, err := f.s.Get(IndexKey(a, seq))
	if err != nil || len(v) < 32 {
		return nil
	}
	b, err := f.s.Get(record.BlockHash(v[:32]).StoreKey())
	if err != nil {
		return nil
	}
	return load(b)
}

func load(b []byte) *record.Delta {
	d, err := record.LoadDelta(b)
	if err != nil {
		return nil
	}
	return d
}
