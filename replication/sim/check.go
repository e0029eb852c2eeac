package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
)

// Properties are the names under which failures are reported, as replication/DESIGN.md explains them.
var Properties = []string{"convergence", "no torn turn", "causal order", "intent", "one winner", "undisturbed takeover", "inputs once",
	"timers once", "lines once", "majority safety", "no trace of voided turns", "acknowledged is kept", "bounded store", "no refusal", "no failure"}

// Look looks at every peer that is up, between two moments: nothing is on its way through a replica then, so what several
// calls say belongs together.
func (w *world) Look() {
	for _, p := range w.peers {
		if p.r != nil {
			w.probePeer(p)
		}
	}
}

func (w *world) probePeer(p *peer) {
	hits, _, err := p.r.Merged("sim.Hits")
	if err != nil {
		return // no genesis yet
	}
	sum := int64(0)
	heads := map[string]rank{}
	for _, s := range p.r.Runs() {
		sum += int64(s.Head.Turn)
		heads[fmt.Sprintf("%x", s.Head.Run[:4])] = rank{s.Head.Epoch.Number, s.Head.Turn}
		k := turnKey{lineage{s.Head.Run, s.Head.Epoch}, s.Head.Turn}
		if h, seen := w.heads[k]; seen && h != s.Head.Root {
			w.Fail("one winner", "%s: turn %d of run %q in epoch %d of %s has two states", p.Name, k.turn, s.Head.Name, k.epoch.Number, s.Head.Owner)
		}
		w.heads[k] = s.Head.Root
	}
	if hits.Int() != sum {
		w.Fail("no torn turn", "%s sees %d hits of %d turns", p.Name, hits.Int(), sum)
	}
	saw, _, _ := p.r.Merged("sim.Saw")
	for i := range saw.Len() {
		e := saw.Entry(i)
		for run, at := range parseSaw(e.Value.Text()) {
			if heads[run].less(at) {
				w.Fail("causal order", "%s sees a turn of run %s that saw run %s at %v, and that run at %v", p.Name, e.Key.Text(), run, at, heads[run])
			}
		}
	}
}

// check says whether a state is what the program has after the state's turn, whoever executed it.
func (p *program) check(s *replication.State) error {
	if p.name == consumer {
		page, err := s.Page(0)
		if err != nil || page == nil {
			return fmt.Errorf("page 0 of the consumer: %v", err)
		}
		var turn uint64
		turn, p.timer, p.taken = parseTaken(page)
		if turn != s.Head.Turn || uint64(len(p.taken))+p.timer.fired != s.Head.Lines {
			return fmt.Errorf("consumer at turn %d with %d lines has memory of turn %d with %d inputs and %d timers", s.Head.Turn, s.Head.Lines, turn, len(p.taken), p.timer.fired)
		}
		return nil
	}
	for i := range uint64(memoryPages) {
		page, err := s.Page(i)
		if err != nil {
			return err
		}
		if want := pageOf(p.number, s.Head.Turn, i); (page == nil) != (want == nil) || page != nil && *page != *want {
			return fmt.Errorf("page %d of run %q is not that of turn %d", i, p.name, s.Head.Turn)
		}
	}
	return nil
}

const calm = 60 * time.Second

// finish waits until all is done, and checks what is left.
func (w *world) finish() {
	for _, p := range w.peers {
		if p.r == nil {
			return // it did not come up, which was said
		}
	}
	for range 60 { // a peer that was away may bring what the consumer has not seen, or go on with a run
		w.WaitFor(calm, w.done)
		w.Look()
		if !w.converge() {
			return
		}
		before := w.digests()
		w.Wait(time.Second) // longer than any lease
		if after := w.digests(); w.done() && slices.Equal(before, after) && len(slices.Compact(after)) == 1 {
			break
		}
	}
	w.mutant.over(w)
	w.Wait(100 * time.Millisecond) // readers
	w.Look()
	w.compare()
	for _, p := range w.peers {
		w.checkPeer(p)
	}
	w.checkAcks()
}

