package feed

import (
	"testing"
	"testing/synctest"

	"github.com/tandemvm/tandem/replication/internal/record"
)

// jump is what was written when an answer makes numbers jump over a delta that waits: a2 comes after b2, which comes after c2. All of
// b2, c2 and a3 say nothing any more and are removed at the server; a2 and a4 count.
type jump struct {
	a, b, c            *author
	first              []*record.Delta // of each author
	c2, b2, a2, a3, a4 *record.Delta
	b3                 *record.Delta // after b2: the server's answer goes on with b
	server             *peer
}

// newJump writes all of it, and gives it to a server that removes what says nothing.
func newJump(t *testing.T) *jump {
	j := &jump{a: newAuthor("a"), b: newAuthor("b"), c: newAuthor("c")}
	j.first = []*record.Delta{j.a.write(t), j.b.write(t), j.c.write(t)}
	j.c2 = j.c.write(t)
	j.b.learn(j.c)
	j.b2 = j.b.write(t)
	j.a.learn(j.b)
	j.a2 = j.a.write(t)
	j.b3 = j.b.write(t)
	j.a3 = j.a.write(t)
	j.a4 = j.a.write(t)
	j.c.learn(j.a)
	c3 := j.c.write(t)
	j.server = newPeer(t, "server")
	j.server.offer(j.first...)
	j.server.offer(j.c2, j.b2, j.a2, j.b3, j.a3, j.a4, c3)
	j.server.prune(j.c2, j.b2, j.a3)
	j.server.wantNot(j.c2, j.b2, j.a3)
	j.server.want(j.a2, j.a4, j.b3)
	return j
}

// asker is a peer that has the first deltas, and b2, which waits for c2.
func (j *jump) asker(t *testing.T) *peer {
	p := newPeer(t, "asker", j.server)
	p.offer(j.first...)
	p.offer(j.b2)
	p.wantNot(j.b2)
	return p
}

// TestWaitingDeltaIsNotLeftOut: a delta of the answer that waits, while later ones of its author go on before it, is applied when what it waits for is
// known to be left out.
func TestWaitingDeltaIsNotLeftOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		j := newJump(t)
		defer j.server.close()
		p := j.asker(t)
		defer p.close()
		p.net.before = func(int) error { synctest.Wait(); return nil }
		if err := p.pull(j.server); err != nil {
			t.Fatal(err)
		}
		p.want(j.a2, j.a4, j.b3)
		if _, _, pending := p.f.Stats(); pending != 0 {
			t.Errorf("%d deltas wait", pending)
		}
		p.wantZero()
	})
}

// TestKillBetweenJumpAndDelta: what was jumped over and waited when the process was killed is asked for again by the next one.
func TestKillBetweenJumpAndDelta(t *testing.T) {
	for at := range 7 {
		inBubble(t, func(t *testing.T) {
			j := newJump(t)
			defer j.server.close()
			p := j.asker(t)
			defer func() { p.close() }()
			p.net.before = func(n int) error {
				synctest.Wait()
				if n == at {
					return errCut
				}
				return nil
			}
			if err := p.pull(j.server); (err != nil) != (at <= 5) { // a header and four deltas
				t.Fatalf("the answer was cut before piece %d: %v", at, err)
			}
			p.kill()
			p.net.before = nil
			if err := p.pull(j.server); err != nil {
				t.Fatal(err)
			}
			p.want(j.a2, j.a4, j.b3)
			p.offer(j.a.write(t)) // and what comes next needs no other catch-up
			p.want(j.a.knows[j.a.tops()[0].Hash])
			if _, _, pending := p.f.Stats(); pending != 0 {
				t.Errorf("cut before piece %d: %d deltas wait", at, pending)
			}
			p.wantZero()
		})
	}
}
