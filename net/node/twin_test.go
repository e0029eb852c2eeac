package node

import (
	"slices"
	"testing"
)

// TestTwins: a second process with the identity of one that lives, as of a copied directory, is noticed by whoever meets both, and told; the other members talk
// with the one that is not refused. When that ends, the other is admitted.
func TestTwins(t *testing.T) {
	peers := cluster(t, 3)
	a, b, c := peers[0], peers[1], peers[2]
	for _, p := range peers {
		if twins := p.node.Twins(); len(twins) != 0 {
			t.Fatalf("twins of nothing: %v", twins)
		}
	}
	a2 := open(t, a.id).join(b.room.Ticket())
	self := a.id.Peer()
	eventually(t, "a member knows", func() bool { return slices.Contains(b.node.Twins(), self) || slices.Contains(c.node.Twins(), self) })
	eventually(t, "one of the two is told", func() bool { return slices.Contains(a.node.Twins(), self) || slices.Contains(a2.node.Twins(), self) })
	b.publish("hello")
	eventually(t, "the others talk", func() bool { return c.received(b, "hello") })
	a2.node.Close()
	eventually(t, "one is left", func() bool { return a.sees(b, c) && b.sees(a, c) && c.sees(a, b) })
	a.publish("still here")
	eventually(t, "and takes part", func() bool { return b.received(a, "still here") && c.received(a, "still here") })
}
