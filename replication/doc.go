// Package replication keeps one sandbox equal on many peers: its genesis, the runs with their heads,
// pages and output, and the cells of its shared variables.
//
// It is a go-ds-crdt datastore over one pebble store with edges of its own: the feed (delta blocks
// travel inside the gossip message, ancestors come over one stream, every block is checked), the
// committer (many turns share one delta, none is split over two), the runs (epochs, heads, takeover) and the
// readers (merging by kind over the winning epochs). It is not a network (see Transport), not a merge algebra (package
// changes) and executes nothing.
//
// Costs: a flush is one fsync, one signature and one message however many turns it holds; a remote delta costs
// one or two signature checks and about 20 µs a cell. Memory follows the live cells (about 300 bytes
// each), not the history; the store follows what counts and a window of the newest deltas.
package replication
