package exec

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// TestDamagedMemory stops programs anywhere, damages what the machine keeps in memory, and goes on: whatever happens then, no access leaves memory. It is
// TestPrograms' programs at a time, so they use every record.
func TestDamagedMemory(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	defer func(bytes uint64) { mem.GuardBytes = bytes }(mem.GuardBytes)
	mem.GuardBytes = 64 << 30
	trials := 1200
	if testing.Short() {
		trials = 60
	}
	for _, p := range allPrograms() {
		count := newRig(t, p.image(), Limits{SliceWords: 50}, nil).words(t)
		for range 3 {
			r := newRig(t, p.image(), Limits{SliceWords: 50}, nil)
			r.m.Run(rng.Uint64N(count + 1))
			for range trials / 3 {
				r.damagedTrial(t, rng)
				if t.Failed() {
					t.Fatalf("program %s", p.name)
				}
			}
			r.m.mem.Close()
		}
	}
}

// words is how many the program takes.
func (r *rig) words(t *testing.T) uint64 {
	r.finish(t, 1<<40, nil)
	defer r.m.mem.Close()
	return r.m.Count()
}

var noBytes [1 << 16 * 8]byte

// damagedTrial damages memory, runs on it and takes all back: nothing was written without tracking, and nothing behind memory.
func (r *rig) damagedTrial(t *testing.T, rng *rand.Rand) {
	m, host := r.m, *r.host
	before := bytes.Clone(m.mem.Bytes(code.Base, m.mem.Size()))
	if err := m.mem.Save(); err != nil {
		t.Fatal(err)
	}
	words := m.recordWords()
	for range 1 + rng.IntN(3) {
		at, v := words[rng.IntN(len(words))], m.badWord(rng, words)
		if rng.IntN(8) == 0 {
			at = code.Base + rng.Uint64N(m.mem.Size())&^7
		}
		m.store(at, v)
	}
	m.mem.Try(func() {
		if m.heap.Sound() != nil || m.Reload() != nil {
			return
		}
		for range 4 { // a run that failed may be run again
			m.Run(3000)
			m.TracebackAll()
		}
	})
	if err := m.mem.Err(); err != nil {
		t.Error(err)
		return
	}
	if err := m.mem.Undo(); err != nil {
		t.Fatal(err)
	}
	if err := m.Reload(); err != nil {
		t.Fatal(err)
	}
	*r.host = host
	if mem.Tracked && !bytes.Equal(m.mem.Bytes(code.Base, m.mem.Size()), before) {
		t.Error("the run wrote to memory untracked")
	}
	behind := unsafe.Slice((*byte)(m.mem.Pointer(code.Base+m.mem.Size())), 1<<16*8)
	if !bytes.Equal(behind, noBytes[:]) {
		t.Error("the run wrote behind its memory")
		clear(behind)
	}
}

// recordWords are the addresses of the words of all that the machine keeps in memory, of stacks the chunks' headers and the first frames'.
func (m *Machine) recordWords() (list []uint64) {
	add := func(at, n uint64) {
		for end := at + n; at < end; at += 8 {
			list = append(list, at)
		}
	}
	add(root, rootEnd-root)
	m.heap.Objects(code.Base, m.mem.Size(), func(o heap.Object) bool {
		switch o.Kind {
		case heap.KindStack:
			add(o.Addr, min(o.SizeBytes, chunkHead+64*8))
		case heap.KindGoroutine, heap.KindDefer, heap.KindPanic, heap.KindSudog, heap.KindChan, heap.KindTimer, heap.KindMap, heap.KindMapIter, heap.KindWords:
			add(o.Addr, min(o.SizeBytes, 256))
		}
		return true
	})
	return list
}

// badWord is a number that is most likely to lead somewhere it should not.
func (m *Machine) badWord(rng *rand.Rand, records []uint64) uint64 {
	end := code.Base + m.mem.Size()
	near := []uint64{0, code.Base, m.prog.DataEnd, end, code.Base + m.mem.Limit(), code.Base + m.mem.Limit() + 1<<20, 1 << 63, m.s.CodeLen, m.s.FuncsLess1,
		records[rng.IntN(len(records))], code.Base + rng.Uint64N(m.mem.Size()), rng.Uint64() >> rng.IntN(64)}
	return near[rng.IntN(len(near))]&^7 + rng.Uint64N(9)*8 - 32
}
