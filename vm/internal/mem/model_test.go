package mem

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// model is the dumb second implementation: a stack of full copies.
type model struct {
	now   []byte
	saved [][]byte
	taken []byte
}

func clone(b []byte) []byte { return append([]byte{}, b...) }

// machine is a Memory and its model, driven by the same steps.
type machine struct {
	m     *Memory
	o     model
	takes []*Pages // with their contents
	were  [][]byte
}

func (x *machine) check() error {
	if x.m.Size() != uint64(len(x.o.now)) {
		return fmt.Errorf("size %d, want %d", x.m.Size(), len(x.o.now))
	}
	if got := x.m.Bytes(code.Base, x.m.Size()); !bytes.Equal(got, x.o.now) {
		return fmt.Errorf("content differs at %d", diffAt(got, x.o.now))
	}
	if x.m.Depth() != len(x.o.saved) {
		return fmt.Errorf("depth %d, want %d", x.m.Depth(), len(x.o.saved))
	}
	for i, p := range x.takes {
		if err := samePages(p, x.were[i]); err != nil {
			return fmt.Errorf("take %d: %w", i, err)
		}
	}
	if n := len(x.o.saved); n > 0 {
		return x.checkTouched(x.o.saved[n-1])
	}
	return nil
}

// checkTouched verifies that the pages touched in the running level cover every difference and carry the old images.
func (x *machine) checkTouched(old []byte) error {
	var err error
	seen := map[uint64]bool{}
	x.m.Touched(func(page uint64, was, now []byte) bool {
		seen[page] = true
		if was == nil {
			was = zeroPage[:]
		}
		if !bytes.Equal(was, pageOf(old, page)) || !bytes.Equal(now, pageOf(x.o.now, page)) {
			err = fmt.Errorf("touched page %d has a wrong image", page)
		}
		return true
	})
	for p := uint64(0); p < uint64(max(len(old), len(x.o.now)))/PageBytes; p++ {
		if !bytes.Equal(pageOf(old, p), pageOf(x.o.now, p)) && !seen[p] {
			return fmt.Errorf("page %d changed but is not touched", p)
		}
	}
	return err
}

func pageOf(b []byte, page uint64) []byte {
	if page*PageBytes >= uint64(len(b)) {
		return zeroPage[:]
	}
	return b[page*PageBytes : (page+1)*PageBytes]
}

