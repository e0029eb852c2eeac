package replication

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/memnet"
)

const crashDir = "TANDEM_REPLICATION_CRASH_DIR"

// OtherMain is what this process does instead of tests, if it was started for something else.
var OtherMain func()

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashChild(dir)
		return
	}
	if OtherMain != nil {
		OtherMain()
		return
	}
	os.Exit(m.Run())
}

func crashConfig(dir string) Config {
	return Config{Dir: dir, Transport: memnet.New(1).Join("a"), Secret: []byte(secret), FlushInterval: time.Millisecond,
		BeatInterval: 20 * time.Millisecond, Lease: 100 * time.Millisecond}
}

// crashChild commits turns until it is killed, saying each one that was acknowledged.
func crashChild(dir string) {
	die := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	cfg := crashConfig(dir)
	r, err := Open(ctx, cfg)
	if errors.Is(err, ErrNoStore) {
		r, err = Create(ctx, cfg, testGenesis(), []byte("the image"))
	}
	die(err)
	p := &program{r: r, pages: 40}
	if runs := r.Runs(); len(runs) > 0 {
		s, err := r.TakeOver(ctx, runs[0].Head.Run)
		die(err)
		h := s.Head
		p.run, p.epoch, p.turn, p.lines = h.Run, h.Epoch, h.Turn, h.Lines
		_, err = r.Pull(h.Run)
		die(err)
		p.hits = int64(h.Turn)
	} else {
		p.run, p.epoch, err = r.StartRun(ctx, RunStart{Name: "toy"})
		die(err)
	}
	for {
		turn := p.next()
		die(r.CommitTurn(ctx, turn))
		p.advance(turn)
		fmt.Println("ack", turn.Number)
	}
}

// TestKillLosesNothingAcknowledged kills the process at random moments, again and again on one store,
// and finds everything that was acknowledged, whole, each time.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(seedOf(t), 0))
	dir := t.TempDir()
	acked := uint64(0)
	for round := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		turns := 1 + rnd.IntN(60)
		pause := time.Duration(rnd.IntN(4000)) * time.Microsecond
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if _, err := fmt.Sscanf(lines.Text(), "ack %d", &acked); err != nil {
				t.Fatalf("round %d: child says %s", round, lines.Text())
			}
			if n == turns {
				time.Sleep(pause)
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		checkAfterCrash(t, dir, round, acked)
	}
}

func checkAfterCrash(t *testing.T, dir string, round int, acked uint64) {
	t.Helper()
	r, err := Open(context.Background(), crashConfig(dir))
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	defer r.Close()
	run := r.Runs()[0].Head.Run
	s, err := r.LoadState(context.Background(), run)
	if err != nil {
		t.Fatal(err)
	}
	checkState(t, s)
	if s.Head.Turn < acked {
		t.Fatalf("round %d: turn %d was acknowledged, %d is there", round, acked, s.Head.Turn)
	}
	if got := hits(t, r); got != int64(s.Head.Turn) {
		t.Fatalf("round %d: %d hits at turn %d", round, got, s.Head.Turn)
	}
	n := uint64(0)
	stop := errors.New("enough")
	err = r.Lines(within(t, 5*time.Second), run, 1, func(l changes.Line) error {
		if n++; l.Number != n || string(l.Text) != fmt.Sprintf("line %d", n) {
			return fmt.Errorf("line %d is %d %q", n, l.Number, l.Text)
		}
		if n == s.Head.Turn {
			return stop
		}
		return nil
	})
	if err != stop {
		t.Fatalf("round %d: %v", round, err)
	}
}

// TestOldCopyOfStore restores an older copy of a store whose later writes others have: the peer must not
// write under keys it has used in the forgotten future.
func TestOldCopyOfStore(t *testing.T) {
	c, run := putBack(t, 5)
	c.net.Split([]string{"a"}) // it goes on before it meets the others
	a := c.join("a")
	s, err := a.TakeOver(within(t, 5*time.Second), run)
	if err != nil {
		t.Fatal(err)
	}
	q := continueFrom(t, a, s)
	q.tag = 9
	q.step(t)
	c.net.Heal()
	c.converge()
	for _, r := range c.r {
		h, err := r.Head(run)
		if err != nil {
			t.Fatal(err)
		}
		if got := hits(t, r); got != int64(h.Turn) {
			t.Errorf("%s: %d hits at turn %d", r.Self(), got, h.Turn)
		}
		s, err := r.LoadState(context.Background(), run)
		if err != nil {
			t.Fatal(err)
		}
		checkState(t, s)
	}
}

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(target)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
}
