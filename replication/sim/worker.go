package sim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// workerVar is the environment variable that makes a process a worker.
const workerVar = "TANDEM_SIM_WORKER"

// Pool simulates in processes of their own, each of which does one simulation after another on one thread, so that a seed means the same
// whatever else goes on. The processes are this executable started anew, which must call Serve when IsWorker says so.
type Pool struct {
	Args    []string // of the executable, so that it is a worker
	Workers int      // default: as many as there are cores
	Fresh   bool     // a process for each job: what one did before shows now and then in the order of goroutines
	Setup   any      // given to each worker before its first job; JSON
}

// IsWorker reports whether this process was started by a Pool.
func IsWorker() bool { return os.Getenv(workerVar) != "" }

// Each has n jobs done and calls answer for each, one at a time, in the order in which they are finished. A job is JSON; so is its answer. err says how a
// worker died of it. Each ends early with ctx.
func (p Pool) Each(ctx context.Context, n int, job func(i int) any, answer func(i int, data []byte, err error)) error {
	workers := p.Workers
	if workers <= 0 {
		workers = runtime.NumCPU()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := make(chan int)
	go func() {
		defer close(next)
		for i := range n {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	var mu sync.Mutex
	var first error
	var all sync.WaitGroup
	for range min(workers, n) {
		all.Go(func() {
			w := &worker{pool: p}
			defer w.stop()
			for i := range next {
				data, err := w.do(ctx, job(i))
				if p.Fresh {
					w.stop()
				}
				mu.Lock()
				if ctx.Err() == nil {
					answer(i, data, err)
				}
				if w.broken != nil && first == nil {
					first = w.broken
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if first == nil {
		first = ctx.Err()
	}
	return first
}

// worker is one process as its pool sees it.
type worker struct {
	pool   Pool
	cmd    *exec.Cmd // nil: not started
	in     io.WriteCloser
	out    *bufio.Reader
	said   bytes.Buffer // on standard error
	broken error        // it cannot be started
}

func (w *worker) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	w.cmd = exec.CommandContext(ctx, self, w.pool.Args...)
	// The order of goroutines must not depend on when a signal arrives.
	w.cmd.Env = append(os.Environ(), workerVar+"=1", "GODEBUG=asyncpreemptoff=1")
	w.said.Reset()
	w.cmd.Stderr = &w.said
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	w.out = bufio.NewReader(out)
	if err := w.cmd.Start(); err != nil {
		return err
	}
	return w.give(w.pool.Setup)
}

func (w *worker) give(x any) error {
	data, err := json.Marshal(x)
	if err != nil {
		return err
	}
	_, err = w.in.Write(append(data, '\n'))
	return err
}

func (w *worker) do(ctx context.Context, job any) ([]byte, error) {
	if w.cmd == nil {
		if err := w.start(ctx); err != nil {
			w.broken = fmt.Errorf("sim: a worker does not start: %w", err)
			return nil, w.broken
		}
	}
	err := w.give(job)
	var line []byte
	if err == nil {
		line, err = w.out.ReadBytes('\n')
	}
	if err == nil {
		return line, nil
	}
	w.stop()
	return nil, fmt.Errorf("sim: a worker ended: %s", tail(w.said.String()))
}

func (w *worker) stop() {
	if w.cmd == nil || w.cmd.Process == nil {
		return
	}
	w.in.Close()
	w.cmd.Wait()
	w.cmd = nil
}

// tail is the end of what a process said, its first line before it.
func tail(text string) string {
	const most = 4 << 10
	text = strings.TrimSpace(text)
	if len(text) <= most {
		return text
	}
	first, _, _ := strings.Cut(text, "\n")
	return first + "\n...\n" + text[len(text)-most:]
}

// Serve is what a worker does: it reads the setup and then job after job from standard input, has each done in a bubble of virtual time, and
// writes the answers to standard output. It returns when there are no more.
func Serve(begin func(setup []byte) (do func(job []byte) any, err error)) error {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	if err := still(); err != nil {
		return err
	}
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	setup, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	do, err := begin(setup)
	if err != nil {
		return err
	}
	for {
		job, err := in.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var x any
		Bubble(func() { x = do(job) })
		runtime.GC()
		if err := out.Encode(x); err != nil {
			return err
		}
	}
}

// Bubble calls f in virtual time, which passes when everything that f started sleeps, and returns when all of that has ended. The testing package is the only way
// there; of the test it wants nothing is used.
func Bubble(f func()) {
	synctest.Test(new(testing.T), func(*testing.T) { f() })
}
