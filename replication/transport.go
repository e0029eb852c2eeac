package replication

import "context"

// Transport is what replication needs from a network. Package net satisfies it by shape; tests use
// an in-memory one. Everything that arrives through it comes from an authenticated peer of this
// sandbox, but its content is trusted in nothing: every delta, block and beat is checked here.
type Transport interface {
	// Self is this peer's own id, as the other peers see it.
	Self() string
	// Peers are the authenticated peers of this sandbox connected now, sorted.
	Peers() []string
	// Publish sends data, at most 1 MiB, to all peers of the sandbox. The author is authenticated.
	// Delivery is best effort: loss, repetition and reordering are allowed.
	Publish(ctx context.Context, data []byte) error
	// Subscribe calls f for every message of another peer in order of arrival, on one goroutine,
	// until cancel is called.
	Subscribe(f func(from string, data []byte)) (cancel func())
	// Handle serves requests called name; each send delivers one frame to the asker.
	Handle(name string, h func(ctx context.Context, from string, req []byte, send func(frame []byte) error) error)
	// Request asks one peer and calls recv for every frame of the answer, in order. The error of a peer that has no handler of that name has, or wraps one that
	// has, a method NoHandler() bool.
	Request(ctx context.Context, peer, name string, req []byte, recv func(frame []byte) error) error
	// OnPeers calls f whenever the set of connected peers changes.
	OnPeers(f func(peers []string)) (cancel func())
	// Sign signs data with this peer's identity key; Verify checks a signature of any peer by its id.
	Sign(data []byte) ([]byte, error)
	Verify(peer string, data, sig []byte) error
	// Close ends the transport. A Replica never closes the transport it was given.
	Close() error
}
