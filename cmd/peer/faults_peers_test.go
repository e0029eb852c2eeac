package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/cmd/peer/internal/cable"
	"github.com/tandemvm/tandem/cmd/peer/internal/client"
)

// field is a number of peer processes, every two of them joined by a cable.
type field struct {
	t     *testing.T
	dir   string
	peers []*fieldPeer
	links map[[2]int]*cable.Link // by the numbers of both peers, the lower first
}

// fieldPeer is one store, and the process that has it open now.
type fieldPeer struct {
	f      *field
	number int
	dir    string
	port   int // it listens on
	relay  *cable.Relay
	c      *client.Client

	mu      sync.Mutex
	cmd     *exec.Cmd     // nil: dead
	ended   chan struct{} // closed when cmd has
	stdin   io.Closer
	stopped bool
	begun   time.Time
	errs    *os.File
	before  int64 // bytes in it when the process was started
}

func newField(t *testing.T, peers int) *field {
	f := &field{t: t, dir: t.TempDir(), links: map[[2]int]*cable.Link{}}
	for i := range peers {
		for k := range i {
			f.links[[2]int{k, i}] = cable.NewLink()
		}
		p := &fieldPeer{f: f, number: i, dir: filepath.Join(f.dir, strconv.Itoa(i)), port: freePort(t)}
		p.c = client.New(p.dir)
		f.peers = append(f.peers, p)
		var err error
		p.relay, err = cable.NewRelay(func(c net.Conn) *cable.Link { return f.link(c, i) })
		if err != nil {
			t.Fatal(err)
		}
		p.relay.Serve(p.port)
		p.errs, err = os.OpenFile(p.dir+".stderr", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			p.kill()
			p.relay.Close()
			p.c.Close()
			p.errs.Close()
		})
	}
	for _, p := range f.peers {
		p.start()
	}
	return f
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// between is the link of two peers.
func (f *field) between(a, b int) *cable.Link { return f.links[[2]int{min(a, b), max(a, b)}] }

// link is the one between peer to and whichever process made the connection.
func (f *field) link(c net.Conn, to int) *cable.Link {
	inode := socketInode(c.RemoteAddr().(*net.TCPAddr).Port, c.LocalAddr().(*net.TCPAddr).Port)
	for _, p := range f.peers {
		if p.number != to && inode != "" && p.hasSocket(inode) {
			return f.between(p.number, to)
		}
	}
	return nil // whoever it was is dead
}

// socketInode names the socket of this machine that is connected from one port to another.
func socketInode(from, to int) string {
	table, err := os.Open("/proc/net/tcp")
	if err != nil {
		return ""
	}
	defer table.Close()
	local, remote := fmt.Sprintf(":%04X", from), fmt.Sprintf(":%04X", to)
	for lines := bufio.NewScanner(table); lines.Scan(); {
		w := strings.Fields(lines.Text())
		if len(w) > 9 && strings.HasSuffix(w[1], local) && strings.HasSuffix(w[2], remote) && w[9] != "0" {
			return w[9]
		}
	}
	return ""
}

func (p *fieldPeer) hasSocket(inode string) bool {
	pid := p.pid()
	if pid == 0 {
		return false
	}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	names, _ := os.ReadDir(dir)
	for _, n := range names {
		if to, err := os.Readlink(filepath.Join(dir, n.Name())); err == nil && to == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}

// start begins a process on the store. It ends when its stdin closes, so also when the test itself is killed.
func (p *fieldPeer) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return
	}
	cmd := exec.Command(os.Args[0], "up", "--init", "--store", p.dir, "--mdns=false", "--until-stdin-closes", "--metrics", "127.0.0.1:0",
		"--listen", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", p.port), "--announce", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", p.relay.Port()))
	cmd.Env = append(os.Environ(), asPeer+"=1")
	cmd.Stderr = p.errs
	p.before = p.written()
	var err error
	if p.stdin, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.f.t.Errorf("peer %d does not start: %v", p.number, err)
		return
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	p.cmd, p.ended, p.stopped, p.begun = cmd, ended, false, time.Now()
}

func (p *fieldPeer) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// kill ends the process with SIGKILL.
func (p *fieldPeer) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Kill()
	p.over()
}

// over waits for the process to end; p.mu is held.
func (p *fieldPeer) over() *os.ProcessState {
	<-p.ended
	state := p.cmd.ProcessState
	p.stdin.Close()
	p.cmd = nil
	return state
}

// written is the size of what the processes wrote to stderr.
func (p *fieldPeer) written() int64 {
	i, err := p.errs.Stat()
	if err != nil {
		p.f.t.Error(err)
		return 0
	}
	return i.Size()
}

// end asks the process to end and waits for it; an error unless it ends well. One that has just been started and hears of no signals yet is only killed.
func (p *fieldPeer) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	process := p.cmd.Process
	late := time.AfterFunc(2*patience, func() { process.Signal(syscall.SIGQUIT) })
	defer late.Stop()
	state := p.over()
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGTERM && p.written() == p.before {
		return nil
	}
	if !state.Success() {
		return fmt.Errorf("peer %d ended with %v", p.number, state)
	}
	return nil
}

// pause stops the process with SIGSTOP, or lets it go on.
func (p *fieldPeer) pause(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.stopped == on {
		return
	}
	p.stopped = on
	sig := syscall.SIGCONT
	if on {
		sig = syscall.SIGSTOP
	}
	p.cmd.Process.Signal(sig)
}

// works reports whether there is a process that is not stopped.
func (p *fieldPeer) works() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil && !p.stopped
}

// died reports whether the process ended by itself.
func (p *fieldPeer) died() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// ready waits until the process answers and has opened its store.
func (p *fieldPeer) ready(ctx context.Context) (st api.Status, err error) {
	for {
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		st, err = p.c.Status(once)
		cancel()
		if err == nil && !st.Opening {
			return st, nil
		}
		select {
		case <-ctx.Done():
			return st, fmt.Errorf("peer %d is not ready: %w", p.number, errors.Join(ctx.Err(), err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// residentBytes is the process's memory, 0 if there is none or it began only just.
func (p *fieldPeer) residentBytes() int64 {
	p.mu.Lock()
	young := p.cmd == nil || time.Since(p.begun) < 2*time.Second
	p.mu.Unlock()
	if young {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid()))
	if w := strings.Fields(string(b)); err == nil && len(w) > 1 {
		pages, _ := strconv.ParseInt(w[1], 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}

var zeroMetric = regexp.MustCompile(`(?m)^(tandem_replication_zero_\w+) ([1-9]\S*)$`)

// refusals are those counters of the process that honest peers never move. A message that was not published, because members behind bad links were
// too far behind, is none: they fetch it.
func (p *fieldPeer) refusals(ctx context.Context) (out []string) {
	st, err := p.c.Status(ctx)
	if err != nil || st.Metrics == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+st.Metrics+"/metrics", nil)
	if err != nil {
		return nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for _, m := range zeroMetric.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "tandem_replication_zero_publish_failures_total" {
			out = append(out, m[1]+" "+m[2])
		}
	}
	return out
}

var bad = regexp.MustCompile(`(?m)^.*(panic:|BUG|fatal error:|DATA RACE|level=ERROR).*$`)

// complaints are what the processes wrote to stderr that they never should.
func (p *fieldPeer) complaints() []string {
	b, err := os.ReadFile(p.errs.Name())
	if err != nil {
		return []string{err.Error()}
	}
	return bad.FindAllString(string(b), 10)
}
