package discovery

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// world is a network in which a test decides who answers.
type world struct {
	mu        sync.Mutex
	up        map[peer.ID]bool
	connected map[peer.ID]bool
	dials     map[peer.ID]int
}

func newWorld() *world {
	return &world{up: map[peer.ID]bool{}, connected: map[peer.ID]bool{}, dials: map[peer.ID]int{}}
}

func (w *world) Connect(_ context.Context, i peer.AddrInfo) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials[i.ID]++
	if !w.up[i.ID] {
		return errors.New("down")
	}
	w.connected[i.ID] = true
	return nil
}

func (w *world) Wanted(p peer.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.connected[p]
}

func (w *world) set(p peer.ID, up, connected bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up[p], w.connected[p] = up, connected
}

func (w *world) get(p peer.ID) (dials int, connected bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials[p], w.connected[p]
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func info(p peer.ID, addrs ...string) peer.AddrInfo {
	i := peer.AddrInfo{ID: p}
	for _, a := range addrs {
		i.Addrs = append(i.Addrs, multiaddr.StringCast(a))
	}
	return i
}

func TestBookKeepsTryingUntilThePeerIsBack(t *testing.T) {
	w := newWorld()
	b := NewBook(w)
	defer b.Close()
	b.Add(info("a", "/ip4/127.0.0.1/tcp/1"), Given)
	eventually(t, "no second attempt", func() bool { n, _ := w.get("a"); return n >= 2 })
	w.set("a", true, false)
	eventually(t, "not connected", func() bool { _, c := w.get("a"); return c })
	w.set("a", true, false) // the connection is lost
	eventually(t, "not connected again", func() bool { _, c := w.get("a"); return c })
}

func TestBookDialsOnlyWantedPeersWithAddresses(t *testing.T) {
	w := newWorld()
	w.set("b", true, true)
	b := NewBook(w)
	defer b.Close()
	b.Add(info("a"), Given)
	b.Add(info("b", "/ip4/127.0.0.1/tcp/1"), Given)
	b.Add(info("c", "/ip4/127.0.0.1/tcp/1"), Given)
	eventually(t, "c was never dialed", func() bool { n, _ := w.get("c"); return n >= 3 })
	for _, p := range []peer.ID{"a", "b"} {
		if n, _ := w.get(p); n != 0 {
			t.Errorf("%s was dialed %d times", p, n)
		}
	}
}

func TestRefusedPeersAreLeftAloneUntilRetry(t *testing.T) {
	w := newWorld()
	b := NewBook(w)
	defer b.Close()
	b.Add(info("a", "/ip4/127.0.0.1/tcp/1"), Told)
	b.Add(info("c", "/ip4/127.0.0.1/tcp/1"), Told)
	eventually(t, "no attempt", func() bool { n, _ := w.get("a"); return n >= 1 })
	b.Refused("a", false)
	before, _ := w.get("a")
	n0, _ := w.get("c")
	eventually(t, "c is not tried", func() bool { n, _ := w.get("c"); return n >= n0+4 })
	if n, _ := w.get("a"); n > before+1 { // one may have been under way
		t.Errorf("a refused peer was dialed %d times", n-before)
	}
	before, _ = w.get("a")
	b.Retry("a")
	eventually(t, "Retry did not dial", func() bool { n, _ := w.get("a"); return n > before })
}

// TestRefusedPeerThatIsGone: it is tried once when its time has come, and not again and again.
func TestRefusedPeerThatIsGone(t *testing.T) {
	w := newWorld()
	b := NewBook(w)
	defer b.Close()
	b.Add(info("a", "/ip4/127.0.0.1/tcp/1"), Given)
	b.Add(info("c", "/ip4/127.0.0.1/tcp/1"), Given)
	eventually(t, "no attempt", func() bool { n, _ := w.get("a"); return n >= 1 })
	b.Refused("a", false)
	before, _ := w.get("a")
	b.mu.Lock()
	b.entries["a"].next = time.Now() // the time is over
	b.mu.Unlock()
	b.wake()
	eventually(t, "it is tried", func() bool { n, _ := w.get("a"); return n > before })
	n0, _ := w.get("c")
	eventually(t, "c is tried", func() bool { n, _ := w.get("c"); return n >= n0+3 })
	if n, _ := w.get("a"); n > before+2 { // one may have been under way
		t.Errorf("dialed %d times", n-before)
	}
}

// TestMemberThatRefusesIsTriedSoon: a peer that was a member, and refuses now, may be opening its sandboxes: it is tried after a second, and more rarely from
// then on. A stranger is not.
func TestMemberThatRefusesIsTriedSoon(t *testing.T) {
	w := newWorld()
	b := NewBook(w)
	defer b.Close()
	b.Add(info("a", "/ip4/127.0.0.1/tcp/1"), Given)
	eventually(t, "no attempt", func() bool { n, _ := w.get("a"); return n >= 1 })
	next := func(before bool) time.Duration {
		b.Refused("a", before)
		b.mu.Lock()
		defer b.mu.Unlock()
		return time.Until(b.entries["a"].next)
	}
	if d := next(true); d > 2*retryRefused {
		t.Errorf("a member is tried after %v", d)
	}
	eventually(t, "tried again", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.entries["a"].wait > retryRefused && !b.entries["a"].dialing
	})
	if d := next(false); d < retrySlow/2 {
		t.Errorf("a stranger is tried after %v", d)
	}
	b.Met("a")
	if d := next(true); d > 2*retryRefused {
		t.Errorf("a member that was met again is tried after %v", d)
	}
}

