package feed

import "github.com/tandemvm/tandem/replication/internal/record"

// Past is what came of deltas that were written in this peer's name and that its store did not hold. A delta is synced before anybody hears of it, so a store
// that lacks one is an older copy or a new one, or somebody else writes in this peer's name.
type Past struct {
	Deltas uint64           // of other openings, applied since this one
	Beside record.BlockHash // one that was written after Own was seen, and so while this opening lasts; zero: none was
	Own    record.BlockHash // the newest delta of this opening when that came
}

// PastKey is in the store, from the window in which such a delta is applied on, until the replica has learned again what it may have said to others.
var PastKey = []byte{'o'}

// Past says what came since the opening.
func (f *Feed) Past() Past {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.past
}

const laterMax = 1 << 14

// ofPast says whether a delta is in this peer's name and of another opening.
func (f *Feed) ofPast(d *record.Delta) bool { return d.Peer == f.self && d.Actor != f.actor }

// later notes that a delta is of this opening or comes after one that is. Of more than fit all are forgotten, and a stranger in this peer's name is found out by the
// next delta of its that follows one of this opening.
func (f *Feed) later(d *record.Delta) {
	if len(f.after) >= laterMax {
		clear(f.after)
	}
	f.after[d.Hash] = true
}

// reflect looks at a delta from elsewhere that is about to be applied. Called with mu held.
func (f *Feed) reflect(d *record.Delta) {
	after := false
	for _, p := range d.Parents {
		after = after || f.after[p]
	}
	if after {
		f.later(d)
	}
	if !f.ofPast(d) {
		return
	}
	f.past.Deltas++
	if after && f.past.Beside == (record.BlockHash{}) {
		f.past.Beside, f.past.Own = d.Hash, f.own
	}
}
