package replication

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
	"github.com/tandemvm/tandem/replication/internal/table"
)

// TestMutationsAreNoticed breaks one of three peers in ways in which a program, a memory or a disk may break, and finds that another names the
// variable, within two beats of both being at rest.
func TestMutationsAreNoticed(t *testing.T) {
	hits := changes.VarPath("main.Hits")
	cellOf := func(r *Replica, run changes.RunID) (*table.Lineage, string, changes.PathCell) {
		l := r.table.Runs[run].Winner
		code := string(hits.Encode())
		return l, code, l.Cells[code]
	}
	// put writes a cell into what b merges, as if its deltas had said so.
	put := func(r *Replica, run changes.RunID, change func(*changes.Cell)) {
		r.mu.Lock()
		defer r.mu.Unlock()
		l, code, c := cellOf(r, run)
		change(&c.Cell)
		l.Cells[code] = c
		r.table.Put(c)
		r.table.Refresh()
	}
	add := func(n int64) func(*changes.Cell) {
		return func(c *changes.Cell) { c.Value = changes.IntValue(changes.Int, c.Value.Int()+n) }
	}
	for name, mutate := range map[string]func(c *cluster, run changes.RunID){
		"an operation is skipped": func(c *cluster, run changes.RunID) { put(c.r["b"], run, add(-1)) },
		"one is applied twice":    func(c *cluster, run changes.RunID) { put(c.r["b"], run, add(1)) },
		"two are swapped": func(c *cluster, run changes.RunID) { // the earlier value stays, with the later stamp
			put(c.r["b"], run, func(x *changes.Cell) { x.Value = changes.IntValue(changes.Int, x.Value.Int()-1); x.Dot-- })
		},
		"the kind is wrong": func(c *cluster, run changes.RunID) {
			b := c.r["b"]
			b.mu.Lock()
			defer b.mu.Unlock()
			g := *b.table.Genesis
			g.Variables = append([]Variable{}, g.Variables...)
			for i := range g.Variables {
				if g.Variables[i].Name == "main.Hits" {
					g.Variables[i].Rule = "max"
				}
			}
			b.table.Genesis, b.table.View = &g, nil
			e := table.NewEffect()
			b.table.Declare(e)
			b.table.Refresh()
		},
		"a bit flips at rest": func(c *cluster, run changes.RunID) {
			b := c.r["b"]
			b.mu.Lock()
			l, _, x := cellOf(b, run)
			key := record.Key{Kind: record.CellRecord, Run: run, Lineage: l.ID, Path: x.Path}.String()
			b.mu.Unlock()
			low, _ := store.EngineRange(feed.ValuePrefix + key + feed.ValueSuffix)
			value, err := b.store.Get(low)
			if err != nil {
				t.Fatal(err)
			}
			at := strings.LastIndex(string(value), string(x.Cell.Value.Encode()[2:])) // the number itself
			value[max(at, 0)+len(x.Cell.Value.Encode())-3] ^= 2
			if err := b.store.Write(true, func(w store.Batch) { w.Put(low, value) }); err != nil {
				t.Fatal(err)
			}
			c.stop("b")
			c.join("b")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, seedOf(t))
			a := c.create("a")
			c.join("b")
			p := start(t, a, 1)
			for range 5 {
				p.step(t)
			}
			c.converge()
			told := make(chan error, 8)
			go func() {
				for e := range a.Events() {
					if e.Kind == Diverged {
						told <- e.Err
					}
				}
			}()
			mutate(c, p.run)
			select {
			case err := <-told:
				if !strings.Contains(err.Error(), "var main.Hits") {
					t.Errorf("told of %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("never told; b: %+v", c.r["b"].Status())
			}
			list, err := a.Diverge(within(t, 5*time.Second), "b")
			if err != nil || len(list) != 1 || list[0].Name != "var main.Hits" {
				t.Errorf("%v, %v", list, err)
			}
			if name != "the kind is wrong" && (list[0].Run != p.run || list[0].Turn != 5) {
				t.Errorf("%v, want run %s turn 5", list, p.run)
			}
			if err := c.r["b"].Close(); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
}
