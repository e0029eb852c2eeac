// Package bench measures replication on this machine: three peers in this process with real networking on loopback and real stores, beside
// plain go-ds-crdt as its documentation wires it (gossipsub broadcaster, bitswap, pebble) doing the same changes of the same keys.
//
// It is behind peer bench replication. Its figures are of one machine at one moment: the ratios between the two arms say more.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/net/ident"
	"github.com/tandemvm/tandem/net/node"
	"github.com/tandemvm/tandem/net/ticket"
	"github.com/tandemvm/tandem/replication"
)

const peers = 3

// words is how many keys the changes are spread over.
const words = 100

var countType = &changes.Type{Form: changes.Map, Key: &changes.Type{Form: changes.String}, Elem: &changes.Type{Form: changes.Int}}

// alone is the transport of a peer that is in no room yet: a sandbox has to exist before one can join its room.
type alone struct{ id *ident.Identity }

func (a alone) Self() string                                                                   { return a.id.Peer() }
func (a alone) Peers() []string                                                                { return nil }
func (a alone) Publish(context.Context, []byte) error                                          { return nil }
func (a alone) Subscribe(func(string, []byte)) func()                                          { return func() {} }
func (a alone) OnPeers(func([]string)) func()                                                  { return func() {} }
func (a alone) Sign(data []byte) ([]byte, error)                                               { return a.id.Sign(data) }
func (a alone) Verify(peer string, data, sig []byte) error                                     { return ident.Verify(peer, data, sig) }
func (a alone) Close() error                                                                   { return nil }
func (a alone) Handle(string, func(context.Context, string, []byte, func([]byte) error) error) {}
func (a alone) Request(context.Context, string, string, []byte, func([]byte) error) error {
	return node.ErrNotConnected
}

// cluster is three replicas over real networking.
type cluster struct {
	wire     wire
	replicas []*replication.Replica
	rooms    []*node.Room
	nodes    []*node.Node
	metrics  *prometheus.Registry // of the first
}

func (c *cluster) close() {
	for _, r := range c.replicas {
		r.Close()
	}
	for _, r := range c.rooms {
		r.Close()
	}
	for _, n := range c.nodes {
		n.Close()
	}
	c.wire.close()
}

func newCluster(ctx context.Context, dir string, rtt time.Duration) (c *cluster, err error) {
	c = &cluster{metrics: prometheus.NewRegistry(), wire: wire{rtt: rtt}}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	t, err := ticket.New([32]byte{}, [32]byte{})
	if err != nil {
		return nil, err
	}
	for i := range peers {
		id, err := ident.New()
		if err != nil {
			return nil, err
		}
		cfg := replication.Config{Dir: filepath.Join(dir, fmt.Sprint(i)), Secret: t.Key[:], Transport: alone{id}, Standby: true}
		if i == 0 {
			g := replication.Genesis{Name: "bench", Variables: []replication.Variable{{Name: "bench.Counts", Rule: "map counter", Type: countType}}}
			r, err := replication.Create(ctx, cfg, g, []byte("no program"))
			if err != nil {
				return nil, err
			}
			t.Sandbox = r.Sandbox()
			if err := r.Close(); err != nil {
				return nil, err
			}
			cfg.Metrics = c.metrics
		}
		n, err := c.wire.open(id)
		if err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, n)
		room, err := n.Join(t)
		if err != nil {
			return nil, err
		}
		c.rooms = append(c.rooms, room)
		if i > 0 {
			if err := room.Connect(ctx, c.nodes[0].Addrs()); err != nil {
				return nil, err
			}
		}
		cfg.Transport, cfg.Sandbox = room, t.Sandbox
		r, err := replication.Open(ctx, cfg)
		if err != nil {
			return nil, err
		}
		c.replicas = append(c.replicas, r)
	}
	for _, r := range c.replicas {
		if _, err := r.Genesis(ctx); err != nil {
			return nil, err
		}
		if err := r.Converged(ctx, peers-1); err != nil {
			return nil, err
		}
		for len(r.Status().Members) < peers {
			time.Sleep(10 * time.Millisecond)
		}
	}
	return c, nil
}

