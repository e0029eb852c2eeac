package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/replication/internal/store"
	"github.com/tandemvm/tandem/replication/memnet"
)

// Stage is where a simulation takes place: a network, and a place for each peer with its disk and its clock. It makes things go wrong. What lives at
// the places is a Cast.
type Stage struct {
	Config
	Net    *memnet.Network
	Places []*Place
	Level  replication.Level // of all runs

	cast   Cast
	small  bool                      // stores are compacted all the time
	doctor func(*replication.Config) // nil, or what mutants do to each replica's
	begun  time.Time

	mu     sync.Mutex
	report *Report
}

// Cast is what lives at the places of a stage. The stage calls it on one goroutine, when nothing else is going on in the bubble.
type Cast interface {
	// Rise starts the peer of a place with p.Config. An error is a failure of the simulation.
	Rise(p *Place) error
	// Fall ends everything that Rise began. crash: what it still says and writes is lost.
	Fall(p *Place, crash bool)
	// Act does an action that the stage does not know.
	Act(a Action)
	// Look is called after each action.
	Look()
}

// Place is one computer: a disk, a clock, and while it is up a port to the network.
type Place struct {
	Name    string
	Number  int
	Lives   int // how often it came up
	Up      bool
	Clock   *Clock
	Metrics *prometheus.Registry // of this life

	stage *Stage
	disk  *store.Disk
	port  *memnet.Port
}

// Clock is a place's wall clock, wrong by an amount.
type Clock struct{ skew atomic.Int64 }

// Now is the time that the clock shows.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.skew.Load())) }

// NewTicker gives a channel that receives every d, and its stop.
func (c *Clock) NewTicker(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(d)
	return t.C, t.Stop
}

// Sleep returns after d, or early with ctx's error.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// NewStage makes the places. It must be called inside a bubble, like all that follows.
func NewStage(c Config) (*Stage, error) {
	c.fillIn()
	s := &Stage{Config: c, Net: memnet.New(c.Seed), begun: time.Now(), report: &Report{}}
	s.Net.CheapSignatures()
	s.Net.Log(c.Events)
	level := c.Durable
	if level == "" {
		level = []string{"local", "majority", "2"}[s.Random("level").IntN(3)]
	}
	var err error
	if s.Level, err = replication.ParseLevel(level); err != nil {
		return nil, err
	}
	for i := range c.Peers {
		s.Places = append(s.Places, &Place{Name: fmt.Sprintf("p%d", i), Number: i, Clock: &Clock{}, stage: s, disk: store.NewDisk()})
	}
	s.small = s.Random("retain").IntN(3) > 0
	s.setFaults()
	return s, nil
}

// Play brings all peers up, does what the plan says, and then mends everything: the network is whole and exact, all peers are up.
func (s *Stage) Play(cast Cast, plan []Action) {
	s.cast = cast
	s.report.Plan = plan
	for i, p := range s.Places {
		if err := s.rise(p); err != nil {
			s.Fail("no failure", "%s: %v", p.Name, err)
			return
		}
		s.Wait(time.Duration(10+i)*time.Millisecond + time.Duration(s.Random("start", p.Name).IntN(1000)))
	}
	for _, a := range plan {
		s.Wait(a.At - time.Since(s.begun))
		s.Net.Note(a.String())
		s.act(a)
		synctest.Wait()
		s.cast.Look()
	}
	s.Wait(s.Chaos - time.Since(s.begun))
	s.Net.Heal()
	f := s.Net.Faults()
	f.Loss, f.Duplicate = 0, 0
	s.Net.SetFaults(f)
	for _, p := range s.Places {
		s.restart(p)
		s.Wait(time.Duration(s.Random("mend", p.Name).IntN(100000)))
	}
}

// End takes all peers down and gives the report.
func (s *Stage) End() *Report {
	for _, p := range s.Places {
		if p.Up {
			s.fall(p, false)
		}
	}
	s.report.Trace = fmt.Sprintf("%x", s.Net.Trace())
	s.report.Virtual = time.Since(s.begun)
	time.Sleep(time.Minute) // timers of messages under way
	return s.report
}

const collectBytes = 256 << 20

// Wait lets time pass. What must not happen in the middle of something happens at its end.
func (s *Stage) Wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	if metrics.Read(heap); heap[0].Value.Uint64() > collectBytes {
		runtime.GC()
	}
}

