// Package verdict says of records whether they can still mean anything, which decides what compaction keeps (replication/DESIGN.md, "What bounds the
// store?"). It knows neither where records stand nor how it came about: who judges fills it in. Cost: a few words for each epoch of a run.
package verdict

import (
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// Verdict is what counts of each run, as of one moment. What it does not know came later, and counts.
type Verdict map[changes.RunID]*Run

// Run is what counts of one run.
type Run struct {
	Epoch    uint64                    // the winner's
	Chain    map[record.Lineage]bool   // epochs whose lines may count
	Heads    map[record.Lineage]bool   // epochs below the winner's whose heads are kept, and cells with them
	Kept     uint64                    // first line that is kept
	Straddle map[record.Lineage]uint64 // first line of the segment that holds that one
	Done     bool                      // nothing is received any more
	Taken    func(record.Actor) uint64 // how far messages were taken
	Idle     map[string]bool           // keys of drops of messages that are not kept
}

// Counts says whether a record can still mean anything: cells of an epoch below the winner's while its head is kept, since a taker-over that
// falls back begins from both, lines with their head, since the winner of later may go on from it, those of the winning chain from the first that is kept on, messages until they are taken, drops but those that are named. Of void heads the best are kept, as names of forks.
func (v Verdict) Counts(k record.Key) bool {
	x := v[k.Run]
	if x == nil {
		return true
	}
	low := k.Lineage.Number < x.Epoch
	switch k.Kind {
	case record.CellRecord, record.PackRecord:
		return !low || x.Heads[k.Lineage]
	case record.LinesRecord:
		if low && !x.Heads[k.Lineage] {
			return false
		}
		first, found := x.Straddle[k.Lineage]
		return k.Number >= x.Kept || found && k.Number == first || !x.Chain[k.Lineage]
	case record.HeadRecord:
		return !low || x.Heads[k.Lineage]
	case record.DropRecord:
		return !x.Idle[k.String()]
	case record.MessageRecord:
		return !x.Done && k.Number > x.Taken(k.Lineage.Actor)
	}
	return true
}
