// Package laws checks, for one shared variable, that its kind merges values of its own type as package changes promises: several runs change
// the variable in turns, hear of each other in part, in any order and repeatedly, and in the end must hold one value, whatever way the cells
// took, with what each turn did inside. It tests the library on a declaration, not the program.
//
// Cost: rounds × some dozen turns of a few values each; a second is enough for thousands of rounds of a small type.
package laws

import (
	"fmt"
	"math/rand/v2"

	"github.com/tandemvm/tandem/changes"
)

// Violation is a law that does not hold, with the case that shows it.
type Violation struct {
	Law  string // its name
	Case string // one line
	Hint string // what to share instead
}

// Error is one line.
func (v *Violation) Error() string { return "law " + v.Law + ": " + v.Case + "; " + v.Hint }

// The laws.
const (
	Converge = "convergence" // all who know the same cells hold the same value, in any order, grouping and repetition
	Rebuild  = "delta equals state"
	Intent   = "intent" // what a turn wrote is what it reads, and what it changed is in the merged value
	Again    = "repeatable turns"
)

const hint = "this is a defect of the merge kind: report it with the seed"

// Check looks for a violation in that many rounds; nil: none was found. The same seed makes the same cases.
func Check(s *changes.Spec, initial changes.Value, seed uint64, rounds int) *Violation {
	if !initial.Present() {
		initial = s.Type.Zero()
	}
	for round := range rounds {
		c := &check{r: rand.New(rand.NewPCG(seed, uint64(round))), spec: s, initial: initial}
		if v := c.round(); v != nil {
			v.Case = fmt.Sprintf("%s (seed %d, round %d)", v.Case, seed, round)
			return v
		}
	}
	return nil
}

const variable = "v"

// check is one round.
type check struct {
	r       *rand.Rand
	spec    *changes.Spec
	initial changes.Value
	runs    []*run
	moved   changes.Value // of a counter: the initial value and all net changes
}

type run struct {
	id   changes.RunID
	turn uint64
	view *changes.View
	now  changes.Value // what the program holds
	wall uint64
	hlc  changes.Clock
}

func (c *check) bad(law, format string, args ...any) *Violation {
	return &Violation{law, fmt.Sprintf(format, args...), hint}
}

func (c *check) newView() *changes.View {
	w := changes.NewView()
	if err := w.Declare(variable, c.spec, c.initial); err != nil {
		panic("BUG: laws: " + err.Error())
	}
	return w
}

func (c *check) round() *Violation {
	for i := range 2 + c.r.IntN(3) {
		c.runs = append(c.runs, &run{id: changes.RunID{15: byte(i + 1)}, view: c.newView(), now: c.spec.Normal(c.initial)})
	}
	c.moved = c.initial
	for range 6 + c.r.IntN(12) {
		a, b := c.runs[c.r.IntN(len(c.runs))], c.runs[c.r.IntN(len(c.runs))]
		if c.r.IntN(3) > 0 {
			if v := c.write(a); v != nil {
				return v
			}
		} else if v := c.tell(a, b); v != nil {
			return v
		}
	}
	for range 2 {
		for _, a := range c.runs {
			for _, b := range c.runs {
				if v := c.tell(a, b); v != nil {
					return v
				}
			}
		}
	}
	return c.end()
}

// write is a turn: the program leaves another value behind.
func (c *check) write(r *run) *Violation {
	old, new := r.now, someChange(c.r, c.spec.Type, r.now)
	r.turn++
	r.wall += c.r.Uint64N(3)
	cs := changes.Diff(c.spec, changes.VarPath(variable), old, new)
	at := changes.Stamp{Time: r.hlc.Next(r.wall), Run: r.id, Turn: r.turn}
	if _, err := r.view.Fold(cs, at, changes.Epoch{}); err != nil {
		return c.bad(Intent, "the change of %v to %v is refused: %v", old, new, err)
	}
	first := r.view.RunCells(r.id)
	if again, err := r.view.Fold(cs, at, changes.Epoch{}); err != nil || len(again) > 0 || len(r.view.RunCells(r.id)) != len(first) {
		return c.bad(Again, "%v to %v folded again makes other cells", old, new)
	}
	r.now = new
	if v := c.read(r); v != nil {
		return v
	}
	if c.spec.Kind == changes.Counter {
		for _, ch := range cs {
			moved, err := changes.Apply(c.spec, c.moved, ch)
			if err != nil {
				return c.bad(Intent, "%v cannot be applied: %v", ch, err)
			}
			c.moved = moved
		}
	}
	if keepsWhatIsWritten(c.spec) && !r.now.Equal(c.spec.Normal(new)) {
		return &Violation{Intent, fmt.Sprintf("a turn makes %v of %v, and reads %v", new, old, r.now), intentHint(c.spec)}
	}
	return nil
}

