package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/cmd/peer/internal/client"
)

// process is one peer: an operating system process that is started again on its store whenever it dies, unless it is to stay dead
// for a while.
type process struct {
	d      *demo
	number int
	dir    string
	c      *client.Client
	log    *os.File

	mu      sync.Mutex
	cmd     *exec.Cmd
	stdin   io.Closer     // the process ends when it is closed: also when the demo itself is killed
	died    chan struct{} // closed when cmd has ended
	held    bool          // stays dead
	ending  bool
	id      string
	changed chan struct{}
	watch   sync.WaitGroup
}

func newProcess(d *demo, number int) *process {
	dir := filepath.Join(d.dir, fmt.Sprintf("peer%d", number))
	return &process{d: d, number: number, dir: dir, c: client.New(dir), changed: make(chan struct{})}
}

func (p *process) tell(e Event) {
	e.Peer = p.number
	e.Text = fmt.Sprintf("peer %d %s", p.number, e.Text)
	p.d.tell(e)
}

// start begins the process and watches over it.
func (p *process) start() error {
	if p.d.Log == nil {
		f, err := os.OpenFile(p.dir+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		p.log = f
	}
	if err := p.spawn(); err != nil {
		return err
	}
	p.watch.Go(p.guard)
	return nil
}

// spawn starts the operating system's process. It gets a group of its own: Ctrl-C is for the demo, which ends the others.
func (p *process) spawn() error {
	args := []string{"up", "--init", "--store", p.dir, "--listen", "/ip4/127.0.0.1/tcp/0", "--mdns=false"}
	if !p.d.Keep {
		args = append(args, "--until-stdin-closes")
	}
	cmd := exec.Command(p.d.Binary, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = p.d.Log
	if p.log != nil {
		cmd.Stderr = p.log
	}
	var stdin io.Closer
	if !p.d.Keep {
		var err error
		if stdin, err = cmd.StdinPipe(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return context.Canceled
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("peer %d does not start: %w", p.number, err)
	}
	p.cmd, p.stdin, p.died = cmd, stdin, make(chan struct{})
	p.tell(Event{Kind: "started", PID: cmd.Process.Pid, Text: fmt.Sprintf("started as process %d", cmd.Process.Pid)})
	return nil
}

// guard waits for the process to die and starts it again, at once or when it is let go.
func (p *process) guard() {
	for {
		p.mu.Lock()
		cmd, died := p.cmd, p.died
		p.mu.Unlock()
		err := cmd.Wait()
		p.mu.Lock()
		close(died)
		planned, ending := p.held, p.ending
		p.mu.Unlock()
		if ending {
			return
		}
		if !planned {
			p.tell(Event{Kind: "died", PID: cmd.Process.Pid, Text: fmt.Sprintf("died (%v) and is started again on its store", err)})
		}
		if !p.letGo() {
			return
		}
		if err := p.spawn(); err != nil {
			if !errors.Is(err, context.Canceled) {
				p.tell(Event{Kind: "failed", Text: err.Error()})
			}
			return
		}
	}
}

// letGo waits while the process is held dead; false: it is not to come back.
func (p *process) letGo() bool {
	for {
		p.mu.Lock()
		held, ending, changed := p.held, p.ending, p.changed
		p.mu.Unlock()
		if ending || !held {
			return !ending
		}
		<-changed
	}
}

func (p *process) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// kill ends the process with SIGKILL and keeps it dead until release.
func (p *process) kill() (pid int) {
	p.set(func() {
		p.held = true
		pid = p.cmd.Process.Pid
		p.cmd.Process.Kill()
	})
	p.mu.Lock()
	died := p.died
	p.mu.Unlock()
	<-died
	return pid
}

// release lets a process that was killed start again.
func (p *process) release() { p.set(func() { p.held = false }) }

// isHeld reports whether the process is to stay dead for now.
func (p *process) isHeld() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// ready waits until the process answers and has opened its store.
func (p *process) ready(ctx context.Context) (st api.Status, err error) {
	err = p.ask(ctx, func(ctx context.Context) error {
		if st, err = p.c.Status(ctx); err == nil && st.Opening {
			err = errors.New("it is still opening its store")
		}
		return err
	})
	if err == nil {
		p.set(func() { p.id = st.Peer })
	}
	return st, err
}

// peerID is the process's peer id once it was ready.
func (p *process) peerID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

// askEvery is the time between two tries of ask.
const askEvery = 30 * time.Millisecond

// ask makes a request again until it succeeds: the process may be dead for a moment. What is asked must be safe to repeat.
func (p *process) ask(ctx context.Context, f func(ctx context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := f(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("peer %d: %w", p.number, err)
		case <-time.After(askEvery):
		}
	}
}

// endLimit bounds how long a process takes to end; it is long because its disk may be busy.
const endLimit = 30 * time.Second

// stop ends the process and waits for it; it is killed if it does not end by itself.
func (p *process) stop() error {
	p.set(func() {
		p.ending = true
		if p.cmd != nil {
			p.cmd.Process.Signal(syscall.SIGTERM)
		}
	})
	defer p.c.Close()
	if p.log != nil {
		defer p.log.Close()
	}
	p.mu.Lock()
	died, cmd := p.died, p.cmd
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	var err error
	select {
	case <-died:
	case <-time.After(endLimit):
		err = fmt.Errorf("peer %d did not end within %v of SIGTERM", p.number, endLimit)
		cmd.Process.Kill()
	}
	p.watch.Wait()
	return err
}

// leave stops watching over the process and lets it live.
func (p *process) leave() {
	p.set(func() { p.ending = true })
	p.c.Close()
}
