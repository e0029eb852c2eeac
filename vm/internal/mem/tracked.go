//go:build !untracked

package mem

// Tracked says that stores are tracked. With the build tag untracked it is false: the same machine without tracking, the baseline of
// benchmarks. The comparison with the page's mark is then compiled out of every store, and Save, Take, Load and the like fail with ErrUntracked.
const Tracked = true
