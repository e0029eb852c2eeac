package sim

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// stolen is a run and a consumer that are taken from their owner in the middle, with inputs and messages for the consumer.
var stolen = []Action{{300 * time.Millisecond, "start", 0, 30}, {320 * time.Millisecond, "consume", 1, 0}, {600 * time.Millisecond, "send", 2, 1},
	{1200 * time.Millisecond, "steal", 2, 0}, {1201 * time.Millisecond, "steal", 0, 1}, {1300 * time.Millisecond, "send", 1, 2}}

// poisoned is stolen with a message that the consumer cannot take, which is dropped before it goes on elsewhere.
var poisoned = slices.Concat(stolen[:3:3], []Action{{700 * time.Millisecond, "poison", 0, 0}, {720 * time.Millisecond, "send", 1, 2}, {900 * time.Millisecond, "drop", 2, 0}}, stolen[3:])

// apart is the consumer cut off from a majority, which goes on with it, while both sides have something for it.
var apart = []Action{{300 * time.Millisecond, "start", 0, 60}, {310 * time.Millisecond, "start", 1, 60}, {320 * time.Millisecond, "consume", 0, 0},
	{600 * time.Millisecond, "cut", 0, 1}, {700 * time.Millisecond, "send", 0, 1}, {700 * time.Millisecond, "send", 1, 2}, {2500 * time.Millisecond, "heal", 0, 0}}

// nothingKept is a crash that leaves on the disk what was synced alone.
var nothingKept = func() (seed int) {
	for rand.New(rand.NewPCG(uint64(seed), 0)).IntN(3) != 0 {
		seed++
	}
	return seed
}()

// busy is a run of many turns.
var busy = []Action{{300 * time.Millisecond, "start", 0, 170}}

// lonely is a run whose owner loses power while nobody can hear it, and is gone until somebody else has gone on.
var lonely = []Action{{300 * time.Millisecond, "start", 0, 100}, {600 * time.Millisecond, "cut", 0, 1}, {1100 * time.Millisecond, "crash", 0, nothingKept},
	{2500 * time.Millisecond, "heal", 0, 0}, {2600 * time.Millisecond, "restart", 0, 0}}

// TestPropertiesCanFail breaks what is simulated in one way after another, and finds that the property named fails; unbroken it holds.
func TestPropertiesCanFail(t *testing.T) {
	if testing.Short() {
		t.Skip("-short is for the race detector, which finds nothing here that it does not find in fewer simulations")
	}
	onTurn := func(number uint64, f func(*replication.Turn)) func(*program, *replication.Turn) {
		return func(p *program, t *replication.Turn) {
			if p.name != consumer && t.Number == number {
				f(t)
			}
		}
	}
	without := func(variable string) func(*replication.Turn) {
		return func(t *replication.Turn) {
			t.Changes = slices.DeleteFunc(t.Changes, func(c changes.Change) bool { return c.Path.Var == variable })
		}
	}
	shown, sound := map[string]bool{}, map[*Action]bool{}
	for _, x := range []struct {
		property, how string
		plan          []Action
		m             mutant
	}{
		{"convergence", "a bit of a value flips at rest", stolen, mutant{Over: flipBit}},
		{"one winner", "a disk forgets a head", stolen, mutant{Over: forgetHeads}},
		{"no torn turn", "an increment of a turn is left out", stolen, mutant{Turn: onTurn(9, without("sim.Hits"))}},
		{"causal order", "a turn says that it saw a later one", stolen, mutant{Saw: func(saw map[changes.RunID]rank) {
			for id, r := range saw {
				saw[id] = rank{r.epoch, r.turn + 5}
			}
		}}},
		{"intent", "an increment is lost", stolen, mutant{Turn: onTurn(9, without("sim.Counts"))}},
		{"intent", "an added element is lost", stolen, mutant{Turn: onTurn(12, without("sim.Tags"))}},
		{"undisturbed takeover", "a page is not written as it was", stolen, mutant{Turn: onTurn(30, func(t *replication.Turn) {
			page := *t.Pages[1].Data
			page[100] ^= 1
			t.Pages[1].Data = &page
		})}},
		{"inputs once", "a takeover forgets what was taken", stolen, mutant{Taken: func(p *program) {
			if n := len(p.taken); n > 0 {
				p.taken = slices.Clone(p.taken[:n-1])
			}
		}}},
		{"inputs once", "a message is taken that was dropped", poisoned, mutant{Turn: func(p *program, t *replication.Turn) {
			if n := len(p.gone); n > 0 && !slices.Contains(p.taken, p.gone[0]) {
				p.lines++
				p.taken = append(p.taken, p.gone[0])
				t.Lines = append(t.Lines, changes.Line{Number: p.lines, Stream: 1, Text: []byte("got " + p.gone[0])})
				t.Pages = []changes.Page{{Index: 0, Data: takenPage(t.Number, p.timer, p.taken)}}
			}
		}}},
		{"timers once", "a takeover fires a timer again", stolen, mutant{Taken: func(p *program) {
			if p.timer.fired > 0 {
				p.timer.fired--
			}
		}}},
		{"lines once", "a turn writes the line of another", stolen, mutant{Turn: onTurn(9, func(t *replication.Turn) {
			t.Lines[0].Text = bytes.Replace(t.Lines[0].Text, []byte("9"), []byte("8"), 1)
		})}},
		{"majority safety", "lines are released at once", apart, mutant{Level: func(replication.Level) replication.Level { return replication.Local }}},
		{"no trace of voided turns", "a value comes from nowhere", stolen, mutant{Turn: onTurn(29, func(t *replication.Turn) {
			title := changes.StringValue("7 77")
			t.Changes = append(t.Changes, changes.Diff(specs["sim.Title"], changes.VarPath("sim.Title"), changes.StringValue(""), title)...)
		})}},
		{"acknowledged is kept", "a disk forgets what it said it had written", lonely, mutant{Place: func(c *replication.Config) {
			c.FS = forgetful{c.FS}
		}}},
		{"bounded store", "nothing is compacted", busy, mutant{Place: func(c *replication.Config) { c.Retain = 1 << 40 },
			Turn: func(_ *program, t *replication.Turn) { t.Lines = nil }}},
		{"no refusal", "a peer says what nobody understands", stolen, mutant{Over: func(w *world) {
			w.Places[1].port.Publish(context.Background(), bytes.Repeat([]byte{1}, 100))
			w.Wait(time.Second)
		}}},
		{"no failure", "a turn has the number of another", stolen, mutant{Turn: onTurn(9, func(t *replication.Turn) { t.Number++ })}},
	} {
		shown[x.property] = true
		t.Run(x.property+", "+x.how, func(t *testing.T) {
			c := Config{Seed: 2, Plan: x.plan, Durable: "local"}
			if x.property == "majority safety" {
				c.Durable = "majority"
			}
			for !compacts(c) {
				c.Seed++
			}
			if !sound[&x.plan[0]] {
				var whole *Report
				if Bubble(func() { whole = Run(c) }); len(whole.Failures) > 0 {
					t.Errorf("unbroken: %v", whole.Failures)
				}
				sound[&x.plan[0]] = true
			}
			var broken *Report
			Bubble(func() { broken = run(c, x.m) })
			if !slices.ContainsFunc(broken.Failures, func(f Failure) bool { return f.Property == x.property }) {
				t.Errorf("broken, and found: %v", broken.Failures)
			}
		})
	}
	for _, name := range Properties {
		if !shown[name] {
			t.Errorf("nothing shows that %q can fail", name)
		}
	}
}

