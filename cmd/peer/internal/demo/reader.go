package demo

import (
	"context"
	"fmt"
	"sync"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// reader follows the lines of the primes run at whichever peer lives, and checks that each comes once, in order, and right.
type reader struct {
	d      *demo
	run    string
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	seen    uint64 // lines read
	wrong   error
	avoid   *process           // is not read from
	away    context.CancelFunc // ends the reading under way
	changed chan struct{}
}

func (d *demo) read(ctx context.Context, run string) *reader {
	r := &reader{d: d, run: run, changed: make(chan struct{})}
	ctx, r.cancel = context.WithCancel(ctx)
	r.done.Go(func() { r.follow(ctx) })
	return r
}

func (r *reader) stop() {
	r.cancel()
	r.done.Wait()
}

// tellEvery is how many lines are read between two that are told of.
const tellEvery = 50

// follow reads from peer 2, then 3, then 1, then 2 ...: the reader's peer may die like any other.
func (r *reader) follow(ctx context.Context) {
	for at := 1; ctx.Err() == nil; at++ {
		p := r.d.peers[at%peersCount]
		once, cancel := context.WithCancel(ctx)
		r.mu.Lock()
		avoid := r.avoid == p
		r.away = cancel
		r.mu.Unlock()
		if avoid || p.isHeld() {
			cancel()
			continue
		}
		err := p.c.Lines(once, r.run, r.count()+1, true, func(l api.Line) error { return r.take(p, l) })
		cancel()
		if err == nil || r.err() != nil {
			return
		}
		pause(ctx, askEvery)
	}
}

// keepFrom makes the reader go elsewhere than p, to which nothing new comes; nil: it may go anywhere.
func (r *reader) keepFrom(p *process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.avoid = p
	if p != nil {
		r.away()
	}
}

func (r *reader) take(p *process, l api.Line) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wrong = r.d.want.line(r.seen+1, l); r.wrong != nil {
		r.wrong = fmt.Errorf("read at peer %d: %w", p.number, r.wrong)
	} else {
		r.seen++
		if r.seen%tellEvery == 0 {
			r.d.tell(Event{Kind: "line", Run: primes, Peer: p.number, Line: l.Number, Text: fmt.Sprintf("primes, read at peer %d: %s", p.number, trimmed(l.Text))})
		}
	}
	close(r.changed)
	r.changed = make(chan struct{})
	return r.wrong
}

func trimmed(line []byte) string {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	return string(line)
}

func (r *reader) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

func (r *reader) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wrong
}

// reached waits until n lines were read.
func (r *reader) reached(ctx context.Context, n uint64) error {
	for {
		r.mu.Lock()
		seen, wrong, changed := r.seen, r.wrong, r.changed
		r.mu.Unlock()
		switch {
		case wrong != nil:
			return wrong
		case seen >= n:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for line %d of primes (%d read): %w", n, seen, context.Cause(ctx))
		}
	}
}

// line checks that l is number n of primes.
func (e *expected) line(n uint64, l api.Line) error {
	switch {
	case l.Number != n:
		return fmt.Errorf("after line %d of primes came number %d", n-1, l.Number)
	case n > uint64(len(e.primes)):
		return fmt.Errorf("primes printed more than %d lines", len(e.primes))
	case string(l.Text) != e.primes[n-1] || l.Stream != 1:
		return fmt.Errorf("line %d of primes is %q, it should be %q", n, l.Text, e.primes[n-1])
	}
	return nil
}