// done says whether every worker has ended and the consumer has taken all inputs, as the first peer sees it.
func (w *world) done() bool {
	for _, p := range w.peers {
		in, _, err := p.r.Merged("sim.In")
		if err != nil {
			return false
		}
		for _, s := range p.r.Runs() {
			if s.Head.Name != consumer && !s.Head.Done || s.Head.Name == consumer && s.Head.Lines < uint64(in.Len()+timersMax) {
				return false
			}
			if s.Head.Name == consumer && p == w.peers[0] && w.lacks(s.Head.Run) != "" {
				return false
			}
		}
	}
	return true
}

func (w *world) digests() (out []changes.Hash) {
	for _, p := range w.peers {
		out = append(out, p.r.Digest())
	}
	return out
}

// converge waits until each peer has heard the same from all others.
func (w *world) converge() bool {
	for _, p := range w.peers {
		ctx, cancel := context.WithTimeout(context.Background(), calm)
		err := p.r.Converged(ctx, len(w.peers)-1)
		cancel()
		if err != nil {
			w.Fail("convergence", "%s: %v: %+v", p.Name, err, p.r.Status())
			return false
		}
	}
	return true
}

// lacks names a timer that has not fired or a durable message that was neither taken nor dropped, as the first peer sees the consumer. Poison that was not dropped
// there yet is now.
func (w *world) lacks(run changes.RunID) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, err := w.peers[0].r.LoadState(ctx, run)
	if err != nil {
		return err.Error()
	}
	page, err := s.Page(0)
	if err != nil || page == nil {
		return fmt.Sprint("page 0: ", err)
	}
	_, t, taken := parseTaken(page)
	if t.fired < timersMax {
		return fmt.Sprintf("timer %d", t.fired+1)
	}
	w.mu.Lock()
	sent := maps.Clone(w.sent)
	w.mu.Unlock()
	gone, _ := w.peers[0].r.DroppedIDs(run, 0)
	what := ""
	for _, id := range slices.Sorted(maps.Keys(sent)) {
		if slices.Contains(taken, id) || slices.Contains(gone, id) {
			continue
		}
		if poisonous(id) && w.peers[0].r.Drop(ctx, run, id) == nil || sent[id] {
			what = id
		}
	}
	return what
}

// compare checks that all peers say the same.
func (w *world) compare() {
	first := w.peers[0]
	heads := func(p *peer) string {
		var out []string
		for _, s := range p.r.Runs() {
			out = append(out, fmt.Sprintf("%x: epoch %d of %s turn %d", s.Head.Run[:4], s.Head.Epoch.Number, s.Head.Owner, s.Head.Turn))
		}
		return strings.Join(out, "; ")
	}
	for _, p := range w.peers[1:] {
		if p.r.Digest() != first.r.Digest() {
			names, _ := p.r.Differ(context.Background(), first.Name)
			w.Fail("convergence", "%s and %s differ in %v", first.Name, p.Name, names)
		}
		if a, b := heads(first), heads(p); a != b {
			w.Fail("one winner", "%s: %s, %s: %s", first.Name, a, p.Name, b)
		}
	}
}

