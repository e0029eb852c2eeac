package replication

import (
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/inbox"
	"github.com/tandemvm/tandem/replication/internal/lease"
	"github.com/tandemvm/tandem/replication/internal/metrics"
	"github.com/tandemvm/tandem/replication/internal/quorum"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// table is what the applied deltas say, decoded: runs with their epochs, and the merged variables over
// the winning ones. It is a function of the set of applied deltas, whatever their order. Guarded by Replica.mu.
type table struct {
	blocks   *block.Store
	m        *metrics.Set
	genesis  *Genesis
	members  map[record.Actor]string
	standing map[string]standing // by peer
	runs     map[changes.RunID]*runTable
	tagged   map[quorum.Tag]*lineage // those that have a head
	view     *changes.View           // nil until the genesis is here
	digest   *changes.DigestTree
}

// runTable is a run: every epoch of it that anybody wrote, and the one that counts.
type runTable struct {
	id       changes.RunID
	lineages map[record.Lineage]*lineage
	inbox    inbox.Inbox[record.Actor]
	winner   *lineage // the one whose head ranks highest; nil while no head is here
	agreed   *Head    // the newest winner that every member is known to have had
}

// lineage is what one writer wrote in one epoch of a run.
type lineage struct {
	run      *runTable
	id       record.Lineage
	head     *Head
	hash     changes.Hash
	cells    map[string]changes.PathCell // by encoded path; the newest of cell record and packs
	segments []segmentPlace              // sorted by first; those of lines that are not kept are missing
}

func (l *lineage) tag() quorum.Tag {
	return quorum.Epoch{Number: l.id.Number, Actor: l.id.Actor}.Tag(l.run.id)
}

type segmentPlace struct {
	first, count uint64
	bytes        int64 // that it costs to keep
	key          string
}

// effect is what applying some deltas changed.
type effect struct {
	paths    map[string]changes.Path // leaf paths whose cells in winning epochs changed
	switched map[changes.RunID]bool  // runs that count from another epoch now
	advanced map[changes.RunID]bool  // runs with a new winning head
	messaged map[changes.RunID]bool  // runs with new messages
	members  []string
}

func newEffect() *effect {
	return &effect{paths: map[string]changes.Path{}, switched: map[changes.RunID]bool{}, advanced: map[changes.RunID]bool{}, messaged: map[changes.RunID]bool{}}
}

func newTable(b *block.Store, m *metrics.Set) *table {
	return &table{blocks: b, m: m, members: map[record.Actor]string{}, standing: map[string]standing{}, runs: map[changes.RunID]*runTable{},
		tagged: map[quorum.Tag]*lineage{}, digest: changes.NewDigestTree()}
}

func (t *table) run(id changes.RunID) *runTable {
	r := t.runs[id]
	if r == nil {
		r = &runTable{id: id, lineages: map[record.Lineage]*lineage{}}
		t.runs[id] = r
	}
	return r
}

func (r *runTable) lineage(id record.Lineage) *lineage {
	l := r.lineages[id]
	if l == nil {
		l = &lineage{run: r, id: id, cells: map[string]changes.PathCell{}}
		r.lineages[id] = l
	}
	return l
}

// peers are the members, each once, sorted.
func (t *table) peers() (out []string) {
	for p, s := range t.standing {
		if s.member() {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// apply takes the records of whole deltas. Cells and heads of one delta are looked at together: first
// all are filed, then winners are chosen, so no reader sees a head without its turn's cells or the reverse.
func (t *table) apply(records []record.Record) *effect {
	e := newEffect()
	changed := map[*lineage]map[string]changes.PathCell{}
	heads := map[*runTable]bool{}
	for _, rec := range records {
		k, err := record.ParseKey(rec.Key)
		if err != nil {
			t.m.Rejected.Inc() // checked before it was announced; only a store written by something else gets here
			continue
		}
		switch k.Kind {
		case record.GenesisRecord:
			if t.genesis == nil {
				t.genesis, err = record.DecodeGenesis(rec.Value)
			}
		case record.LeaveRecord:
			var l *record.Leave
			if l, err = record.DecodeLeave(k, rec.Value); err == nil {
				s := t.standing[l.Peer]
				s.left = max(s.left, l.Opening)
				t.standing[l.Peer] = s
				e.members = append(e.members, l.Peer)
			}
		case record.MemberRecord:
			var m record.Member
			if err = record.Decode(rec.Value, &m); err == nil {
				t.members[k.Lineage.Actor] = m.Peer
				s := t.standing[m.Peer]
				s.opened = max(s.opened, m.Opening, 1)
				t.standing[m.Peer] = s
				e.members = append(e.members, m.Peer)
			}
		case record.HeadRecord:
			r := t.run(k.Run)
			l := r.lineage(k.Lineage)
			var h *Head
			if h, err = record.DecodeHead(rec.Value); err == nil {
				if l.head == nil {
					t.tagged[l.tag()] = l
				}
				l.head, l.hash = h, h.Hash()
				heads[r] = true
			}
		case record.LinesRecord:
			err = t.run(k.Run).lineage(k.Lineage).addSegment(k, rec)
		case record.MessageRecord:
			t.run(k.Run).addMessage(k, rec.Key, e)
		case record.PackRecord:
			err = t.addPack(k, rec.Value, changed)
		case record.CellRecord:
			var c changes.Cell
			if c, err = changes.DecodeCell(rec.Value); err == nil {
				t.run(k.Run).lineage(k.Lineage).addCell(changes.PathCell{Path: k.Path, Cell: c}, changed)
			}
		}
		if err != nil {
			t.m.Rejected.Inc()
		}
	}
	t.settle(e, changed, heads)
	return e
}

// segmentBytes is about what a segment costs beside its lines: keys, and its share of a delta.
const segmentBytes = 512

func (l *lineage) addSegment(k record.Key, rec record.Record) error {
	c, err := record.DecodeContent(rec.Value)
	if err != nil {
		return err
	}
	p := segmentPlace{first: k.Number, count: c.Count, bytes: int64(len(c.Inline)) + segmentBytes, key: rec.Key}
	if c.Blob != nil {
		p.bytes += c.Blob.Bytes
	}
	i, found := slices.BinarySearchFunc(l.segments, p, func(a, b segmentPlace) int {
		if a.first < b.first {
			return -1
		} else if a.first > b.first {
			return 1
		}
		return 0
	})
	if found {
		l.segments[i] = p
	} else {
		l.segments = slices.Insert(l.segments, i, p)
	}
	return nil
}

func (l *lineage) addCell(c changes.PathCell, changed map[*lineage]map[string]changes.PathCell) {
	code := string(c.Path.Encode())
	if old, ok := l.cells[code]; ok && old.Cell.Stamp.Turn > c.Cell.Stamp.Turn {
		return
	}
	l.cells[code] = c
	if changed[l] == nil {
		changed[l] = map[string]changes.PathCell{}
	}
	changed[l][code] = c
}

func (t *table) addPack(k record.Key, value []byte, changed map[*lineage]map[string]changes.PathCell) error {
	data, err := record.ReadContent(t.blocks, value)
	if err != nil {
		return err
	}
	cells, err := record.DecodePack(data)
	if err != nil {
		return err
	}
	l := t.run(k.Run).lineage(k.Lineage)
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
func (t *table) settle(e *effect, changed map[*lineage]map[string]changes.PathCell, heads map[*runTable]bool) {
	first := t.view == nil && t.genesis != nil
	for r := range heads {
		old := r.winner
		for _, l := range r.lineages {
			if l.head != nil && (r.winner == nil || rankOf(l.head).Compare(rankOf(r.winner.head)) > 0) {
				r.winner = l
			}
		}
		if r.winner == nil {
			continue
		}
		e.advanced[r.id] = true
		if r.inbox.Pass(r.takenOf) {
			e.messaged[r.id] = true
		}
		t.digest.Set("run "+r.id.String(), changes.BytesValue(r.winner.hash[:]))
		if old != r.winner && !first {
			e.switched[r.id] = true
			t.recount(r, old, e)
		}
	}
	if first {
		t.declare(e)
	} else if t.view != nil {
		for l, cells := range changed {
			if l.run.winner != l || e.switched[l.run.id] {
				continue
			}
			for code, c := range cells {
				t.put(c)
				e.paths[code] = c.Path
			}
		}
	}
	t.refresh()
}

// recount replaces the cells of a run by those of its new winning epoch.
func (t *table) recount(r *runTable, old *lineage, e *effect) {
	if t.view == nil {
		return
	}
	if old != nil {
		t.view.Drop(r.id)
		for code, c := range old.cells {
			e.paths[code] = c.Path
		}
	}
	for code, c := range r.winner.cells {
		t.put(c)
		e.paths[code] = c.Path
	}
}

func (t *table) put(c changes.PathCell) {
	if _, err := t.view.Put(c.Path, c.Cell); err != nil {
		t.m.Rejected.Inc()
	}
}

// declare builds the view when the genesis arrives.
func (t *table) declare(e *effect) {
	t.view = newView(t.genesis)
	for _, v := range t.genesis.Variables {
		spec, initial, _ := v.Spec()
		for _, g := range changes.Genesis(spec, v.Name, initial) {
			t.view.Touch(g.Path) // every replica's digest begins with the initial values
		}
	}
	for _, r := range t.runs {
		if r.winner == nil {
			continue
		}
		e.switched[r.id] = true
		t.recount(r, nil, e)
	}
}

// newView declares the genesis' variables in an empty view.
func newView(g *Genesis) *changes.View {
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

// refresh drains the view into the digest, one entry a leaf path.
func (t *table) refresh() {
	if t.view == nil {
		return
	}
	for _, a := range t.view.Assignments() {
		t.digest.Set("var "+string(a.Path.Encode()), a.Value)
	}
}

// forks are the heads that are neither the winner nor ancestors of it.
func (r *runTable) forks() (out []Head) {
	kept := map[record.Lineage]bool{}
	for _, p := range r.chain() {
		kept[p.l.id] = p.l.head != nil && (p.turn == 0 || p.l.head.Turn <= p.turn)
	}
	for id, l := range r.lineages {
		if l.head != nil && !kept[id] {
			out = append(out, *l.head)
		}
	}
	slices.SortFunc(out, func(a, b Head) int { return rankOf(&b).Compare(rankOf(&a)) })
	return out
}

// part is a stretch of the winning chain: the lines above `above`, up to `to`, of one lineage, which was
// left at `turn` (0: never).
type part struct {
	l         *lineage
	above, to uint64
	turn      uint64
}

// chain lists the stretches of the winning chain, newest first.
func (r *runTable) chain() (out []part) {
	l := r.winner
	if l == nil {
		return nil
	}
	p := part{l: l, to: l.head.Lines}
	for {
		b := p.l.head.Base
		if b != nil {
			p.above = b.Lines
		}
		out = append(out, p)
		if b == nil {
			return out
		}
		id, _ := record.LineageOf(b.Epoch)
		next := r.lineages[id]
		if next == nil || next.head == nil || id.Number >= p.l.id.Number {
			return out
		}
		p = part{l: next, to: b.Lines, turn: b.Turn}
	}
}

// line finds the segment that holds line n of the winning chain; false when it is not written yet.
func (r *runTable) line(n uint64) (segmentPlace, uint64, bool) {
	for _, p := range r.chain() {
		if n <= p.above || n > p.to {
			continue
		}
		i, found := slices.BinarySearchFunc(p.l.segments, n, func(s segmentPlace, n uint64) int {
			switch {
			case s.first+s.count <= n:
				return -1
			case s.first > n:
				return 1
			}
			return 0
		})
		if found {
			return p.l.segments[i], p.to, true
		}
	}
	return segmentPlace{}, 0, false
}

// rankOf places a head among all of its run.
func rankOf(h *Head) lease.Rank {
	return lease.Rank{Epoch: h.Epoch.Number, Turn: h.Turn, Instructions: h.Instructions, Owner: h.Owner, Actor: h.Lineage().Actor}
}

// kept is the first line that peers still have: those before it may be gone, also when the head that said so was voided.
func (r *runTable) kept() (n uint64) {
	for _, l := range r.lineages {
		if l.head != nil {
			n = max(n, l.head.Kept)
		}
	}
	return n
}

// keep is the first line of the winning chain that is to be kept when its newest lines may cost so many bytes.
func (r *runTable) keep(bytes int64) (first uint64) {
	for _, p := range r.chain() {
		for _, s := range slices.Backward(p.l.segments) {
			if s.first > p.to || s.first+s.count-1 <= p.above {
				continue
			}
			if bytes -= s.bytes; bytes < 0 && first > 0 {
				return first
			}
			first = max(s.first, p.above+1)
		}
	}
	return 0
}
