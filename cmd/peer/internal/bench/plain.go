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
	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

// plain measures go-ds-crdt with its own broadcaster and bitswap: one peer puts a small value under one of a hundred keys, again and again, as fast as
// it can for d; the changes count when the other two have the last.
func plain(ctx context.Context, dir string, d time.Duration) (changesPerSecond float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stores []*crdt.Datastore
	var first host.Host
	for i := range peers {
		h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
		if err != nil {
			return 0, err
		}
		defer h.Close()
		if first == nil {
			first = h
		} else if err := h.Connect(ctx, peer.AddrInfo{ID: first.ID(), Addrs: first.Addrs()}); err != nil {
			return 0, err
		}
		s, err := plainPeer(ctx, h, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return 0, err
		}
		defer s.Close()
		stores = append(stores, s)
	}
	time.Sleep(3 * time.Second) // gossipsub's mesh
	n, last := 0, ds.Key{}
	begun := time.Now()
	put := func() error {
		n++
		last = ds.NewKey(fmt.Sprintf("/word/%d", n%words))
		return stores[0].Put(ctx, last, fmt.Appendf(nil, "%064d", n))
	}
	// As many changes as stock replicas take at most in that time; more would only wait in their queues.
	for range int(d.Seconds() * 60) {
		if err := put(); err != nil {
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