// keepsWhatIsWritten leaves out kinds whose merged value is not always what was written: a max that was lowered, a log written out of order.
func keepsWhatIsWritten(s *changes.Spec) bool {
	switch s.Kind {
	case changes.Max, changes.Min, changes.Log:
		return false
	case changes.MapOf:
		return keepsWhatIsWritten(s.Elem)
	case changes.Fields:
		for _, f := range s.Fields {
			if !keepsWhatIsWritten(f) {
				return false
			}
		}
	}
	return true
}

func intentHint(s *changes.Spec) string {
	if rounds(s) {
		return "floats are rounded differently when they are added in another order: count in an integer of the smallest unit"
	}
	return hint
}

// rounds says whether a counter of floats is in s.
func rounds(s *changes.Spec) bool {
	f := s.Type.Form
	switch s.Kind {
	case changes.Counter:
		return f == changes.Float32 || f == changes.Float64 || f == changes.Complex64 || f == changes.Complex128
	case changes.MapOf:
		return rounds(s.Elem)
	case changes.Fields:
		for _, x := range s.Fields {
			if rounds(x) {
				return true
			}
		}
	}
	return false
}

// read brings the merged values into the program, and compares with the view.
func (c *check) read(r *run) *Violation {
	now, err := changes.AssignAll(c.spec, c.spec.Normal(r.now), r.view.Assignments())
	if err != nil {
		return c.bad(Rebuild, "merged values cannot be assigned: %v", err)
	}
	r.now = now
	if whole, _, err := r.view.Value(variable); err != nil || !whole.Equal(now) {
		return c.bad(Rebuild, "what was assigned step by step is %v, the whole value %v", now, whole)
	}
	return nil
}

// tell gives b what a knows.
func (c *check) tell(a, b *run) *Violation {
	if a == b {
		return nil
	}
	for _, x := range c.runs {
		cells := a.view.RunCells(x.id)
		c.r.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		for _, pc := range cells {
			have, ok := b.view.Cell(pc.Path, x.id)
			if ok && have.Stamp.Turn >= pc.Cell.Stamp.Turn {
				continue
			}
			cell, err := changes.DecodeCell(pc.Cell.Encode())
			if err == nil {
				_, err = b.view.Put(pc.Path, cell)
			}
			if err != nil {
				return c.bad(Converge, "a cell at %v is refused: %v", pc.Path, err)
			}
			if err := b.hlc.Observe(cell.Stamp.Time, b.wall, 1<<40); err != nil {
				return c.bad(Converge, "a stamp is refused: %v", err)
			}
		}
	}
	return c.read(b)
}

// end compares all that know everything: the runs, and readers that got the cells in other orders and more than once.
func (c *check) end() *Violation {
	want := c.runs[0].now
	for _, r := range c.runs[1:] {
		if !r.now.Equal(want) {
			return c.bad(Converge, "two runs that know the same hold %v and %v", want, r.now)
		}
	}
	var all []changes.PathCell
	for _, r := range c.runs {
		all = append(all, c.runs[0].view.RunCells(r.id)...)
	}
	for range 3 {
		c.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		w := c.newView()
		for i := range len(all) + len(all)/2 {
			if _, err := w.Put(all[i%len(all)].Path, all[i%len(all)].Cell); err != nil {
				return c.bad(Converge, "a cell is refused: %v", err)
			}
		}
		if v, _, err := w.Value(variable); err != nil || !v.Equal(want) {
			return c.bad(Converge, "in another order the same cells merge to %v instead of %v", v, want)
		}
	}
	if c.spec.Kind == changes.Counter && !c.moved.Equal(want) {
		return &Violation{Intent, fmt.Sprintf("all changes together lead to %v, and merged it is %v", c.moved, want), intentHint(c.spec)}
	}
	return nil
}
