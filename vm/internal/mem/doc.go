// Package mem is the linear memory of one run: a reserved region that never moves, with every store tracked by page
// before it is done. It gives save levels (Save, Undo, Commit, Reset), immutable page tables of the content
// (Take, Load) and the pages touched in the running level with their old images.
//
// It knows nothing of objects, types or goroutines: those are package heap's and exec's. It is not safe for
// concurrent use; a run is one thread of control.
//
// Cost: a load is one comparison, a store two. The first store to a page after the epoch number changed takes the
// slow path, and copies the page at most once a level (not at all when it was never written, or is unchanged since the last take).
// Save is O(1), Undo and Commit are O(pages touched in the level), Take is O(pages touched since the last take).
//
// The epoch number (Epoch) may change at Save, Undo, Commit, Reset, Take and Load, never otherwise. A store to a page whose entry in
// the page-epoch array equals it may be done directly; any other must call TouchPage first. Whoever writes
// without that comparison (exec's frames) must touch those pages again whenever the number has changed.
package mem
