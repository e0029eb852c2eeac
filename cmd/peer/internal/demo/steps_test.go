package demo

import (
	"context"
	"errors"
	"testing"
)

// TestWaitsInWaits: the error of a wait that ends within another names both, outside first, and what the last question came to.
func TestWaitsInWaits(t *testing.T) {
	late := errors.New("it took too long")
	for _, c := range []struct {
		name string
		ask  func(ctx context.Context, end func()) (bool, error)
		want string
	}{
		{"answered", func(_ context.Context, end func()) (bool, error) {
			end()
			return false, nil
		}, "waiting until the run has an heir: it took too long"},
		{"not answered", func(_ context.Context, end func()) (bool, error) {
			end()
			return false, errors.New("connection refused")
		}, "waiting until the run has an heir: it took too long (the last error while asking: connection refused)"},
		{"inside", func(ctx context.Context, end func()) (bool, error) {
			return true, until(ctx, "a peer knows its owner", func() (bool, error) {
				end()
				return false, errors.New("connection refused")
			})
		}, "waiting until the run has an heir, and for that until a peer knows its owner: it took too long (the last error while asking: connection refused)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			err := until(ctx, "the run has an heir", func() (bool, error) { return c.ask(ctx, func() { cancel(late) }) })
			if err == nil || err.Error() != c.want || !errors.Is(err, late) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if err := until(t.Context(), "it is so", func() (bool, error) { return true, nil }); err != nil {
		t.Error(err)
	}
}
