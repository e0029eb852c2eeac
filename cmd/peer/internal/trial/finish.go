package trial

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/replication/sim"
)

const (
	patience = 60 * time.Second // for what takes moments when all is well
	restPart = 3                // runs that do nothing for this part of the time they have will not do anything
)

// finish waits until the runs have ended, compares the peers, and says what is left.
func (w *world) finish() *Outcome {
	for _, p := range w.peers {
		if !p.place.Up {
			return &Outcome{} // it did not come up, which was said
		}
	}
	if w.job.Serial {
		w.serial()
	} else {
		w.await(w.count)
	}
	w.stop()
	w.converge()
	return w.outcome()
}

// serial executes one run after another.
func (w *world) serial() {
	p := w.peers[0]
	for i := range w.count {
		p.start(context.Background(), p.sandboxNow(), i)
		begun := w.Since()
		if w.await(i + 1); w.ended[runName(i)] == 0 {
			return
		}
		w.ended[runName(i)] -= begun
	}
}

// await waits until the first n runs have ended or are paused, or do nothing for long, or their time is over.
func (w *world) await(n int) {
	begun, before, since := w.Since(), "", w.Since()
	if !w.job.Serial {
		begun = 0
	}
	w.WaitFor(w.job.Most-w.Since()+begun, func() bool {
		w.Look()
		at, rest := "", true
		for _, p := range w.peers {
			runs := p.runs()
			for i := range n {
				s, known := runs[runName(i)]
				rest = rest && known && (s.Head.Done || tandem.PauseOf(s.Head) != nil)
				at += fmt.Sprintln(known, s.Head.Turn, s.Head.Epoch.Number)
			}
		}
		if at != before {
			before, since = at, w.Since()
		}
		return rest || w.Since()-since > w.job.Most/restPart
	})
}

// stop pauses the runs that have not ended, where they execute.
func (w *world) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, p := range w.peers {
		box := p.sandboxNow()
		if box == nil {
			continue
		}
		for _, s := range box.Runs() {
			if box.Run(s.Head.Run) != nil {
				box.Pause(ctx, s.Head.Run) // an error: it has ended or gone meanwhile
			}
		}
	}
}

// converge waits until all peers say the same, and checks that it is so.
func (w *world) converge() {
	for _, p := range w.peers {
		box := p.sandboxNow()
		if box == nil {
			w.Fail("convergence", "%s has not got the program", p.place.Name)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := box.Converged(ctx, len(w.peers)-1)
		cancel()
		if err != nil {
			w.Fail("convergence", "%s: %v", p.place.Name, err)
		}
	}
	w.Wait(100 * time.Millisecond) // readers
	first := w.peers[0]
	for _, p := range w.peers[1:] {
		if p.sandboxNow().Digest() != first.sandboxNow().Digest() {
			w.Fail("convergence", "%s and %s have different digests", first.place.Name, p.place.Name)
		}
		if a, b := heads(first), heads(p); a != b {
			w.Fail("one winner", "%s: %s, %s: %s", first.place.Name, a, p.place.Name, b)
		}
	}
	for _, p := range w.peers {
		p.place.CheckRefusals()
	}
}

func heads(p *peer) string {
	var out []string
	for name, s := range p.runs() {
		out = append(out, fmt.Sprintf("%s at turn %d in epoch %d", name, s.Head.Turn, s.Head.Epoch.Number))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (w *world) outcome() *Outcome {
	out := &Outcome{}
	if w.peers[0].sandboxNow() == nil {
		return out
	}
	runs := w.peers[0].runs()
	for i := range w.count {
		s, known := runs[runName(i)]
		if !known {
			out.Runs = append(out.Runs, Run{Name: runName(i)})
			continue
		}
		out.Runs = append(out.Runs, w.run(s))
	}
	for _, v := range w.program.Variables() {
		out.Variables = append(out.Variables, w.variable(v.Name, v.Spec))
	}
	return out
}

// run reads all that a run wrote, and compares it with what readers were given.
func (w *world) run(s replication.RunStatus) Run {
	h := s.Head
	r := Run{Name: h.Name, Ended: h.Done, Exit: h.Exit, Turns: h.Turn, Instructions: h.Instructions, Took: w.ended[h.Name]}
	if p := tandem.PauseOf(h); p != nil && p.Reason != byRequest {
		r.Failure = p.Reason
	}
	var lines []string
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if h.Lines > 0 {
		w.peers[0].sandboxNow().Lines(ctx, h.Run, 1, func(l changes.Line) error {
			if lines = append(lines, string(l.Text)); l.Number == h.Lines {
				cancel()
			}
			return nil
		})
	}
	if uint64(len(lines)) != h.Lines {
		w.Fail("lines once", "%s gives %d lines of run %s, which has %d", w.Places[0].Name, len(lines), h.Name, h.Lines)
	}
	r.Output = strings.Join(lines, "")
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, given := range w.given {
		if k.run != h.Run {
			continue
		}
		for i, l := range given {
			if i < len(lines) && lines[i] == l {
				continue
			}
			r.Revoked = max(r.Revoked, len(given)-i)
			if w.Level == replication.Majority {
				w.Fail("majority safety", "%s was given line %d of run %s as %q, which does not count", w.Places[k.peer].Name, i+1, h.Name, l)
			}
			break
		}
	}
	return r
}

// byRequest is the reason of a pause that was asked for.
const byRequest = "paused by request"

func (w *world) variable(name string, spec *changes.Spec) Variable {
	v := Variable{Name: name, Rule: spec.String()}
	for i, p := range w.peers {
		box := p.sandboxNow()
		x, conflicts, err := box.Value(name)
		if err != nil {
			w.Fail("convergence", "%s: %v", p.place.Name, err)
			continue
		}
		lost, _ := box.Overwritten(name)
		v.Lost = max(v.Lost, lost+uint64(conflicts))
		if i == 0 {
			v.Value, v.Sorted = x.String(), sorted(spec, x)
		} else if x.String() != v.Value {
			if v.Differing == nil {
				v.Differing = map[string]string{}
			}
			v.Differing[p.place.Name] = x.String()
		}
	}
	return v
}

// sorted is the text of a value in which what concurrent turns may put in any order stands in one order.
func sorted(spec *changes.Spec, v changes.Value) string {
	if v.IsNil() || !v.Present() {
		return v.String()
	}
	var parts []string
	switch spec.Kind {
	case changes.Log, changes.List:
		for i := range v.Len() {
			parts = append(parts, v.Item(i).String())
		}
		slices.Sort(parts)
	case changes.Text:
		for _, r := range v.Text() {
			parts = append(parts, string(r))
		}
		slices.Sort(parts)
	case changes.MapOf:
		for i := range v.Len() {
			parts = append(parts, v.Entry(i).Key.String()+": "+sorted(spec.Elem, v.Entry(i).Value))
		}
	case changes.Fields:
		for i, f := range spec.Fields {
			x, _ := v.Field(v.FieldName(i))
			parts = append(parts, v.FieldName(i)+": "+sorted(f, x))
		}
	default:
		return v.String()
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

var _ sim.Cast = (*world)(nil)
