// Package table is what the applied deltas of a sandbox say, decoded: its members, its runs with every epoch that anybody wrote and the messages to them, and
// the merged variables over the epochs that count, with their digest. It is a function of the set of deltas, whatever their order. It has no
// lock (the replica's mutex guards it), reads no store but for packs, and sends nothing. Cost: what is live, in memory.
package table

import (
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/inbox"
	"github.com/tandemvm/tandem/replication/internal/lease"
	"github.com/tandemvm/tandem/replication/internal/metrics"
	"github.com/tandemvm/tandem/replication/internal/quorum"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/verdict"
)

// Table is what the applied deltas say, decoded: runs with their epochs, and the merged variables over
// the winning ones. It is a function of the set of applied deltas, whatever their order. Guarded by the replica's mutex.
type Table struct {
	blocks   *block.Store
	m        *metrics.Set
	Genesis  *record.Genesis
	Members  map[record.Actor]string
	Standing map[string]Standing // by peer
	Runs     map[changes.RunID]*Run
	Tagged   map[quorum.Tag]*Lineage // those that have a head
	View     *changes.View           // nil until the genesis is here
	Digest   *changes.DigestTree
}

// Run is a run: every epoch of it that anybody wrote, and the one that counts.
type Run struct {
	ID       changes.RunID
	Lineages map[record.Lineage]*Lineage
	Inbox    inbox.Inbox[record.Actor]
	Winner   *Lineage     // the one whose head ranks highest; nil while no head is here
	Agreed   *record.Head // the newest winner that every member is known to have had
}

// Lineage is what one writer wrote in one epoch of a run.
type Lineage struct {
	Run      *Run
	ID       record.Lineage
	Head     *record.Head
	Hash     changes.Hash
	Cells    map[string]changes.PathCell // by encoded path; the newest of cell record and packs
	Segments []Segment                   // sorted by first; those of lines that are not kept are missing
	Until    uint64                      // cells with later turns in their stamps are left out; 0: none are
	took     func(path string)           // called for each cell that is taken, with its encoded path, if not nil
}

// Tag names the epoch in acknowledgements.
func (l *Lineage) Tag() quorum.Tag {
	return quorum.Epoch{Number: l.ID.Number, Actor: l.ID.Actor}.Tag(l.Run.ID)
}

// Segment is where consecutive lines of output stand.
type Segment struct {
	First, Count uint64
	Bytes        int64 // that it costs to keep
	Key          string
}

// Effect is what applying some deltas changed.
type Effect struct {
	Paths    map[string]changes.Path // leaf paths whose cells in winning epochs changed
	Switched map[changes.RunID]bool  // runs that count from another epoch now
	Advanced map[changes.RunID]bool  // runs with a new winning head
	Messaged map[changes.RunID]bool  // runs with new messages
	Members  []string
}

// NewEffect is no change.
func NewEffect() *Effect {
	return &Effect{Paths: map[string]changes.Path{}, Switched: map[changes.RunID]bool{}, Advanced: map[changes.RunID]bool{}, Messaged: map[changes.RunID]bool{}}
}

// New is what no delta at all says.
func New(b *block.Store, m *metrics.Set) *Table {
	return &Table{blocks: b, m: m, Members: map[record.Actor]string{}, Standing: map[string]Standing{}, Runs: map[changes.RunID]*Run{},
		Tagged: map[quorum.Tag]*Lineage{}, Digest: changes.NewDigestTree()}
}

// Run is the run of an id, made if there is none yet.
func (t *Table) Run(id changes.RunID) *Run {
	r := t.Runs[id]
	if r == nil {
		r = &Run{ID: id, Lineages: map[record.Lineage]*Lineage{}}
		t.Runs[id] = r
	}
	return r
}

// Lineage is an epoch of the run, made if there is none yet.
func (r *Run) Lineage(id record.Lineage) *Lineage {
	l := r.Lineages[id]
	if l == nil {
		l = &Lineage{Run: r, ID: id, Cells: map[string]changes.PathCell{}}
		r.Lineages[id] = l
	}
	return l
}

// dropOf is a drop as an inbox knows it.
func dropOf(rec record.Record, d *record.Drop) inbox.Drop {
	x := inbox.Drop{Key: rec.Key, ID: d.ID, AtMs: d.AtMs, Bytes: int64(len(rec.Key) + len(rec.Value))}
	if d.Blob != nil {
		x.Bytes += d.Blob.Bytes
	}
	return x
}

