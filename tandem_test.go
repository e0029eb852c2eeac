package tandem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

const hits = `package main

import (
	"fmt"
	"os"
	"time"
)

//tandem:shared counter
var Hits int

func main() {
	for i := range len(os.Args[1]) {
		Hits++
		fmt.Println("line", i+1)
		time.Sleep(5 * time.Millisecond)
	}
}
`

// ticks counts and prints lines until a message comes: however slow the machine is, it does not end before the test has seen all it wants to.
const ticks = `package main

import (
	"fmt"
	"time"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared counter
var Hits int

func main() {
	for i := 1; ; i++ {
		select {
		case <-turn.Inbox():
			return
		case <-time.After(5 * time.Millisecond):
		}
		Hits++
		fmt.Println("line", i)
	}
}
`

func compileText(t *testing.T, text string) *vm.Program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return must[*vm.Program](t)(vm.Compile(t.Context(), vm.Source{Paths: []string{file}}))
}

// ticked ends a run of ticks and gives how many lines it printed: each once, in order, and as many as it has counted.
func ticked(t *testing.T, s *Sandbox, run changes.RunID) int {
	t.Helper()
	if _, err := s.Send(patient(t), run, "end", []byte("end")); err != nil {
		t.Fatal(err)
	}
	got := strings.SplitAfter(lines(t, s, run), "\n")
	n := len(got) - 1
	for i, l := range got[:n] {
		if want := fmt.Sprintf("line %d\n", i+1); l != want {
			t.Fatalf("line %d of %d is %q", i+1, n, l)
		}
	}
	if v, _, err := s.Value("main.Hits"); err != nil || v.Int() != int64(n) {
		t.Errorf("Hits is %v, %v, and %d lines were printed", v, err, n)
	}
	return n
}

var loopback = []string{"/ip4/127.0.0.1/tcp/0"}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func end(t *testing.T, s *Sandbox) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// lines are all pieces of output of a run that ends.
func lines(t *testing.T, s *Sandbox, run changes.RunID) string {
	t.Helper()
	var b strings.Builder
	next := uint64(1)
	err := s.Lines(patient(t), run, 1, func(l changes.Line) error {
		if l.Number != next {
			t.Errorf("line %d came where %d was due", l.Number, next)
		}
		next++
		b.Write(l.Text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for stop := time.Now().Add(time.Minute); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(stop) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// TestTwoPeersShareAVariable: both run the program, both see the sum, and each reads what the other printed.
func TestTwoPeersShareAVariable(t *testing.T) {
	ctx := patient(t)
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback}, compileText(t, hits), "hits"))
	defer end(t, a)
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback}, must[string](t)(a.Ticket())))
	defer end(t, b)
	if b.Name() != "hits" || b.ID() != a.ID() || b.Program().Hash() != a.Program().Hash() {
		t.Errorf("joined %s %v, want hits %v", b.Name(), b.ID(), a.ID())
	}
	ra := must[*Run](t)(a.Start(ctx, RunOptions{Name: "a", Args: []string{"hits", "xxx"}}))
	rb := must[*Run](t)(b.Start(ctx, RunOptions{Name: "b", Args: []string{"hits", "xxxxx"}}))
	for _, r := range []*Run{ra, rb} {
		if exit, err := r.Wait(ctx); exit != 0 || err != nil {
			t.Errorf("run %s ended with %d, %v", r.Name(), exit, err)
		}
	}
	eventually(t, "both runs have ended at both peers", func() bool { return ended(a) == 2 && ended(b) == 2 })
	if err := a.Converged(ctx, 1); err != nil {
		t.Error(err)
	}
	for _, s := range []*Sandbox{a, b} {
		v, _, err := s.Value("main.Hits")
		if err != nil || v.Int() != 8 {
			t.Errorf("Hits is %v, %v, want 8", v, err)
		}
		if got := lines(t, s, ra.ID()); got != "line 1\nline 2\nline 3\n" {
			t.Errorf("lines of a: %q", got)
		}
	}
	if a.Digest() != b.Digest() {
		t.Errorf("digests %v and %v", a.Digest(), b.Digest())
	}
}

func ended(s *Sandbox) (n int) {
	for _, r := range s.Runs() {
		if r.Head.Done {
			n++
		}
	}
	return n
}

