// Package record is the formats of replication: keys, the records under them, and the signed deltas that carry them. Here stands how
// each is encoded, decoded, named by hash, signed and checked as far as that needs nothing else. FORMAT.md of package
// replication draws them.
//
// It has no state: what a record means beside others, in which order deltas come and who wins is decided above it.
//
// Costs: decoding a delta checks one or two signatures (60 to 90 µs each) and encodes each record again to compare (a few µs).
package record
