// Package vm runs ordinary Go programs in a machine whose every change is known: it compiles source to an image
// (Compile), runs it (Machine), saves and undoes (Session), captures and continues (Snapshotter), and tells what a turn changed
// (Turn). It does not talk to other peers, does not merge, and grants a program nothing its Config does not name.
//
// Cost: a store is one comparison more than without tracking; a turn costs what it touched; a run that does nothing
// holds little more than its image's data. PERF.md has the figures.
package vm

import "github.com/tandemvm/tandem/vm/internal/mem"

// Version names this VM in snapshots and deltas: memory of one version is never loaded by another.
const Version = "tandem-vm-2"

// VersionController holds the open saves of values outside guest memory, with Save, Undo, Commit and Reset as Session has them.
// It is the controller of the session-continuation paper.
type VersionController = mem.VersionController

// VersionedSlot is one value under a VersionController.
type VersionedSlot[T any] = mem.VersionedSlot[T]

// NewVersionedSlot is a slot of c holding v, which is its value at every save already open too.
func NewVersionedSlot[T any](c *VersionController, v T) *VersionedSlot[T] {
	return mem.NewVersionedSlot(c, v)
}
