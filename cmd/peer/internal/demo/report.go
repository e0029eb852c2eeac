package demo

import (
	"sync"
	"time"
)

// Event is one step of the account. Text reads as a sentence; the other fields are the same for machines.
type Event struct {
	At     time.Duration `json:"at_ns"` // since the demo began
	Kind   string        `json:"event"`
	Peer   int           `json:"peer,omitempty"` // 1, 2, 3
	PID    int           `json:"pid,omitempty"`
	ID     string        `json:"id,omitempty"` // peer id
	Run    string        `json:"run,omitempty"`
	Epoch  uint64        `json:"epoch,omitempty"`
	Line   uint64        `json:"line,omitempty"`
	Words  int64         `json:"words,omitempty"`
	Deltas uint64        `json:"deltas,omitempty"`
	Bytes  uint64        `json:"bytes,omitempty"`
	Took   time.Duration `json:"took_ns,omitempty"`
	Digest string        `json:"digest,omitempty"`
	Seed   uint64        `json:"seed,omitempty"`
	OK     *bool         `json:"ok,omitempty"` // in the last event: whether all held
	Text   string        `json:"text"`
}

// serial makes tell safe for concurrent use and stamps the events.
func serial(tell func(Event), begin time.Time) func(Event) {
	var mu sync.Mutex
	return func(e Event) {
		if tell == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		e.At = time.Since(begin)
		tell(e)
	}
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// short is a part of a peer id or digest that people can compare.
func short(id string) string {
	if len(id) > 46 && len(id) < 60 { // a peer id: its beginning is the same for all
		return id[len(id)-6:]
	}
	return id[:min(12, len(id))]
}
