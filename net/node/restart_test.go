package node

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/tandemvm/tandem/net/ident"
	"github.com/tandemvm/tandem/net/ticket"
)

// A peer that comes back with the same identity and address is met again by the peers that stayed.
func TestRestart(t *testing.T) {
	for _, listen := range []string{quicLoopback, tcpLoopback} {
		peers := cluster(t, 3, listen)
		a, b, c := peers[0], peers[1], peers[2]
		addr, _, _ := strings.Cut(a.node.Addrs()[0], "/p2p/")
		tk := a.room.ticket // names nobody: only the others know where to find it
		a.node.Close()
		eventually(t, "gone", func() bool { return b.sees(c) && c.sees(b) })
		start := time.Now()
		a2 := open(t, a.id, addr).join(&tk)
		eventually(t, "back", func() bool { return a2.sees(b, c) && b.sees(a2, c) && c.sees(a2, b) })
		a2.publish("back")
		b.publish("welcome")
		eventually(t, "talking", func() bool { return b.received(a2, "back") && c.received(a2, "back") && a2.received(b, "welcome") })
		t.Logf("%s: back and talking after %v", listen, time.Since(start))
		healthy(t, a2, b, c)
		for _, p := range []*peerUnderTest{a2, b, c} {
			p.node.Close()
		}
	}
}

const childEnv = "TANDEM_NODE_TEST_CHILD" // "identity file,address,ticket"

// TestChild is the body of the processes that the tests below start; alone it does nothing. It joins when it is told to, and repeats what it hears.
func TestChild(t *testing.T) {
	args := strings.Split(os.Getenv(childEnv), ",")
	if len(args) != 3 {
		t.Skip("only as a child process")
	}
	id, err := ident.Open(args[0])
	if err != nil {
		t.Fatal(err)
	}
	tk, err := ticket.Parse(args[2])
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, id, args[1])
	fmt.Println("ready", p.node.Addrs()[0])
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	p.join(tk)
	p.room.Subscribe(func(_ string, data []byte) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p.room.Publish(ctx, fmt.Append(nil, os.Getpid(), " hears ", string(data)))
	})
	p.room.Handle("ping", func(_ context.Context, _ string, req []byte, send func([]byte) error) error { return send(req) })
	for n := 0; ; n++ {
		p.room.Publish(context.Background(), fmt.Append(nil, "alive ", os.Getpid()))
		time.Sleep(20 * time.Millisecond)
		if os.Getppid() == 1 || n > 5000 {
			return // the test is gone
		}
	}
}

// process is a child; it is killed when the test ends.
type process struct {
	*exec.Cmd
	addr string // with /p2p/ID
	in   io.Writer
}

// startChild starts a process that listens and has not joined yet.
func startChild(t *testing.T, file, listen string, tk *ticket.Ticket) *process {
	t.Helper()
	text, err := tk.Text()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0], "-test.run=^TestChild$")
	c.Env = append(os.Environ(), childEnv+"="+file+","+listen+","+text)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready ") {
		t.Fatalf("child: %q, %v", line, err)
	}
	return &process{c, strings.TrimSpace(strings.TrimPrefix(line, "ready ")), in}
}

func (p *process) join() { io.WriteString(p.in, "\n") }

// talks says the word until p has heard it and was heard to say so; what is said before each knows that the other listens is lost.
func (p *process) talks(a *peerUnderTest, word string) func() bool {
	return func() bool {
		a.publish(word)
		a.mu.Lock()
		defer a.mu.Unlock()
		return slices.ContainsFunc(a.got, func(m string) bool { return strings.HasSuffix(m, fmt.Sprint(" ", p.Process.Pid, " hears ", word)) })
	}
}

// A process killed without a word and started again with the same identity and address is a member again within
// moments, though nobody told the others of its death.
func TestKilledProcessComesBack(t *testing.T) {
	for _, listen := range []string{quicLoopback, tcpLoopback} {
		a := open(t, identity(t)).join(newTicket(t))
		tk := a.room.Ticket()
		tk.Members = nil // the child knows nobody: those who stayed must find it
		file := t.TempDir() + "/identity"
		child := startChild(t, file, listen, tk)
		child.join()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := a.room.Connect(ctx, []string{child.addr}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "both are there", func() bool { return len(a.room.Peers()) == 1 })
		eventually(t, "talk with the child", child.talks(a, "one"))
		child.Process.Kill()
		child.Wait()
		bare, p, _ := strings.Cut(child.addr, "/p2p/")
		again := startChild(t, file, bare, tk)
		again.join()
		began := time.Now()
		eventually(t, "talk with the child again", again.talks(a, "two"))
		t.Logf("%s: back and talking %v after it joined", listen, time.Since(began))
		var echo []byte
		err := a.room.Request(ctx, p, "ping", []byte("x"), func(f []byte) error { echo = f; return nil })
		if err != nil || string(echo) != "x" {
			t.Errorf("request after the restart: %q, %v", echo, err)
		}
		eventually(t, "it counts", func() bool { return slices.Equal(a.room.Peers(), []string{p}) })
		healthy(t, a)
		again.Process.Kill()
		again.Wait()
	}
}

