package feed

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/boxo/ipld/merkledag"
	crdtpb "github.com/ipfs/go-ds-crdt/pb"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/metrics"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
	"google.golang.org/protobuf/proto"
)

var (
	sandbox = record.SandboxID{1}
	secret  = []byte("the sandbox's key")
)

// author writes deltas by hand, each after all that the author knows.
type author struct {
	name  string
	seq   uint64
	knows map[record.BlockHash]*record.Delta
}

func newAuthor(name string) *author {
	return &author{name: name, knows: map[record.BlockHash]*record.Delta{}}
}

// learn makes known what another knows.
func (a *author) learn(b *author) { maps.Copy(a.knows, b.knows) }

// tops are the deltas after which none comes that the author knows.
func (a *author) tops() []*record.Delta {
	under := map[record.BlockHash]bool{}
	for _, d := range a.knows {
		for _, p := range d.Parents {
			under[p] = true
		}
	}
	return slices.DeleteFunc(byHeight(a.knows), func(d *record.Delta) bool { return under[d.Hash] })
}

// byHeight sorts deltas as an answer does.
func byHeight(m map[record.BlockHash]*record.Delta) []*record.Delta {
	return slices.SortedFunc(maps.Values(m), func(x, y *record.Delta) int {
		if x.Height != y.Height {
			return int(int64(x.Height - y.Height))
		}
		return bytes.Compare(x.Hash[:], y.Hash[:])
	})
}

// write makes the author's next delta: a message, and in the first one the author's membership.
func (a *author) write(t testing.TB) *record.Delta {
	a.seq++
	actor := record.MakeActor(a.name, 1)
	body := &crdtpb.Delta{Priority: 1}
	put := func(k record.Key, v []byte) {
		k.Lineage.Actor = actor
		body.Elements = append(body.Elements, &crdtpb.Element{Key: k.String(), Value: v})
	}
	if a.seq == 1 {
		put(record.Key{Kind: record.MemberRecord}, record.Encode(record.Member{Peer: a.name, Incarnation: 1, Proof: record.MemberProof(secret, sandbox, actor)}))
	}
	put(record.Key{Kind: record.MessageRecord, Run: changes.RunID{1}, Number: a.seq}, record.Encode(record.Message{ID: fmt.Sprint(a.name, a.seq), From: a.name, Inline: []byte("x")}))
	n := merkledag.NodeWithData(nil)
	n.SetCidBuilder(merkledag.V1CidPrefix())
	for _, p := range a.tops() {
		body.Priority = max(body.Priority, p.Height+1)
		if err := n.AddRawLink("", &ipld.Link{Cid: p.Hash.Cid()}); err != nil {
			t.Fatal(err)
		}
	}
	n.SetData(record.Must(proto.MarshalOptions{Deterministic: true}.Marshal(body)))
	d := decode(t, record.Encode(record.Envelope{Peer: a.name, Incarnation: 1, Seq: a.seq, Signature: []byte("s"), Block: n.RawData()}))
	a.knows[d.Hash] = d
	return d
}

