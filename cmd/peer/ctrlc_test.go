package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// interruptedAt starts peer with args, sends it SIGINT when what it wrote, or what when says, shows that it is in the middle, and gives what it wrote. The
// status has to be 130, which the last line explains, or 0 of a command that Ctrl-C ends as it should.
func interruptedAt(t *testing.T, dir string, when func(out string) bool, args ...string) string {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Dir, c.Env = dir, append(os.Environ(), asPeer+"=1")
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c.Stdout, c.Stderr = file, file
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	out := func() string {
		b, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for end := time.Now().Add(patience); !when(out()); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("peer %v ended by itself: %v\n%s", args, err, out())
		default:
		}
		if time.Now().After(end) {
			c.Process.Kill()
			t.Fatalf("peer %v never came to the middle:\n%s", args, out())
		}
	}
	c.Process.Signal(syscall.SIGINT)
	select {
	case err = <-ended:
	case <-time.After(patience):
		c.Process.Signal(syscall.SIGQUIT)
		<-ended
		t.Fatalf("peer %v does not end by SIGINT:\n%s", args, out())
	}
	var bad *exec.ExitError
	text := out()
	if errors.As(err, &bad) && bad.Sys().(syscall.WaitStatus).Signal() == syscall.SIGINT && text == "" {
		return "" // before it began
	}
	if err != nil && (!errors.As(err, &bad) || bad.ExitCode() != int(interrupted)) {
		t.Errorf("peer %v ended with %v, want status %d", args, err, int(interrupted))
	}
	if err != nil && !lastInterrupted.MatchString(text) {
		t.Errorf("peer %v does not say at last that it was interrupted:\n%s", args, text[max(0, len(text)-300):])
	}
	if strings.Contains(text, "goroutine ") || strings.Contains(text, "panic") {
		t.Errorf("peer %v says\n%s", args, text)
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		t.Errorf("peer %v leaves the terminal in the middle of a line: %q", args, text[max(0, len(text)-200):])
	}
	return text
}

var lastInterrupted = regexp.MustCompile(`(?m)^peer: interrupted.*\n\z`)

const heavy = `package main

import (
	"fmt"
	"time"
)

//tandem:shared map counter
var Counts = map[int]int{}

func main() {
	keep := make([][]byte, 24)
	for n := 0; ; n++ {
		keep[n%len(keep)] = make([]byte, 1<<20)
		for i := range keep[n%len(keep)] {
			keep[n%len(keep)][i] = byte(n * i)
		}
		Counts[n%1000]++
		fmt.Println("line", n)
		time.Sleep(5 * time.Millisecond)
	}
}
`

const longTest = `package long

import "testing"

func TestLong(t *testing.T) {
	for i := 0; ; i++ {
		t.Log("round", i)
	}
}
`

// TestCtrlC interrupts what takes long, in the middle: joining, moving, following, testing, measuring, compiling. The stores open again and have what they
// had, and what was begun can be done again.
func TestCtrlC(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"heavy.go": heavy, "long/long_test.go": longTest, "long/go.mod": "module long\n\ngo 1.25\n"} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listen := []string{"--mdns=false", "--listen", "/ip4/127.0.0.1/tcp/0"}
	has := func(want string) func(string) bool {
		return func(out string) bool { return strings.Contains(out, want) }
	}
	soon := func(d time.Duration) func(string) bool {
		begun := time.Now()
		return func(string) bool { return time.Since(begun) > d }
	}

	t.Run("run", func(t *testing.T) {
		interruptedAt(t, dir, has("line 60"), append([]string{"run", "--store", "one"}, append(listen, "heavy.go")...)...)
	})
	up := peerProcess(t, dir, "up.out", append([]string{"up", "--store", "one"}, listen...)...)
	awaited(t, "the run goes on", func() bool { return ownsHeavy.MatchString(peerOutput(dir, "ps", "--store", "one")) })
	if out := peerOutput(dir, "logs", "--store", "one", "heavy"); !strings.HasPrefix(out, "line 0\nline 1\n") || !strings.Contains(out, "line 60\n") {
		t.Errorf("after the restart the lines are\n%s", out[:min(len(out), 300)])
	}
	ticket := regexp.MustCompile(`tandem1\S+`).FindString(peerOutput(dir, "invite", "--store", "one"))
	join := append([]string{"join", ticket, "--standby", "--store", "two"}, listen...)
	t.Run("join", func(t *testing.T) {
		for i := range 8 { // in the middle of the network, the program, the state
			interruptedAt(t, dir, soon(time.Duration(i*40)*time.Millisecond), join...)
		}
	})
	two := peerProcess(t, dir, "two.out", join...)
	awaited(t, "the second has the run", func() bool { return warmHeavy.MatchString(peerOutput(dir, "ps", "--store", "two")) })
	t.Run("logs", func(t *testing.T) {
		interruptedAt(t, dir, has("line 60"), "logs", "-f", "--store", "two", "heavy")
	})
	t.Run("move", func(t *testing.T) {
		to := regexp.MustCompile(`12D3\w+`).FindString(peerOutput(dir, "peers", "--store", "one"))
		c := exec.Command(os.Args[0], "move", "--store", "one", "heavy", to)
		c.Dir, c.Env = dir, append(os.Environ(), asPeer+"=1")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(60 * time.Millisecond)
		c.Process.Signal(syscall.SIGINT)
		c.Wait() // whether it had moved by then or not, it goes on at one of the two
		before := bytes.Count([]byte(peerOutput(dir, "logs", "--store", "two", "heavy")), []byte("\n"))
		awaited(t, "the run goes on", func() bool {
			return bytes.Count([]byte(peerOutput(dir, "logs", "--store", "two", "heavy")), []byte("\n")) > before+20
		})
		lines := strings.Split(strings.TrimSpace(peerOutput(dir, "logs", "--store", "two", "heavy")), "\n")
		for i, l := range lines {
			if !strings.HasPrefix(l, "line ") || i > 0 && l == lines[i-1] {
				t.Fatalf("line %d is %q after %q", i, l, lines[max(0, i-1)])
			}
		}
	})
	for name, c := range map[string]*exec.Cmd{"one": up, "two": two} {
		c.Process.Signal(syscall.SIGINT)
		c.Wait()
		if out := peerOutput(dir, "ps", "--store", name); !strings.HasPrefix(out, "peer: no peer is running") {
			t.Errorf("after SIGINT ps says %q", out)
		}
	}
	t.Run("test", func(t *testing.T) {
		interruptedAt(t, dir, has("round 100"), "test", "--v", "./long")
	})
	t.Run("compile", func(t *testing.T) {
		out := interruptedAt(t, dir, soon(150*time.Millisecond), "run", "--no-cache", "--store", "none", "heavy.go")
		_, err := os.Stat(filepath.Join(dir, "none"))
		if begun := strings.Contains(out, "peer: store "); !begun && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a store is left of a program that was not compiled: %v", err)
		}
	})
	t.Run("bench", func(t *testing.T) {
		interruptedAt(t, dir, has("turns at local"), "bench", "replication", "--for", "1s")
	})
}

var (
	ownsHeavy = regexp.MustCompile(`heavy +running +here`)
	warmHeavy = regexp.MustCompile(`heavy +running +\S+ +\d+ +\d+ +\d+ +\S+ +yes`)
)
