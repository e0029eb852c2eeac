// Package stream is request and reply between two peers: one request by handler name, any number of reply frames,
// then an end or an error. It is how blocks, snapshots and everything else that is not gossip travels.
//
// It runs over one bidirectional byte stream a request and knows neither libp2p nor membership; the node package
// opens streams only between members of a sandbox. A frame is copied once on each side. Nothing is compressed.
//
//	caller -> handler: len(1) name, len(4) request
//	handler -> caller: kind(1) len(4) body, repeated:  'd' a frame; 'e' the handler's error text;
//	                   'n' no such handler; 'b' busy; '.' the end, the handler returned nil
//
// Lengths are big endian. The caller keeps its sending side open until it has seen the end, so that the handler learns
// of a caller that went away even while it sends nothing.
package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// RequestMax is the largest request, in bytes.
	RequestMax = 1 << 20
	// FrameMax is the largest reply frame, in bytes.
	FrameMax = 4 << 20

	nameMax      = 255
	errorTextMax = 4 << 10

	lastWord = time.Second // for the caller to take the reason why its request was ended
)

var (
	// ErrTooLarge is returned for a request or frame beyond its limit, on whichever side notices.
	ErrTooLarge = errors.New("stream: too large")
	// ErrNoHandler is returned when the remote peer knows no handler of that name.
	ErrNoHandler error = noHandler{}
	// ErrBusy is returned when the remote peer already serves as many requests of ours as it allows; try again.
	ErrBusy = errors.New("stream: the peer is busy")
	// ErrProtocol is returned when the other side does not follow the format.
	ErrProtocol = errors.New("stream: the peer broke the protocol")
)

// noHandler tells by its method what it is, for those who do not know this package.
type noHandler struct{}

func (noHandler) Error() string   { return "stream: the peer has no such handler" }
func (noHandler) NoHandler() bool { return true }

// RemoteError is an error that the remote handler returned: its text, at most 4 KiB of valid UTF-8.
type RemoteError struct{ Text string }

func (e *RemoteError) Error() string { return e.Text }

// Conn is what a request needs of a stream; libp2p's network.Stream is one. Reset ends both directions at once and
// makes the other side's reads and writes fail.
type Conn interface {
	io.Reader
	io.Writer
	io.Closer
	Reset() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Handler answers one request of the member from. It may call send from one goroutine at a time; ctx ends when the
// caller goes away or the time limit is over. send copies the frame before it returns.
type Handler func(ctx context.Context, from string, req []byte, send func(frame []byte) error) error

// Limits of a Registry. The zero value of a field takes the default.
type Limits struct {
	PerPeer int           // requests served at once for one peer; default 64
	Idle    time.Duration // longest wait for the other side to take a frame or to send its request; default 30 s
	Total   time.Duration // longest time one request may be served; default 15 min
}

// Registry holds the handlers of one sandbox by name. The zero value works.
type Registry struct {
	Limits Limits

	mu       sync.Mutex
	handlers map[string]Handler
	active   map[string]int // requests being served, by peer
}

// Handle sets the handler for name, replacing an earlier one; nil removes it. Names are 1 to 255 bytes.
func (r *Registry) Handle(name string, h Handler) {
	if name == "" || len(name) > nameMax {
		panic(fmt.Sprintf("BUG: stream: handler name of %d bytes", len(name)))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handlers == nil {
		r.handlers = map[string]Handler{}
	}
	if h == nil {
		delete(r.handlers, name)
		return
	}
	r.handlers[name] = h
}

// Serve reads one request from c, runs its handler and closes c. The error is for counting: the caller was told
// what it needs to know.
func (r *Registry) Serve(ctx context.Context, c Conn, from string) error {
	idle := positive(r.Limits.Idle, 30*time.Second)
	c.SetReadDeadline(time.Now().Add(idle))
	admitted := r.enter(from) // before the request is read, which takes memory
	if admitted {
		defer r.leave(from)
	}
	name, req, err := readRequest(c, admitted)
	if err != nil {
		c.Reset()
		return err
	}
	w := &sender{c: c, ctx: ctx, idle: idle}
	if !admitted {
		w.finish('b', "")
		return ErrBusy
	}
	r.mu.Lock()
	h := r.handlers[name]
	r.mu.Unlock()
	if h == nil {
		w.finish('n', "")
		return fmt.Errorf("%w: %q", ErrNoHandler, name)
	}
	ctx, cancel := context.WithTimeout(ctx, positive(r.Limits.Total, 15*time.Minute))
	defer cancel()
	c.SetReadDeadline(time.Time{})
	go func() {
		// Nothing more is expected from the caller: a byte, an end or an error all mean that it has gone.
		c.Read(make([]byte, 1))
		cancel()
	}()
	// A Read that outlives the deadline of ctx must not keep a slow writer alive.
	stop := context.AfterFunc(ctx, func() { c.SetWriteDeadline(time.Now()) })
	defer stop()
	w.ctx = ctx
	if err := h(ctx, from, req, w.send); err != nil {
		w.finish('e', err.Error())
		return nil
	}
	w.finish('.', "")
	return nil
}

func (r *Registry) enter(from string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active == nil {
		r.active = map[string]int{}
	}
	if r.active[from] >= positive(r.Limits.PerPeer, 64) {
		return false
	}
	r.active[from]++
	return true
}

func (r *Registry) leave(from string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active[from]--; r.active[from] == 0 {
		delete(r.active, from)
	}
}

func positive[T int | time.Duration](v, def T) T {
	if v > 0 {
		return v
	}
	return def
}

// readRequest reads a request to its end, so that a caller that writes it all before it listens hears the answer; what
// is not to be kept takes no memory.
func readRequest(c io.Reader, keep bool) (name string, req []byte, err error) {
	var b [4]byte
	if _, err := io.ReadFull(c, b[:1]); err != nil {
		return "", nil, err
	}
	text := make([]byte, b[0])
	if _, err := io.ReadFull(c, text); err != nil {
		return "", nil, err
	}
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return "", nil, err
	}
	n := binary.BigEndian.Uint32(b[:])
	if n > RequestMax {
		return "", nil, fmt.Errorf("%w: request of %d bytes, at most %d", ErrTooLarge, n, RequestMax)
	}
	if !keep {
		_, err = io.CopyN(io.Discard, c, int64(n))
		return "", nil, err
	}
	req = make([]byte, n)
	_, err = io.ReadFull(c, req)
	return string(text), req, err
}

// sender writes reply frames; each must be taken by the other side within idle.
type sender struct {
	c    Conn
	ctx  context.Context
	idle time.Duration
	buf  []byte
}

func (s *sender) send(frame []byte) error {
	if len(frame) > FrameMax {
		return fmt.Errorf("%w: frame of %d bytes, at most %d", ErrTooLarge, len(frame), FrameMax)
	}
	// In this order: a context that ends now finds the deadline set, and takes it back.
	s.c.SetWriteDeadline(time.Now().Add(s.idle))
	if err := s.ctx.Err(); err != nil {
		return err
	}
	return s.write('d', frame)
}

func (s *sender) write(kind byte, body []byte) error {
	s.buf = append(s.buf[:0], kind)
	s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(body)))
	s.buf = append(s.buf, body...)
	_, err := s.c.Write(s.buf)
	return err
}

