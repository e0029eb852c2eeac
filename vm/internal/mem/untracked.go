//go:build untracked

package mem

// Tracked is false in this build: see tracked.go.
const Tracked = false
