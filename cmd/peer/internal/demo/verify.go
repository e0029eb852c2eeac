package demo

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// verify compares what each peer has with what the programs must come to.
func (d *demo) verify(ctx context.Context) error {
	err := d.each(func(p *process) error {
		var wrong error // an answer is final; a request that failed, because the process died, is made again
		err := p.ask(ctx, func(ctx context.Context) (err error) {
			wrong, err = d.compare(ctx, p)
			return err
		})
		if err == nil && wrong != nil {
			err = fmt.Errorf("at peer %d: %w", p.number, wrong)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := d.traffic(ctx); err != nil {
		return err
	}
	d.tell(Event{Kind: "verified", Words: d.want.total, Line: uint64(d.Lines),
		Text: fmt.Sprintf("every word is counted exactly once (%d, %d different, as one sequential count has them), and primes printed %d lines without gap or repeat",
			d.want.total, len(d.want.counts), d.Lines)})
	return nil
}

// compare says what is wrong at a peer; err is why it could not be asked.
func (d *demo) compare(ctx context.Context, p *process) (wrong, err error) {
	if wrong, err = d.compareWords(ctx, p); wrong != nil || err != nil {
		return wrong, err
	}
	lines, err := allLines(ctx, p, d.cast.primesRun)
	if err != nil {
		return nil, err
	}
	for i, l := range lines {
		if wrong := d.want.line(uint64(i)+1, l); wrong != nil {
			return wrong, nil
		}
	}
	if len(lines) != d.Lines {
		return fmt.Errorf("primes has %d lines, not %d", len(lines), d.Lines), nil
	}
	for i, id := range d.cast.parts {
		lines, err := allLines(ctx, p, id)
		if err != nil {
			return nil, err
		}
		want := fmt.Sprintf("part %d of %d: %d words\n", i+1, peersCount, d.want.parts[i])
		if len(lines) != 1 || string(lines[0].Text) != want {
			return fmt.Errorf("%s printed %d lines, not the one %q", d.partName(i+1), len(lines), want), nil
		}
	}
	return nil, nil
}

// compareWords compares the shared variables.
func (d *demo) compareWords(ctx context.Context, p *process) (wrong, err error) {
	total, err := d.counted(ctx, p)
	if err != nil {
		return nil, err
	}
	vs, err := p.c.Variables(ctx, d.cast.words, "Counts")
	if err != nil {
		return nil, err
	}
	var counts map[string]int64
	if err := json.Unmarshal(vs[0].Value, &counts); err != nil {
		return fmt.Errorf("Counts cannot be read: %w", err), nil
	}
	if total != d.want.total {
		return fmt.Errorf("Total is %d, a sequential count is %d", total, d.want.total), nil
	}
	for word, n := range d.want.counts {
		if counts[word] != n {
			return fmt.Errorf("%q is counted %d times, a sequential count is %d", word, counts[word], n), nil
		}
	}
	if len(counts) != len(d.want.counts) {
		return fmt.Errorf("%d different words, a sequential count has %d", len(counts), len(d.want.counts)), nil
	}
	return nil, nil
}

func allLines(ctx context.Context, p *process, run string) (out []api.Line, err error) {
	err = p.c.Lines(ctx, run, 1, false, func(l api.Line) error {
		out = append(out, l)
		return nil
	})
	return out, err
}

// traffic says what each peer has applied.
func (d *demo) traffic(ctx context.Context) error {
	for _, p := range d.peers {
		var boxes []api.Sandbox
		err := p.ask(ctx, func(ctx context.Context) (err error) {
			boxes, err = p.c.Sandboxes(ctx)
			return err
		})
		if err != nil {
			return err
		}
		e := Event{Kind: "traffic"}
		for _, b := range boxes {
			e.Deltas += b.Deltas
			e.Bytes += b.Bytes
		}
		e.Text = fmt.Sprintf("has %d deltas; %d KB of deltas were applied since it last started", e.Deltas, e.Bytes>>10)
		p.tell(e)
	}
	return nil
}
