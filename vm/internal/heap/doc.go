// Package heap is what Go's runtime keeps in memory, in the guest's memory: the object allocator, the mark-sweep collector, reading of type
// descriptors, hash and equality by type, strings, slices and maps.
//
// All state is in package mem's Memory (root page bytes 64..1023 and the pages from the heap's start on), so a Heap is only a handle:
// Attach after a load, an undo or a take needs nothing else. It does not schedule, raise panics or read clocks; errors are returned
// and exec turns them into Go's panics.
//
// Two rules for callers. (1) Nothing here collects by itself, for only the caller knows the roots: when CollectDue reports true at a point
// where all live references are in memory, call Collect. (2) An operation that fails with ErrNoSpace has changed nothing the guest can see: collect,
// repeat it, and only if it fails again is the limit exceeded.
//
// Addresses a guest gives are checked; whatever bytes are in memory, no operation panics on the host or runs without bound.
package heap