// checkPeer compares what one peer has with what the winning runs mean.
func (w *world) checkPeer(p *peer) {
	counts, tags, inputs := map[string]int64{}, map[string]bool{}, []string{}
	title, best := map[string]bool{}, int64(0)
	for _, s := range p.r.Runs() {
		if s.Head.Name != consumer {
			g := newProgram(s.Head.Name, s.Head.Run, s.Head.Epoch)
			e := expect(g.number, s.Head.Turn)
			for k, n := range e.counts {
				counts[k] += n
			}
			maps.Copy(tags, e.tags)
			inputs = append(inputs, e.inputs...)
			for n := uint64(4); n <= s.Head.Turn; n += 4 {
				title[fmt.Sprintf("%d %d", g.number, n)] = true
			}
			best = max(best, int64(s.Head.Turn)*10+int64(g.number))
		}
		w.checkRun(p, s.Head, inputs)
	}
	w.checkLines(p, inputs)
	got := map[string]int64{}
	v, _, _ := p.r.Merged("sim.Counts")
	for i := range v.Len() {
		got[v.Entry(i).Key.Text()] = v.Entry(i).Value.Int()
	}
	if !maps.Equal(got, counts) {
		w.Fail("intent", "%s counts %v, the turns that count say %v", p.Name, got, counts)
	}
	has := map[string]bool{}
	v, _, _ = p.r.Merged("sim.Tags")
	for i := range v.Len() {
		has[v.Entry(i).Key.Text()] = true
	}
	if !maps.Equal(has, tags) {
		w.Fail("intent", "%s has tags %v, the turns that count say %v", p.Name, slices.Sorted(maps.Keys(has)), slices.Sorted(maps.Keys(tags)))
	}
	if v, _, _ = p.r.Merged("sim.Best"); v.Int() != best {
		w.Fail("intent", "%s has best %d, the turns that count say %d", p.Name, v.Int(), best)
	}
	if v, _, _ = p.r.Merged("sim.Title"); v.Text() != "" && !title[v.Text()] || v.Text() == "" && len(title) > 0 {
		w.Fail("no trace of voided turns", "%s has the title %q, which no turn that counts wrote", p.Name, v.Text())
	}
	if n := p.r.Status().Past; n > 0 {
		w.Fail("acknowledged is kept", "%s: %d deltas that it wrote had to come from the others", p.Name, n)
	}
	p.CheckRefusals()
	w.checkStore(p)
}

func (w *world) checkRun(p *peer, h replication.Head, _ []string) {
	ctx, cancel := context.WithTimeout(context.Background(), calm)
	defer cancel()
	s, err := p.r.LoadState(ctx, h.Run)
	if err != nil {
		w.Fail("undisturbed takeover", "%s: %v", p.Name, err)
		return
	}
	g := newProgram(h.Name, h.Run, h.Epoch)
	if err := g.check(s); err != nil || s.Head.Turn != h.Turn {
		w.Fail("undisturbed takeover", "%s, turn %d of %d: %v", p.Name, s.Head.Turn, h.Turn, err)
	}
	if h.Name != consumer && !h.Done {
		w.Fail("undisturbed takeover", "%s: run %q never ended, it stands at turn %d in epoch %d of %s", p.Name, h.Name, h.Turn, h.Epoch.Number, h.Owner)
	}
}

// checkLines reads all lines of all runs anew.
func (w *world) checkLines(p *peer, inputs []string) {
	for _, s := range p.r.Runs() {
		h := s.Head
		var got []string
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		p.r.Lines(ctx, h.Run, 1, func(l changes.Line) error {
			if got = append(got, string(l.Text)); l.Number == h.Lines {
				cancel()
			}
			return nil
		})
		cancel()
		if uint64(len(got)) != h.Lines {
			w.Fail("lines once", "%s gives %d lines of run %q, which has %d; voters %v hold %v", p.Name, len(got), h.Name, h.Lines, h.Voters, s.Held)
		}
		w.checkReaders(p, h, got)
		if h.Name == consumer {
			w.checkConsumer(p, h, got, inputs)
			continue
		}
		g := newProgram(h.Name, h.Run, h.Epoch)
		for i, l := range got {
			if want := lineOf(g.number, uint64(i)+1); l != want {
				w.Fail("lines once", "%s: line %d of run %q is %q", p.Name, i+1, h.Name, l)
				break
			}
		}
	}
}

