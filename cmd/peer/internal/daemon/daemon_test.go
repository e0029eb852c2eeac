package daemon

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/cmd/peer/internal/client"
)

func openTest(t *testing.T, dir string, f func(*Config)) *Daemon {
	t.Helper()
	c := Config{Dir: dir, Init: true, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Version: "test"}
	if f != nil {
		f(&c)
	}
	d, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSocket: only its owner can reach the socket, also when the store's path is too long for one.
func TestSocket(t *testing.T) {
	for name, dir := range map[string]string{"short": t.TempDir(), "long": filepath.Join(t.TempDir(), strings.Repeat("long", 30))} {
		t.Run(name, func(t *testing.T) {
			d := openTest(t, dir, nil)
			info, err := os.Stat(d.socket)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("socket: %v, %v", info.Mode(), err)
			}
			if parent, err := os.Stat(filepath.Dir(d.socket)); err != nil || parent.Mode().Perm()&0o022 != 0 {
				t.Errorf("others may write beside the socket: %v, %v", parent.Mode(), err)
			}
			c := client.New(dir)
			defer c.Close()
			st, err := c.Status(context.Background())
			if err != nil || st.Peer != d.Peer() || st.API != api.Version || st.Version != "test" {
				t.Errorf("status %+v, %v", st, err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(d.socket); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket is left behind: %v", err)
			}
			if _, err := c.Status(context.Background()); !errors.Is(err, client.ErrNoDaemon) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

// TestStopEnds: who asked a daemon to stop, and was answered, can open its store.
func TestStopEnds(t *testing.T) {
	dir := t.TempDir()
	c := client.New(dir)
	defer c.Close()
	for range 3 {
		d := openTest(t, dir, nil)
		closed := make(chan error, 1)
		go func() {
			<-d.Stopped()
			closed <- d.Close()
		}()
		if err := c.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		again, err := Open(Config{Dir: dir, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(<-closed, again.Close()); err != nil {
			t.Error(err)
		}
	}
	if err := c.Stop(t.Context()); !errors.Is(err, client.ErrNoDaemon) {
		t.Errorf("stopped twice: %v", err)
	}
}

// TestUnfinishedSandbox: a directory in which a sandbox was begun and not finished does not keep the store from opening.
func TestUnfinishedSandbox(t *testing.T) {
	dir := t.TempDir()
	if err := openTest(t, dir, nil).Close(); err != nil {
		t.Fatal(err)
	}
	begun := filepath.Join(dir, sandboxesDir, "begun")
	if err := os.MkdirAll(filepath.Join(begun, "store"), 0o700); err != nil {
		t.Fatal(err)
	}
	d := openTest(t, dir, nil)
	defer d.Close()
	if _, err := os.Stat(begun); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestMetrics: Prometheus's text and pprof on loopback.
func TestMetrics(t *testing.T) {
	d := openTest(t, t.TempDir(), func(c *Config) { c.Metrics = "127.0.0.1:0" })
	defer d.Close()
	for path, want := range map[string]string{"/metrics": "tandem_net_", "/debug/pprof/": "goroutine"} {
		resp, err := http.Get("http://" + d.status().Metrics + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, without %q", path, err, want)
		}
	}
}

// TestHub: a reader gets each event once from where it asked, and waits for later ones.
func TestHub(t *testing.T) {
	h := newHub()
	for range 3*eventsKept + 5 {
		h.publish(api.Event{})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	last := h.last
	go h.publish(api.Event{})
	var got []uint64
	err := h.read(ctx, last-2, func(e api.Event) error {
		if got = append(got, e.Number); e.Number == last+1 {
			return io.EOF
		}
		return nil
	})
	if err != io.EOF || len(got) != 4 || got[0] != last-2 {
		t.Errorf("events %v, %v", got, err)
	}
	if err := h.read(ctx, 1, func(e api.Event) error {
		if e.Number+2*eventsKept < last {
			t.Errorf("event %d is still kept", e.Number)
		}
		return io.EOF
	}); err != io.EOF {
		t.Error(err)
	}
}
