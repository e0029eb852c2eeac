package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandemvm/tandem/cmd/peer/internal/demo"
)

var (
	kills    = flag.Int("kills", 2, "moments at which TestKillAnyMoment kills a process of a demo; 30 is the long test")
	killSeed = flag.Uint64("killseed", 0, "seed of the first moment; 0: random")
)

// performance is one demo run as a process, with what it told.
type performance struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr []byte

	mu     sync.Mutex
	ended  bool        // by the test
	pids   map[int]int // of each peer, now
	ever   []int       // all pids
	events []demo.Event
}

// perform runs `peer demo` to its end. meanwhile is called when the three processes have started.
func perform(t *testing.T, meanwhile func(*performance), args ...string) *performance {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &performance{t: t, pids: map[int]int{}}
	p.cmd = exec.Command(self, append([]string{"demo", "--json", "--limit", "3m", "--store", filepath.Join(t.TempDir(), "demo")}, args...)...)
	p.cmd.Env = append(os.Environ(), asPeer+"=1")
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	p.cmd.Stderr = stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var others sync.WaitGroup
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for begun := false; lines.Scan(); {
		var e demo.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Errorf("no JSON: %s", lines.Bytes())
			continue
		}
		if p.add(e) == 3 && !begun && meanwhile != nil {
			begun = true
			others.Go(func() { meanwhile(p) })
		}
	}
	err = p.cmd.Wait()
	others.Wait()
	if err != nil && !p.ended {
		text, _ := os.ReadFile(stderr.Name())
		t.Errorf("the demo: %v\n%s", err, text)
		for _, e := range p.events {
			t.Logf("%7.3fs %s: %s", e.At.Seconds(), e.Kind, e.Text)
		}
		p.logs(args)
	}
	return p
}

// add notes an event and counts the processes there are.
func (p *performance) add(e demo.Event) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	if e.Kind == "started" {
		p.pids[e.Peer] = e.PID
		p.ever = append(p.ever, e.PID)
	}
	return len(p.pids)
}

// logs shows what the processes said.
func (p *performance) logs(args []string) {
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(p.cmd.Args[6]), "demo", "*.log"))
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && len(b) > 0 {
			p.t.Logf("%s:\n%s", filepath.Base(f), b[max(0, len(b)-4000):])
		}
	}
}

// gone makes sure that no process of the demo lives, or will not for much longer.
func (p *performance) gone() {
	p.t.Helper()
	for _, pid := range p.ever {
		for end := time.Now().Add(patience); !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				p.t.Errorf("process %d of the demo is left behind", pid)
				break
			}
		}
	}
}

// check makes sure that the demo said what it has to, and that none of its processes lives.
func (p *performance) check(kinds ...string) {
	p.t.Helper()
	told := map[string]demo.Event{}
	for _, e := range p.events {
		told[e.Kind] = e
	}
	for _, k := range kinds {
		if _, ok := told[k]; !ok {
			p.t.Errorf("the demo told of no %q", k)
		}
	}
	if ok := told["result"].OK; ok == nil || !*ok {
		p.t.Error("the last word is not ok")
	}
	p.gone()
}

// demoLines keeps primes going until its owner was killed, also after a restart of that owner before.
func demoLines() string {
	if testing.Short() {
		return "200"
	}
	return "600"
}

// TestDemo is the main job of the README.
func TestDemo(t *testing.T) {
	p := perform(t, nil, "--lines", demoLines())
	p.check("up", "owns", "killed", "taken over", "stands down", "cut", "healed", "converged", "traffic", "verified", "result")
	killed := 0
	for _, e := range p.events {
		t.Logf("%7.3fs %s", e.At.Seconds(), e.Text)
		switch {
		case e.Kind == "killed":
			killed = e.Peer
		case e.Kind == "taken over" && e.Run == "primes" && (e.Epoch < 2 || e.Took <= 0 || e.Peer != 3-killed):
			t.Errorf("primes was taken over from peer %d by peer %d in epoch %d, %v after the kill: want peer %d, a later epoch, some time", killed, e.Peer, e.Epoch, e.Took, 3-killed)
		case e.Kind == "converged" && len(e.Digest) != 64:
			t.Errorf("digest %q", e.Digest)
		}
	}
}

// TestKillAnyMoment kills one of the three processes with SIGKILL at a random moment of the demo, beside the kill that the demo does
// itself: no word is lost or counted twice, no line is lost or printed twice. The long test:
//
//	go test ./cmd/peer -run TestKillAnyMoment -kills 30 -timeout 40m
func TestKillAnyMoment(t *testing.T) {
	n := *kills
	if testing.Short() {
		n = min(n, 1)
	}
	for i := range n {
		seed := *killSeed + uint64(i)
		if *killSeed == 0 {
			seed = rand.Uint64()
		}
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			// A demo that is over before the moment comes is no test of it: try an earlier moment.
			killed := false
			for longest := 10 * time.Second; !killed && !t.Failed() && longest > time.Second; longest = longest * 3 / 4 {
				peer, wait := 1+rng.IntN(3), time.Duration(rng.Int64N(int64(longest)))
				t.Logf("-killseed %d: peer %d, %v after the start", seed, peer, wait)
				p := perform(t, func(p *performance) { killed = p.killAfter(peer, wait) }, "--lines", demoLines(), "--seed", fmt.Sprint(seed%1000))
				p.check("killed", "taken over", "converged", "verified", "result")
			}
			if !killed && !t.Failed() {
				t.Error("no moment of the demo was hit")
			}
		})
	}
}

// TestDemoEnds: however the demo is ended, its processes end with it.
func TestDemoEnds(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			p := perform(t, func(p *performance) {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.ended = true
				p.cmd.Process.Signal(sig)
			})
			p.gone()
			state := p.cmd.ProcessState
			if sig == syscall.SIGINT && state.ExitCode() != int(interrupted) {
				t.Errorf("ended with %v, want status %d", state, interrupted)
			}
		})
	}
}

// killAfter kills a process of the demo, whichever is that peer's when the time has come, and reports whether there was one: it may be dead at
// that moment, or the demo over.
func (p *performance) killAfter(peer int, wait time.Duration) bool {
	time.Sleep(wait)
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := p.events[len(p.events)-1].Kind; last != "result" && last != "verified" {
		err := syscall.Kill(p.pids[peer], syscall.SIGKILL)
		p.t.Logf("killed peer %d, process %d, after %q: %v", peer, p.pids[peer], p.events[len(p.events)-1].Text, err)
		return err == nil
	}
	return false
}