// Peers are the members, each once, sorted.
func (t *Table) Peers() (out []string) {
	for p, s := range t.Standing {
		if s.Member() {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// Apply takes the records of whole deltas. Cells and heads of one delta are looked at together: first
// all are filed, then winners are chosen, so no reader sees a head without its turn's cells or the reverse.
func (t *Table) Apply(records []record.Record) *Effect {
	e := NewEffect()
	changed := map[*Lineage]map[string]changes.PathCell{}
	heads := map[*Run]bool{}
	for _, rec := range records {
		k, err := record.ParseKey(rec.Key)
		if err != nil {
			t.m.Rejected.Inc() // checked before it was announced; only a store written by something else gets here
			continue
		}
		switch k.Kind {
		case record.GenesisRecord:
			if t.Genesis == nil {
				t.Genesis, err = record.DecodeGenesis(rec.Value)
			}
		case record.LeaveRecord:
			var l *record.Leave
			if l, err = record.DecodeLeave(k, rec.Value); err == nil {
				s := t.Standing[l.Peer]
				s.Left = max(s.Left, l.Opening)
				t.Standing[l.Peer] = s
				e.Members = append(e.Members, l.Peer)
			}
		case record.MemberRecord:
			var m record.Member
			if err = record.Decode(rec.Value, &m); err == nil {
				t.Members[k.Lineage.Actor] = m.Peer
				s := t.Standing[m.Peer]
				s.Opened = max(s.Opened, m.Opening, 1)
				t.Standing[m.Peer] = s
				e.Members = append(e.Members, m.Peer)
			}
		case record.HeadRecord:
			r := t.Run(k.Run)
			l := r.Lineage(k.Lineage)
			var h *record.Head
			if h, err = record.DecodeHead(rec.Value); err == nil {
				if l.Head == nil {
					t.Tagged[l.Tag()] = l
				}
				l.Head, l.Hash = h, h.Hash()
				heads[r] = true
			}
		case record.LinesRecord:
			err = t.Run(k.Run).Lineage(k.Lineage).addSegment(k, rec)
		case record.MessageRecord:
			t.Run(k.Run).addMessage(k, rec.Key, e)
		case record.DropRecord:
			var d *record.Drop
			if d, err = record.DecodeDrop(k, rec.Value); err == nil && t.Run(k.Run).Inbox.Drop(dropOf(rec, d)) {
				e.Messaged[k.Run] = true
			}
		case record.PackRecord:
			err = t.addPack(k, rec.Value, changed)
		case record.CellRecord:
			var c changes.Cell
			if c, err = changes.DecodeCell(rec.Value); err == nil {
				t.Run(k.Run).Lineage(k.Lineage).addCell(changes.PathCell{Path: k.Path, Cell: c}, changed)
			}
		}
		if err != nil {
			t.m.Rejected.Inc()
		}
	}
	t.settle(e, changed, heads)
	return e
}

// SegmentBytes is about what a segment costs beside its lines: keys, and its share of a delta.
const SegmentBytes = 512

func (l *Lineage) addSegment(k record.Key, rec record.Record) error {
	c, err := record.DecodeContent(rec.Value)
	if err != nil {
		return err
	}
	p := Segment{First: k.Number, Count: c.Count, Bytes: int64(len(c.Inline)) + SegmentBytes, Key: rec.Key}
	if c.Blob != nil {
		p.Bytes += c.Blob.Bytes
	}
	i, found := slices.BinarySearchFunc(l.Segments, p, func(a, b Segment) int {
		if a.First < b.First {
			return -1
		} else if a.First > b.First {
			return 1
		}
		return 0
	})
	if found {
		l.Segments[i] = p
	} else {
		l.Segments = slices.Insert(l.Segments, i, p)
	}
	return nil
}

func (l *Lineage) addCell(c changes.PathCell, changed map[*Lineage]map[string]changes.PathCell) {
	code := string(c.Path.Encode())
	if old, ok := l.Cells[code]; ok && old.Cell.Stamp.Turn > c.Cell.Stamp.Turn || l.Until > 0 && c.Cell.Stamp.Turn > l.Until {
		return
	}
	l.Cells[code] = c
	if l.took != nil {
		l.took(code)
	}
	if changed[l] == nil {
		changed[l] = map[string]changes.PathCell{}
	}
	changed[l][code] = c
}

func (t *Table) addPack(k record.Key, value []byte, changed map[*Lineage]map[string]changes.PathCell) error {
	data, err := record.ReadContent(t.blocks, value)
	if err != nil {
		return err
	}
	cells, err := record.DecodePack(data)
	if err != nil {
		return err
	}
	l := t.Run(k.Run).Lineage(k.Lineage)
	for _, c := range cells {
		if c.Cell.Stamp.Run != k.Run {
			t.m.Rejected.Inc()
			continue
		}
		l.addCell(c, changed)
	}
	return nil
}

// settle chooses winners and brings view and digest up to date.
func (t *Table) settle(e *Effect, changed map[*Lineage]map[string]changes.PathCell, heads map[*Run]bool) {
	first := t.View == nil && t.Genesis != nil
	for r := range heads {
		old := r.Winner
		for _, l := range r.Lineages {
			if l.Head != nil && (r.Winner == nil || RankOf(l.Head).Compare(RankOf(r.Winner.Head)) > 0) {
				r.Winner = l
			}
		}
		if r.Winner == nil {
			continue
		}
		e.Advanced[r.ID] = true
		if r.Inbox.Pass(r.TakenOf) {
			e.Messaged[r.ID] = true
		}
		t.Digest.Set("run "+r.ID.String(), changes.BytesValue(r.Winner.Hash[:]))
		if old != r.Winner && !first {
			e.Switched[r.ID] = true
			t.recount(r, old, e)
		}
	}
	if first {
		t.Declare(e)
	} else if t.View != nil {
		for l, cells := range changed {
			if l.Run.Winner != l || e.Switched[l.Run.ID] {
				continue
			}
			for code, c := range cells {
				t.Put(c)
				e.Paths[code] = c.Path
			}
		}
	}
	t.Refresh()
}

// recount replaces the cells of a run by those of its new winning epoch.
func (t *Table) recount(r *Run, old *Lineage, e *Effect) {
	if t.View == nil {
		return
	}
	if old != nil {
		t.View.Drop(r.ID)
		for code, c := range old.Cells {
			e.Paths[code] = c.Path
		}
	}
	for code, c := range r.Winner.Cells {
		t.Put(c)
		e.Paths[code] = c.Path
	}
}

// Put makes a cell count among the merged variables.
func (t *Table) Put(c changes.PathCell) {
	if _, err := t.View.Put(c.Path, c.Cell); err != nil {
		t.m.Rejected.Inc()
	}
}

// Declare builds the view when the genesis arrives.
func (t *Table) Declare(e *Effect) {
	t.View = NewView(t.Genesis)
	for _, v := range t.Genesis.Variables {
		spec, initial, _ := v.Spec()
		for _, g := range changes.Genesis(spec, v.Name, initial) {
			t.View.Touch(g.Path) // every replica's digest begins with the initial values
		}
	}
	for _, r := range t.Runs {
		if r.Winner == nil {
			continue
		}
		e.Switched[r.ID] = true
		t.recount(r, nil, e)
	}
}

// NewView declares the genesis' variables in an empty view.
func NewView(g *record.Genesis) *changes.View {
	v := changes.NewView()
	for _, x := range g.Variables {
		spec, initial, err := x.Spec()
		if err == nil {
			err = v.Declare(x.Name, spec, initial)
		}
		if err != nil {
			panic("BUG: genesis was validated: " + err.Error())
		}
	}
	return v
}

// Refresh drains the view into the digest, one entry a leaf path.
func (t *Table) Refresh() {
	if t.View == nil {
		return
	}
	for _, a := range t.View.Assignments() {
		t.Digest.Set("var "+string(a.Path.Encode()), a.Value)
	}
}

// Forks are the heads that are neither the winner nor ancestors of it.
func (r *Run) Forks() (out []record.Head) {
	kept := map[record.Lineage]bool{}
	for _, p := range r.Chain() {
		kept[p.Lineage.ID] = p.Lineage.Head != nil && (p.Turn == 0 || p.Lineage.Head.Turn <= p.Turn)
	}
	for id, l := range r.Lineages {
		if l.Head != nil && !kept[id] {
			out = append(out, *l.Head)
		}
	}
	slices.SortFunc(out, func(a, b record.Head) int { return RankOf(&b).Compare(RankOf(&a)) })
	return out
}

// Part is a stretch of the winning chain: the lines above `above`, up to `to`, of one lineage, which was
// left at `turn` (0: never).
type Part struct {
	Lineage   *Lineage
	Above, To uint64
	Turn      uint64
}

// Chain lists the stretches of the winning chain, newest first.
func (r *Run) Chain() (out []Part) {
	l := r.Winner
	if l == nil {
		return nil
	}
	p := Part{Lineage: l, To: l.Head.Lines}
	for {
		b := p.Lineage.Head.Base
		if b != nil {
			p.Above = b.Lines
		}
		out = append(out, p)
		if b == nil {
			return out
		}
		id, _ := record.LineageOf(b.Epoch)
		next := r.Lineages[id]
		if next == nil || next.Head == nil || id.Number >= p.Lineage.ID.Number {
			return out
		}
		p = Part{Lineage: next, To: b.Lines, Turn: b.Turn}
	}
}

// Line finds the segment that holds line n of the winning chain; false when it is not written yet.
func (r *Run) Line(n uint64) (Segment, uint64, bool) {
	for _, p := range r.Chain() {
		if n <= p.Above || n > p.To {
			continue
		}
		i, found := slices.BinarySearchFunc(p.Lineage.Segments, n, func(s Segment, n uint64) int {
			switch {
			case s.First+s.Count <= n:
				return -1
			case s.First > n:
				return 1
			}
			return 0
		})
		if found {
			return p.Lineage.Segments[i], p.To, true
		}
	}
	return Segment{}, 0, false
}

// RankOf places a head among all of its run.
func RankOf(h *record.Head) lease.Rank {
	return lease.Rank{Epoch: h.Epoch.Number, Turn: h.Turn, Instructions: h.Instructions, Owner: h.Owner, Actor: h.Lineage().Actor}
}

// Kept is the first line that peers still have: those before it may be gone, also when the head that said so was voided.
func (r *Run) Kept() (n uint64) {
	for _, l := range r.Lineages {
		if l.Head != nil {
			n = max(n, l.Head.Kept)
		}
	}
	return n
}

// Keep is the first line of the winning chain that is to be kept when its newest lines may cost so many bytes.
func (r *Run) Keep(bytes int64) (first uint64) {
	for _, p := range r.Chain() {
		for _, s := range slices.Backward(p.Lineage.Segments) {
			if s.First > p.To || s.First+s.Count-1 <= p.Above {
				continue
			}
			if bytes -= s.Bytes; bytes < 0 && first > 0 {
				return first
			}
			first = max(s.First, p.Above+1)
		}
	}
	return 0
}

// Standing is whether a peer is a member: the newest opening that member records and leaves speak of.
type Standing struct{ Opened, Left uint64 }

// Member says that it is one.
func (s Standing) Member() bool { return s.Opened > s.Left }

// Opening is the number of the next opening of a peer.
func (t *Table) Opening(peer string) uint64 {
	s := t.Standing[peer]
	return max(s.Opened, s.Left) + 1
}

// addMessage files a message, once and in its sender's order.
func (r *Run) addMessage(k record.Key, rec string, e *Effect) {
	if r.Inbox.Add(k.Lineage.Actor, k.Number, rec, r.TakenOf(k.Lineage.Actor)) {
		e.Messaged[r.ID] = true
	}
}

// TakenOf is how far any head says that messages of an actor were taken: those before may be kept nowhere, and are not waited for.
func (r *Run) TakenOf(a record.Actor) (n uint64) {
	for _, l := range r.Lineages {
		if l.Head != nil {
			n = max(n, l.Head.TakenOf(a))
		}
	}
	return n
}

// Take notes in a head which messages a run has taken: those in the places from to below n. Of a sender's only up to the first that it has not
// taken, which may still come: a head of an epoch that lost can have taken it.
func (r *Run) Take(h *record.Head, from, n int) {
	items, _ := r.Inbox.Between(from, n)
	for _, it := range items {
		if it.Number == h.TakenOf(it.Sender)+1 {
			h.Take(it.Sender, it.Number)
		}
	}
}

// Forget lets go of what counts no more.
func (t *Table) Forget(v verdict.Verdict) {
	for id, x := range v {
		rt := t.Runs[id]
		for l, y := range rt.Lineages {
			if l.Number >= x.Epoch {
				y.cut(x)
				continue
			}
			switch {
			case !x.Heads[l]:
				delete(rt.Lineages, l)
				delete(t.Tagged, y.Tag())
			default:
				y.cut(x)
			}
		}
		rt.Inbox.Forget(func(it inbox.Item[record.Actor]) bool { return x.Done || it.Number <= x.Taken(it.Sender) })
		rt.Inbox.ForgetDrops(func(d inbox.Drop) bool { return x.Idle[d.Key] })
	}
}

// cut takes the segments of lines away that are not kept.
func (l *Lineage) cut(x *verdict.Run) {
	if !x.Chain[l.ID] {
		return
	}
	n := 0
	for n < len(l.Segments) && l.Segments[n].First+l.Segments[n].Count <= x.Kept {
		n++
	}
	l.Segments = slices.Delete(l.Segments, 0, n)
}

// Waiting names the messages that a run has not passed. value reads a record.
func (r *Run) Waiting(x *verdict.Run, value func(key string) ([]byte, error)) map[string]bool {
	ids := map[string]bool{}
	for _, key := range r.Inbox.Keys() {
		k, err := record.ParseKey(key)
		if err != nil || x.Done || k.Number <= x.Taken(k.Lineage.Actor) {
			continue
		}
		b, err := value(key)
		if err != nil {
			continue // forgotten
		}
		if m, err := record.DecodeMessage(b); err == nil {
			ids[m.ID] = true
		}
	}
	return ids
}
