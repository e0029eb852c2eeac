package replication

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/memnet"
)

// meter counts what arrives at a port, by kind of message and request.
type meter struct {
	*memnet.Port
	mu    sync.Mutex
	bytes map[string]int
	count map[string]int
}

func newMeter(p *memnet.Port) *meter {
	return &meter{Port: p, bytes: map[string]int{}, count: map[string]int{}}
}

func (m *meter) add(kind string, n int) {
	m.mu.Lock()
	m.bytes[kind] += n
	m.count[kind]++
	m.mu.Unlock()
}

func (m *meter) Subscribe(f func(string, []byte)) func() {
	return m.Port.Subscribe(func(from string, data []byte) {
		m.add("gossip "+string(data[1:2]), len(data))
		f(from, data)
	})
}

func (m *meter) Handle(name string, h func(context.Context, string, []byte, func([]byte) error) error) {
	m.Port.Handle(name, func(ctx context.Context, from string, req []byte, send func([]byte) error) error {
		m.add("asked "+name, len(req))
		return h(ctx, from, req, send)
	})
}

func (m *meter) Request(ctx context.Context, peer, name string, req []byte, recv func([]byte) error) error {
	return m.Port.Request(ctx, peer, name, req, func(frame []byte) error {
		m.add("answer "+name, len(frame))
		return recv(frame)
	})
}

// take gives what arrived since the last time: of all kinds but beats, which are said whether there are turns or not, and as a text.
func (m *meter) take() (n int, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m.bytes)) {
		parts = append(parts, fmt.Sprintf("%s %d in %d", k, m.bytes[k], m.count[k]))
		if k != "gossip b" {
			n += m.bytes[k]
		}
	}
	clear(m.bytes)
	clear(m.count)
	return n, strings.Join(parts, ", ")
}

// weighed is a cluster of three whose run holds memory of random bytes.
type weighed struct {
	*cluster
	*program
	meters map[string]*meter
	pages  [][changes.PageBytes]byte
	rnd    *rand.Rand
}

func newWeighed(t *testing.T, level Level) *weighed {
	seed := seedOf(t)
	m := &weighed{cluster: newCluster(t, seed), meters: map[string]*meter{}, rnd: rand.New(rand.NewPCG(seed, 2))}
	m.config = func(cfg *Config) {
		x := newMeter(cfg.Transport.(*memnet.Port))
		m.meters[x.Self()] = x
		cfg.Transport, cfg.BeatInterval, cfg.Lease = x, 200*time.Millisecond, 2*time.Second
	}
	a := m.create("a")
	m.join("b")
	m.join("c")
	m.converge()
	for _, r := range m.cluster.r {
		eventually(t, "all are members", func() bool { return len(r.Status().Members) == 3 })
	}
	run, epoch, err := a.StartRun(within(t, 10*time.Second), RunStart{Name: "one int", Meta: []byte("args"), Durable: level})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Pull(run); err != nil {
		t.Fatal(err)
	}
	m.program = &program{r: a, run: run, epoch: epoch}
	m.pages = make([][changes.PageBytes]byte, 300)
	all := map[uint64]bool{}
	for i := range m.pages {
		for k := range m.pages[i] {
			m.pages[i][k] = byte(m.rnd.Uint32())
		}
		all[uint64(i)] = true
	}
	m.turn(t, all)
	return m
}

// turn commits what was written to the pages touched, with a hit, and waits until all peers hold it.
func (m *weighed) turn(t *testing.T, touched map[uint64]bool) {
	t.Helper()
	n := m.program.turn + 1
	x := Turn{Run: m.run, Epoch: m.epoch, Number: n, Instructions: n*1000 + m.rnd.Uint64N(500), MemoryBytes: uint64(len(m.pages)) * changes.PageBytes,
		Changes: []changes.Change{counterChange(changes.VarPath("main.Hits"), m.hits, m.hits+1)}}
	for i := range touched {
		page := m.pages[i]
		x.Pages = append(x.Pages, changes.Page{Index: i, Data: &page})
	}
	if err := m.program.r.CommitTurn(within(t, 20*time.Second), x); err != nil {
		t.Fatal(err)
	}
	m.advance(x)
	for name, r := range m.cluster.r {
		eventually(t, name+" holds the turn", func() bool {
			list := r.Runs()
			if len(list) != 1 || list[0].Head.Turn != n || !list[0].Warm {
				return false
			}
			for _, peer := range []string{"a", "b", "c"} {
				if list[0].Head.Durable != Local && list[0].Held[peer] < n {
					return false
				}
			}
			return true
		})
	}
}

// write puts an int somewhere; it says how many bytes that changed.
func (m *weighed) write(touched map[uint64]bool, v uint64) int {
	i := m.rnd.IntN(len(m.pages))
	binary.LittleEndian.PutUint64(m.pages[i][m.rnd.IntN(changes.PageBytes/8)*8:], v)
	touched[uint64(i)] = true
	return 8
}