// writer is a run whose every turn changes one word's count and one page.
type writer struct {
	r      *replication.Replica
	run    changes.RunID
	epoch  changes.Epoch
	turn   uint64
	counts [words]int64
	page   [changes.PageBytes]byte
}

func newWriter(ctx context.Context, r *replication.Replica, level replication.Level) (*writer, error) {
	run, epoch, err := r.StartRun(ctx, replication.RunStart{Name: "bench", Durable: level})
	w := &writer{r: r, run: run, epoch: epoch}
	if err == nil {
		_, err = r.Pull(run)
	}
	return w, err
}

func (w *writer) submit() (<-chan error, error) {
	n := w.turn + 1
	i := n % words
	path := changes.VarPath("bench.Counts").Key(changes.StringValue(fmt.Sprintf("%x %d", w.run[:4], i)))
	ch := changes.Change{Path: path, Kind: changes.Counter, New: changes.IntValue(changes.Int, w.counts[i]+1)}
	if w.counts[i] > 0 {
		ch.Old = changes.IntValue(changes.Int, w.counts[i])
	}
	page := w.page
	page[n%changes.PageBytes]++
	w.page = page
	done, err := w.r.SubmitTurn(replication.Turn{Run: w.run, Epoch: w.epoch, Number: n, Instructions: n, MemoryBytes: changes.PageBytes,
		Pages: []changes.Page{{Index: 0, Data: &page}}, Changes: []changes.Change{ch}})
	if err == nil {
		w.turn = n
		w.counts[i]++
	}
	return done, err
}

// flood hands in turns as fast as they are taken, with at most inFlight not durable yet, and returns how many became durable a second.
func (w *writer) flood(ctx context.Context, d time.Duration, inFlight int) (turnsPerSecond float64, err error) {
	var flight []<-chan error
	begun, first := time.Now(), w.turn
	for time.Since(begun) < d && ctx.Err() == nil {
		done, err := w.submit()
		if err != nil {
			return 0, err
		}
		flight = append(flight, done)
		if len(flight) >= inFlight {
			if err := <-flight[0]; err != nil {
				return 0, err
			}
			flight = flight[1:]
		}
	}
	for _, done := range flight {
		if err := <-done; err != nil {
			return 0, err
		}
	}
	return float64(w.turn-first) / time.Since(begun).Seconds(), ctx.Err()
}

// Result is what a measurement gave.
type Result struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target string  `json:"target,omitempty"`
}

