package replication

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/memnet"
)

// seedOf draws a seed, prints it, and takes TANDEM_SEED instead when set.
func seedOf(t testing.TB) uint64 {
	seed := rand.Uint64()
	if s := os.Getenv("TANDEM_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("TANDEM_SEED=%d", seed)
	return seed
}

var (
	intType   = &changes.Type{Form: changes.Int}
	textType  = &changes.Type{Form: changes.String}
	countType = &changes.Type{Form: changes.Map, Key: textType, Elem: intType}
)

const secret = "the sandbox's key"

func testGenesis() Genesis {
	return Genesis{Program: changes.Hash{1, 2, 3}, Name: "test", Variables: []Variable{
		{Name: "main.Hits", Rule: "counter", Type: intType},
		{Name: "main.Counts", Rule: "map counter", Type: countType},
		{Name: "main.Title", Rule: "lww", Type: textType, Initial: changes.StringValue("start")},
	}}
}

// cluster is replicas over one in-memory network.
type cluster struct {
	t       testing.TB
	base    string
	net     *memnet.Network
	dirs    map[string]string
	r       map[string]*Replica
	ports   map[string]*memnet.Port
	sandbox SandboxID
	config  func(*Config)
}

func newCluster(t testing.TB, seed uint64) *cluster {
	c := &cluster{t: t, net: memnet.New(seed), dirs: map[string]string{}, r: map[string]*Replica{}, ports: map[string]*memnet.Port{}, base: t.TempDir()}
	t.Cleanup(c.stopAll)
	return c
}

func (c *cluster) configOf(name string) Config {
	if c.dirs[name] == "" {
		c.dirs[name] = filepath.Join(c.base, name)
	}
	c.ports[name] = c.net.Join(name)
	cfg := Config{Dir: c.dirs[name], Transport: c.ports[name], Secret: []byte(secret), Standby: true,
		FlushInterval: 2 * time.Millisecond, BeatInterval: 20 * time.Millisecond, Lease: 200 * time.Millisecond}
	if os.Getenv("TANDEM_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("peer", name)
	}
	if c.config != nil {
		c.config(&cfg)
	}
	return cfg
}

func (c *cluster) create(name string) *Replica {
	c.t.Helper()
	r, err := Create(context.Background(), c.configOf(name), testGenesis(), []byte("the image"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.r[name], c.sandbox = r, r.Sandbox()
	return r
}

func (c *cluster) join(name string) *Replica {
	c.t.Helper()
	cfg := c.configOf(name)
	cfg.Sandbox = c.sandbox
	r, err := Open(context.Background(), cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.r[name] = r
	return r
}

// stop closes a replica in order; crash takes its network away first, so nothing leaves it any more.
func (c *cluster) stop(name string) {
	if r := c.r[name]; r != nil {
		if err := r.Close(); err != nil {
			c.t.Errorf("close %s: %v", name, err)
		}
		c.ports[name].Close()
		delete(c.r, name)
	}
}

// stopAll is for tests in virtual time, which ends before they are cleaned up.
func (c *cluster) stopAll() {
	for name := range c.r {
		c.stop(name)
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// converge waits until all replicas say the same, and checks that they do.
func (c *cluster) converge() {
	c.t.Helper()
	for name, r := range c.r {
		if err := r.Converged(within(c.t, 30*time.Second), len(c.r)-1); err != nil {
			for n, x := range c.r {
				c.t.Logf("%s: %+v", n, x.Status())
			}
			c.t.Fatalf("%s: %v", name, err)
		}
	}
	var first changes.Hash
	for name, r := range c.r {
		d := r.Digest()
		if first == (changes.Hash{}) {
			first = d
		}
		if d != first {
			for n, x := range c.r {
				for _, l := range x.DigestLeaves() {
					c.t.Logf("%s %s %x", n, l.Name, l.Hash[:4])
				}
			}
			c.t.Fatalf("%s has another digest", name)
		}
	}
}

// warm waits until replicas have the states of other peers' newest heads too: with their deltas alone they would go on from older ones.
func warm(t testing.TB, replicas ...*Replica) {
	t.Helper()
	for _, r := range replicas {
		eventually(t, r.Self()+" is warm", func() bool {
			runs := r.Runs()
			cold := slices.ContainsFunc(runs, func(x RunStatus) bool { return !x.Warm && !x.Head.Done && x.Head.Owner != r.Self() })
			return len(runs) > 0 && !cold
		})
	}
}

// program is a toy run for tests: a memory of some pages whose first page counts the turns and whose other pages
// follow from the count, so that a mixture of two states is seen at once.
type program struct {
	r     *Replica
	run   changes.RunID
	epoch changes.Epoch
	turn  uint64
	lines uint64
	pages uint64
	tag   byte // mixed into the pages: which execution wrote them
	hits  int64
}

func start(t testing.TB, r *Replica, pages uint64) *program {
	t.Helper()
	run, epoch, err := r.StartRun(within(t, 10*time.Second), RunStart{Name: "toy", Meta: []byte("args")})
	if err != nil {
		t.Fatal(err)
	}
	p := &program{r: r, run: run, epoch: epoch, pages: pages}
	if _, err := r.Pull(run); err != nil {
		t.Fatal(err)
	}
	return p
}

func pageOf(tag byte, turn, index uint64) *[changes.PageBytes]byte {
	var p [changes.PageBytes]byte
	p[0] = tag
	binary.LittleEndian.PutUint64(p[8:], turn)
	binary.LittleEndian.PutUint64(p[16:], index+1)
	return &p
}

func counterChange(path changes.Path, from, to int64) changes.Change {
	return changes.Change{Path: path, Kind: changes.Counter, Old: changes.IntValue(changes.Int, from), New: changes.IntValue(changes.Int, to)}
}

// next is a turn that writes every page, one hit and one line.
func (p *program) next() Turn {
	t := Turn{Run: p.run, Epoch: p.epoch, Number: p.turn + 1, Instructions: (p.turn + 1) * 100, MemoryBytes: p.pages * changes.PageBytes}
	for i := range p.pages {
		t.Pages = append(t.Pages, changes.Page{Index: i, Data: pageOf(p.tag, t.Number, i)})
	}
	t.Changes = []changes.Change{counterChange(changes.VarPath("main.Hits"), p.hits, p.hits+1)}
	t.Lines = []changes.Line{{Number: p.lines + 1, Stream: 1, Text: fmt.Appendf(nil, "line %d", p.lines+1)}}
	return t
}

func (p *program) advance(t Turn) {
	p.turn, p.lines = t.Number, p.lines+uint64(len(t.Lines))
	p.hits += int64(len(t.Changes))
}

func (p *program) step(t testing.TB) {
	t.Helper()
	turn := p.next()
	if err := p.r.CommitTurn(within(t, 10*time.Second), turn); err != nil {
		t.Fatalf("turn %d: %v", turn.Number, err)
	}
	p.advance(turn)
}

// checkState fails when the pages are not all of one turn of one execution.
func checkState(t testing.TB, s *State) (tag byte) {
	t.Helper()
	n := uint64(0)
	err := s.Each(func(i uint64, page *[changes.PageBytes]byte) error {
		if n++; n == 1 {
			tag = page[0]
		}
		if *page != *pageOf(tag, s.Head.Turn, i) {
			return fmt.Errorf("page %d is of execution %d turn %d, state is of %d turn %d", i, page[0], binary.LittleEndian.Uint64(page[8:]), tag, s.Head.Turn)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := s.Head.MemoryBytes / changes.PageBytes; n != want {
		t.Fatalf("%d pages of %d", n, want)
	}
	return tag
}

// continueFrom makes a program that goes on where a state stands.
func continueFrom(t testing.TB, r *Replica, s *State) *program {
	t.Helper()
	p := &program{r: r, run: s.Head.Run, epoch: s.Head.Epoch, turn: s.Head.Turn, lines: s.Head.Lines, pages: s.Head.MemoryBytes / changes.PageBytes}
	p.tag = checkState(t, s)
	as, err := r.Pull(s.Head.Run)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range as {
		if a.Path.Var == "main.Hits" {
			p.hits = a.Value.Int()
		}
	}
	return p
}

func hits(t testing.TB, r *Replica) int64 {
	t.Helper()
	v, _, err := r.Merged("main.Hits")
	if err != nil {
		return -1
	}
	return v.Int()
}
