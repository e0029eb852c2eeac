package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ticker prints numbered lines until a message comes: however slow the machine is, it does not end before the test has seen all it wants to.
const ticker = `package main

import (
	"fmt"
	"time"

	"github.com/tandemvm/tandem/vm/turn"
)

func main() {
	for i := 1; ; i++ {
		fmt.Println(i, time.Now().UnixNano())
		select {
		case <-turn.Inbox():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
`

// peerProcess starts this test binary as peer; it is killed when the test ends.
func peerProcess(t *testing.T, dir, out string, args ...string) *exec.Cmd {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, out))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	c := exec.Command(os.Args[0], args...)
	c.Dir, c.Stdout, c.Stderr = dir, f, f
	c.Env = append(os.Environ(), asPeer+"=1")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGCONT)
		c.Process.Kill()
		c.Wait()
	})
	return c
}

// peerOutput is what a command says; one that asks a peer that was stopped ends unanswered.
func peerOutput(dir string, args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Dir = dir
	c.Env = append(os.Environ(), asPeer+"=1")
	out, _ := c.CombinedOutput()
	return string(out)
}

func awaited(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * patience); !f(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

var (
	ownsRunning  = regexp.MustCompile(`ticker +running +here`)
	threeMembers = regexp.MustCompile(`ticker +3 +2 `)
)

// TestStoppedOwnerReleasesNothing stops the owner of a run at majority with SIGSTOP until others have taken it over, and lets it go on; then the next
// owner, and the one after that. What readers at all three peers were ever given is one and the same sequence: every line holds the time at
// which it was printed, so that a turn executed twice shows.
func TestStoppedOwnerReleasesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ticker.go"), []byte(ticker), 0o600); err != nil {
		t.Fatal(err)
	}
	// The lease is longer than the silences of a peer on a busy machine: otherwise the run only wanders.
	listen := []string{"--mdns=false", "--listen", "/ip4/127.0.0.1/tcp/0", "--lease", "3s"}
	stores := []string{"one", "two", "three"}
	peers := map[string]*exec.Cmd{}
	peers["one"] = peerProcess(t, dir, "one.out", append([]string{"run", "--stay", "--durable", "majority", "--store", "one"}, append(listen, "ticker.go")...)...)
	awaited(t, "the run", func() bool { return strings.Contains(peerOutput(dir, "ps", "--store", "one"), "ticker") })
	ticket := regexp.MustCompile(`tandem1\S+`).FindString(peerOutput(dir, "invite", "--store", "one"))
	for _, s := range stores[1:] {
		peers[s] = peerProcess(t, dir, s+".out", append([]string{"join", ticket, "--standby", "--store", s}, listen...)...)
		awaited(t, s+" knows the run", func() bool { return strings.Contains(peerOutput(dir, "ps", "--store", s), "ticker") })
	}
	var readers []*exec.Cmd
	for _, s := range stores {
		readers = append(readers, peerProcess(t, dir, s+".log", "logs", "-f", "ticker", "--store", s))
	}
	read := func(s string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, s+".log"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	count := func(s string) int { return bytes.Count(read(s), []byte("\n")) }
	t.Cleanup(func() {
		for _, s := range stores {
			if t.Failed() {
				peers[s].Process.Signal(syscall.SIGCONT)
				t.Logf("%s has given out %d lines and says\n%s%s%s", s, count(s), peerOutput(dir, "ps", "--store", s), peerOutput(dir, "peers", "--store", s), peerOutput(dir, "status", "--store", s))
			}
		}
	})
	// The voters of the run become the members one after the other, each by a turn; before all three are, it can need the one that is stopped.
	awaited(t, "three members", func() bool { return threeMembers.MatchString(peerOutput(dir, "status", "--store", "one")) })
	voted := count("three") + 20
	awaited(t, "lines at the third", func() bool { return count("three") > voted })
	stops := map[string]int{}
	for range 3 {
		owner := ""
		awaited(t, "an owner", func() bool {
			owners := 0 // one that was stopped believes for a moment that it is one still
			for _, s := range stores {
				if ownsRunning.MatchString(peerOutput(dir, "ps", "--store", s)) {
					owner = s
					owners++
				}
			}
			return owners == 1
		})
		elsewhere := stores[(slices.Index(stores, owner)+1)%len(stores)]
		peers[owner].Process.Signal(syscall.SIGSTOP)
		stopped := count(elsewhere)
		awaited(t, "the run goes on without "+owner, func() bool { return count(elsewhere) > stopped+40 })
		peers[owner].Process.Signal(syscall.SIGCONT)
		stops[owner]++
	}
	t.Logf("stopped: %v", stops)
	awaited(t, "the run takes the message", func() bool {
		return regexp.MustCompile(`^[A-Za-z0-9]+\s*$`).MatchString(peerOutput(dir, "send", "--store", "one", "--id", "end", "ticker", "end"))
	})
	for _, c := range readers {
		done := make(chan error, 1)
		go func() { done <- c.Wait() }()
		select {
		case <-done:
		case <-time.After(2 * patience):
			t.Fatal("readers never end")
		}
	}
	first := read("one")
	for i, l := range strings.Split(strings.TrimSpace(string(first)), "\n") {
		if !strings.HasPrefix(l, fmt.Sprintf("%d ", i+1)) {
			t.Fatalf("line %d is %q", i+1, l)
		}
	}
	if n := count("one"); n < 3*40 {
		t.Errorf("%d lines", n)
	}
	for _, s := range stores[1:] {
		if !bytes.Equal(read(s), first) {
			t.Errorf("the readers at one and %s were given different lines:\n%s\n%s", s, first, read(s))
		}
	}
}
