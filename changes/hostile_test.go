package changes

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// TestHostileCellsPanicNobody: a member may sign what it likes. Whatever of it passes Check stands in the others' views while they read,
// write and see it voided; none of that may panic, and what they publish must pass Check in turn.
func TestHostileCellsPanicNobody(t *testing.T) {
	r := source(t)
	hostile := RunID{99}
	taken := 0
	kinds := declared()
	numbers := &Type{Form: Slice, Elem: intType}
	kinds["text"], kinds["list"], kinds["log"], kinds["map text"] = stringType, numbers, numbers, mapType(intType, stringType)
	for text, ty := range kinds {
		s := mustSpec(t, text, ty)
		for range 60 {
			w := NewView()
			if err := w.Declare("v", s, someValue(r, ty)); err != nil {
				t.Fatal(err)
			}
			for turn := uint64(1); turn <= 8; turn++ {
				run := RunID{byte(r.IntN(3) + 1)}
				old, _, err := w.Value("v")
				if err != nil {
					t.Fatal(err)
				}
				at := Stamp{Time: turn, Run: run, Turn: turn}
				cells, err := w.Fold(Diff(s, VarPath("v"), old, mutated(r, ty, old)), at, Epoch{Number: turn / 4, Owner: "o"})
				if err != nil {
					break // a place that the hostile member used up
				}
				for _, pc := range cells {
					if err := pc.Cell.Check(s, pc.Path); err != nil {
						t.Fatalf("%s: published %+v: %v", text, pc, err)
					}
					if forge(r, w, pc, hostile) {
						taken++
					}
				}
				w.Assignments()
			}
			if _, _, err := w.Value("v"); err != nil {
				t.Fatal(err)
			}
			w.Drop(hostile)
			if _, _, err := w.Value("v"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if taken < 1000 {
		t.Errorf("only %d of the forged cells pass Check: the test forges badly", taken)
	}
}

// forge puts a cell of run like pc's but for a few numbers and bytes, and says whether it was taken.
func forge(r *rand.Rand, w *View, pc PathCell, run RunID) bool {
	c := pc.Cell
	c.Stamp.Run = run
	extreme := pick(r, 0, 1, 2, 7, 1<<40, 1<<62-1, 1<<62, 1<<63, ^uint64(0))
	switch r.IntN(6) {
	case 0:
		c.Stamp.Time, c.Stamp.Turn, c.Dot = extreme, ^uint64(0), extreme
	case 1:
		c.Lost = extreme
	case 2:
		c.Epoch = extreme
	case 3:
		c.Seen = append([]Seen{}, c.Seen...)
		for i := range c.Seen {
			c.Seen[i].Dot = extreme
		}
	}
	b := c.Encode()
	if c.Value.Present() && c.Value.Form() == Bytes && r.IntN(2) == 0 { // a segment: another number in it
		text := []byte(c.Value.Text())
		at := r.IntN(len(text))
		_, n := binary.Uvarint(text[at:])
		c.Value = BytesValue(bytes.Join([][]byte{text[:at], binary.AppendUvarint(nil, extreme), text[at+max(n, 1):]}, nil))
		b = c.Encode()
	} else if r.IntN(3) == 0 {
		b[r.IntN(len(b))] = byte(extreme)
	}
	c, err := DecodeCell(b)
	if err != nil || c.Stamp.Run != run {
		return false
	}
	_, err = w.Put(pc.Path, c)
	return err == nil
}
