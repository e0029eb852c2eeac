package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// load is what the peers of a field do all the while: the runs of testdata/faults/load.go, messages to them, and readers of their lines.
type load struct {
	f       *field
	sandbox string
	runs    []worker
	work    sync.WaitGroup
	busy    chan struct{} // a place for each message under way

	mu    sync.Mutex
	sent  map[string]string            // bodies of messages that were taken, by id
	tried map[string]string            // of all
	given map[string]map[uint64]string // lines that readers were given, by run at majority
}

type worker struct {
	id, name, kind, durable string
	peer                    int // started at
}

// newLoad makes the sandbox at the first peer, joins the others to it, and starts the runs.
func newLoad(ctx context.Context, f *field, image []byte) (*load, error) {
	l := &load{f: f, busy: make(chan struct{}, 64), sent: map[string]string{}, tried: map[string]string{}, given: map[string]map[uint64]string{}}
	settings := api.Settings{Standby: true}
	for _, p := range f.peers {
		if _, err := p.ready(ctx); err != nil {
			return nil, err
		}
	}
	box, err := f.peers[0].c.Create(ctx, api.Create{Name: "load", Settings: settings}, image)
	if err != nil {
		return nil, err
	}
	l.sandbox = box.ID
	ticket, err := f.peers[0].c.Ticket(ctx, box.ID)
	if err != nil {
		return nil, err
	}
	for _, p := range f.peers[1:] {
		if _, err := p.c.Join(ctx, api.Join{Ticket: ticket, Settings: settings}); err != nil {
			return nil, err
		}
	}
	for i := range f.peers {
		l.plan("tally", "local", i)
	}
	n := len(f.peers)
	l.plan("tally", "majority", 1%n)
	for k, durable := range []string{"local", "2", "majority"} {
		l.plan("print", durable, (2+k)%n)
		l.plan("receive", durable, (3+k)%n)
	}
	for i := range l.runs {
		r := &l.runs[i]
		run, err := f.peers[r.peer].c.Start(ctx, box.ID, api.Start{Name: r.name, Args: []string{"load", r.kind, r.name}, Durable: r.durable})
		if err != nil {
			return nil, err
		}
		r.id = run.ID
		l.given[r.id] = map[uint64]string{}
	}
	return l, l.everywhere(ctx, "every run is known", func(run api.Run) bool { return run.Turn > 0 })
}

func (l *load) plan(kind, durable string, peer int) {
	l.runs = append(l.runs, worker{name: fmt.Sprintf("%s-%s-%d", kind, durable, peer), kind: kind, durable: durable, peer: peer})
}

