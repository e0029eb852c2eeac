package quorum

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDurableAgainstCounting(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	names := []string{"a", "b", "c", "d", "e"}
	for range 2000 {
		var tally Tally
		last := map[string]Ack{}
		for range rnd.IntN(20) {
			n := names[rnd.IntN(5)]
			a := Ack{Epoch{uint64(1 + rnd.IntN(2)), [16]byte{byte(rnd.IntN(2))}}, uint64(1 + rnd.IntN(9)), 0}
			a.Lines = a.Turn * 2
			if old, ok := last[n]; !ok || a.Epoch.Number > old.Epoch.Number || a.Epoch.Number == old.Epoch.Number && a.Turn >= old.Turn {
				last[n] = a
			}
			tally.Heard(n, a)
		}
		voters := names[:1+rnd.IntN(5)]
		need := More(len(voters))
		e := Epoch{uint64(1 + rnd.IntN(2)), [16]byte{}}
		want := uint64(0)
		for turn := uint64(1); turn < 10; turn++ {
			n := 0
			for _, v := range voters {
				if last[v].Epoch == e && last[v].Turn >= turn {
					n++
				}
			}
			if n >= need {
				want = turn
			}
		}
		if got, lines := tally.Durable(e, need, voters); got != want || lines != 2*want {
			t.Fatalf("turn %d with %d lines, want %d: %v of %v", got, lines, want, last, voters)
		}
	}
}

// TestEpochsOfOneNumber: of two epochs with one number at one turn the later word of a member counts, and a lower one never.
func TestEpochsOfOneNumber(t *testing.T) {
	a, b := Ack{Epoch{3, [16]byte{1}}, 4, 3}, Ack{Epoch{3, [16]byte{2}}, 4, 3}
	var tally Tally
	for _, x := range []Ack{a, b, {Epoch{3, [16]byte{1}}, 3, 2}, b} {
		tally.Heard("p", x)
		tally.Heard("q", b)
	}
	if tally.Of("p") != b {
		t.Errorf("the last word is %v", tally.Of("p"))
	}
	if turn, lines := tally.Durable(b.Epoch, 2, []string{"p", "q"}); turn != 4 || lines != 3 {
		t.Errorf("turn %d, %d lines", turn, lines)
	}
	if tally.Heard("p", b) || !a.After(b) || a.After(a) {
		t.Error("the same word twice is news, or another is none")
	}
}

// TestMajoritiesMeet is the ground of it all, tried for all lists of up to six: majorities of lists one step apart have a voter in common.
func TestMajoritiesMeet(t *testing.T) {
	for n := 1; n <= 6; n++ {
		for _, m := range []int{n, n + 1} { // of the first m, the smaller list is the first n
			for a := range 1 << n {
				for b := range 1 << m {
					if bits(a) >= More(n) && bits(b) >= More(m) && a&b == 0 {
						t.Fatalf("%b of %d and %b of %d", a, n, b, m)
					}
				}
			}
		}
	}
}

func bits(x int) (n int) {
	for ; x > 0; x &= x - 1 {
		n++
	}
	return n
}

func TestChangeByOne(t *testing.T) {
	all := []string{"a", "b", "c", "d"}
	voters, steps := []string{"b", "x", "y"}, 0
	for {
		next, same := Change(voters, all, func(m string) bool { return m != "d" })
		if same {
			break
		}
		diff := 0
		for _, v := range append(slices.Clone(voters), next...) {
			if slices.Contains(voters, v) != slices.Contains(next, v) {
				diff++
			}
		}
		if diff != 1 {
			t.Fatalf("%v to %v", voters, next)
		}
		voters = next
		steps++
	}
	if fmt.Sprint(voters) != "[a b c]" || steps != 4 {
		t.Errorf("%v after %d steps", voters, steps)
	}
	if next, same := Change([]string{"x"}, nil, nil); !same || len(next) != 1 {
		t.Error("the last voter was taken out")
	}
}

func TestPromise(t *testing.T) {
	p := Promise{5, "a"}
	for _, c := range []struct {
		epoch uint64
		peer  string
		want  bool
	}{{4, "a", false}, {5, "a", true}, {5, "b", false}, {6, "b", true}} {
		if p.Allows(c.epoch, c.peer) != c.want {
			t.Errorf("%v", c)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for text, want := range map[string]Level{"": Local, "local": Local, "1": Local, "3": 3, "majority": Majority} {
		if l, err := ParseLevel(text); err != nil || l != want {
			t.Errorf("%q: %v, %v", text, l, err)
		}
	}
	for _, text := range []string{"0", "-1", "all", "70000"} {
		if _, err := ParseLevel(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
