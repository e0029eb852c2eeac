package mem

// VersionController holds the open saves of host-side values with the semantics of Memory's: Save, Undo, Commit, Reset.
// Shape and words follow the session-continuation paper. The zero value is ready. Undo is eager and restores each slot's former
// version number with its value: versions are never pruned by comparing numbers, which would bring dead ones back.
type VersionController struct {
	version uint64 // the running version; 0 is the root's
	last    uint64 // greatest version given out; none is given out twice
	open    []saved
}

// saved is one open save.
type saved struct {
	first uint64 // the version it was opened with
	below uint64 // the version that ran before
	slots []slot // those set since, once each
}

// slot is what the controller needs of a VersionedSlot.
type slot interface {
	// restore takes the newest kept value back.
	restore()
	// merge drops the newest kept value unless it is older than first; then it says so.
	merge(first uint64) bool
}

// Depth is the number of open saves.
func (c *VersionController) Depth() int { return len(c.open) }

// Save opens a level. O(1).
func (c *VersionController) Save() {
	c.last++
	c.open = append(c.open, saved{first: c.last, below: c.version})
	c.version = c.last
}

// Undo gives every slot its value at the newest open save and closes it; ErrRoot when there is none. O(slots set since).
func (c *VersionController) Undo() error {
	if len(c.open) == 0 {
		return ErrRoot
	}
	top := &c.open[len(c.open)-1]
	for _, s := range top.slots {
		s.restore()
	}
	c.version = top.below
	*top = saved{}
	c.open = c.open[:len(c.open)-1]
	return nil
}

// Commit closes the newest open save and keeps the values; ErrRoot when there is none. O(slots set since).
func (c *VersionController) Commit() error {
	if len(c.open) == 0 {
		return ErrRoot
	}
	top := &c.open[len(c.open)-1]
	var below *saved
	var first uint64
	if len(c.open) > 1 {
		below = &c.open[len(c.open)-2]
		first = below.first
	}
	for _, s := range top.slots {
		if s.merge(first) {
			below.slots = append(below.slots, s)
		}
	}
	*top = saved{}
	c.open = c.open[:len(c.open)-1]
	return nil // the version stays: every slot set above carries one of at least first
}

// Reset is Undo, then Save; ErrRoot when there is none.
func (c *VersionController) Reset() error {
	if err := c.Undo(); err != nil {
		return err
	}
	c.Save()
	return nil
}

// VersionedSlot is one value under a VersionController. A T that refers to mutable data is restored as a reference only.
type VersionedSlot[T any] struct {
	c       *VersionController
	value   T
	version uint64 // in which value was set
	kept    []keptValue[T]
}

type keptValue[T any] struct {
	value   T
	version uint64
}

// NewVersionedSlot is a slot holding v, which also is its value at every save already open.
func NewVersionedSlot[T any](c *VersionController, v T) *VersionedSlot[T] {
	return &VersionedSlot[T]{c: c, value: v}
}

// Get is the current value.
func (s *VersionedSlot[T]) Get() T { return s.value }

// Set replaces the current value; what it replaces is kept at most once an open save.
func (s *VersionedSlot[T]) Set(v T) {
	if n := len(s.c.open); n > 0 && s.version < s.c.open[n-1].first {
		s.kept = append(s.kept, keptValue[T]{s.value, s.version})
		s.c.open[n-1].slots = append(s.c.open[n-1].slots, s)
	}
	s.value, s.version = v, s.c.version
}

func (s *VersionedSlot[T]) restore() {
	k := &s.kept[len(s.kept)-1]
	s.value, s.version = k.value, k.version
	*k = keptValue[T]{}
	s.kept = s.kept[:len(s.kept)-1]
}

func (s *VersionedSlot[T]) merge(first uint64) bool {
	k := &s.kept[len(s.kept)-1]
	if k.version < first {
		return true
	}
	*k = keptValue[T]{}
	s.kept = s.kept[:len(s.kept)-1]
	return false
}
