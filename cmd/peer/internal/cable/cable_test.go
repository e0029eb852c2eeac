package cable

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"
)

// echo is a server that sends back what it gets, behind a relay over l.
func echo(t *testing.T, l *Link) *Relay {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	r, err := NewRelay(func(net.Conn) *Link { return l })
	if err != nil {
		t.Fatal(err)
	}
	r.Serve(server.Addr().(*net.TCPAddr).Port)
	t.Cleanup(func() { r.Close() })
	return r
}

func dial(t *testing.T, r *Relay) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// TestBytesPass sends bytes there and back over a bad link, which is cut and healed meanwhile: they arrive whole and in order.
func TestBytesPass(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	l := NewLink()
	l.Set(Condition{Delay: 3 * time.Millisecond, BytesPerSecond: 4 << 20, Loss: 0.001})
	c := dial(t, echo(t, l))
	sent := make([]byte, 1<<20)
	for i := range sent {
		sent[i] = byte(rng.Uint32())
	}
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(100<<10))
			c.Write(rest[:n])
			rest = rest[n:]
		}
	}()
	go func() {
		for range 5 {
			time.Sleep(20 * time.Millisecond)
			l.Set(Condition{Cut: true})
			time.Sleep(20 * time.Millisecond)
			l.Set(Condition{Delay: time.Millisecond})
		}
	}()
	got := make([]byte, len(sent))
	_, err := io.ReadFull(c, got)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back, equal: %v, %v", len(got), len(sent), bytes.Equal(got, sent), err)
	}
	for range 500 { // counted after they were written
		if l.Carried() == 2*int64(len(sent)) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if l.Carried() != 2*int64(len(sent)) {
		t.Errorf("%d bytes carried, want %d", l.Carried(), 2*len(sent))
	}
}

// TestCutAndReset: nothing passes a cut, not even the end of a connection; a reset ends connections for both sides.
func TestCutAndReset(t *testing.T) {
	l := NewLink()
	r := echo(t, l)
	c := dial(t, r)
	one := make([]byte, 1)
	if _, err := c.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, one); err != nil {
		t.Fatal(err)
	}
	l.Set(Condition{Cut: true})
	c.Write([]byte{2})
	late := dial(t, r)
	late.Write([]byte{3})
	for _, c := range []*net.TCPConn{c, late} {
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := c.Read(one); n != 0 || !errors.As(err, new(net.Error)) {
			t.Errorf("through the cut came %d bytes, %v", n, err)
		}
		c.SetReadDeadline(time.Time{})
	}
	l.Set(Condition{})
	for want, c := range map[byte]*net.TCPConn{2: c, 3: late} {
		if _, err := io.ReadFull(c, one); err != nil || one[0] != want {
			t.Errorf("after the cut came %d, %v", one[0], err)
		}
	}
	if n := l.Reset(); n != 2 {
		t.Errorf("%d connections were reset, want 2", n)
	}
	if _, err := c.Read(one); err == nil {
		t.Error("a connection that was reset goes on")
	}
}

// TestDelay: a byte takes its time both ways, and many are under way at once.
func TestDelay(t *testing.T) {
	l := NewLink()
	l.Set(Condition{Delay: 25 * time.Millisecond})
	c := dial(t, echo(t, l))
	begun := time.Now()
	go func() {
		for range 50 {
			c.Write(make([]byte, 100))
			time.Sleep(time.Millisecond)
		}
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	took := time.Since(begun)
	if err != nil || len(got) != 5000 || took < 50*time.Millisecond {
		t.Errorf("%d bytes after %v, %v", len(got), took, err)
	}
	if alone := 50 * 50 * time.Millisecond; took > alone/2 {
		t.Errorf("50 pieces took %v: each waits for the one before", took)
	}
}