// compacts reports whether the stores of a simulation are compacted all the time.
func compacts(c Config) (yes bool) {
	Bubble(func() {
		s, err := NewStage(c)
		yes = err == nil && s.small
	})
	return yes
}

// doctored changes the store of the second peer while it is down. change gets each record, and says what it is to be, nil to remove it.
func doctored(w *world, change func(key, value []byte) (now []byte, touched bool)) {
	p := w.Places[1]
	w.fall(p, false)
	s, err := store.Open("/"+p.Name, store.Options{FS: p.disk.FS()})
	if err != nil {
		panic(err)
	}
	low, high := store.EngineRange(feed.ValuePrefix + "/")
	err = s.Scan(low, high, func(k, v []byte) bool {
		k = slices.Clone(k)
		if now, touched := change(k, slices.Clone(v)); touched {
			err := s.Write(true, func(b store.Batch) {
				if now == nil {
					b.Delete(k)
				} else {
					b.Put(k, now)
				}
			})
			if err != nil {
				panic(err)
			}
		}
		return true
	})
	if err != nil {
		panic(err)
	}
	if err := s.Close(); err != nil {
		panic(err)
	}
	w.restart(p)
	w.Wait(time.Second)
}

// recordKey is the key of a stored record.
func recordKey(key []byte) (k record.Key, ok bool) {
	text, ok := strings.CutSuffix(string(key[1+len(feed.ValuePrefix):]), feed.ValueSuffix)
	if !ok {
		return k, false
	}
	k, err := record.ParseKey(text)
	return k, err == nil
}

func flipBit(w *world) {
	doctored(w, func(key, value []byte) ([]byte, bool) {
		k, ok := recordKey(key)
		if !ok || k.Kind != record.CellRecord || k.Path.Var != "sim.Title" {
			return nil, false
		}
		at := bytes.LastIndexByte(value, ' ') // in the text, between two numbers
		value[at+1] ^= 1
		return value, true
	})
}

func forgetHeads(w *world) {
	doctored(w, func(key, value []byte) ([]byte, bool) {
		k, ok := recordKey(key)
		return nil, ok && k.Kind == record.HeadRecord && k.Lineage.Number > 1
	})
}

// forgetful is a disk that does not write when it is told to.
type forgetful struct{ vfs.FS }

type forgetfulFile struct{ vfs.File }

func (forgetfulFile) Sync() error                { return nil }
func (forgetfulFile) SyncData() error            { return nil }
func (forgetfulFile) SyncTo(int64) (bool, error) { return false, nil }

func forget(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return forgetfulFile{f}, nil
}

func (d forgetful) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return forget(d.FS.Create(name, c))
}

func (d forgetful) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return forget(d.FS.OpenReadWrite(name, c, o...))
}

func (d forgetful) OpenDir(name string) (vfs.File, error) { return forget(d.FS.OpenDir(name)) }

func (d forgetful) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return forget(d.FS.ReuseForWrite(from, to, c))
}