// checkConsumer compares the lines of the consumer with what there was to consume.
func (w *world) checkConsumer(p *peer, h replication.Head, lines, inputs []string) {
	want, may, have, fired := map[string]bool{}, map[string]bool{}, map[string]bool{}, []string{}
	for id, durable := range w.sent {
		want[id], may[id] = durable && !poisonous(id), !durable && !poisonous(id)
	}
	for _, in := range inputs {
		want[in] = true
	}
	for _, l := range lines {
		id, taken := strings.CutPrefix(l, "got ")
		switch {
		case !taken:
			fired = append(fired, l)
		case have[id]:
			w.Fail("inputs once", "%s: %q twice", p.Name, id)
		case !want[id] && !may[id]:
			w.Fail("inputs once", "%s: %q was taken, which nobody gave or which was dropped", p.Name, id)
		}
		have[id] = true
	}
	for id, must := range want {
		if must && !have[id] {
			w.Fail("inputs once", "%s: %q was not taken, %v were", p.Name, id, slices.Sorted(maps.Keys(have)))
		}
	}
	gone, _ := p.r.DroppedIDs(h.Run, 0)
	for id, durable := range w.sent {
		if poisonous(id) && durable && !slices.Contains(gone, id) {
			w.Fail("inputs once", "%s: %q could not be dropped, %v were", p.Name, id, gone)
		}
	}
	for i := range max(timersMax, len(fired)) {
		if want := fmt.Sprintf("timer %d", i+1); i >= timersMax || i >= len(fired) || fired[i] != want {
			w.Fail("timers once", "%s: %v, and there are %d timers", p.Name, fired, timersMax)
			break
		}
	}
}

// storeFactorMax bounds a store that is compacted all the time by what is live in it and the window. Compaction leaves at most three times that, and is next made when as much has been written as
// it left: six. The seventh is for what earlier lives of crashed peers wrote, whose deltas stay whole while one record in them counts: nobody issues that again.
// Report.Stored says how much it was: in 250 seeds 2.7 times in the middle, 5.7 in one of a hundred, 5.9 at most.
const storeFactorMax = 7

// checkStore compares the deltas in a store with what is live in them.
func (w *world) checkStore(p *peer) {
	f, err := p.r.Footprint()
	if err != nil {
		w.Fail("no failure", "%s: %v", p.Name, err)
	}
	if !w.small {
		return
	}
	w.Count(func(r *Report) { r.Stored = max(r.Stored, float64(f.Bytes-f.Kept)/float64(f.Live+retainSmall)) })
	if most := storeFactorMax*(f.Live+retainSmall) + f.Kept; f.Bytes > most {
		w.Fail("bounded store", "%s: %d bytes in %d deltas, of which %d are live and %d kept whatever they hold; %d would do", p.Name, f.Bytes, f.Deltas, f.Live, f.Kept, most)
	}
}

// checkReaders compares what any reader was given at any time with the lines that count: at majority nothing else may ever be released.
func (w *world) checkReaders(p *peer, h replication.Head, lines []string) {
	if w.Level != replication.Majority || p != w.peers[0] {
		return
	}
	w.mu.Lock()
	readers := maps.Clone(w.lines)
	w.mu.Unlock()
	for k, given := range readers {
		if k.run != h.Run {
			continue
		}
		for i, l := range given {
			if i >= len(lines) || lines[i] != l {
				w.Fail("majority safety", "%s was given line %d of run %q as %q, which does not count", k.peer, i+1, h.Name, l)
				break
			}
		}
	}
}

// checkAcks finds every acknowledged turn: in the winning chain, or in a fork.
func (w *world) checkAcks() {
	r := w.peers[0].r
	newest := map[lineage]uint64{}
	for _, s := range r.Runs() {
		for _, h := range append([]replication.Head{s.Head}, s.Forks...) {
			newest[lineage{h.Run, h.Epoch}] = h.Turn
		}
		for b := s.Head.Base; b != nil; b = nil {
			k := lineage{s.Head.Run, b.Epoch}
			newest[k] = max(newest[k], b.Turn)
		}
	}
	winners := map[changes.RunID]uint64{}
	for _, s := range r.Runs() {
		winners[s.Head.Run] = s.Head.Turn
	}
	w.mu.Lock()
	acks := maps.Clone(w.acks)
	w.mu.Unlock()
	for k, a := range acks {
		if n, known := newest[k]; known && n < a.turn {
			w.Fail("acknowledged is kept", "turn %d of %q was acknowledged at %s in epoch %d, turn %d is there", a.turn, a.name, a.peer, k.epoch.Number, n)
		}
		if n := winners[k.run]; w.Level == replication.Majority && n < a.turn {
			w.Fail("majority safety", "turn %d of %q was acknowledged by a majority in epoch %d, the winner stands at %d", a.turn, a.name, k.epoch.Number, n)
		}
	}
}
