package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/cmd/peer/internal/cable"
	"github.com/tandemvm/tandem/vm"
)

var (
	faultsFor  = flag.Duration("faultsfor", 10*time.Second, "how long TestFaults makes faults; 10m is the long test")
	faultsSeed = flag.Uint64("faultsseed", 0, "seed of TestFaults; 0: random")
)

const fieldPeers = 5

// TestFaults has five processes work on one sandbox while they are killed and stopped, and the links between them are cut, slow, narrow and
// lossy. When all is well again their digests become equal, no line is lost or repeated, no reader at majority was given what
// does not count, the sums are what the runs did, messages came once, and memory stayed bounded. The long test:
//
//	go test ./cmd/peer -run TestFaults -faultsfor 10m -timeout 40m -v
func TestFaults(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("who made a connection is read from /proc")
	}
	seed := *faultsSeed
	if seed == 0 {
		seed = rand.Uint64() >> 1
	}
	t.Logf("-faultsseed %d", seed)
	program, err := vm.Compile(t.Context(), vm.Source{Paths: []string{filepath.Join("testdata", "faults", "load.go")}})
	if err != nil {
		t.Fatal(err)
	}
	f := newField(t, fieldPeers)
	defer f.tail()
	begin, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	l, err := newLoad(begin, f, program.Encode())
	if err != nil {
		t.Fatal(err)
	}
	working, stop := context.WithCancel(t.Context())
	defer stop()
	l.start(working, seed)
	memory := f.trouble(working, rand.New(rand.NewPCG(seed, 0)), *faultsFor)
	f.heal()
	wait(t.Context(), time.Second)
	stop()
	l.work.Wait()
	memory.check(t)
	if err := f.settle(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	for _, p := range f.peers {
		for _, r := range p.refusals(t.Context()) {
			t.Errorf("peer %d: %s", p.number, r)
		}
		if err := p.end(); err != nil {
			t.Error(err)
		}
		for _, line := range p.complaints() {
			t.Errorf("peer %d said: %s", p.number, line)
		}
	}
}

// settle waits until the runs have received everything and ended, and all peers say the same, and compares.
func (f *field) settle(ctx context.Context, l *load) error {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 6*patience)
	defer cancel()
	for _, p := range f.peers {
		if _, err := p.ready(ctx); err != nil {
			return err
		}
	}
	if err := l.taken(ctx); err != nil {
		return err
	}
	if err := l.end(ctx); err != nil {
		return err
	}
	if err := l.everywhere(ctx, "every run has ended", func(r api.Run) bool { return r.Done && r.Exit == 0 }); err != nil {
		return err
	}
	if err := f.equal(ctx); err != nil {
		return err
	}
	f.t.Logf("all runs ended and all digests are equal %.1f s after the faults", time.Since(begun).Seconds())
	return l.verify(ctx)
}

