package mem

// VersionController holds the open saves of host-side values with the semantics of Memory's: Save, Undo, Commit, Reset.
// Shape and words follow the session-continuation paper. The zero value is ready.
type VersionController struct{}

// Depth is the number of open saves.
func (c *VersionController) Depth() int { panic("BUG: not built") }

// Save opens a level. O(1).
func (c *VersionController) Save() { panic("BUG: not built") }

// Undo gives every slot its value at the newest open save and closes it; ErrRoot when there is none.
func (c *VersionController) Undo() error { panic("BUG: not built") }

// Commit closes the newest open save and keeps the values; ErrRoot when there is none.
func (c *VersionController) Commit() error { panic("BUG: not built") }

// Reset is Undo, then Save; ErrRoot when there is none.
func (c *VersionController) Reset() error { panic("BUG: not built") }

// VersionedSlot is one value under a VersionController.
type VersionedSlot[T any] struct{}

// NewVersionedSlot is a slot holding v, which also is its value at every save already open.
func NewVersionedSlot[T any](c *VersionController, v T) *VersionedSlot[T] { panic("BUG: not built") }

// Get is the current value.
func (s *VersionedSlot[T]) Get() T { panic("BUG: not built") }

// Set replaces the current value.
func (s *VersionedSlot[T]) Set(v T) { panic("BUG: not built") }