// everywhere waits until all runs are so at all peers.
func (l *load) everywhere(ctx context.Context, what string, ok func(api.Run) bool) error {
	last := time.Now()
	for {
		missing := l.missing(ctx, ok)
		if len(missing) == 0 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("not so: %s:\n%s", what, strings.Join(missing, "\n"))
		}
		if time.Since(last) > 5*time.Second {
			l.f.t.Logf("waiting until %s: %d are not, such as %s", what, len(missing), missing[0])
			last = time.Now()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (l *load) missing(ctx context.Context, ok func(api.Run) bool) (out []string) {
	for _, p := range l.f.peers {
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		runs, err := p.c.Runs(once)
		cancel()
		if err != nil {
			out = append(out, fmt.Sprintf("peer %d: %v", p.number, err))
			continue
		}
		for _, r := range l.runs {
			at := slices.IndexFunc(runs, func(x api.Run) bool { return x.ID == r.id })
			switch {
			case at < 0:
				out = append(out, fmt.Sprintf("peer %d does not know %s", p.number, r.name))
			case !ok(runs[at]):
				out = append(out, fmt.Sprintf("peer %d has %s: %+v", p.number, r.name, runs[at]))
			}
		}
	}
	return out
}

// start begins to send and to read, until ctx ends.
func (l *load) start(ctx context.Context, seed uint64) {
	l.work.Go(func() { l.send(ctx, rand.New(rand.NewPCG(seed, 1))) })
	for k, r := range l.runs {
		if r.durable == "majority" && r.kind != "tally" {
			for i := range 2 {
				l.work.Go(func() { l.read(ctx, r, rand.New(rand.NewPCG(seed, uint64(10*k+i)))) })
			}
		}
	}
}

// send sends messages to the receivers from anywhere, some of them again from elsewhere.
func (l *load) send(ctx context.Context, rng *rand.Rand) {
	receivers := slices.DeleteFunc(slices.Clone(l.runs), func(r worker) bool { return r.kind != "receive" })
	for n := 0; ctx.Err() == nil; n++ {
		to, id := receivers[rng.IntN(len(receivers))], fmt.Sprintf("m%d", n)
		body := strings.Repeat("x", rng.IntN(30)) + id
		l.post(ctx, l.f.peers[rng.IntN(len(l.f.peers))], to, id, body)
		if rng.IntN(3) == 0 {
			l.post(ctx, l.f.peers[rng.IntN(len(l.f.peers))], to, id, body)
		}
		wait(ctx, time.Duration(50+rng.IntN(150))*time.Millisecond)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// post sends one message, beside whatever else is done.
func (l *load) post(ctx context.Context, p *fieldPeer, to worker, id, body string) {
	if !p.works() {
		return
	}
	select {
	case l.busy <- struct{}{}:
	case <-ctx.Done():
		return
	}
	l.mu.Lock()
	l.tried[to.id+id] = body
	l.mu.Unlock()
	l.work.Go(func() {
		defer func() { <-l.busy }()
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if _, err := p.c.Send(once, to.id, id, strings.NewReader(body)); err == nil {
			l.mu.Lock()
			l.sent[to.id+id] = body
			l.mu.Unlock()
		}
	})
}

var errElsewhere = errors.New("read on elsewhere")

// read follows the lines of a run at majority at one peer after the other, also lines read before: whatever a reader was given is never
// taken back or changed.
func (l *load) read(ctx context.Context, r worker, rng *rand.Rand) {
	next := uint64(1)
	for ctx.Err() == nil {
		p := l.f.peers[rng.IntN(len(l.f.peers))]
		from := next - min(next-1, rng.Uint64N(50))
		once, cancel := context.WithTimeout(ctx, time.Duration(1+rng.IntN(5))*time.Second)
		at := from
		p.c.Lines(once, r.id, from, true, func(x api.Line) error {
			if x.Number != at {
				l.f.t.Errorf("a reader of %s at peer %d was given line %d after line %d", r.name, p.number, x.Number, at-1)
				return errElsewhere
			}
			l.mu.Lock()
			before, again := l.given[r.id][at]
			l.given[r.id][at] = string(x.Text)
			l.mu.Unlock()
			if again && before != string(x.Text) {
				l.f.t.Errorf("line %d of %s was %q, and is %q at peer %d", at, r.name, before, x.Text, p.number)
			}
			at++
			return nil
		})
		cancel()
		next = max(next, at)
		wait(ctx, 50*time.Millisecond)
	}
}

// taken waits until every message that a peer took was received: what is sent by different peers comes in any order, so an end that is sent now
// could come before them.
func (l *load) taken(ctx context.Context) error {
	last := time.Now()
	for _, r := range l.runs {
		for r.kind == "receive" {
			got := map[string]bool{}
			err := l.f.peers[0].c.Lines(ctx, r.id, 1, false, func(x api.Line) error {
				if w := strings.Fields(string(x.Text)); len(w) == 3 {
					got[w[1]] = true
				}
				return nil
			})
			var missing []string
			for id := range l.sent {
				if id, ok := strings.CutPrefix(id, r.id); ok && !got[id] {
					missing = append(missing, id)
				}
			}
			if len(missing) == 0 && err == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%s never receives %d messages, %v: %w", r.name, len(missing), missing, err)
			}
			if time.Since(last) > 5*time.Second {
				l.f.t.Logf("waiting for %s to receive %d messages, such as %s: %v", r.name, len(missing), missing[0], err)
				last = time.Now()
			}
			wait(ctx, 100*time.Millisecond)
		}
	}
	return nil
}

// end asks every run to end.
func (l *load) end(ctx context.Context) error {
	for _, r := range l.runs {
		if _, err := l.f.peers[r.peer].c.Send(ctx, r.id, "end", strings.NewReader("end")); err != nil {
			return fmt.Errorf("end of %s: %w", r.name, err)
		}
	}
	return nil
}

// verify compares what the peers have with what the runs did.
func (l *load) verify(ctx context.Context) error {
	drawn, total, furthest := map[string]int{}, 0, 0
	for _, r := range l.runs {
		lines, err := l.lines(ctx, r)
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			return fmt.Errorf("%s printed nothing", r.name)
		}
		last := lines[len(lines)-1]
		switch r.kind {
		case "tally":
			var n int
			mine := map[string]int{}
			rest, found := strings.CutPrefix(last, r.name+" drew ")
			count, text, _ := strings.Cut(rest, ": ")
			n, err := strconv.Atoi(count)
			if err = errors.Join(err, json.Unmarshal([]byte(text), &mine)); err != nil || !found || len(lines) != 1 {
				return fmt.Errorf("%s printed %q: %w", r.name, lines, err)
			}
			for w, n := range mine {
				drawn[w] += n
			}
			total, furthest = total+n, max(furthest, n)
		case "print":
			if err := countedLines(r, lines); err != nil {
				return err
			}
		case "receive":
			if err := l.received(r, lines); err != nil {
				return err
			}
		}
		l.f.t.Logf("%s: %d lines, the last %s", r.name, len(lines), last)
	}
	return l.shared(ctx, drawn, total, furthest)
}

// lines are the lines of a run, which are the same at all peers and those that readers were given before.
func (l *load) lines(ctx context.Context, r worker) (want []string, err error) {
	for _, p := range l.f.peers {
		var lines []string
		err := p.c.Lines(ctx, r.id, 1, false, func(x api.Line) error {
			if x.Number != uint64(len(lines))+1 {
				return fmt.Errorf("line %d of %s at peer %d comes after line %d", x.Number, r.name, p.number, len(lines))
			}
			lines = append(lines, strings.TrimSuffix(string(x.Text), "\n"))
			return nil
		})
		if err != nil {
			return nil, err
		}
		if p.number > 0 && !slices.Equal(lines, want) {
			return nil, fmt.Errorf("%s has %d lines at peer 0 and %d others at peer %d", r.name, len(want), len(lines), p.number)
		}
		want = lines
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, text := range l.given[r.id] {
		if n > uint64(len(want)) || want[n-1]+"\n" != text {
			return nil, fmt.Errorf("a reader was given %q as line %d of %s, which has %d lines now", text, n, r.name, len(want))
		}
	}
	if n := len(l.given[r.id]); n > 0 {
		l.f.t.Logf("%s: %d lines were read while it ran", r.name, n)
	}
	return want, nil
}

var numbered = regexp.MustCompile(`^line (\d+) \d+$`)

func countedLines(r worker, lines []string) error {
	for i, text := range lines[:len(lines)-1] {
		if m := numbered.FindStringSubmatch(text); m == nil || m[1] != strconv.Itoa(i+1) {
			return fmt.Errorf("line %d of %s is %q", i+1, r.name, text)
		}
	}
	if want := fmt.Sprint("printed ", len(lines)-1); lines[len(lines)-1] != want {
		return fmt.Errorf("the last line of %s is %q, not %q", r.name, lines[len(lines)-1], want)
	}
	return nil
}

// received makes sure that a run received every message once that a peer took, and nothing that nobody sent.
func (l *load) received(r worker, lines []string) error {
	got := map[string]bool{}
	for _, text := range lines[:len(lines)-1] {
		w := strings.Fields(text)
		if len(w) != 3 || w[0] != "got" || got[w[1]] || l.tried[r.id+w[1]] != w[2] {
			return fmt.Errorf("%s printed %q, again: %v; sent was %q", r.name, text, len(w) > 1 && got[w[1]], l.tried[r.id+w[1]])
		}
		got[w[1]] = true
	}
	for id := range l.sent {
		if id, ok := strings.CutPrefix(id, r.id); ok && !got[id] {
			return fmt.Errorf("message %s was taken and is not received by %s", id, r.name)
		}
	}
	if want := fmt.Sprint("received ", len(got)); lines[len(lines)-1] != want {
		return fmt.Errorf("the last line of %s is %q, not %q", r.name, lines[len(lines)-1], want)
	}
	return nil
}

// shared compares the variables at every peer.
func (l *load) shared(ctx context.Context, drawn map[string]int, total, furthest int) error {
	runners := map[string]bool{}
	for _, r := range l.runs {
		if r.kind == "tally" {
			runners[r.name] = true
		}
	}
	for _, p := range l.f.peers {
		vs, err := p.c.Variables(ctx, l.sandbox, "")
		if err != nil {
			return err
		}
		var counts map[string]int
		var set any
		var n, most int
		for _, v := range vs {
			to := map[string]any{"main.Counts": &counts, "main.Total": &n, "main.Furthest": &most, "main.Runners": &set}[v.Name]
			if err := json.Unmarshal(v.Value, to); err != nil {
				return fmt.Errorf("%s at peer %d is %s: %w", v.Name, p.number, v.Value, err)
			}
		}
		if !maps.Equal(counts, drawn) || n != total || most != furthest {
			return fmt.Errorf("peer %d has Total %d, Furthest %d, Counts %v; the runs drew %d, one of them %d: %v", p.number, n, most, counts, total, furthest, drawn)
		}
		for name := range runners {
			if !strings.Contains(fmt.Sprint(set), name) {
				return fmt.Errorf("Runners at peer %d is %v, without %s", p.number, set, name)
			}
		}
	}
	l.f.t.Logf("every peer has %d words drawn, %d different, as the runs say", total, len(drawn))
	return nil
}
