// Package feed brings deltas from peers and from this one into the store, each once, whole, and after its parents: the order in
// which they are let in (Feed), the catch-up with a peer (Pull, Serve), go-ds-crdt which merges them (Engine), and their removal
// when nothing in them counts any more (Engine.Prune).
//
// It knows keys and signatures, and not what records mean: which one counts is the caller's to say. It does not gossip; what arrives is offered to it.
//
// Costs: a local delta is one fsync, a remote one none; a delta in memory is about its size twice while it waits; the vector is one
// number an actor.
package feed
