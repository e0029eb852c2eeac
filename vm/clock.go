package vm

import (
	"context"
	"time"
)

// Clock is the time a machine is given. A machine reads no other.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or early with ctx's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// WallClock is the real time.
type WallClock struct{}

// Now is time.Now.
func (WallClock) Now() time.Time { return time.Now() }

// Sleep waits on a timer.
func (WallClock) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// VirtualClock is time that passes only while everything sleeps: for tests and simulations. Not safe for concurrent use.
type VirtualClock struct{ T time.Time }

// Now is the virtual time.
func (c *VirtualClock) Now() time.Time { return c.T }

// Sleep moves the time on by d at once.
func (c *VirtualClock) Sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		c.T = c.T.Add(d)
	}
	return ctx.Err()
}
