package changes

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tandemvm/tandem/changes/merkle"
)

func sameDelta(a, b *Delta) bool {
	x, err := a.Encode()
	y, err2 := b.Encode()
	return err == nil && err2 == nil && bytes.Equal(x, y)
}

// TestPackedDeltasLeadToTheSame packs the deltas of a memory that changes at random, alone and as a chain, and unpacks them again.
func TestPackedDeltasLeadToTheSame(t *testing.T) {
	r := source(t)
	before := &memory{12 * PageBytes, map[uint64][PageBytes]byte{}}
	var prev *Header
	for turn := range uint64(300) {
		after := before.clone()
		switch r.IntN(3) {
		case 0:
			after.scribble(r)
		default:
			for range r.IntN(40) {
				i := r.Uint64N(merkle.PageCount(after.size))
				p := after.pages[i]
				at := r.IntN(PageBytes - 40)
				for k := range 1 + r.IntN(40) {
					p[at+k] = byte(r.Uint32())
				}
				after.pages[i] = p
			}
		}
		d := deltaOf(before, after, turn+1)
		b, err := d.Pack(before)
		if err != nil {
			t.Fatal(err)
		}
		if whole, _ := d.Encode(); len(b) > len(whole)+len(d.Pages)*8+8 {
			t.Errorf("packed to %d bytes of %d", len(b), len(whole))
		}
		back, err := Unpack(b, before, 1<<30)
		if err != nil || !sameDelta(back, d) {
			t.Fatalf("turn %d: unpacked to another delta: %v", turn, err)
		}
		if i := r.IntN(len(b)); true {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << r.IntN(8)
			if _, err := Unpack(bad, before, 1<<30); err == nil {
				t.Fatalf("byte %d of %d flipped, and nothing said", i, len(b))
			}
		}
		if prev != nil {
			if b, err = d.PackNext(prev, before); err != nil {
				t.Fatal(err)
			}
			back, err := UnpackNext(b, prev, before, 1<<30)
			if err != nil || !sameDelta(back, d) {
				t.Fatalf("turn %d: unpacked after the one before to another delta: %v", turn, err)
			}
			other := *prev
			other.Result[3]++
			if _, err := UnpackNext(b, &other, before, 1<<30); !errors.Is(err, ErrChecksum) {
				t.Errorf("unpacked after another delta: %v", err)
			}
			if _, err := d.PackNext(&other, before); !errors.Is(err, ErrBase) {
				t.Errorf("packed after another delta: %v", err)
			}
		}
		prev, before = &d.Header, after
	}
}

// TestUnpackIsBounded: a small file that stands for a large memory is refused before that is made.
func TestUnpackIsBounded(t *testing.T) {
	full := &memory{4000 * PageBytes, map[uint64][PageBytes]byte{}}
	for i := range uint64(4000) {
		full.pages[i] = [PageBytes]byte{1}
	}
	b, err := deltaOf(nil, full, 1).Pack(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 4000*2 {
		t.Errorf("%d bytes", len(b))
	}
	if _, err := Unpack(b, nil, 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("unpacked beyond the limit: %v", err)
	}
	if d, err := Unpack(b, nil, 1<<26); err != nil || len(d.Pages) != 4000 {
		t.Errorf("within the limit: %v", err)
	}
}

// churn writes changed cells into a memory as programs do, and says how many bytes it changed.
var churns = []struct {
	name string
	do   func(r *rand.Rand, m *memory) (changedBytes int)
}{
	{"int", func(r *rand.Rand, m *memory) int { return m.put(r.IntN(int(m.size)/8)*8, 8, r.Uint64N(1000)) }},
	{"counters", func(r *rand.Rand, m *memory) (n int) {
		for range 1000 {
			n += m.put(r.IntN(int(m.size)/8)*8, 8, r.Uint64N(1<<20))
		}
		return n
	}},
	{"random-words", func(r *rand.Rand, m *memory) (n int) {
		for range 10000 {
			n += m.put(r.IntN(int(m.size)/8)*8, 8, r.Uint64())
		}
		return n
	}},
	{"random-block", func(r *rand.Rand, m *memory) (n int) {
		for i := range 5000 {
			n += m.put(4096*3+i*8, 8, r.Uint64())
		}
		return n
	}},
}

// put writes n bytes of v and is how many of them the program changed: those of the whole cell.
func (m *memory) put(at, n int, v uint64) int {
	p := m.pages[uint64(at/PageBytes)]
	for i := range n {
		p[at%PageBytes+i] = byte(v >> (8 * i))
	}
	m.pages[uint64(at/PageBytes)] = p
	return n
}

// BenchmarkPack packs what a turn changed of 1 MiB. over-% is what the file takes beyond the changed bytes; the naive arms are whole pages and
// whole pages compressed.
func BenchmarkPack(b *testing.B) {
	for _, c := range churns {
		b.Run(c.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			before := &memory{1 << 20, map[uint64][PageBytes]byte{}}
			for at := 0; at < 1<<20; at += 8 {
				before.put(at, 8, r.Uint64())
			}
			after := before.clone()
			changed := c.do(r, after)
			d := deltaOf(before, after, 1)
			prev := Header{Program: d.Program, VM: d.VM, Run: d.Run, Epoch: d.Epoch, Result: d.Base, LastTurn: 0, MemoryBytes: d.BaseMemoryBytes}
			var packed, next []byte
			var err error
			for b.Loop() {
				if packed, err = d.Pack(before); err == nil {
					next, err = d.PackNext(&prev, before)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			whole, err := d.Encode()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(next)), "B/next")
			b.ReportMetric(100*float64(len(next)-changed)/float64(changed), "over-%")
			b.ReportMetric(float64(len(packed)), "B/packed")
			b.ReportMetric(float64(len(whole)), "B/whole")
			b.ReportMetric(float64(len(deflate(whole))), "B/whole-compressed")
		})
	}
}