// age makes a peer's times older, as if d had passed.
func (b *Book) age(p peer.ID, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries[p].since = b.entries[p].since.Add(-d)
}

// A peer that others told of and that was connected for hours is looked for when it is lost, and as eagerly as any.
func TestPeerLostAfterHoursIsLookedFor(t *testing.T) {
	w := newWorld()
	w.set("a", true, true)
	b := NewBook(w)
	defer b.Close()
	b.Add(info("a", "/ip4/127.0.0.1/tcp/1"), Told)
	b.age("a", 2*tellingLife)
	b.Add(info("x", "/ip4/127.0.0.1/tcp/1"), Told)
	eventually(t, "the book has looked at its peers", func() bool { n, _ := w.get("x"); return n >= 1 })
	w.set("a", false, false)
	eventually(t, "it is not dialed", func() bool { n, _ := w.get("a"); return n >= 8 })
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries["a"]; e == nil || e.wait > retryMax {
		t.Errorf("the next try is %v away", e.wait)
	}
}

// What is only said to exist, without an address, must not fill the book for ever.
func TestPeersNobodyReachesAreForgotten(t *testing.T) {
	b := NewBook(newWorld())
	defer b.Close()
	for _, p := range []peer.ID{"a", "b", "c"} {
		b.Add(info(p), Told)
	}
	b.Add(info("d"), Given)
	for _, p := range []peer.ID{"a", "b", "c", "d"} {
		b.age(p, 2*tellingLife)
	}
	eventually(t, "they are kept", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.entries) == 1 && b.entries["d"] != nil
	})
}

func TestBookIsBounded(t *testing.T) {
	w := newWorld()
	b := NewBook(w)
	defer b.Close()
	for n := range 2 * peersMax {
		b.Add(info(peer.ID([]byte{byte(n), byte(n >> 8)})), Told)
	}
	for n := range 3 * addrsMax {
		a, _ := multiaddr.NewMultiaddr("/ip4/127.0.0.1/tcp/" + string(rune('1'+n%9)) + string(rune('0'+n/9)))
		b.Add(peer.AddrInfo{ID: "x", Addrs: []multiaddr.Multiaddr{a}}, Given)
	}
	if n := len(b.Addrs("x")); n != addrsMax {
		t.Errorf("%d addresses", n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.entries) > peersMax+1 {
		t.Errorf("%d entries", len(b.entries))
	}
}

// A host without any address cannot be announced; that must not hurt anybody.
func TestAnnounceFailureIsHarmless(t *testing.T) {
	h, err := libp2p.New(libp2p.NoListenAddrs)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	c := Announce(h, [32]byte{1}, func(peer.AddrInfo) {}, slog.New(slog.DiscardHandler))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
