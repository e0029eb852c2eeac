package feed

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tandemvm/tandem/replication/internal/record"
)

// inBubble runs a test in virtual time, in which waiting for all goroutines is possible.
func inBubble(t *testing.T, do func(t *testing.T)) { synctest.Test(t, do) }

// TestOrderOfArrivalDoesNotMatter: deltas are applied each once and after their parents, whatever the order in which they come and however often.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	a, b := newAuthor("a"), newAuthor("b")
	var all []*record.Delta
	for range 2 {
		all = append(all, a.write(t), b.write(t))
	}
	a.learn(b)
	all = append(all, a.write(t)) // after both
	var order func(list, rest []*record.Delta)
	order = func(list, rest []*record.Delta) {
		if len(rest) > 0 {
			for i := range rest {
				order(append(list, rest[i]), slices.Delete(slices.Clone(rest), i, i+1))
			}
			return
		}
		inBubble(t, func(t *testing.T) {
			p := newPeer(t, "p")
			defer p.close()
			here := map[record.BlockHash]bool{}
			for i, d := range list {
				here[d.Hash] = true
				p.offer(d, list[i/2])
				for _, x := range all { // applied is what is here with all that it comes after
					ready := here[x.Hash]
					for _, y := range all {
						ready = ready && (y.Height >= x.Height && y.Hash != x.Hash || here[y.Hash] || y.Actor != x.Actor && x.Seq < 3)
					}
					if p.has(x) != ready {
						t.Fatalf("after %d of %v: delta %d of %s: applied is %v", i+1, names(list), x.Seq, x.Peer, !ready)
					}
				}
			}
			if n := p.f.Total(); n != uint64(len(all)) {
				t.Errorf("%d deltas were applied of %d", n, len(all))
			}
			if _, _, pending := p.f.Stats(); pending != 0 || p.reaches(a) != 3 || p.reaches(b) != 2 {
				t.Errorf("%d pending, a up to %d, b up to %d", pending, p.reaches(a), p.reaches(b))
			}
		})
	}
	order(nil, all)
}

func names(list []*record.Delta) (out []string) {
	for _, d := range list {
		out = append(out, d.Peer+string('0'+rune(d.Seq)))
	}
	return out
}

// chain is n deltas of one author.
func chain(t *testing.T, n int) (a *author, list []*record.Delta) {
	a = newAuthor("a")
	for range n {
		list = append(list, a.write(t))
	}
	return a, list
}

// TestRemovedDeltaStaysAway: what was removed is not applied again when it comes late, and whoever asks is told that it was left out.
func TestRemovedDeltaStaysAway(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, list := chain(t, 6)
		p := newPeer(t, "p")
		defer p.close()
		p.offer(list...)
		p.prune(list[1], list[3], list[5])
		p.want(list[0], list[2], list[4], list[5]) // the newest stays: it says how far the author is known
		for range 2 {
			p.offer(list...)
			p.wantNot(list[1], list[3])
			p.kill()
		}
		if n := p.reaches(a); n != 6 {
			t.Errorf("it knows %d deltas of the author", n)
		}
		j := newPeer(t, "joiner", p)
		defer j.close()
		if err := j.pull(p); err != nil {
			t.Fatal(err)
		}
		j.want(list[0], list[2], list[4], list[5])
		j.offer(list...)
		j.wantNot(list[1], list[3])
		j.wantZero()
	})
}

// TestCutAnswerGoesOn: an answer that is cut anywhere is not begun anew, whether the process goes on or ends in order.
func TestCutAnswerGoesOn(t *testing.T) {
	for _, ends := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			_, list := chain(t, 40)
			server := newPeer(t, "server")
			defer server.close()
			server.offer(list...)
			server.prune(list[5:20]...)
			p := newPeer(t, "p", server)
			defer func() { p.close() }()
			came := 0
			for cuts := 0; cuts < 8; cuts++ {
				p.net.before = func(n int) error {
					came += min(n, 1)
					if n == 4 {
						came-- // this one does not come
						return errCut
					}
					return nil
				}
				if err := p.pull(server); err == nil {
					t.Fatal("the answer was not cut")
				}
				if ends {
					p.close()
					p.open()
				}
			}
			p.net.before = func(n int) error { came += min(n, 1); return nil }
			if err := p.pull(server); err != nil {
				t.Fatal(err)
			}
			came-- // before is called after the last one too
			p.want(list[:5]...)
			p.want(list[20:]...)
			p.wantNot(list[5:20]...)
			if want := len(list) - 15; came != want {
				t.Errorf("ends %v: %d deltas came, %d are there", ends, came, want)
			}
		})
	}
}

