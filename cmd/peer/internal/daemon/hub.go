package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// eventsKept is how far back a client can ask.
const eventsKept = 4096

// hub keeps the latest events for any number of readers, none of whom can hold the others up.
type hub struct {
	mu      sync.Mutex
	events  []api.Event
	last    uint64
	changed chan struct{} // closed and replaced at each event
}

func newHub() *hub { return &hub{changed: make(chan struct{})} }

func (h *hub) publish(e api.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	e.Number, e.Time = h.last, time.Now()
	if h.events = append(h.events, e); len(h.events) > 2*eventsKept {
		h.events = append([]api.Event(nil), h.events[len(h.events)-eventsKept:]...)
	}
	close(h.changed)
	h.changed = make(chan struct{})
}

// read calls f for each event from a number on, as they come. Events that are too old are left out.
func (h *hub) read(ctx context.Context, from uint64, f func(api.Event) error) error {
	for {
		h.mu.Lock()
		first := h.last - uint64(len(h.events)) + 1
		fresh := h.events[min(max(from, first)-first, uint64(len(h.events))):]
		changed := h.changed
		h.mu.Unlock()
		for _, e := range fresh {
			if err := f(e); err != nil {
				return err
			}
			from = e.Number + 1
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
