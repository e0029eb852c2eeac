package vm

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// TestDamagedStates damages words of a state below its hashes and uses what is left of it as a peer would: looks at its values, runs turns, takes and fails them. Whatever
// it holds, no access leaves memory, and the host does not break.
func TestDamagedStates(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	defer func(bytes uint64) { mem.GuardBytes = bytes }(mem.GuardBytes)
	mem.GuardBytes = 64 << 30
	ctx := context.Background()
	p := source(t, stepping)
	m, _ := machine(t, p, nil)
	if _, err := m.Run(ctx, 15000); err != nil {
		t.Fatal(err)
	}
	good, err := m.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var used []uint64
	good.state.pages.Each(func(page uint64, _ []byte) bool {
		used = append(used, page)
		return true
	})
	trials := 300
	if testing.Short() {
		trials = 30
	}
	for range trials {
		words := map[uint64]uint64{}
		for range 1 + rng.IntN(4) {
			at := used[rng.IntN(len(used))]*changes.PageBytes + rng.Uint64N(changes.PageBytes)&^7
			words[at] = []uint64{0, 1 << 62, 0xc000000000 + rng.Uint64N(good.SizeBytes())&^7, rng.Uint64() >> rng.IntN(64)}[rng.IntN(4)]
		}
		s := damagedState(t, p, good, words)
		if s == nil {
			continue
		}
		lookAtDamaged(t, s)
		useDamaged(ctx, t, p, s)
	}
}

// damagedState is a state with other words at some offsets, nil when it is refused.
func damagedState(t *testing.T, p *Program, good *Snapshot, words map[uint64]uint64) *Snapshot {
	builder, tree := NewState(p, good.SizeBytes()), changes.NewTree(good.SizeBytes())
	good.state.pages.Each(func(page uint64, data []byte) bool {
		c := *(*[changes.PageBytes]byte)(data)
		for at, v := range words {
			if at/changes.PageBytes == page {
				for i := range 8 {
					c[int(at%changes.PageBytes)+i] = byte(v >> (8 * i))
				}
			}
		}
		tree.Set(page, changes.PageHash(&c))
		if err := builder.Set(page, &c); err != nil {
			t.Fatal(err)
		}
		return true
	})
	s, err := builder.Snapshot(tree.Root())
	if err != nil {
		return nil
	}
	return s
}

func useDamaged(ctx context.Context, t *testing.T, p *Program, s *Snapshot) {
	m, err := Resume(ctx, p, Config{Clock: epoch2026(), Limits: Limits{MemoryBytes: 64 << 20}}, s)
	if inside(t, err); err != nil {
		return
	}
	defer m.Close()
	for n := range 4 {
		if err := m.BeginTurn(); err != nil {
			return
		}
		_, err := m.RunTurn(ctx, 5000)
		inside(t, err)
		if err == nil && n != 2 {
			_, err = m.EndTurn()
			inside(t, err)
		}
		if err != nil || n == 2 {
			if err := m.FailTurn(); err != nil {
				return
			}
		}
		inside(t, m.Assign([]changes.Assignment{
			{Path: changes.VarPath("main.Hits"), Value: changes.IntValue(changes.Int, int64(n))},
			{Path: changes.VarPath("main.Title"), Value: changes.StringValue("merged")},
			{Path: changes.VarPath("main.Words").Key(changes.StringValue("merged")), Value: changes.IntValue(changes.Int, 7)},
		}))
		if s, err := m.Take(ctx); err == nil {
			lookAtDamaged(t, s)
		}
	}
}

// lookAtDamaged reads all that is told of a snapshot.
func lookAtDamaged(t *testing.T, s *Snapshot) {
	t.Helper()
	_, err := s.Values()
	inside(t, err)
	_, err = s.Goroutines()
	inside(t, err)
	_, err = s.GlobalTexts(true)
	inside(t, err)
	_, err = s.HeapTypes()
	inside(t, err)
}

// TestLooksThatGoAstray: an access beside memory while a snapshot is looked at is an error, and the process goes on.
func TestLooksThatGoAstray(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memories of this host have no guards")
	}
	ctx := context.Background()
	m, _ := machine(t, source(t, stepping), nil)
	s, err := m.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	found, err := look(s, func(m *Machine) (byte, error) { return *(*byte)(m.mem.Pointer(code.Base + m.mem.Limit() + 2<<20)), nil })
	if found != 0 || !errors.Is(err, mem.ErrStray) {
		t.Errorf("found %d, %v", found, err)
	}
	if _, err := s.Values(); err != nil {
		t.Error(err)
	}
}