// TestNothingGoesOnBeforeWhatHadNoRoom: a delta of an answer that cannot even wait is asked for again, and what comes after it does not jump over it.
func TestNothingGoesOnBeforeWhatHadNoRoom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		j := newJump(t)
		defer j.server.close()
		p := j.asker(t)
		defer p.close()
		for i := range waitingMax - len(p.f.waiting) { // of an actor that nobody knows
			h := record.BlockHash{byte(i >> 8), byte(i)}
			p.f.waiting[h] = &record.Delta{Hash: h, Envelope: record.Envelope{Seq: 2}, Parents: []record.BlockHash{{0xff}}}
		}
		if err := p.pull(j.server); err != nil {
			t.Fatal(err)
		}
		if n := p.counted()["overflowed_total"]; n == 0 {
			t.Error("all had room")
		}
		for h, d := range p.f.waiting {
			if d.Peer == "" {
				delete(p.f.waiting, h)
			}
		}
		if err := p.pull(j.server); err != nil {
			t.Fatal(err)
		}
		p.want(j.a2, j.a4, j.b3)
		p.wantZero()
	})
}

// TestNumberUsedTwice: of two deltas with one number both are applied, the second is counted, and found by its name only.
func TestNumberUsedTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, list := chain(t, 2)
		fork := newAuthor("a")
		fork.seq, fork.knows = 1, map[record.BlockHash]*record.Delta{list[0].Hash: list[0]}
		b := newAuthor("b")
		fork.learn(b)
		b.write(t)
		fork.learn(b)
		other := fork.write(t)
		p := newPeer(t, "p")
		defer func() { p.close() }()
		p.offer(b.tops()...)
		p.offer(list...)
		p.offer(other)
		p.kill()
		p.want(append(list, other)...)
		if d := p.f.At(list[1].Actor, 2); d == nil || d.Hash != list[1].Hash {
			t.Errorf("number 2 is %v", d)
		}
		if d := p.f.Named(other.Hash[:8]); d == nil || d.Hash != other.Hash {
			t.Errorf("the other is found as %v", d)
		}
		if n := p.reaches(a); n != 2 {
			t.Errorf("it knows %d deltas of the author", n)
		}
	})
}

// TestRecall: what came last is found by name and number before it is applied, and everything that is here also after a restart.
func TestRecall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, list := chain(t, 5)
		p := newPeer(t, "p")
		defer func() { p.close() }()
		p.offer(list[4]) // it waits
		if d := p.f.Named(list[4].Hash[:6]); d == nil || d.Hash != list[4].Hash {
			t.Errorf("what waits is found as %v", d)
		}
		p.offer(list...)
		p.kill()
		for _, x := range list {
			if d := p.f.At(x.Actor, x.Seq); d == nil || d.Hash != x.Hash {
				t.Errorf("number %d is %v", x.Seq, d)
			}
			if d := p.f.Named(x.Hash[:7]); d == nil || d.Hash != x.Hash {
				t.Errorf("%x is %v", x.Hash[:7], d)
			}
		}
		if d := p.f.At(list[0].Actor, 6); d != nil {
			t.Errorf("number 6 is %v", d)
		}
		if d := p.f.Named([]byte("no such")); d != nil || p.f.Named([]byte{1}) != nil {
			t.Errorf("a name of nothing, or too short a one, finds %v", d)
		}
	})
}

