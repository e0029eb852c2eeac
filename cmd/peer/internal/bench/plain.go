package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/ipld/merkledag"
	ds "github.com/ipfs/go-datastore"
	crdt "github.com/ipfs/go-ds-crdt"
	pebbleds "github.com/ipfs/go-ds-pebble"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

// plain measures go-ds-crdt with its own broadcaster and bitswap: one peer puts a small value under one of a hundred keys, again and again; the
// changes count when the other two have the last. Then one at a time, each when the one before is visible at the next peer. ours is what it is
// compared with.
func plain(ctx context.Context, dir string, d, rtt time.Duration, ours float64, say func(Result)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := wire{rtt: rtt}
	defer w.close()
	var stores []*crdt.Datastore
	var first host.Host
	for i := range peers {
		h, err := w.host()
		if err != nil {
			return err
		}
		defer h.Close()
		if first == nil {
			first = h
		} else if err := h.Connect(ctx, peer.AddrInfo{ID: first.ID(), Addrs: first.Addrs()}); err != nil {
			return err
		}
		s, err := plainPeer(ctx, h, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return err
		}
		defer s.Close()
		stores = append(stores, s)
	}
	time.Sleep(3 * time.Second) // gossipsub's mesh
	rate, err := plainRate(ctx, stores, d, rtt)
	if err != nil {
		return err
	}
	say(Result{"plain go-ds-crdt, converged changes", rate, "changes/s", ""})
	say(Result{"converged changes beside plain go-ds-crdt", ours / rate, "times", ">= 100"})
	took, err := plainLatency(ctx, stores, d)
	if err != nil {
		return err
	}
	say(Result{"plain go-ds-crdt, put to visible at the next peer, p50, 1 writer", quantile(took, 0.5), "ms", ""})
	say(Result{"the same, p99", quantile(took, 0.99), "ms", ""})
	return nil
}

// plainRate puts as many changes as stock replicas take at most in d (about 45 a second on loopback, 13 at 50 ms: crdt-facts); more would only wait
// in their queues.
func plainRate(ctx context.Context, stores []*crdt.Datastore, d, rtt time.Duration) (changesPerSecond float64, err error) {
	most := 60.0
	if rtt > 0 {
		most = min(most, 1/rtt.Seconds())
	}
	n, last := int(d.Seconds()*most), ds.Key{}
	begun := time.Now()
	for i := range n {
		last = ds.NewKey(fmt.Sprintf("/word/%d", i%words))
		if err := stores[0].Put(ctx, last, fmt.Appendf(nil, "%064d", i)); err != nil {
			return 0, err
		}
	}
	want, err := stores[0].Get(ctx, last)
	if err != nil {
		return 0, err
	}
	for _, s := range stores[1:] {
		for {
			if got, err := s.Get(ctx, last); err == nil && string(got) == string(want) && s.InternalStats(ctx).QueuedJobs == 0 {
				if all, err := reached(ctx, stores[0], s); err != nil || all {
					break
				}
			}
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			time.Sleep(time.Millisecond)
		}
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

// plainLatency is from the call of Put to the value's being at the next peer.
func plainLatency(ctx context.Context, stores []*crdt.Datastore, d time.Duration) (took []time.Duration, err error) {
	key := ds.NewKey("/latency")
	for end := time.Now().Add(d); time.Now().Before(end); {
		begun, want := time.Now(), fmt.Sprintf("%064d", len(took))
		if err := stores[0].Put(ctx, key, []byte(want)); err != nil {
			return nil, err
		}
		for {
			if got, err := stores[1].Get(ctx, key); err == nil && string(got) == want {
				break
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			time.Sleep(200 * time.Microsecond)
		}
		took = append(took, time.Since(begun))
		time.Sleep(time.Until(begun.Add(50 * time.Millisecond)))
	}
	return took, nil
}

// reached says whether both have the same value under every key.
func reached(ctx context.Context, a, b *crdt.Datastore) (bool, error) {
	for i := range words {
		k := ds.NewKey(fmt.Sprintf("/word/%d", i))
		x, err := a.Get(ctx, k)
		if err == ds.ErrNotFound {
			continue
		}
		if err != nil {
			return false, err
		}
		if y, err := b.Get(ctx, k); err != nil || string(x) != string(y) {
			return false, nil
		}
	}
	return true, nil
}

func plainPeer(ctx context.Context, h host.Host, dir string) (*crdt.Datastore, error) {
	store, err := pebbleds.NewDatastore(dir)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { store.Close() })
	ps, err := pubsub.NewGossipSub(ctx, h)
	if err != nil {
		return nil, err
	}
	blocks := blockstore.NewBlockstore(store)
	exchange := bitswap.New(ctx, bsnet.NewFromIpfsHost(h), nil, blocks)
	b, err := crdt.NewPubSubBroadcaster(ctx, ps, "bench")
	if err != nil {
		return nil, err
	}
	o := crdt.DefaultOptions()
	o.RebroadcastInterval = 5 * time.Second
	return crdt.New(store, ds.NewKey("/crdt"), merkledag.NewDAGService(blockservice.New(blocks, exchange)), b, o)
}
