package gossip

import (
	"bufio"
	"errors"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// gossipsub's own queues drop when they are full and tell nobody. Two valves around its streams keep them from
// filling: an outbox takes over what it wants to send, so that Publish can see how far each peer is behind and wait;
// a gate stops reading from the network while this peer's own subscribers are behind, so that the far outbox fills.
const (
	outboxPressure   = 512      // messages waiting for one peer at which Publish begins to wait
	outboxMessages   = 1024     // at which gossipsub's sender goroutine is held as well
	outboxPressBytes = 4 << 20  // the same two in bytes
	outboxBytes      = 12 << 20 // larger than one message of the largest size
	stallLimit       = 5 * time.Second
	writeLimit       = 30 * time.Second
	flushBytes       = 256 << 10 // messages joined into one write, at most

	gatePending = 1024 // messages read and not yet given to the subscribers, at which reading stops
)

var errOutboxClosed = errors.New("gossip: stream closed")

// pressure tells waiting publishers that some outbox has moved.
type pressure struct {
	mu      sync.Mutex
	boxes   map[*outbox]bool
	waiting chan struct{} // closed at the next movement; nil when nobody waits
}

// behind returns a channel to wait on if some peer that still makes progress is behind, and nil otherwise. A peer
// that has taken nothing for stallLimit is not waited for: one stuck peer must not stop the others.
func (p *pressure) behind() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	for b := range p.boxes {
		if b.pressing() {
			if p.waiting == nil {
				p.waiting = make(chan struct{})
			}
			return p.waiting
		}
	}
	return nil
}

func (p *pressure) moved() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting != nil {
		close(p.waiting)
		p.waiting = nil
	}
}

// to reports whether there is an outbox for the peer.
func (p *pressure) to(id peer.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for b := range p.boxes {
		if b.Conn().RemotePeer() == id {
			return true
		}
	}
	return false
}

// repeat puts a message into each outbox that has begun and is empty.
func (p *pressure) repeat(message []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for b := range p.boxes {
		b.repeat(message)
	}
}

func (p *pressure) add(b *outbox) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.boxes == nil {
		p.boxes = map[*outbox]bool{}
	}
	p.boxes[b] = true
}

func (p *pressure) remove(b *outbox) {
	p.mu.Lock()
	delete(p.boxes, b)
	p.mu.Unlock()
	p.moved()
}

// outbox is the sending stream to one peer as gossipsub sees it. Write queues; a goroutine of its own writes to the
// network, many messages at a time.
type outbox struct {
	network.Stream
	proto protocol.ID
	press *pressure
	sent  func(n int) // counts bytes on the wire

	mu       sync.Mutex
	room     sync.Cond // signalled when the queue shrinks, grows or closes
	queue    [][]byte
	bytes    int
	begun    bool // gossipsub has written its first message
	closed   bool
	progress time.Time // when the network last took something, or the queue was last empty
}

func newOutbox(s network.Stream, proto protocol.ID, press *pressure, sent func(int)) *outbox {
	b := &outbox{Stream: s, proto: proto, press: press, sent: sent, progress: time.Now()}
	b.room.L = &b.mu
	press.add(b)
	go b.drain()
	return b
}

func (b *outbox) Protocol() protocol.ID { return b.proto }

// SetWriteDeadline does nothing: each network write has its own deadline, and one that passes resets the stream.
func (b *outbox) SetWriteDeadline(time.Time) error { return nil }

func (b *outbox) pressing() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) < outboxPressure && b.bytes < outboxPressBytes {
		return false
	}
	return time.Since(b.progress) < stallLimit
}

func (b *outbox) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.closed && (len(b.queue) >= outboxMessages || b.bytes >= outboxBytes) {
		b.room.Wait()
	}
	if b.closed {
		return 0, errOutboxClosed
	}
	b.begun = true
	b.push(p)
	return len(p), nil
}

// repeat is Write for what need not be said when other messages wait.
func (b *outbox) repeat(message []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.begun && !b.closed && len(b.queue) == 0 {
		b.push(message)
	}
}

// push queues a message; b.mu is held.
func (b *outbox) push(p []byte) {
	if len(b.queue) == 0 {
		b.progress = time.Now()
	}
	b.queue = append(b.queue, append([]byte(nil), p...))
	b.bytes += len(p)
	b.room.Broadcast()
}

func (b *outbox) drain() {
	var buf []byte
	for {
		buf = b.next(buf[:0])
		if len(buf) == 0 {
			b.press.remove(b)
			b.Stream.Close()
			return
		}
		b.Stream.SetWriteDeadline(time.Now().Add(writeLimit))
		if _, err := b.Stream.Write(buf); err != nil {
			b.Reset()
			b.press.remove(b)
			return
		}
		b.sent(len(buf))
		b.mu.Lock()
		b.progress = time.Now()
		b.mu.Unlock()
		b.press.moved()
	}
}

// next waits for messages and appends as many as make one write; nothing means that the box was closed and is empty.
func (b *outbox) next(buf []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.queue) == 0 && !b.closed {
		b.room.Wait()
	}
	for len(b.queue) > 0 && (len(buf) == 0 || len(buf)+len(b.queue[0]) <= flushBytes) {
		buf = append(buf, b.queue[0]...)
		b.bytes -= len(b.queue[0])
		b.queue[0] = nil
		b.queue = b.queue[1:]
	}
	b.room.Broadcast()
	return buf
}

func (b *outbox) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.room.Broadcast()
	return nil
}

func (b *outbox) Reset() error {
	b.mu.Lock()
	b.closed, b.queue, b.bytes = true, nil, 0
	b.room.Broadcast()
	b.mu.Unlock()
	return b.Stream.Reset()
}

func (b *outbox) ResetWithError(network.StreamErrorCode) error { return b.Reset() }

// gate counts the messages between arrival and the end of the subscribers' calls.
type gate struct {
	mu      sync.Mutex
	open    sync.Cond
	pending int
	closed  bool
}

func (g *gate) enter(n int) {
	g.mu.Lock()
	g.pending += n
	g.mu.Unlock()
}

func (g *gate) leave() {
	g.mu.Lock()
	g.pending--
	if g.pending < gatePending {
		g.open.Broadcast()
	}
	g.mu.Unlock()
}

func (g *gate) wait() {
	g.mu.Lock()
	for g.pending >= gatePending && !g.closed {
		g.open.Wait()
	}
	g.mu.Unlock()
}

func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.open.Broadcast()
	g.mu.Unlock()
}

// inbox is the receiving stream from one peer as gossipsub sees it.
type inbox struct {
	network.Stream
	proto    protocol.ID
	gate     *gate
	in       *bufio.Reader
	received func(n int)
}

func newInbox(s network.Stream, proto protocol.ID, g *gate, received func(int)) *inbox {
	i := &inbox{Stream: s, proto: proto, gate: g, received: received}
	i.in = bufio.NewReaderSize(s, 64<<10)
	return i
}

func (i *inbox) Protocol() protocol.ID { return i.proto }

func (i *inbox) Read(p []byte) (int, error) {
	i.gate.wait()
	n, err := i.in.Read(p)
	i.received(n)
	return n, err
}
