package block

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tandemvm/tandem/changes"
)

// others are the stores of connected peers.
type others struct {
	order  []string
	stores map[string]*Store // nil: connected, and answers nothing
}

func (o *others) Peers() []string { return append([]string(nil), o.order...) }

func (o *others) Request(ctx context.Context, peer, name string, req []byte, recv func(frame []byte) error) error {
	if o.stores[peer] == nil {
		return errors.New("no answer")
	}
	return o.stores[peer].Serve(ctx, "", req, recv)
}

// page is a page with a number in it.
func page(n int) Block {
	data := make([]byte, changes.PageBytes)
	binary.BigEndian.PutUint32(data, uint32(n)+1)
	h, _ := Name(PageKind, data)
	return Block{ID{PageKind, h}, data}
}

// TestFetchFindsWhatAnyPeerHas: whoever of the connected peers has a block, it comes: also when one peer alone has all of them, as the owner of a
// run when a standby begins to follow it.
func TestFetchFindsWhatAnyPeerHas(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 9))
	for range 12 {
		here, net := newTestStore(t), &others{stores: map[string]*Store{}}
		here.t = net
		peers := 1 + rnd.IntN(4)
		for i := range peers {
			name := fmt.Sprint("peer", i)
			net.order = append(net.order, name)
			if net.stores[name] = newTestStore(t); rnd.IntN(6) == 0 {
				net.stores[name] = nil
			}
		}
		alone := rnd.IntN(2) == 0 // the first has all
		var ids []ID
		held := map[ID]bool{}
		for n := range rnd.IntN(500) {
			x := page(n)
			ids = append(ids, x.ID)
			for i, name := range net.order {
				s := net.stores[name]
				if s == nil || alone && i > 0 || !alone && rnd.IntN(3) > 0 {
					continue
				}
				held[x.ID] = true
				if err := s.Put([]Block{x}); err != nil {
					t.Fatal(err)
				}
			}
		}
		rnd.Shuffle(len(net.order), func(i, j int) { net.order[i], net.order[j] = net.order[j], net.order[i] })
		missing, err := here.Fetch(t.Context(), ids, "peer0")
		if err != nil || missing != len(ids)-len(held) {
			t.Fatalf("%d peers, the first alone %v: %d of %d blocks missing where %d are at no peer, %v", peers, alone, missing, len(ids), len(ids)-len(held), err)
		}
		for id := range held {
			if !here.Has(id) {
				t.Fatal("a block that came is not here")
			}
		}
	}
}