func diffAt(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

func samePages(p *Pages, want []byte) error {
	if p.Size() != uint64(len(want)) {
		return fmt.Errorf("size %d, want %d", p.Size(), len(want))
	}
	for i := uint64(0); i < uint64(len(want))/PageBytes; i++ {
		if got := p.Page(i); got == nil && !isZero(pageOf(want, i)) || got != nil && !bytes.Equal(got, pageOf(want, i)) {
			return fmt.Errorf("page %d differs", i)
		}
	}
	last := int64(-1)
	var err error
	p.Each(func(page uint64, data []byte) bool {
		if int64(page) <= last || page*PageBytes >= uint64(len(want)) || isZero(data) {
			err = fmt.Errorf("Each gives page %d after %d, size %d", page, last, len(want))
		}
		last = int64(page)
		return true
	})
	return err
}

func (x *machine) save() error {
	x.o.saved = append(x.o.saved, clone(x.o.now))
	return x.m.Save()
}

func (x *machine) undo() error {
	err := x.m.Undo()
	n := len(x.o.saved)
	if n == 0 {
		if err != ErrRoot {
			return fmt.Errorf("undo at the root: %v", err)
		}
		return nil
	}
	x.o.now, x.o.saved = x.o.saved[n-1], x.o.saved[:n-1]
	return err
}

func (x *machine) commit() error {
	err := x.m.Commit()
	n := len(x.o.saved)
	if n == 0 {
		if err != ErrRoot {
			return fmt.Errorf("commit at the root: %v", err)
		}
		return nil
	}
	x.o.saved = x.o.saved[:n-1]
	return err
}

func (x *machine) reset() error {
	err := x.m.Reset()
	n := len(x.o.saved)
	if n == 0 {
		if err != ErrRoot {
			return fmt.Errorf("reset at the root: %v", err)
		}
		return nil
	}
	x.o.now = clone(x.o.saved[n-1])
	return err
}

func (x *machine) write(off int, v byte) error {
	x.o.now[off] = v
	if !x.m.Store8(code.Base+uint64(off), v) {
		return fmt.Errorf("store at %d refused", off)
	}
	return nil
}

func (x *machine) grow(pages int) error {
	x.o.now = append(x.o.now, make([]byte, pages*PageBytes)...)
	return x.m.Grow(uint64(len(x.o.now)))
}

func (x *machine) take() error {
	p, err := x.m.Take()
	if err != nil {
		return err
	}
	if n := len(x.takes); n > 0 {
		if err := checkChanged(x.takes[n-1], p, x.were[n-1], x.o.now); err != nil {
			return err
		}
	}
	x.takes, x.were = append(x.takes, p), append(x.were, clone(x.o.now))
	return nil
}

func checkChanged(a, b *Pages, was, now []byte) error {
	got := map[uint64]bool{}
	var err error
	b.Changed(a, func(page uint64, data []byte) bool {
		got[page] = true
		if data == nil {
			data = zeroPage[:]
		}
		if !bytes.Equal(data, pageOf(now, page)) {
			err = fmt.Errorf("changed page %d has wrong data", page)
		}
		return true
	})
	for p := uint64(0); p < uint64(max(len(was), len(now)))/PageBytes; p++ {
		if got[p] == bytes.Equal(pageOf(was, p), pageOf(now, p)) {
			return fmt.Errorf("changed page %d: %v", p, got[p])
		}
	}
	return err
}

// load goes back to take i.
func (x *machine) load(i int) error {
	x.o.now = clone(x.were[i])
	return x.m.Load(x.takes[i])
}

func newMachine(t testing.TB, limitPages int) *machine {
	m, err := New(uint64(limitPages) * PageBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return &machine{m: m}
}

// tiny is a full copy of the content of the exhaustive test's memory: its size in pages and the only two bytes that are ever written.
type tiny struct {
	pages int
	b     [2]byte
}

var tinyAt = [2]uint64{7, PageBytes + 9}

func tinyOf(m *Memory) tiny {
	c := tiny{pages: int(m.Size() / PageBytes)}
	for i, at := range tinyAt {
		c.b[i] = m.Load8(code.Base + at)
	}
	return c
}

func tinyTaken(p *Pages) tiny {
	c := tiny{pages: int(p.Size() / PageBytes)}
	for i, at := range tinyAt {
		if data := p.Page(at / PageBytes); data != nil {
			c.b[i] = data[at%PageBytes]
		}
	}
	return c
}

const (
	stepSave = iota
	stepUndo
	stepCommit
	stepReset
	stepWriteA
	stepWriteB // on a fresh page, which the first such write makes
	stepTake
	stepKinds
)

var stepNames = [stepKinds]string{"save", "undo", "commit", "reset", "write a", "write b", "take"}

// hasRootError reports whether the sequence closes a save when none is open: it does what the sequence without that step does.
func hasRootError(sequence []int) bool {
	open := 0
	for _, kind := range sequence {
		switch kind {
		case stepSave:
			open++
		case stepUndo, stepCommit:
			open--
		case stepReset:
			if open == 0 {
				return true
			}
		}
		if open < 0 {
			return true
		}
	}
	return false
}

// runSequence makes the steps on m and on full copies and compares after each.
func runSequence(m *Memory, sequence []int) error {
	var (
		now   = tiny{pages: 1}
		saved []tiny
		takes []*Pages
		were  []tiny
	)
	for n, kind := range sequence {
		var err error
		open := len(saved)
		switch kind {
		case stepSave:
			saved = append(saved, now)
			err = m.Save()
		case stepUndo:
			now, saved = saved[open-1], saved[:open-1]
			err = m.Undo()
		case stepCommit:
			saved = saved[:open-1]
			err = m.Commit()
		case stepReset:
			now = saved[open-1]
			err = m.Reset()
		case stepWriteA:
			now.b[0] = byte(n + 1)
			m.Store8(code.Base+tinyAt[0], byte(n+1))
		case stepWriteB:
			now.pages, now.b[1] = 2, byte(n+1)
			if err = m.Grow(2 * PageBytes); err == nil {
				m.Store8(code.Base+tinyAt[1], byte(n+1))
			}
		case stepTake:
			var p *Pages
			p, err = m.Take()
			takes, were = append(takes, p), append(were, now)
		}
		if err != nil || tinyOf(m) != now || m.Depth() != len(saved) {
			return fmt.Errorf("step %d: content %v, depth %d; want %v, %d (%v)", n, tinyOf(m), m.Depth(), now, len(saved), err)
		}
	}
	for i, p := range takes {
		if tinyTaken(p) != were[i] {
			return fmt.Errorf("take %d is %v, want %v", i, tinyTaken(p), were[i])
		}
	}
	for len(saved) > 0 { // every save still open must be right
		now, saved = saved[len(saved)-1], saved[:len(saved)-1]
		if err := m.Undo(); err != nil || tinyOf(m) != now {
			return fmt.Errorf("undo to depth %d gives %v, want %v (%v)", len(saved), tinyOf(m), now, err)
		}
	}
	for _, err := range []error{m.Undo(), m.Commit(), m.Reset()} {
		if err != ErrRoot || tinyOf(m) != now {
			return fmt.Errorf("closing at the root: %v, content %v, want %v", err, tinyOf(m), now)
		}
	}
	if p, err := m.Take(); err != nil || tinyTaken(p) != now {
		return fmt.Errorf("last take is %v, want %v (%v)", tinyTaken(p), now, err)
	}
	return nil
}

// TestEverySequence walks every sequence of up to 8 steps over 7 kinds on a memory of one or two pages and compares with full copies after each step.
func TestEverySequence(t *testing.T) {
	depth := 8
	if testing.Short() {
		depth = 6
	}
	m := newMachine(t, 3).m
	sequence := make([]int, depth)
	total, ran := int(math.Pow(stepKinds, float64(depth))), 0
	for count := range total {
		for i, c := 0, count; i < depth; i++ {
			sequence[depth-1-i] = c % stepKinds
			c /= stepKinds
		}
		if hasRootError(sequence) {
			continue
		}
		ran++
		restart(m)
		if err := runSequence(m, sequence); err != nil {
			var names []string
			for _, kind := range sequence {
				names = append(names, stepNames[kind])
			}
			t.Fatalf("%q: %v", names, err)
		}
	}
	t.Logf("%d sequences", ran)
}

// restart makes m one page large and zero, as new, without another region.
func restart(m *Memory) {
	for _, at := range tinyAt {
		m.region[at] = 0
		*m.mark(at / PageBytes) = 0
	}
	m.dirty.clear()
	m.levels = m.levels[:1]
	m.levels[0] = level{}
	m.taken, m.loaded, m.lent, m.takeFrom, m.last, m.epoch = nil, nil, nil, 0, 1, 1
	m.resize(PageBytes)
}

// unwind undoes every open save, checking each.
func (x *machine) unwind() error {
	for len(x.o.saved) > 0 {
		if err := x.undo(); err != nil {
			return err
		}
		if err := x.check(); err != nil {
			return fmt.Errorf("unwinding to depth %d: %w", len(x.o.saved), err)
		}
	}
	if err := x.take(); err != nil {
		return err
	}
	return x.check()
}

// TestRandomSteps drives a larger memory for long, with loads of earlier takes and the renumbering of epochs.
func TestRandomSteps(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	for round := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, round))
		x := newMachine(t, 300)
		if err := x.grow(40); err != nil {
			t.Fatal(err)
		}
		for n := range 1500 {
			if err := x.randomStep(r); err != nil {
				t.Fatalf("round %d, step %d: %v", round, n, err)
			}
			if n%5 == 0 {
				if err := x.check(); err != nil {
					t.Fatalf("round %d, step %d: %v", round, n, err)
				}
			}
		}
		if err := x.unwind(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := x.checkOver(r); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if round%2 == 1 && len(x.takes) > 0 { // what was loaded is what is lent
			if err := x.load(len(x.takes) - 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.close(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// close closes the memory: its takes live on.
func (x *machine) close() error {
	if err := x.m.Close(); err != nil {
		return err
	}
	for i, p := range x.takes {
		if err := samePages(p, x.were[i]); err != nil {
			return fmt.Errorf("take %d of a closed memory: %w", i, err)
		}
	}
	return nil
}

// checkOver keeps takes as changes of one another, and those as changes of one another.
func (x *machine) checkOver(r *rand.Rand) error {
	var over []*Pages
	for i, p := range x.takes {
		base := x.takes[r.IntN(len(x.takes))]
		if len(over) > 0 && r.IntN(2) == 0 {
			base = over[r.IntN(len(over))]
		}
		over = append(over, p.Over(base))
		if r.IntN(2) == 0 {
			if err := samePages(over[i], x.were[i]); err != nil {
				return fmt.Errorf("take %d over another: %w", i, err)
			}
		}
	}
	for i, p := range over {
		if err := samePages(p, x.were[i]); err != nil {
			return fmt.Errorf("take %d over another, at the end: %w", i, err)
		}
	}
	return nil
}

// TestLoadedTakeOutlivesItsMemory: pages that a memory lends to a take stay lent when it loads that take.
func TestLoadedTakeOutlivesItsMemory(t *testing.T) {
	x := newMachine(t, 8)
	if err := errors.Join(x.grow(4), x.write(5, 7), x.take(), x.write(PageBytes, 8), x.take(), x.load(1), x.write(3*PageBytes, 9), x.take(), x.close()); err != nil {
		t.Fatal(err)
	}
}

func (x *machine) randomStep(r *rand.Rand) error {
	switch k := r.IntN(100); {
	case k < 12:
		return x.save()
	case k < 18:
		return x.undo()
	case k < 22:
		return x.commit()
	case k < 25:
		return x.reset()
	case k < 33:
		return x.take()
	case k < 35 && len(x.takes) > 0:
		return x.load(r.IntN(len(x.takes)))
	case k < 38:
		if len(x.o.now) < 200*PageBytes {
			return x.grow(1 + r.IntN(20))
		}
	case k < 40:
		x.m.renumber()
	case k < 41:
		x.m.last = max(x.m.last, math.MaxUint32-2) // the next number but one renumbers
	case k < 44:
		if len(x.takes) > 4 {
			x.takes, x.were = x.takes[2:], x.were[2:]
		}
	case k < 60:
		return x.bulk(r)
	default:
		off := r.IntN(len(x.o.now))
		if r.IntN(4) == 0 {
			return x.write(off, 0) // content comes back to what it was
		}
		return x.write(off, byte(r.Uint32()))
	}
	return nil
}

func (x *machine) bulk(r *rand.Rand) error {
	n := r.IntN(3 * PageBytes)
	dst, src := r.IntN(len(x.o.now)), r.IntN(len(x.o.now))
	ok := x.m.InRange(code.Base+uint64(dst), uint64(n)) && x.m.InRange(code.Base+uint64(src), uint64(n))
	if want := dst+n <= len(x.o.now) && src+n <= len(x.o.now); ok != want {
		return fmt.Errorf("InRange says %v", ok)
	}
	switch {
	case !ok:
		if x.m.Copy(code.Base+uint64(dst), code.Base+uint64(src), uint64(n)) {
			return fmt.Errorf("copy beyond the end")
		}
	case r.IntN(3) == 0:
		clear(x.o.now[dst : dst+n])
		x.m.Zero(code.Base+uint64(dst), uint64(n))
	default:
		copy(x.o.now[dst:dst+n], x.o.now[src:src+n])
		x.m.Copy(code.Base+uint64(dst), code.Base+uint64(src), uint64(n))
	}
	return nil
}