// Replication measures for about d each of: throughput at local and majority, bytes a change, latency, and plain go-ds-crdt. With an rtt both arms
// speak TCP over links that take half of it each way; else ours speaks QUIC on loopback, as it does by itself. say is told each result when
// it is there.
func Replication(ctx context.Context, d, rtt time.Duration, say func(Result)) error {
	dir, err := os.MkdirTemp("", "peer-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	converged, err := ours(ctx, filepath.Join(dir, "ours"), d, rtt, say)
	if err != nil {
		return err
	}
	if err := plain(ctx, filepath.Join(dir, "plain"), d, rtt, converged, say); err != nil {
		return fmt.Errorf("plain go-ds-crdt: %w", err)
	}
	return nil
}

func ours(ctx context.Context, dir string, d, rtt time.Duration, say func(Result)) (converged float64, err error) {
	c, err := newCluster(ctx, dir, rtt)
	if err != nil {
		return 0, err
	}
	defer c.close()
	w, err := newWriter(ctx, c.replicas[0], replication.Local)
	if err != nil {
		return 0, err
	}
	if _, err := w.flood(ctx, d/4, 4096); err != nil { // warm
		return 0, err
	}
	if err := c.replicas[0].Converged(ctx, peers-1); err != nil {
		return 0, err
	}
	before, begun, first := c.published(), time.Now(), w.turn
	rate, err := w.flood(ctx, d, 4096)
	if err != nil {
		return 0, err
	}
	for _, r := range c.replicas[1:] {
		if err := reach(ctx, r, w.run, w.turn); err != nil {
			return 0, err
		}
	}
	converged = float64(w.turn-first) / time.Since(begun).Seconds()
	say(Result{"turns at local", rate, "turns/s", ">= 20000"})
	say(Result{"turns converged at all peers", converged, "turns/s", ""})
	say(Result{"published for a grouped change", float64(c.published()-before) / float64(w.turn-first), "bytes", "<= 150"})
	m, err := newWriter(ctx, c.replicas[0], replication.Majority)
	if err != nil {
		return 0, err
	}
	if _, err := m.flood(ctx, d/4, 32); err != nil {
		return 0, err
	}
	rate, err = m.flood(ctx, d, 32)
	if err != nil {
		return 0, err
	}
	target := ">= 1000"
	if rtt > 0 {
		target = fmt.Sprintf("at most %.0f", 32/rtt.Seconds()) // each waits for a round trip
	}
	say(Result{"turns at majority, 32 in flight", rate, "turns/s", target})
	return converged, latency(ctx, c, d, rtt, say)
}

// published is what the first peer gave to gossip.
func (c *cluster) published() float64 {
	all, _ := c.metrics.Gather()
	for _, f := range all {
		if f.GetName() == "tandem_replication_gossip_out_bytes_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}

// reach waits until a turn is visible at r. It asks when r tells of something new, since a sleep between two questions is a millisecond at least in a process
// that is mostly idle. One at a time for a replica.
func reach(ctx context.Context, r *replication.Replica, run changes.RunID, turn uint64) error {
	for {
		if h, err := r.Head(run); err == nil && h.Turn >= turn {
			return nil
		}
		select {
		case _, open := <-r.Events():
			if !open {
				return fmt.Errorf("bench: a peer closed before turn %d came", turn)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// latency has every peer commit 20 turns a second, and measures from handing a turn in to its being visible at the next peer.
func latency(ctx context.Context, c *cluster, d, rtt time.Duration, say func(Result)) error {
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var wg sync.WaitGroup
	for i, r := range c.replicas {
		w, err := newWriter(ctx, r, replication.Local)
		if err != nil {
			return err
		}
		next := c.replicas[(i+1)%peers]
		wg.Go(func() {
			for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
				begun := time.Now()
				_, err := w.submit()
				if err == nil {
					err = reach(ctx, next, w.run, w.turn)
				}
				t := time.Since(begun)
				mu.Lock()
				took, failed = append(took, t), errors.Join(failed, err)
				mu.Unlock()
				if err != nil {
					return
				}
				time.Sleep(time.Until(begun.Add(50*time.Millisecond + time.Duration(i)*time.Millisecond)))
			}
		})
	}
	if rtt > 0 {
		wire, err := c.wire.echo(d) // beside the writers, as busy as they are
		if err != nil {
			return err
		}
		say(Result{"a byte there and back over the relay meanwhile, p50", quantile(wire, 0.5), "ms", ""})
	}
	wg.Wait()
	if failed != nil || len(took) == 0 {
		return errors.Join(failed, ctx.Err())
	}
	far := float64(rtt.Microseconds()) / 2000
	say(Result{"handed in to visible at the next peer, p50, 3 writers x 20/s", quantile(took, 0.5), "ms", fmt.Sprintf("<= %g", far+3)})
	say(Result{"the same, p99", quantile(took, 0.99), "ms", fmt.Sprintf("<= %g", far+15)})
	return nil
}

// quantile is in milliseconds.
func quantile(took []time.Duration, share float64) float64 {
	slices.Sort(took)
	return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
}
