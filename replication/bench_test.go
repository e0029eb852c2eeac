package replication

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
)

// BenchmarkTurns submits turns as fast as they are taken: how many share a flush, and what one costs.
func BenchmarkTurns(b *testing.B) {
	c := newCluster(b, 1)
	a := c.create("a")
	p := start(b, a, 2)
	var last <-chan error
	for b.Loop() {
		t := p.next()
		done, err := a.SubmitTurn(t)
		if err != nil {
			b.Fatal(err)
		}
		p.advance(t)
		last = done
	}
	if err := <-last; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(p.turn)/float64(a.Status().Deltas), "turns/delta")
}

// BenchmarkLateJoin brings an empty peer up to a sandbox of many deltas.
func BenchmarkLateJoin(b *testing.B) {
	c := newCluster(b, 1)
	c.config = func(cfg *Config) { cfg.FlushInterval = time.Nanosecond }
	a := c.create("a")
	p := start(b, a, 1)
	for range 2000 {
		p.step(b)
	}
	n := 0
	for b.Loop() {
		n++
		name := fmt.Sprint("j", n)
		c.join(name)
		eventually(b, "joined", func() bool { return hits(b, c.r[name]) == 2000 })
		b.StopTimer()
		c.stop(name)
		b.StartTimer()
	}
	b.ReportMetric(float64(n)*2000/b.Elapsed().Seconds(), "deltas/s")
}

// BenchmarkPackedTurn commits turns that touch 2,000 words of a map.
func BenchmarkPackedTurn(b *testing.B) {
	c := newCluster(b, 1)
	a := c.create("a")
	p := start(b, a, 1)
	n := int64(0)
	for b.Loop() {
		t := p.next()
		t.Changes = nil
		for i := range 2000 {
			ch := counterChange(changes.VarPath("main.Counts").Key(changes.StringValue(fmt.Sprint("w", i))), n, n+1)
			if n == 0 {
				ch.Old = changes.Value{}
			}
			t.Changes = append(t.Changes, ch)
		}
		if err := a.CommitTurn(within(b, time.Minute), t); err != nil {
			b.Fatal(err)
		}
		p.advance(t)
		n++
	}
}
