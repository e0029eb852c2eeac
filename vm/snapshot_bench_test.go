package vm

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
)

// BenchmarkSnapshot takes, encodes, decodes and resumes a run of 10 MiB. The naive arm of encoding is encoding/gob of the same bytes.
func BenchmarkSnapshot(b *testing.B) {
	ctx := context.Background()
	m := holding(b, 10)
	p := m.Program()
	var take, hash, encode, again, decode, resume, first, both []time.Duration
	lap := func(list *[]time.Duration, start time.Time) time.Time {
		now := time.Now()
		*list = append(*list, now.Sub(start))
		return now
	}
	var size int
	for b.Loop() {
		for i := range m.MemoryBytes() / 4096 { // every page, as if the run had just filled them
			m.mem.TouchPage(i)
		}
		at := time.Now()
		s, err := m.Take(ctx)
		if err != nil {
			b.Fatal(err)
		}
		at = lap(&take, at)
		(&state{pages: s.state.pages}).root()
		at = lap(&hash, at)
		s.Root()
		at = time.Now()
		raw, err := s.Encode()
		if err != nil {
			b.Fatal(err)
		}
		lap(&encode, at)
		size = len(raw)
		fresh := &Snapshot{Program: s.Program, VM: s.VM, prog: p, state: &state{pages: s.state.pages}}
		at = time.Now()
		if _, err := fresh.Encode(); err != nil {
			b.Fatal(err)
		}
		at = lap(&again, at)
		back, err := DecodeSnapshot(p, raw)
		if err != nil {
			b.Fatal(err)
		}
		now := lap(&decode, at)
		n, err := Resume(ctx, p, Config{Clock: epoch2026()}, back)
		if err != nil {
			b.Fatal(err)
		}
		lap(&resume, now)
		both = append(both, time.Since(at))
		n.Close()
		at = time.Now()
		if n, err = Resume(ctx, p, Config{Clock: epoch2026()}, back); err != nil {
			b.Fatal(err)
		}
		if _, err := n.Run(ctx, 1); err != nil {
			b.Fatal(err)
		}
		lap(&first, at)
		n.Close()
	}
	var naive bytes.Buffer
	start := time.Now()
	gob.NewEncoder(&naive).Encode(m.mem.Bytes(0xc000000000, m.mem.Size()))
	gobbed := time.Since(start)
	ms := func(d []time.Duration) float64 { return float64(median(d).Microseconds()) / 1000 }
	gib := float64(size) / (1 << 30)
	b.ReportMetric(float64(median(take).Nanoseconds())/float64(m.MemoryBytes()/4096), "take-ns/page")
	b.ReportMetric(gib/median(hash).Seconds(), "hash-GiB/s")
	b.ReportMetric(gib/median(encode).Seconds(), "encode-GiB/s")
	b.ReportMetric(gib/median(again).Seconds(), "hash+encode-GiB/s")
	b.ReportMetric(float64(gobbed)/float64(median(encode)), "x-gob")
	b.ReportMetric(ms(decode), "decode-ms")
	b.ReportMetric(ms(resume), "resume-ms")
	b.ReportMetric(ms(both), "load-ms")
	b.ReportMetric(ms(first), "resume-again-ms")
}

// BenchmarkDeltaChain restores a run of 10 MiB from a snapshot and deltas of two pages each, applied one by one. ms/delta should not follow the
// length of the chain.
func BenchmarkDeltaChain(b *testing.B) {
	ctx := context.Background()
	for _, length := range []int{10, 100} {
		b.Run(fmt.Sprint(length), func(b *testing.B) {
			m := holding(b, 10)
			base, err := m.Take(ctx)
			if err != nil {
				b.Fatal(err)
			}
			var chain [][]byte
			s, wire := base, 0
			for range length {
				step(b, m)
				next, err := m.Take(ctx)
				if err != nil {
					b.Fatal(err)
				}
				d, err := next.Delta(s)
				if err != nil {
					b.Fatal(err)
				}
				raw, err := d.Pack(s)
				if err != nil {
					b.Fatal(err)
				}
				chain, s, wire = append(chain, raw), next, wire+len(raw)
			}
			var times []time.Duration
			for b.Loop() {
				start := time.Now()
				at := base
				for _, raw := range chain {
					d, err := changes.Unpack(raw, at, 1<<30)
					if err != nil {
						b.Fatal(err)
					}
					if at, err = ApplyDelta(m.prog, at, d); err != nil {
						b.Fatal(err)
					}
				}
				if at.Root() != s.Root() {
					b.Fatal("another state")
				}
				times = append(times, time.Since(start))
			}
			b.ReportMetric(float64(median(times).Microseconds())/float64(length), "µs/delta")
			b.ReportMetric(float64(wire)/float64(length), "B/delta")
		})
	}
}
