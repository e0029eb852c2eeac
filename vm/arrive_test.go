package vm

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// arriving is a program whose state is some hundred pages, all of which it looks at.
const arriving = `package main

import "os"

type node struct { left, right *node; text string }

//tandem:shared counter
var Sum int

func tree(depth int) *node {
	if depth == 0 { return &node{text: "leaf" + string(rune('a'+Sum%26))} }
	Sum++
	return &node{tree(depth-1), tree(depth-1), ""}
}

func (n *node) count() int {
	if n.left == nil { return len(n.text) }
	return n.left.count() + n.right.count()
}

func main() {
	t, names := tree(11), map[int]string{}
	for i := range 3000 { names[i] = "n" + string(rune('a'+i%26)) }
	for round := range 6 {
		Sum += t.count()
		for i := range 3000 { Sum += len(names[i*7%3000]) }
		os.Stdout.WriteString("round " + string(rune('0'+round)) + "\n")
		if round%2 == 0 { t.left, t.right = t.right, t.left; delete(names, round) }
	}
	println(Sum)
}
`

// halfway runs p for a while and is the file of a snapshot of it, and what was printed until then.
func halfway(t testing.TB, p *Program, words uint64) (file []byte, printed string) {
	t.Helper()
	var out collected
	m, err := New(p, Config{Clock: epoch2026(), Output: &out})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if stop, err := m.Run(context.Background(), words); err != nil || stop.End != EndSlice && stop.End != EndCommit {
		t.Fatal(stop, err)
	}
	s, err := m.Take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if file, err = s.Encode(); err != nil {
		t.Fatal(err)
	}
	return file, out.stdout.String() + out.stderr.String()
}

// TestOpenedSnapshotGoesOn continues a run from a file whose pages come as they are met: in slices of every size, in turns, some of which fail,
// and taken again while pages are away. It goes on as if undisturbed.
func TestOpenedSnapshotGoesOn(t *testing.T) {
	ctx := context.Background()
	p := source(t, arriving)
	want, count, _ := undisturbed(t, p)
	for _, begin := range []uint64{count / 4, count / 2} {
		file, printed := halfway(t, p, begin)
		for _, words := range []uint64{100, 7000, 1 << 30} {
			s, err := OpenSnapshot(p, bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			m, err := Resume(ctx, p, Config{Clock: epoch2026()}, s)
			if err != nil {
				t.Fatal(err)
			}
			if !m.mem.Away() {
				t.Fatal("no page is away")
			}
			out := collected{}
			out.stdout.WriteString(printed)
			exit := -1
			for n := 0; exit < 0; n++ {
				if err := m.BeginTurn(); err != nil {
					t.Fatal(err)
				}
				stop, err := m.RunTurn(ctx, words+uint64(n)*100)
				if err != nil {
					t.Fatal(err)
				}
				if n%4 == 1 {
					if err := m.FailTurn(); err != nil {
						t.Fatal(err)
					}
					continue
				}
				turn, err := m.EndTurn()
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range turn.Lines {
					out.WriteOutput(l.Stream, l.Text)
				}
				if stop.End == EndExit {
					exit = stop.Exit
				}
				if n == 2 {
					again, err := m.Take(ctx)
					if err != nil {
						t.Fatal(err)
					}
					m.Close()
					if m, err = Resume(ctx, p, Config{Clock: epoch2026()}, again); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := out.outcome(exit); got != want || m.Instructions() != count {
				t.Errorf("begun at %d in turns of %d: %d instructions\n%s\nwant %d\n%s", begin, words, m.Instructions(), got, count, want)
			}
			m.Close()
		}
	}
}

// TestDamagedPageEndsARun damages each page of a file in turn: the run made of it ends by an error before anything that came of the page is seen.
func TestDamagedPageEndsARun(t *testing.T) {
	ctx := context.Background()
	p := source(t, arriving)
	want, count, _ := undisturbed(t, p)
	file, printed := halfway(t, p, count/2)
	met := 0
	for at := len(file) - 40; at > 4096; at -= 4096 {
		bad := bytes.Clone(file)
		bad[at] ^= 4
		s, err := OpenSnapshot(p, bytes.NewReader(bad), int64(len(bad)))
		if err != nil {
			met++
			continue
		}
		out := collected{}
		out.stdout.WriteString(printed)
		m, err := Resume(ctx, p, Config{Clock: epoch2026(), Output: &out}, s)
		for err == nil {
			var stop Stop
			if stop, err = m.Run(ctx, 5000); err == nil && stop.End == EndExit {
				break
			}
		}
		if err == nil {
			t.Fatalf("damage at %d of %d was not met", at, len(file))
		}
		met++
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "page ") {
			t.Fatal(err)
		}
		if got := out.stdout.String(); !strings.HasPrefix(want, "stdout") && !strings.Contains(want, strings.TrimSpace(got)) {
			t.Fatalf("printed %q", got)
		}
		if m == nil {
			continue
		}
		if _, err := m.Run(ctx, 1); !errors.Is(err, ErrDamaged) {
			t.Errorf("run again: %v", err)
		}
		if _, err := m.Take(ctx); !errors.Is(err, ErrDamaged) {
			t.Errorf("taken: %v", err)
		}
		m.Close()
		if _, err := s.Encode(); !errors.Is(err, ErrDamaged) {
			t.Errorf("encoded again: %v", err)
		}
		if _, err := s.Values(); !errors.Is(err, ErrDamaged) {
			t.Errorf("values: %v", err)
		}
	}
	if met < 50 {
		t.Errorf("%d damaged files", met)
	}
}

// BenchmarkOpenSnapshot begins a run of 10 MiB from a file, to its first instruction and until all is there. The naive arm reads the file, decodes it and resumes.
func BenchmarkOpenSnapshot(b *testing.B) {
	ctx := context.Background()
	m := holding(b, 10)
	p := m.Program()
	s, err := m.Take(ctx)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := s.Encode()
	if err != nil {
		b.Fatal(err)
	}
	name := filepath.Join(b.TempDir(), "snapshot")
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		b.Fatal(err)
	}
	var first, all, naive []time.Duration
	for b.Loop() {
		start := time.Now()
		f, err := os.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		s, err := OpenSnapshot(p, f, int64(len(raw)))
		if err != nil {
			b.Fatal(err)
		}
		n, err := Resume(ctx, p, Config{Clock: epoch2026()}, s)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := n.Run(ctx, 1); err != nil {
			b.Fatal(err)
		}
		first = append(first, time.Since(start))
		for n.mem.Away() {
			step(b, n)
		}
		all = append(all, time.Since(start))
		n.Close()
		f.Close()

		start = time.Now()
		bytes, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		if s, err = DecodeSnapshot(p, bytes); err != nil {
			b.Fatal(err)
		}
		if n, err = Resume(ctx, p, Config{Clock: epoch2026()}, s); err != nil {
			b.Fatal(err)
		}
		if _, err := n.Run(ctx, 1); err != nil {
			b.Fatal(err)
		}
		naive = append(naive, time.Since(start))
		n.Close()
	}
	ms := func(d []time.Duration) float64 { return float64(median(d).Microseconds()) / 1000 }
	b.ReportMetric(ms(first), "ms/first-instruction")
	b.ReportMetric(ms(all), "ms/all-there")
	b.ReportMetric(ms(naive), "ms/decoded")
	b.ReportMetric(float64(median(naive))/float64(median(first)), "x-decoded")
}
