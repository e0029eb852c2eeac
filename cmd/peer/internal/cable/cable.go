// Package cable is the wire between peers on one machine, as bad as one wants it: TCP connections pass through a Relay, and the Link they belong
// to says how long bytes are under way, how many pass in a second, how many packets are lost and have to be sent again, and whether it is cut.
//
// It is for tests and benchmarks of real processes and real transports; it needs no privileges. It knows nothing of what it carries. Each
// connection costs four goroutines and up to 2 MiB of bytes under way.
package cable

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// Condition is what a link does to what it carries, alike both ways. The zero value is a link that only passes on.
type Condition struct {
	Cut            bool          // nothing passes until it is healed; then what waited does, as with a cable that is plugged in again
	Delay          time.Duration // one way
	BytesPerSecond int           // 0: unlimited
	// Loss is the chance of each packet to be lost. Over TCP the receiver sees lost packets as late ones: everything behind one waits until it was
	// sent again, after resendFirst, then twice as long.
	Loss float64
}

const (
	packetBytes = 1400
	resendFirst = 200 * time.Millisecond
	resendLast  = 3 * time.Second

	pieceBytes = 16 << 10
	piecesMax  = 64 // under way in one direction of a connection
)

// Link is one cable: its condition holds for all connections over it. Safe for concurrent use.
type Link struct {
	mu        sync.Mutex
	condition Condition
	changed   chan struct{} // closed and replaced when the condition changes
	open      map[*circuit]bool
	carried   int64
}

// NewLink is a link that only passes on.
func NewLink() *Link { return &Link{changed: make(chan struct{}), open: map[*circuit]bool{}} }

// Set changes the condition, for what is sent from now on; a cut holds for what is under way as well.
func (l *Link) Set(c Condition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.condition = c
	close(l.changed)
	l.changed = make(chan struct{})
}

// Condition is the link's condition now.
func (l *Link) Condition() Condition {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.condition
}

// Carried counts the bytes that arrived, both ways together.
func (l *Link) Carried() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.carried
}

// Reset ends all connections over the link with a TCP reset, and what is under way is lost. It returns how many there were.
func (l *Link) Reset() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		c.reset()
	}
	return len(l.open)
}

// Relay takes connections at an address of its own and carries them over links to another.
type Relay struct {
	listener net.Listener
	to       string
	link     func(net.Conn) *Link
	done     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[*circuit]bool
}

// NewRelay listens on a free port of 127.0.0.1. link says over which link a connection goes, once it is there; nil: it is refused.
func NewRelay(link func(net.Conn) *Link) (*Relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &Relay{listener: listener, link: link, open: map[*circuit]bool{}}, nil
}

// Serve begins to carry connections to a port of 127.0.0.1; those made before wait for it.
func (r *Relay) Serve(port int) {
	r.to = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	r.done.Go(r.accept)
}

// Port is where the relay listens on 127.0.0.1.
func (r *Relay) Port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// Close ends all connections.
func (r *Relay) Close() error {
	err := r.listener.Close()
	r.mu.Lock()
	r.closed = true
	for c := range r.open {
		c.reset()
	}
	r.mu.Unlock()
	r.done.Wait()
	return err
}

func (r *Relay) accept() {
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.done.Go(func() { r.carry(in.(*net.TCPConn)) })
	}
}

// carry passes on both ways until one side ends the connection and the other has been told.
func (r *Relay) carry(in *net.TCPConn) {
	l := r.link(in)
	if l == nil {
		in.SetLinger(0)
		in.Close()
		return
	}
	c := &circuit{link: l, in: in, gone: make(chan struct{})}
	if !r.enter(c) {
		c.reset()
		return
	}
	defer r.leave(c)
	out, err := net.Dial("tcp", r.to)
	if err != nil {
		c.healed() // behind a cut nobody says that nobody listens
		c.reset()
		return
	}
	if !c.connect(out.(*net.TCPConn)) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { c.pass(in, c.out) })
	both.Go(func() { c.pass(c.out, in) })
	both.Wait()
}

func (r *Relay) enter(c *circuit) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.open[c] = true
	c.link.mu.Lock()
	c.link.open[c] = true
	c.link.mu.Unlock()
	return true
}

func (r *Relay) leave(c *circuit) {
	c.reset()
	r.mu.Lock()
	delete(r.open, c)
	r.mu.Unlock()
	c.link.mu.Lock()
	delete(c.link.open, c)
	c.link.mu.Unlock()
}

// circuit is one connection over a link.
type circuit struct {
	link *Link
	in   *net.TCPConn
	gone chan struct{} // closed when both ends are closed

	mu    sync.Mutex
	out   *net.TCPConn
	ended bool
}

func (c *circuit) connect(out *net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		out.Close()
		return false
	}
	c.out = out
	return true
}

func (c *circuit) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended = true
	close(c.gone)
	for _, conn := range []*net.TCPConn{c.in, c.out} {
		if conn != nil {
			conn.SetLinger(0)
			conn.Close()
		}
	}
}

// piece is what was read at once.
type piece struct {
	data []byte
	due  time.Time
}

// pass carries one direction to its end.
func (c *circuit) pass(from, to *net.TCPConn) {
	pieces := make(chan piece, piecesMax)
	go func() {
		defer close(pieces)
		var s schedule
		for {
			data := make([]byte, pieceBytes)
			n, err := from.Read(data)
			if n > 0 {
				select {
				case pieces <- piece{data[:n], s.due(time.Now(), n, c.link.Condition())}:
				case <-c.gone:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		if !c.until(p.due) {
			return
		}
		n, err := to.Write(p.data)
		c.link.mu.Lock()
		c.link.carried += int64(n)
		c.link.mu.Unlock()
		if err != nil {
			c.reset()
			return
		}
	}
	if c.healed() { // the end of a connection does not pass a cut either
		to.CloseWrite()
	}
}

// until waits for due and for the link not to be cut; false: the circuit is gone.
func (c *circuit) until(due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.gone:
		return false
	}
	return c.healed()
}

// healed waits while the link is cut; false: the circuit is gone.
func (c *circuit) healed() bool {
	for {
		c.link.mu.Lock()
		cut, changed := c.link.condition.Cut, c.link.changed
		c.link.mu.Unlock()
		if !cut {
			return true
		}
		select {
		case <-changed:
		case <-c.gone:
			return false
		}
	}
}

// schedule says when bytes arrive that leave one after the other.
type schedule struct {
	free time.Time // when the last byte has left
	last time.Time // when it arrives: nothing overtakes
}

func (s *schedule) due(now time.Time, bytes int, c Condition) time.Time {
	leaves := now
	if c.BytesPerSecond > 0 {
		if s.free.After(leaves) {
			leaves = s.free
		}
		leaves = leaves.Add(time.Duration(bytes) * time.Second / time.Duration(c.BytesPerSecond))
		s.free = leaves
	}
	arrives := leaves.Add(c.Delay)
	for left := bytes; left > 0; left -= packetBytes {
		for wait := resendFirst; wait <= resendLast && rand.Float64() < c.Loss; wait *= 2 {
			arrives = arrives.Add(wait)
		}
	}
	if arrives.Before(s.last) {
		arrives = s.last
	}
	s.last = arrives
	return arrives
}