func decode(t testing.TB, b []byte) *record.Delta {
	t.Helper()
	d, err := record.DecodeDelta(b, sandbox, secret, func(string, []byte, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// peer is a feed with its engine on a disk of its own.
type peer struct {
	t    testing.TB
	name string
	disk *store.Disk
	s    *store.Store
	f    *Feed
	e    *Engine
	m    *metrics.Set
	net  *wire

	counts *prometheus.Registry
}

// wire asks feeds, and hands what they answer on delta by delta.
type wire struct {
	peers map[string]*peer
	// before is called before each piece of an answer, the first of which is its header if there is one, and after the last; an error cuts the answer.
	before func(n int) error
}

func (w *wire) Peers() []string { return slices.Sorted(maps.Keys(w.peers)) }

func (w *wire) Request(ctx context.Context, name, _ string, req []byte, recv func([]byte) error) error {
	var all []byte
	err := w.peers[name].f.Serve(ctx, "asker", req, func(frame []byte) error {
		all = append(all, frame...)
		return nil
	})
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if w.before != nil {
			if err := w.before(n); err != nil {
				return err
			}
		}
		if len(all) == 0 {
			return nil
		}
		size := 4 + int(binary.BigEndian.Uint32(all))
		if h, rest, err := cutHeader(all); err != nil {
			return err
		} else if h != nil {
			size = len(all) - len(rest)
		}
		if err := recv(all[:size]); err != nil {
			return err
		}
		all = all[size:]
	}
}

// newPeer opens a feed on an empty disk. It must be closed before its bubble ends.
func newPeer(t testing.TB, name string, others ...*peer) *peer {
	p := &peer{t: t, name: name, disk: store.NewDisk(), net: &wire{peers: map[string]*peer{}}}
	for _, o := range others {
		p.net.peers[o.name] = o
	}
	p.open()
	return p
}

func (p *peer) open() {
	p.t.Helper()
	var err error
	if p.s, err = store.Open("/store", store.Options{FS: p.disk.FS()}); err != nil {
		p.t.Fatal(err)
	}
	p.counts = prometheus.NewRegistry()
	p.m = metrics.New(p.counts)
	p.f, p.e, err = Open(Config{Store: p.s, Blocks: block.New(p.s, p.net, p.m.BlocksFetched, p.m.BlocksMissing, p.m.Malformed), Metrics: p.m, Net: p.net,
		Logger: slog.New(slog.DiscardHandler), Self: p.name, Sandbox: sandbox, Secret: secret, Incarnation: 1,
		Verify: func(string, []byte, []byte) error { return nil }, Apply: func([]record.Record, []record.BlockHash) {},
		Failed: func(err error) { p.t.Errorf("%s fails: %v", p.name, err) }})
	if err == nil {
		err = p.e.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) close() {
	p.e.Close()
	if err := p.s.Close(); err != nil {
		p.t.Error(err)
	}
}

// kill ends the process at this moment, and begins another one over what it had written.
func (p *peer) kill() {
	p.t.Helper()
	if err := p.s.Write(true, func(b store.Batch) { b.Put([]byte("z"), nil) }); err != nil { // what is before it in the log is kept
		p.t.Fatal(err)
	}
	disk := p.disk.Crash(100, rand.New(rand.NewPCG(0, 0)))
	p.close() // what this writes is lost
	p.disk = disk
	p.open()
}

// offer gives deltas as gossip does, and lets them be applied.
func (p *peer) offer(ds ...*record.Delta) {
	for _, d := range ds {
		p.f.Offer(decode(p.t, d.Bytes)) // a feed marks the deltas that it has
	}
	synctest.Wait()
}

// pull catches up with another peer.
func (p *peer) pull(from *peer) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := p.f.Pull(ctx, from.name, from.e.Heads())
	synctest.Wait()
	return err
}

// prune removes deltas, as a compaction that has found nothing in them that counts.
func (p *peer) prune(ds ...*record.Delta) {
	p.t.Helper()
	var list []Place
	for _, d := range ds {
		if p.has(d) {
			list = append(list, Place{Hash: d.Hash, Actor: d.Actor, Seq: d.Seq})
		}
	}
	if _, err := p.e.Prune(list); err != nil {
		p.t.Fatal(err)
	}
}

// has says whether a delta was applied and not removed.
func (p *peer) has(d *record.Delta) bool {
	ok, err := p.s.Has(d.Hash.StoreKey())
	if err != nil {
		p.t.Fatal(err)
	}
	return ok
}

func (p *peer) want(ds ...*record.Delta) {
	p.t.Helper()
	for _, d := range ds {
		if !p.has(d) {
			p.t.Errorf("%s lacks delta %d of %s", p.name, d.Seq, d.Peer)
		}
	}
}

func (p *peer) wantNot(ds ...*record.Delta) {
	p.t.Helper()
	for _, d := range ds {
		if p.has(d) {
			p.t.Errorf("%s has delta %d of %s", p.name, d.Seq, d.Peer)
		}
	}
}

// reaches says up to which number the deltas of an author are here.
func (p *peer) reaches(a *author) uint64 {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	return p.f.vector[record.MakeActor(a.name, 1)]
}

// counted gives what the feed counted, by the names of the metrics.
func (p *peer) counted() map[string]float64 {
	families, err := p.counts.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, m := range families {
		out[strings.TrimPrefix(m.GetName(), "tandem_replication_")] = m.Metric[0].GetCounter().GetValue()
	}
	return out
}

// wantZero fails when something happened that honest peers never make happen.
func (p *peer) wantZero() {
	p.t.Helper()
	for name, n := range p.counted() {
		if strings.HasPrefix(name, "zero_") && n != 0 {
			p.t.Errorf("%s counts %v of %s", p.name, n, name)
		}
	}
}

var errCut = errors.New("the link was cut")