// TestForeignersAreRefused: a delta whose author never said that it is a member waits, and one that is too high for what it comes after is refused.
func TestForeignersAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, list := chain(t, 2)
		p := newPeer(t, "p")
		defer p.close()
		p.offer(list[1])
		p.wantNot(list[1])
		p.wantZero()
		wrong := decode(t, list[0].Bytes)
		wrong.Height++
		p.f.Offer(wrong)
		synctest.Wait()
		p.wantNot(list[0])
		p.offer(list[0])
		p.want(list...)
	})
}

// TestAnswerIsOfOneMoment: a delta that is applied while an answer is made up is not in it without those that it comes after, which the asker would take for left out.
func TestAnswerIsOfOneMoment(t *testing.T) {
	server := newPeer(t, "server")
	defer server.close()
	apply := func(d *record.Delta) {
		for server.f.Offer(decode(t, d.Bytes)); !server.has(d); {
			runtime.Gosched()
		}
	}
	var authors []*author
	for i := range 3 {
		a := newAuthor(fmt.Sprint("author", i))
		apply(a.write(t))
		authors = append(authors, a)
	}
	old := authors[0].write(t)
	apply(old)
	apply(authors[0].write(t))
	server.prune(old) // an answer to who asks for everything says so
	var list []*record.Delta
	last := authors[0].knows
	deltas := 20000
	if testing.Short() {
		deltas /= 5
	}
	for i := range deltas { // each by another author, after the one before
		a := authors[i%len(authors)]
		a.knows = last
		d := a.write(t)
		last = map[record.BlockHash]*record.Delta{d.Hash: d}
		list = append(list, d)
	}
	p := newPeer(t, "asker", server)
	defer p.close()
	done := make(chan bool)
	go func() {
		defer close(done)
		for some := range slices.Chunk(list, 10) { // applied together
			for _, d := range some[:len(some)-1] {
				server.f.Offer(decode(t, d.Bytes))
			}
			apply(some[len(some)-1])
		}
	}()
	for on := true; on; {
		select {
		case <-done:
			on = false
		default:
		}
		p.f.mu.Lock()
		clear(p.f.checked)
		p.f.mu.Unlock()
		if err := p.f.Pull(t.Context(), server.name, server.e.Heads()); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range list {
		for p.f.busy() {
			runtime.Gosched()
		}
		p.want(d)
	}
}

// TestRemovedWhileSentCutsTheAnswer: what replaces a delta that is removed while an answer is sent may be in none that was listed, so the asker is not to take the answer for whole.
func TestRemovedWhileSentCutsTheAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newAuthor("a")
		var list []*record.Delta
		for range 2400 { // more than one frame
			d := a.write(t)
			a.knows = map[record.BlockHash]*record.Delta{d.Hash: d} // the others need not be looked through
			list = append(list, d)
		}
		server := newPeer(t, "server")
		defer server.close()
		server.offer(list...)
		frames := 0
		serve := func(removed ...*record.Delta) error {
			frames = 0
			return server.f.Serve(t.Context(), "asker", record.Encode(PullRequest{}), func([]byte) error {
				if frames++; frames == 1 {
					server.prune(removed...)
				}
				return nil
			})
		}
		if err := serve(); err != nil || frames < 2 {
			t.Fatalf("%d frames, %v", frames, err)
		}
		if err := serve(list[2390]); err == nil || !strings.Contains(err.Error(), "ask again") {
			t.Errorf("an answer that lacks a listed delta ended with %v", err)
		}
		if err := serve(); err != nil {
			t.Errorf("the next one ended with %v", err)
		}
	})
}

// TestAuthoredIsOfOneMoment: a compaction beside it takes nothing away from who reads an author's deltas.
func TestAuthoredIsOfOneMoment(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, list := chain(t, 6)
		p := newPeer(t, "p")
		defer p.close()
		p.offer(list...)
		var got []record.BlockHash
		err := p.f.Authored(list[0].Actor, func(d *record.Delta) bool {
			p.prune(list[2], list[3])
			got = append(got, d.Hash)
			return true
		})
		if err != nil || len(got) != len(list) {
			t.Fatalf("%d of %d deltas, %v", len(got), len(list), err)
		}
		p.wantNot(list[2], list[3])
	})
}