// TestHalfOpenConnection: a process whose former one has stopped without a word, its connection standing as far as anybody can see, is taken for what it is: it
// is admitted at once, not when the connection is found dead, and not refused as a twin.
func TestHalfOpenConnection(t *testing.T) {
	for _, listen := range []string{quicLoopback, tcpLoopback} {
		var restarts atomic.Int32
		a := openAs(t, Config{Identity: identity(t), Listen: []string{listen}, Logger: slog.New(restartsLogged{&restarts})}).join(newTicket(t))
		file := t.TempDir() + "/identity"
		old := startChild(t, file, listen, a.room.Ticket())
		old.join()
		eventually(t, "both are there", func() bool { return len(a.room.Peers()) == 1 })
		eventually(t, "talk with the process", old.talks(a, "one"))
		again := startChild(t, file, listen, a.room.Ticket())
		if err := old.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(old.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() { // not before: it would come again
			t.Fatalf("the former process: %v, %v", status, err)
		}
		stopped := time.Now()
		again.join()
		eventually(t, "talk with the new process", again.talks(a, "two"))
		took := time.Since(stopped)
		t.Logf("%s: talking %v after the former process stopped", listen, took)
		if took < beatLimit && restarts.Load() != 1 {
			t.Errorf("%d restarts were seen", restarts.Load())
		}
		_, p, _ := strings.Cut(again.addr, "/p2p/")
		eventually(t, "it counts", func() bool { return slices.Equal(a.room.Peers(), []string{p}) })
		if twins := a.node.Twins(); len(twins) != 0 {
			t.Errorf("taken for twins: %v", twins)
		}
		healthy(t, a)
		for _, c := range []*process{old, again} {
			c.Process.Kill()
			c.Wait()
		}
	}
}

// restartsLogged counts the members that were met anew while their former process counted.
type restartsLogged struct{ n *atomic.Int32 }

func (restartsLogged) Enabled(context.Context, slog.Level) bool { return true }
func (h restartsLogged) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h restartsLogged) WithGroup(string) slog.Handler          { return h }
func (h restartsLogged) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "restarted" && a.Value.Bool() {
			h.n.Add(1)
		}
		return true
	})
	return nil
}

// TestCallsBeforeJoin: members call a peer that listens and has not opened its sandbox. They are not told that they are strangers, and meet it as soon as it has.
func TestCallsBeforeJoin(t *testing.T) {
	peers := cluster(t, 2)
	a, b := peers[0], peers[1]
	addr, _, _ := strings.Cut(a.node.Addrs()[0], "/p2p/")
	tk := a.room.ticket // names nobody
	a.node.Close()
	eventually(t, "gone", func() bool { return b.sees() })
	a = open(t, a.id, addr)
	var calls atomic.Int32
	a.node.host.Network().Notify(&network.NotifyBundle{ConnectedF: func(network.Network, network.Conn) { calls.Add(1) }})
	eventually(t, "it is called, waited for and called again", func() bool { return calls.Load() >= 2 })
	start := time.Now()
	a.join(&tk)
	eventually(t, "they meet", func() bool { return a.sees(b) && b.sees(a) })
	t.Logf("met %v after it joined", time.Since(start))
	healthy(t, a, b)
}

// TestSubscriptionsAreRepeated: gossip's streams end while the connection stands, again and again, as when there are two connections and one ends. Each
// still knows that the other is subscribed, and is sent what it publishes.
func TestSubscriptionsAreRepeated(t *testing.T) {
	peers := cluster(t, 2)
	a, b := peers[0], peers[1]
	sending := func() (out []network.Stream) {
		for _, c := range b.node.host.Network().ConnsToPeer(a.node.host.ID()) {
			for _, s := range c.GetStreams() {
				if s.Protocol() == roomProtocol && s.Stat().Direction == network.DirOutbound {
					out = append(out, s)
				}
			}
		}
		return out
	}
	for n := range 7 { // more often than gossipsub opens one again by itself
		were := sending()
		for _, s := range were {
			s.Reset()
		}
		eventually(t, "a new stream", func() bool {
			now := sending()
			return len(now) > 0 && !slices.ContainsFunc(now, func(s network.Stream) bool {
				return slices.ContainsFunc(were, func(w network.Stream) bool { return w.ID() == s.ID() })
			})
		})
		eventually(t, "they know each other", func() bool { return a.sees(b) && b.sees(a) })
		word := fmt.Sprint("word ", n)
		eventually(t, "they talk", func() bool {
			a.publish(word)
			b.publish(word)
			return a.received(b, word) && b.received(a, word)
		})
	}
}