// TestOneIntTurnIsSmall holds what a turn that writes one int, in memory and in a shared variable, costs each peer that hears of it.
func TestOneIntTurnIsSmall(t *testing.T) {
	for _, level := range []Level{Local, Majority} {
		t.Run(level.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { costOfOneInt(t, newWeighed(t, level)) })
		})
	}
}

func costOfOneInt(t *testing.T, m *weighed) {
	defer m.cluster.stopAll()
	one := func() {
		touched := map[uint64]bool{}
		m.write(touched, m.rnd.Uint64())
		m.turn(t, touched)
	}
	for range 10 {
		one()
	}
	for _, x := range m.meters {
		x.take()
	}
	const turns = 100
	costs := map[string][]int{}
	sum := map[string]int{}
	for range turns {
		one()
		for _, name := range []string{"b", "c"} {
			n, text := m.meters[name].take()
			costs[name] = append(costs[name], n)
			if sum[name] += n; n > 200 {
				t.Logf("turn %d costs peer %s %d bytes: %s", m.program.turn, name, n, text)
			}
		}
	}
	for name, list := range costs {
		slices.Sort(list)
		t.Logf("%s: median %d bytes, mean %d", name, list[turns/2], sum[name]/turns)
		// A number in the head that grows by a byte costs the turn in which it does some bytes more.
		if list[turns*19/20] > 200 || list[turns-1] > 210 {
			t.Errorf("of %d turns that write one int one in twenty costs peer %s %d bytes or more, the dearest %d", turns, name, list[turns*19/20], list[turns-1])
		}
	}
}

// TestLargerTurnsCostWhatTheyChange holds that a turn costs at most 12 % beyond the bytes that it changed. It and TestOneIntTurnIsSmall run in virtual time: no peer is slow there,
// and asks for what is on its way.
func TestLargerTurnsCostWhatTheyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { costOfLargerTurns(t, newWeighed(t, Local)) })
}

func costOfLargerTurns(t *testing.T, m *weighed) {
	defer m.cluster.stopAll()
	for _, x := range []struct {
		name string
		do   func(touched map[uint64]bool) (changedBytes int)
	}{
		{"1000 counters", func(touched map[uint64]bool) (n int) {
			for range 1000 {
				n += m.write(touched, m.rnd.Uint64N(1<<20))
			}
			return n
		}},
		{"10000 random words", func(touched map[uint64]bool) (n int) {
			for range 10000 {
				n += m.write(touched, m.rnd.Uint64())
			}
			return n
		}},
		{"40000 bytes in a row", func(touched map[uint64]bool) int {
			first := m.rnd.IntN(len(m.pages) - 12)
			for i := range 40000 {
				m.pages[first+i/changes.PageBytes][i%changes.PageBytes] = byte(m.rnd.Uint32())
				touched[uint64(first+i/changes.PageBytes)] = true
			}
			return 40000
		}},
		{"2000 bytes in a row", func(touched map[uint64]bool) int {
			i := m.rnd.IntN(len(m.pages))
			for k := range 2000 {
				m.pages[i][1000+k] = byte(m.rnd.Uint32())
			}
			touched[uint64(i)] = true
			return 2000
		}},
	} {
		for _, w := range m.meters {
			w.take()
		}
		const turns = 3
		changed := 0
		for range turns {
			touched := map[uint64]bool{}
			changed += x.do(touched)
			m.turn(t, touched)
		}
		n, text := m.meters["b"].take()
		over := 100 * float64(n-changed) / float64(changed)
		t.Logf("%s: %d bytes for %d changed, %+.1f %%; %s", x.name, n/turns, changed/turns, over, text)
		if over > 12 {
			t.Errorf("%s: %+.1f %% beyond what changed", x.name, over)
		}
	}
}

// TestStandbyKeepsUpUnderLoss: while turns never pause and messages are lost, repeated and overtake each other, and while it is opened anew in the middle, a standby
// comes by newer and newer states all the same.
func TestStandbyKeepsUpUnderLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		a := c.create("a")
		b := c.join("b")
		p := start(t, a, 3)
		p.step(t)
		c.converge()
		c.net.SetFaults(memnet.Faults{Loss: 0.2, Duplicate: 0.2, DelayMax: 4 * time.Millisecond})
		warm := func() uint64 {
			b.mu.Lock()
			defer b.mu.Unlock()
			if h := b.warm[p.run]; h != nil {
				return h.Turn
			}
			return 0
		}
		for round := range 4 {
			if round == 2 {
				c.stop("b")
				b = c.join("b")
			}
			from := p.turn
			for end := time.Now().Add(20 * time.Second); warm() <= from; p.step(t) {
				if time.Now().After(end) {
					t.Fatalf("at turn %d the standby has the state of turn %d: it has got no newer one since %d", p.turn, warm(), from)
				}
			}
		}
		c.net.SetFaults(memnet.Faults{})
		p.step(t)
		c.converge()
		if got := hits(t, b); got != p.hits {
			t.Errorf("%d hits, want %d", got, p.hits)
		}
	})
}
