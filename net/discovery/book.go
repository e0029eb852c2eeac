// Package discovery finds the members of a sandbox and keeps trying to reach them: explicit addresses, addresses that
// other members told, and multicast DNS on the local network.
//
// A Book holds who should be reachable and when to try next; it dials through a function it is given and knows no
// libp2p host. Finding somebody proves nothing: the node asks everybody for the sandbox key. One goroutine a Book, one
// timer, at most one dial at a time to each peer.
package discovery

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Source tells how a peer became known; it decides how long the Book insists.
type Source int

const (
	// Told peers were named by another member or found on the network: forgotten when nobody answers for tellingLife.
	Told Source = iota
	// Given peers come from a ticket or a caller: tried for ever.
	Given
)

const (
	retryMin     = 50 * time.Millisecond
	retryMax     = 1500 * time.Millisecond // so that a peer that comes back is met within 2 s
	retrySlow    = 15 * time.Second        // after slowAfter without an answer, and for peers that refused us
	retryRefused = time.Second             // at first, for peers that refused us and were members before
	slowAfter    = 10 * time.Minute
	tellingLife  = time.Hour
	dialLimit    = 10 * time.Second
	dialsMax     = 16 // at once

	peersMax = 1024
	addrsMax = 32 // a peer; the newest are kept
)

// Dialer is how a Book reaches peers.
type Dialer interface {
	Connect(ctx context.Context, info peer.AddrInfo) error
	// Wanted reports whether the peer should be dialed now: not connected, not cut off.
	Wanted(peer.ID) bool
}

// Book is the list of peers to stay connected with.
type Book struct {
	dialer Dialer
	kick   chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	entries map[peer.ID]*entry
}

type entry struct {
	addrs   []multiaddr.Multiaddr
	source  Source
	dialing bool
	next    time.Time     // not before
	wait    time.Duration // until the attempt after the next
	since   time.Time     // when it was last not wanted, which is to say connected, or was added or met
	refused bool
}

// NewBook starts a book without entries.
func NewBook(d Dialer) *Book {
	ctx, cancel := context.WithCancel(context.Background())
	b := &Book{dialer: d, kick: make(chan struct{}, 1), cancel: cancel, entries: map[peer.ID]*entry{}}
	b.done.Go(func() { b.run(ctx) })
	return b
}

// Close stops dialing and waits for dials under way to end.
func (b *Book) Close() {
	b.cancel()
	b.done.Wait()
}

// Add names a peer with addresses, new ones added to those known, and has it dialed at once.
func (b *Book) Add(info peer.AddrInfo, source Source) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[info.ID]
	if e == nil {
		if len(b.entries) >= peersMax && source == Told {
			return
		}
		e = &entry{since: time.Now()}
		b.entries[info.ID] = e
	}
	e.source = max(e.source, source)
	fresh := false
	for _, a := range info.Addrs {
		if !slices.ContainsFunc(e.addrs, a.Equal) {
			e.addrs, fresh = append(e.addrs, a), true
		}
	}
	if over := len(e.addrs) - addrsMax; over > 0 {
		e.addrs = slices.Delete(e.addrs, 0, over)
	}
	if fresh || source == Given {
		e.now()
	}
	b.wake()
}

// Addrs returns the addresses known of a peer.
func (b *Book) Addrs(p peer.ID) []multiaddr.Multiaddr {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[p]; e != nil {
		return slices.Clone(e.addrs)
	}
	return nil
}

// Forget removes the peers for which done is true: nothing is wanted of them any more.
func (b *Book) Forget(done func(peer.ID) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.entries {
		if done(p) {
			delete(b.entries, p)
		}
	}
}

// Retry has the named peers dialed at once, whatever their back-off; none named means all.
func (b *Book) Retry(peers ...peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p, e := range b.entries {
		if len(peers) == 0 || slices.Contains(peers, p) {
			e.now()
		}
	}
	b.wake()
}

// Refused notes that a peer answered and turned out not to be a member: it is tried rarely from now on. One that was a member before may not have opened the
// sandbox yet since it was started: it is tried soon, and rarely only after a while.
func (b *Book) Refused(p peer.ID, before bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[p]; e != nil {
		e.refused, e.wait = true, max(e.wait, retryRefused)
		if !before {
			e.wait = retrySlow
		}
		e.next = time.Now().Add(jitter(e.wait))
	}
}

// Met notes that a peer proved to be a member.
func (b *Book) Met(p peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[p]; e != nil {
		e.now()
		e.since = time.Now()
	}
}

func (e *entry) now() { e.refused, e.wait, e.next = false, retryMin, time.Time{} }

func (b *Book) wake() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

func (b *Book) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.kick:
		case <-timer.C:
		}
		timer.Reset(b.round(ctx))
	}
}

// round starts the dials that are due and returns how long to sleep.
func (b *Book) round(ctx context.Context) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	// A connection lost is learned by asking, so a peer that is connected is looked at again soon.
	sleep := time.Second
	busy := 0
	for _, e := range b.entries {
		if e.dialing {
			busy++
		}
	}
	for p, e := range b.entries {
		switch {
		case e.dialing:
		case !b.dialer.Wanted(p):
			e.since = now // the patience with a peer that is lost begins when it is lost
		case e.source == Told && now.Sub(e.since) > tellingLife:
			delete(b.entries, p)
		case len(e.addrs) == 0 || busy >= dialsMax:
		case now.Before(e.next):
			sleep = min(sleep, e.next.Sub(now))
		default:
			busy++
			e.dialing = true
			info := peer.AddrInfo{ID: p, Addrs: slices.Clone(e.addrs)}
			b.done.Go(func() { b.dial(ctx, info, e) })
		}
	}
	return max(sleep, time.Millisecond)
}

func (b *Book) dial(ctx context.Context, info peer.AddrInfo, e *entry) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	b.dialer.Connect(ctx, info) // the outcome shows in Wanted, Met and Refused
	b.mu.Lock()
	defer b.mu.Unlock()
	e.dialing = false
	limit := retryMax
	if e.refused || time.Since(e.since) > slowAfter {
		limit = retrySlow
	}
	if now := time.Now(); !e.refused || e.next.Before(now) {
		e.next = now.Add(jitter(e.wait))
	}
	e.wait = min(max(e.wait, retryMin)*8/5, limit)
	b.wake()
}

// jitter spreads d by a quarter, so that peers that lost each other at one moment do not dial in step.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/4+1)
}
