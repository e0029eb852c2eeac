package os

import (
	"io"
	"sync"
	"syscall"
)

// pipeBytes is how much a pipe holds before a writer waits, Linux's number.
const pipeBytes = 64 << 10

// pipe is in the run's own memory: what is in it moves with the run.
type pipe struct {
	mu                       sync.Mutex
	change                   sync.Cond
	held                     []byte
	readerClosed, writerGone bool
}

// Pipe connects two Files inside the run. Their descriptors mean nothing to anybody else.
func Pipe() (r *File, w *File, err error) {
	p := &pipe{}
	p.change.L = &p.mu
	return &File{&file{name: "|0", fd: pipeFd, pipe: p}}, &File{&file{name: "|1", fd: pipeFd, pipe: p, writes: true}}, nil
}

// pipeFd is the fd of both ends of a pipe.
const pipeFd = -2

func (p *pipe) read(f *file, b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.held) == 0 && len(b) > 0 {
		switch {
		case f.closed:
			return 0, ErrClosed
		case p.writerGone:
			return 0, io.EOF
		}
		p.change.Wait()
	}
	n := copy(b, p.held)
	p.held = p.held[n:]
	p.change.Broadcast()
	return n, nil
}

func (p *pipe) write(f *file, b []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(b) > 0 {
		switch room := min(pipeBytes-len(p.held), len(b)); {
		case f.closed:
			return n, ErrClosed
		case p.readerClosed:
			return n, syscall.EPIPE
		case room > 0:
			p.held = append(p.held, b[:room]...)
			b, n = b[room:], n+room
			p.change.Broadcast()
		default:
			p.change.Wait()
		}
	}
	return n, nil
}

func (p *pipe) close(f *file) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.writes {
		p.writerGone = true
	} else {
		p.readerClosed = true
	}
	p.change.Broadcast()
}
