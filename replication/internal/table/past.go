package table

import (
	"context"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/metrics"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// StampTurn numbers the turns of all epochs of a run in one order. A turn number alone names two turns when one was voided and
// executed again: a cell of another run that has seen the voided one would supersede its successor, and that cell, which has seen
// the other, would supersede it, so that both values were gone.
func StampTurn(epoch, turn uint64) uint64 { return epoch<<40 | turn }

// ReadBack reads from the author's deltas, in the order of their numbers, what a run's cells were at its head h, of each the newest up to that turn, and which deltas hold them and the head: none, when
// the head is in none.
func ReadBack(ctx context.Context, h *record.Head, blocks *block.Store, m *metrics.Set, authored func(do func(*record.Delta) bool) error) (cells map[string]changes.PathCell, holders map[record.BlockHash]bool, err error) {
	id, want := h.Lineage(), h.Hash()
	past := New(blocks, m)
	epoch := past.Run(h.Run).Lineage(id)
	epoch.Until = StampTurn(id.Number, h.Turn)
	found := false
	var at record.BlockHash
	of := map[string]record.BlockHash{} // by encoded path
	epoch.took = func(path string) { of[path] = at }
	holders = map[record.BlockHash]bool{}
	err = authored(func(d *record.Delta) bool {
		var records []record.Record
		for _, e := range d.Elements {
			if e.Key.Run == h.Run && e.Key.Lineage == id && e.Key.Kind != record.LinesRecord {
				records = append(records, record.Record{Key: e.Key.String(), Value: e.Value})
			}
		}
		at = d.Hash
		past.Apply(records)
		if !found && epoch.Head != nil && epoch.Hash == want {
			found, holders[at] = true, true
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil || !found {
		return nil, nil, err
	}
	for _, d := range of {
		holders[d] = true
	}
	return epoch.Cells, holders, nil
}