// TestLaterRunsBeginWithWhatIsShared: what initialisers say holds until somebody has changed it, not for each run anew.
func TestLaterRunsBeginWithWhatIsShared(t *testing.T) {
	program := compileText(t, `package main

import (
	"fmt"
	"os"
)

//tandem:shared
var Title = "untitled"

//tandem:shared map lww
var Ages = map[string]int{}

func main() {
	fmt.Println(Title, Ages)
	Title = os.Args[1]
	Ages[os.Args[1]]++
}
`)
	box := must[*Sandbox](t)(Create(t.Context(), Config{Dir: t.TempDir(), Listen: loopback}, program, "later"))
	defer end(t, box)
	for _, want := range []struct{ arg, line string }{{"a", "untitled map[]\n"}, {"b", "a map[a:1]\n"}, {"a", "b map[a:1 b:1]\n"}} {
		run := must[*Run](t)(box.Start(t.Context(), RunOptions{Args: []string{"later", want.arg}}))
		if got := lines(t, box, run.ID()); got != want.line {
			t.Errorf("the run of %s begins with %q, want %q", want.arg, got, want.line)
		}
	}
	var ages map[string]int
	if err := box.Read("main.Ages", &ages); err != nil || ages["a"] != 2 || ages["b"] != 1 {
		t.Errorf("ages are %v, %v, want 2 of a and 1 of b", ages, err)
	}
	if err := box.Read("Ages", &ages); !errors.Is(err, changes.ErrPath) || !strings.Contains(err.Error(), "main.Ages") {
		t.Errorf("a name without its package gives %v", err)
	}
}

// TestRunGoesOnAfterRestart: a run that is interrupted by Close goes on when the store is opened again, on the same port, and loses no line.
func TestRunGoesOnAfterRestart(t *testing.T) {
	ctx, dir := patient(t), t.TempDir()
	s := must[*Sandbox](t)(Create(ctx, Config{Dir: dir, Listen: loopback}, compileText(t, ticks), "ticks"))
	r := must[*Run](t)(s.Start(ctx, RunOptions{Args: []string{"ticks"}}))
	upTo := func(n uint64) {
		t.Helper()
		stop := errors.New("enough")
		if err := s.Lines(ctx, r.ID(), 1, func(l changes.Line) error {
			if l.Number == n {
				return stop
			}
			return nil
		}); !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
	upTo(10)
	addrs := s.Addrs()
	end(t, s)
	if _, err := r.Wait(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("the run ended with %v, want %v", err, ErrClosed)
	}
	s = must[*Sandbox](t)(Open(ctx, Config{Dir: dir, Listen: loopback}))
	defer func() { end(t, s) }()
	if got := s.Addrs(); strings.Join(got, " ") != strings.Join(addrs, " ") {
		t.Errorf("listens on %v, did on %v", got, addrs)
	}
	upTo(s.Runs()[0].Head.Lines + 10)
	if n := ticked(t, s, r.ID()); n < 20 {
		t.Errorf("%d lines", n)
	}
	if head := s.Runs()[0].Head; head.Epoch.Number != 2 || !head.Done {
		t.Errorf("epoch %d, done %v", head.Epoch.Number, head.Done)
	}
}

// TestSharedPeer: sandboxes of one process share its identity and host, and one can be closed without the other.
func TestSharedPeer(t *testing.T) {
	ctx, prog := patient(t), compileText(t, hits)
	peer := must[*Peer](t)(Listen(PeerConfig{Dir: t.TempDir(), Listen: loopback}))
	defer peer.Close()
	one := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Peer: peer}, prog, "one"))
	two := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Peer: peer}, prog, "two"))
	defer end(t, two)
	if one.Self() != two.Self() || one.ID() == two.ID() {
		t.Errorf("peers %s and %s, sandboxes %v and %v", one.Self(), two.Self(), one.ID(), two.ID())
	}
	end(t, one)
	r := must[*Run](t)(two.Start(ctx, RunOptions{Args: []string{"hits", "x"}}))
	if exit, err := r.Wait(ctx); exit != 0 || err != nil {
		t.Errorf("%d, %v", exit, err)
	}
}

// TestBadStores: what Open and Join say of directories that are not theirs.
func TestBadStores(t *testing.T) {
	ctx, prog := patient(t), compileText(t, hits)
	if _, err := Open(ctx, Config{Dir: t.TempDir(), Listen: loopback}); !errors.Is(err, ErrStore) {
		t.Errorf("an empty directory: %v", err)
	}
	dir := t.TempDir()
	one := must[*Sandbox](t)(Create(ctx, Config{Dir: dir, Listen: loopback}, prog, "one"))
	other := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback}, prog, "other"))
	ticket := must[string](t)(other.Ticket())
	end(t, other)
	end(t, one)
	if _, err := Join(ctx, Config{Dir: dir, Listen: loopback}, ticket); !errors.Is(err, replication.ErrOtherSandbox) {
		t.Errorf("a store of another sandbox: %v", err)
	}
	if _, err := Create(ctx, Config{Dir: dir, Listen: loopback}, prog, "again"); !errors.Is(err, replication.ErrExists) {
		t.Errorf("a store that is there: %v", err)
	}
	// Sound after all that.
	if id, err := Held(dir); err != nil || id != one.ID() {
		t.Errorf("holds %v, %v", id, err)
	}
	again := must[*Sandbox](t)(Open(ctx, Config{Dir: dir, Listen: loopback}))
	end(t, again)
}