// WaitFor waits until f is true, at most for the given time.
func (s *Stage) WaitFor(most time.Duration, f func() bool) bool {
	for end := time.Now().Add(most); !f(); s.Wait(50 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// Since is the time since the beginning.
func (s *Stage) Since() time.Duration { return time.Since(s.begun) }

// Fail notes that a property does not hold.
func (s *Stage) Fail(property, format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.report.Failures) < failuresMax {
		f := Failure{property, fmt.Sprintf("%v: ", time.Since(s.begun)) + fmt.Sprintf(format, a...)}
		s.report.Failures = append(s.report.Failures, f)
	}
}

const failuresMax = 20

// Count adds to one of the report's numbers.
func (s *Stage) Count(f func(r *Report)) {
	s.mu.Lock()
	f(s.report)
	s.mu.Unlock()
}

// Random is a source of randomness for one purpose.
func (s *Stage) Random(purpose ...string) *rand.Rand {
	h := fnv.New64a()
	for _, p := range purpose {
		h.Write([]byte(p + "\x00"))
	}
	return rand.New(rand.NewPCG(s.Seed, h.Sum64()))
}

// setFaults makes the network as bad as the seed says.
func (s *Stage) setFaults() {
	rnd := s.Random("faults")
	f := memnet.Faults{DelayMin: 200 * time.Microsecond, DelayMax: time.Millisecond}
	some := func(x Faults) bool { return s.Faults&x != 0 && rnd.IntN(2) == 0 }
	if some(Loss) {
		f.Loss = rnd.Float64() * 0.3
	}
	if some(Duplicate) {
		f.Duplicate = rnd.Float64() * 0.3
	}
	if some(Reorder) {
		f.DelayMax = time.Duration(1+rnd.IntN(40)) * time.Millisecond
	}
	s.Net.SetFaults(f)
}

func (s *Stage) rise(p *Place) error {
	p.Lives++
	p.port = s.Net.Join(p.Name)
	p.Metrics = prometheus.NewRegistry()
	if err := s.cast.Rise(p); err != nil {
		p.port.Close()
		return err
	}
	p.Up = true
	return nil
}

func (s *Stage) fall(p *Place, crash bool) {
	if crash {
		p.port.Close()
	}
	p.Up = false
	s.cast.Fall(p, crash)
	p.port.Close()
}

// crash takes the power from a place: nothing leaves it from this moment on, and its disk keeps only what was synced, and of the rest a share drawn from
// rnd.
func (s *Stage) crash(p *Place, rnd *rand.Rand) {
	after := p.disk.Crash([]int{0, 50, 100}[rnd.IntN(3)], rnd)
	s.fall(p, true)
	p.disk = after
}

func (s *Stage) restart(p *Place) {
	if p.Up {
		return
	}
	if err := s.rise(p); err != nil {
		s.Fail("no failure", "%s comes up: %v", p.Name, err)
	}
}

// Config is what a replica at this place, in this life, is opened with.
func (p *Place) Config() replication.Config {
	s := p.stage
	c := replication.Config{Dir: "/" + p.Name, FS: p.disk.FS(), Transport: p.port, Secret: []byte("simulated"), Standby: true, Clock: p.Clock,
		Random: p.random(), Metrics: p.Metrics, FlushInterval: 2 * time.Millisecond, BeatInterval: 50 * time.Millisecond, Lease: 300 * time.Millisecond}
	if s.small {
		c.Retain = retainSmall
	}
	odd := s.Random("odd", p.Name, fmt.Sprint(p.Lives)) // so that few things happen at the same moment
	c.FlushInterval += time.Duration(odd.IntN(10000))
	c.BeatInterval += time.Duration(odd.IntN(100000))
	if s.doctor != nil {
		s.doctor(&c)
	}
	if s.Logger != nil {
		c.Logger = s.Logger.With("peer", p.Name)
	}
	return c
}

// retainSmall is a window so small that stores are compacted all the time.
const retainSmall = 2 << 10

// random is the place's source of randomness in this life.
func (p *Place) random() io.Reader {
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%x %s %d", p.stage.Seed, p.Name, p.Lives))
	return rand.NewChaCha8(seed)
}

// CheckRefusals reads the counters that are zero when all peers are honest.
func (p *Place) CheckRefusals() {
	all, err := p.Metrics.Gather()
	if err != nil {
		p.stage.Fail("no refusal", "%v", err)
	}
	for _, f := range all {
		name := f.GetName()
		if !strings.Contains(name, "_zero_") || strings.HasSuffix(name, "skewed_total") || strings.HasSuffix(name, "publish_failures_total") {
			continue
		}
		if n := f.GetMetric()[0].GetCounter().GetValue(); n > 0 {
			p.stage.Fail("no refusal", "%s counts %v %s", p.Name, n, name)
		}
	}
}
