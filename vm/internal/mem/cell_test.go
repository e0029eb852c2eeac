package mem

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// TestReadWhileWritten reads takes in other goroutines while the memory they were taken of is written, undone, taken again and closed.
func TestReadWhileWritten(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	x := &machine{}
	var err error
	if x.m, err = New(64 * PageBytes); err != nil {
		t.Fatal(err)
	}
	x.grow(40)
	var readers sync.WaitGroup
	failed := make(chan error, 1)
	for range 200 {
		for range r.IntN(20) {
			x.write(r.IntN(len(x.o.now)), byte(r.Uint32()))
		}
		switch r.IntN(4) {
		case 0:
			err = x.save()
		case 1:
			err = x.undo()
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := x.m.Take()
		if err != nil {
			t.Fatal(err)
		}
		want := clone(x.o.now)
		readers.Go(func() {
			if err := samePages(p, want); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := x.m.Close(); err != nil {
		t.Fatal(err)
	}
	readers.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
}

// TestTakesShareLoans checks that a page is copied once for all takes that hold it, and not at all while nobody needs it.
func TestTakesShareLoans(t *testing.T) {
	m := newMachine(t, 8).m
	m.Grow(8 * PageBytes)
	for p := range uint64(8) {
		m.Store64(code.Base+p*PageBytes, p+1)
	}
	a, _ := m.Take()
	m.Store64(code.Base+3*PageBytes, 99)
	b, _ := m.Take()
	for p := range uint64(8) {
		lent := fmt.Sprint(a.cell(p).lent(m.loan), b.cell(p).lent(m.loan), a.cell(p) == b.cell(p))
		if want := map[bool]string{true: "false true false", false: "true true true"}[p == 3]; lent != want {
			t.Errorf("page %d: lent to the first, lent to the second, shared: %s, want %s", p, lent, want)
		}
	}
	if a.Page(3)[0] != 4 || b.Page(3)[0] != 99 || &a.Page(5)[0] != &b.Page(5)[0] {
		t.Error("content")
	}
}

// TestManyTakes makes more takes than are kept as lists, none of them read, and reads them all at the end.
func TestManyTakes(t *testing.T) {
	x := newMachine(t, 70)
	x.grow(64)
	r := rand.New(rand.NewPCG(3, 4))
	for range 3 * chainMax {
		x.write(r.IntN(len(x.o.now)), byte(r.Uint32()))
		p, err := x.m.Take()
		if err != nil {
			t.Fatal(err)
		}
		x.takes, x.were = append(x.takes, p), append(x.were, clone(x.o.now))
	}
	if err := x.check(); err != nil {
		t.Fatal(err)
	}
}
