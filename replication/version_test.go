package replication

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/replication/internal/feed"
)

// TestForeignPeersAreNamed: a peer that answers under the name of another version is listed with that version, as long as it is connected and does so; what to
// do depends on which of the two is older.
func TestForeignPeersAreNamed(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a, b := c.create("a"), c.join("b")
	p := start(t, a, 1)
	p.step(t)
	c.converge()
	if f := b.Status().Foreign; len(f) > 0 {
		t.Errorf("of our own version: %+v", f)
	}
	for _, x := range []struct {
		version int // 0: none
		advice  string
	}{
		{ProtocolVersion - 1, fmt.Sprintf("peer a speaks version %d of the protocol, this peer %d: update that one", ProtocolVersion-1, ProtocolVersion)},
		{1, "update that one"},
		{ProtocolVersion + 1, "update this one"},
		{0, "update the older of the two"},
	} {
		c.stop("b")
		serve := func(name string) {
			c.ports["a"].Handle(name, func(context.Context, string, []byte, func([]byte) error) error { return fmt.Errorf("malformed") })
		}
		c.ports["a"].Handle(feed.Protocol, nil)
		if x.version > 0 {
			serve(feed.ProtocolOf(x.version))
		}
		b = c.join("b")
		var f []Foreign
		eventually(t, "a is foreign", func() bool { f = b.Status().Foreign; return len(f) > 0 })
		if len(f) != 1 || f[0].Peer != "a" || f[0].Version != x.version || !strings.Contains(f[0].Advice(), x.advice) {
			t.Errorf("version %d: %+v", x.version, f)
		}
		if x.version > 0 {
			c.ports["a"].Handle(feed.ProtocolOf(x.version), nil)
		}
	}
	// It was updated, for which it was away: what it has comes, and nothing more is said of it.
	c.net.Split([]string{"a"})
	p.step(t)
	c.ports["a"].Handle(feed.Protocol, a.feed.Serve)
	c.net.Heal()
	c.converge()
	if f := b.Status().Foreign; len(f) > 0 || hits(t, b) != 2 {
		t.Errorf("%+v, %d hits", f, hits(t, b))
	}
	// Who is gone is not spoken of.
	c.ports["a"].Handle(feed.Protocol, nil)
	c.stop("b")
	b = c.join("b")
	eventually(t, "a is foreign", func() bool { return len(b.Status().Foreign) > 0 })
	c.net.Split([]string{"a"})
	eventually(t, "a is gone", func() bool { return len(b.Status().Foreign) == 0 })
}