func (s *sender) finish(kind byte, text string) {
	limit := s.idle
	if err := s.ctx.Err(); err != nil {
		limit = min(limit, lastWord)
		if kind == '.' {
			kind, text = 'e', err.Error()
		}
	}
	s.c.SetWriteDeadline(time.Now().Add(limit))
	if err := s.write(kind, []byte(text[:min(len(text), errorTextMax)])); err != nil {
		s.c.Reset()
		return
	}
	s.c.Close()
}

// Call sends one request over c and gives each reply frame to recv, on the calling goroutine; the frame is recv's to
// keep. It returns nil after the remote handler returned nil, *RemoteError with the text of the handler's error,
// recv's own error, or ctx's. c is closed or reset in every case.
func Call(ctx context.Context, c Conn, name string, req []byte, recv func(frame []byte) error) (err error) {
	defer func() {
		if err != nil {
			c.Reset()
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return
		}
		c.Close()
	}()
	if len(req) > RequestMax {
		return fmt.Errorf("%w: request of %d bytes, at most %d", ErrTooLarge, len(req), RequestMax)
	}
	if name == "" || len(name) > nameMax {
		return fmt.Errorf("%w: handler name of %d bytes", ErrTooLarge, len(name))
	}
	stop := context.AfterFunc(ctx, func() { c.Reset() })
	defer stop()
	b := append([]byte{byte(len(name))}, name...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(req)))
	if _, err := c.Write(append(b, req...)); err != nil {
		return err
	}
	for {
		kind, body, err := readFrame(c)
		if err != nil {
			return err
		}
		switch kind {
		case 'd':
			if err := recv(body); err != nil {
				return err
			}
		case '.':
			return nil
		case 'e':
			return &RemoteError{Text: strings.ToValidUTF8(string(body[:min(len(body), errorTextMax)]), "?")}
		case 'n':
			return fmt.Errorf("%w: %q", ErrNoHandler, name)
		case 'b':
			return ErrBusy
		default:
			return fmt.Errorf("%w: frame of kind %q", ErrProtocol, kind)
		}
	}
}

func readFrame(c io.Reader) (kind byte, body []byte, err error) {
	var b [5]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // an end without '.' is never a success
		}
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n > FrameMax {
		return 0, nil, fmt.Errorf("%w: frame of %d bytes, at most %d", ErrTooLarge, n, FrameMax)
	}
	body = make([]byte, n)
	_, err = io.ReadFull(c, body)
	return b[0], body, err
}