// TestInterruptedCreate: a context that ends while a sandbox is made leaves nothing that is in the way of the next try.
func TestInterruptedCreate(t *testing.T) {
	prog, dir := compileText(t, hits), t.TempDir()
	made := false
	for wait := time.Duration(0); !made; wait = 2*wait + time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		s, err := Create(ctx, Config{Dir: dir, Listen: loopback}, prog, "hits")
		cancel()
		if made = err == nil; made {
			end(t, s)
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("after %v: %v", wait, err)
		}
		if _, err := Held(dir); !errors.Is(err, ErrStore) {
			t.Fatalf("after %v: %v", wait, err)
		}
	}
	// A process that was killed in the middle leaves a store without a ticket.
	if err := os.Remove(filepath.Join(dir, ticketFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), Config{Dir: dir, Listen: loopback}, prog, "hits"); !errors.Is(err, replication.ErrExists) || !strings.Contains(err.Error(), "can be removed") {
		t.Errorf("what is left of another: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, storeDir)); err != nil {
		t.Errorf("a store that was there is gone: %v", err)
	}
}

// TestClosed: what is asked of a closed sandbox is ErrClosed, and whoever closes it as well waits for the end.
func TestClosed(t *testing.T) {
	ctx := patient(t)
	s := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback}, compileText(t, ticks), "ticks"))
	r := must[*Run](t)(s.Start(ctx, RunOptions{Args: []string{"ticks"}}))
	read := make(chan error, 1)
	go func() {
		read <- s.Lines(ctx, r.ID(), 1, func(changes.Line) error { return nil })
	}()
	eventually(t, "it runs", func() bool { return len(s.Runs()) == 1 && s.Runs()[0].Head.Lines > 3 })
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			end(t, s)
			select {
			case <-s.gone:
			default:
				t.Error("Close came back before the end")
			}
		})
	}
	all.Wait()
	_, started := s.Start(ctx, RunOptions{})
	_, differs := s.Diverge(ctx, "nobody")
	_, waited := r.Wait(ctx)
	_, sent := s.Send(ctx, r.ID(), "", nil)
	for what, err := range map[string]error{"start": started, "send": sent, "drop": s.Drop(ctx, r.ID(), "x"), "pause": s.Pause(ctx, r.ID()), "resume": s.Resume(ctx, r.ID(), vm.Limits{}), "move": s.Move(ctx, r.ID(), "nobody"), "leave": s.Leave(ctx), "converged": s.Converged(ctx, 1), "lines": <-read,
		"wait": waited, "later lines": s.Lines(ctx, r.ID(), 1, func(changes.Line) error { return nil })} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if differs == nil {
		t.Error("compared with nobody")
	}
}

// TestNoGoroutineStays: sandboxes that share a peer and others are closed in different orders, the peer first too, while they work; nothing of them stays.
func TestNoGoroutineStays(t *testing.T) {
	prog := compileText(t, ticks)
	eventually(t, "others have ended", func() bool { return runtime.NumGoroutine() < 20 })
	before := runtime.NumGoroutine()
	for round := range 3 {
		ctx := patient(t)
		peer := must[*Peer](t)(Listen(PeerConfig{Dir: t.TempDir(), Listen: loopback}))
		a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Peer: peer}, prog, "a"))
		x := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Peer: peer}, prog, "x"))
		b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Standby: true}, must[string](t)(a.Ticket())))
		for _, s := range []*Sandbox{a, x, b} {
			must[*Run](t)(s.Start(ctx, RunOptions{Args: []string{"ticks"}}))
		}
		eventually(t, "b hears of a", func() bool { return len(b.Runs()) == 2 && b.Runs()[0].Head.Turn > 1 && b.Runs()[1].Head.Turn > 1 })
		closers := []func() error{a.Close, x.Close, b.Close, peer.Close}
		for i := range closers {
			if err := closers[(i+3*round)%len(closers)](); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		}
	}
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			var all strings.Builder
			pprof.Lookup("goroutine").WriteTo(&all, 1)
			t.Fatalf("%d goroutines, before %d:\n%s", runtime.NumGoroutine(), before, &all)
		}
	}
}