// equal waits until all peers say one digest.
func (f *field) equal(ctx context.Context) error {
	last := time.Now()
	for {
		var seen []string
		for _, p := range f.peers {
			ds, err := p.c.Digests(ctx)
			if err != nil || len(ds) != 1 {
				return fmt.Errorf("peer %d has %d digests: %w", p.number, len(ds), err)
			}
			seen = append(seen, ds[0].Digest)
		}
		if len(slices.Compact(slices.Clone(seen))) == 1 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the digests stay different: %v", seen)
		}
		if time.Since(last) > 5*time.Second {
			f.t.Logf("waiting for equal digests: %v", seen)
			last = time.Now()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// fault is one kind of trouble: it begins and gives what ends it.
type fault struct {
	name   string
	weight int
	begin  func(f *field, rng *rand.Rand) (what string, end func())
}

// downMax is how many peers are dead, stopped or alone at a time.
const downMax = 2

var faults = []fault{
	{"kill", 4, func(f *field, rng *rand.Rand) (string, func()) {
		p := f.any(rng)
		p.kill()
		return fmt.Sprint("peer ", p.number), p.start
	}},
	{"restart", 1, func(f *field, rng *rand.Rand) (string, func()) {
		p := f.any(rng)
		if err := p.end(); err != nil {
			f.t.Error(err)
		}
		return fmt.Sprint("peer ", p.number), p.start
	}},
	{"stop", 3, func(f *field, rng *rand.Rand) (string, func()) {
		p := f.any(rng)
		p.pause(true)
		return fmt.Sprint("peer ", p.number), func() { p.pause(false) }
	}},
	{"cut", 3, onLink(func(*rand.Rand) cable.Condition { return cable.Condition{Cut: true} })},
	{"slow", 2, onLink(func(rng *rand.Rand) cable.Condition {
		return cable.Condition{Delay: time.Duration(10+rng.IntN(300)) * time.Millisecond}
	})},
	{"narrow", 2, onLink(func(rng *rand.Rand) cable.Condition {
		return cable.Condition{BytesPerSecond: 20_000 + rng.IntN(200_000), Delay: 5 * time.Millisecond}
	})},
	{"lossy", 3, onLink(func(rng *rand.Rand) cable.Condition {
		return cable.Condition{Loss: 0.01 + 0.1*rng.Float64(), Delay: 5 * time.Millisecond}
	})},
	{"reset", 3, func(f *field, rng *rand.Rand) (string, func()) {
		a, b := f.pair(rng)
		return fmt.Sprintf("%d connections of %d and %d", f.between(a, b).Reset(), a, b), func() {}
	}},
	{"isolate", 2, func(f *field, rng *rand.Rand) (string, func()) {
		p := f.any(rng)
		return fmt.Sprint("peer ", p.number), f.divide([]int{p.number})
	}},
	{"split", 1, func(f *field, rng *rand.Rand) (string, func()) {
		side := rng.Perm(len(f.peers))[:2]
		return fmt.Sprint(side, " from the others"), f.divide(side)
	}},
}

func onLink(condition func(*rand.Rand) cable.Condition) func(f *field, rng *rand.Rand) (string, func()) {
	return func(f *field, rng *rand.Rand) (string, func()) {
		a, b := f.pair(rng)
		c := condition(rng)
		f.between(a, b).Set(c)
		return fmt.Sprintf("%d and %d: %+v", a, b, c), func() { f.between(a, b).Set(cable.Condition{}) }
	}
}

// any is a peer that works.
func (f *field) any(rng *rand.Rand) *fieldPeer {
	for {
		if p := f.peers[rng.IntN(len(f.peers))]; p.works() {
			return p
		}
	}
}

func (f *field) pair(rng *rand.Rand) (a, b int) {
	two := rng.Perm(len(f.peers))[:2]
	return two[0], two[1]
}

// divide cuts the peers of one side off from the others.
func (f *field) divide(side []int) (end func()) {
	var cut []*cable.Link
	for pair, l := range f.links {
		if slices.Contains(side, pair[0]) != slices.Contains(side, pair[1]) {
			l.Set(cable.Condition{Cut: true})
			cut = append(cut, l)
		}
	}
	return func() {
		for _, l := range cut {
			l.Set(cable.Condition{})
		}
	}
}

// trouble makes faults for d, each for up to some seconds and several at a time, and measures the processes' memory.
func (f *field) trouble(ctx context.Context, rng *rand.Rand, d time.Duration) *memoryCurve {
	type pending struct {
		at    time.Time
		name  string
		downs bool
		end   func()
	}
	var open []pending
	begun := time.Now()
	m := newMemoryCurve(f, begun, d)
	next := begun
	counts := map[string]int{}
	for time.Since(begun) < d && ctx.Err() == nil {
		now, downs := time.Now(), 0
		open = slices.DeleteFunc(open, func(p pending) bool {
			if now.After(p.at) {
				p.end()
				return true
			}
			if p.downs {
				downs++
			}
			return false
		})
		f.watch()
		m.sample(now)
		if now.After(next) {
			x := pick(rng)
			down := slices.Contains([]string{"kill", "restart", "stop"}, x.name)
			if !down || downs < downMax {
				what, end := x.begin(f, rng)
				lasts := time.Duration(rng.ExpFloat64() * float64(1500*time.Millisecond))
				open = append(open, pending{now.Add(min(lasts, 8*time.Second)), x.name, down, end})
				counts[x.name]++
				if d < time.Minute {
					f.t.Logf("%6.1fs %s %s for %.1fs", now.Sub(begun).Seconds(), x.name, what, lasts.Seconds())
				}
			}
			next = now.Add(time.Duration(200+rng.IntN(1200)) * time.Millisecond)
		}
		wait(ctx, 20*time.Millisecond)
	}
	for _, p := range open {
		p.end()
	}
	f.t.Logf("faults made: %v", counts)
	return m
}

func pick(rng *rand.Rand) fault {
	sum := 0
	for _, x := range faults {
		sum += x.weight
	}
	n := rng.IntN(sum)
	for _, x := range faults {
		if n -= x.weight; n < 0 {
			return x
		}
	}
	panic("unreachable")
}

// watch starts a process again that ended by itself, which is an error.
func (f *field) watch() {
	for _, p := range f.peers {
		if p.died() {
			f.t.Errorf("the process of peer %d ended by itself", p.number)
			p.kill()
			p.start()
		}
	}
}

// heal ends all trouble.
func (f *field) heal() {
	for _, l := range f.links {
		l.Set(cable.Condition{})
	}
	for _, p := range f.peers {
		p.pause(false)
		p.start()
	}
}

// tail shows what the processes said when the test has failed.
func (f *field) tail() {
	if !f.t.Failed() {
		return
	}
	for _, p := range f.peers {
		if b, err := os.ReadFile(p.errs.Name()); err == nil && len(b) > 0 {
			f.t.Logf("peer %d said last:\n%s", p.number, b[max(0, len(b)-3000):])
		}
	}
}

// memoryCurve is the resident memory of the processes over time.
type memoryCurve struct {
	f       *field
	begun   time.Time
	every   time.Duration
	next    time.Time
	samples [][]int64 // by moment and peer; 0: no process, or a young one
}

const memorySamples = 40

func newMemoryCurve(f *field, begun time.Time, d time.Duration) *memoryCurve {
	return &memoryCurve{f: f, begun: begun, every: d / memorySamples, next: begun}
}

func (m *memoryCurve) sample(now time.Time) {
	if now.Before(m.next) {
		return
	}
	m.next = now.Add(m.every)
	var row []int64
	for _, p := range m.f.peers {
		row = append(row, p.residentBytes())
	}
	m.samples = append(m.samples, row)
}

// residentMax is what no process may come to: about three times what one needs at rest.
const residentMax = 400 << 20

// check prints the curve, and is an error when a process is too large or the processes grow: the median of the last quarter is half as
// large again as that of the second.
func (m *memoryCurve) check(t *testing.T) {
	var b strings.Builder
	for i, row := range m.samples {
		fmt.Fprintf(&b, "%7.1fs", float64(i)*m.every.Seconds())
		for p, bytes := range row {
			fmt.Fprintf(&b, " %4d", bytes>>20)
			if bytes > residentMax {
				t.Errorf("peer %d has %d MiB", p, bytes>>20)
			}
		}
		b.WriteByte('\n')
	}
	t.Logf("resident memory of the peers, MiB:\n%s", &b)
	early, late := m.median(1), m.median(3)
	t.Logf("median of the second quarter %d MiB, of the last %d MiB", early>>20, late>>20)
	if early > 0 && late > early*3/2+32<<20 {
		t.Error("memory grows")
	}
}

func (m *memoryCurve) median(quarter int) int64 {
	n := len(m.samples)
	var all []int64
	for _, row := range m.samples[n*quarter/4 : n*(quarter+1)/4] {
		for _, bytes := range row {
			if bytes > 0 {
				all = append(all, bytes)
			}
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}
