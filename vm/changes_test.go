package vm

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
)

const churning = `package main

import "runtime"

type rec struct { A [40]int; Name string; Tags []string }

//tandem:shared lww
var List []int

//tandem:shared lww
var Deep [][]string

//tandem:shared map lww
var ByName = map[string][]int{}

//tandem:shared map map counter
var Nested = map[string]map[int]int{}

//tandem:shared fields
var Cfg struct { Big [900]int; Rec rec; Title string; Sum int ` + "`tandem:\"counter\"`" + ` }

//tandem:shared set
var Seen map[[2]string]bool

//tandem:shared map lww
var Numbers = map[int]int{}

//tandem:shared lww
var Text string

//tandem:shared map fields
var People map[string]rec

var seed = uint32(7)

func rnd(n int) int { seed = seed*1664525 + 1013904223; return int(seed>>8) % n }

func word(n int) string { b := []byte("word-"); for range 12 { b = append(b, byte('a'+rnd(n))) }; return string(b[:6+rnd(3)]) }

func main() {
	for i := range 3000 { Numbers[i] = i; List = append(List, i) }
	for i := 0; ; i++ {
		switch rnd(19) {
		case 0: List[rnd(len(List))] = i
		case 1: List = append(List, i)
		case 2: Deep = append(Deep, []string{word(3)})
		case 3: if len(Deep) > 0 { d := Deep[rnd(len(Deep))]; d[rnd(len(d))] = word(3) }
		case 4: ByName[word(2)] = []int{i, i}
		case 5: for k, v := range ByName { v[0]++; if rnd(2) == 0 { delete(ByName, k) }; break }
		case 6: k := word(2); if Nested[k] == nil { Nested[k] = map[int]int{} }; Nested[k][rnd(5)]++
		case 7: for _, m := range Nested { m[rnd(9)] += 2; delete(m, rnd(9)); break }
		case 8: Cfg.Big[rnd(900)]++
		case 9: Cfg.Rec.Tags = append(Cfg.Rec.Tags, word(4))
		case 10: if n := len(Cfg.Rec.Tags); n > 0 { Cfg.Rec.Tags[rnd(n)] = word(4) }
		case 11: Cfg.Sum += i; Cfg.Title = word(5)
		case 12: if Seen == nil { Seen = map[[2]string]bool{} }; Seen[[2]string{word(2), word(1)}] = rnd(3) > 0
		case 13: for k := range Seen { delete(Seen, k); break }
		case 14: delete(Numbers, rnd(4000)); Numbers[rnd(4000)] = i
		case 15: Text = word(9)
		case 16: if People == nil { People = map[string]rec{} }; k := word(1); p := People[k]; p.A[rnd(40)] = i; p.Tags = append(p.Tags, "x"); People[k] = p
		case 17: runtime.GC()
		case 18: if rnd(9) == 0 { clear(Numbers); Numbers = map[int]int{1: i} }
		}
	}
}
`

// TestChangesAgainstWholeValues compares the change list of each turn, found on the pages that were touched, with what comparing all values
// before and after the turn gives.
func TestChangesAgainstWholeValues(t *testing.T) {
	ctx := context.Background()
	p := source(t, churning)
	m, _ := machine(t, p, nil)
	values := func() []changes.Value {
		var vs []changes.Value
		for _, v := range p.Variables() {
			x, err := m.Value(v.Name)
			if err != nil {
				t.Fatal(err)
			}
			vs = append(vs, x)
		}
		return vs
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	kinds := map[string]int{}
	for turn := range 150 {
		before := values()
		if err := m.BeginTurn(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.RunTurn(ctx, 300+(seed>>uint(turn%40))%5000); err != nil {
			t.Fatal(err)
		}
		if turn%7 == 3 { // a take within the turn moves what the pages are known by
			if _, err := m.mem.Take(); err != nil {
				t.Fatal(err)
			}
			if _, err := m.RunTurn(ctx, 2000); err != nil {
				t.Fatal(err)
			}
		}
		got, err := m.EndTurn()
		if err != nil {
			t.Fatal(err)
		}
		if !m.begun() || turn == 0 {
			continue
		}
		var want []changes.Change
		after := values()
		for i, v := range p.Variables() {
			want = append(want, changes.Diff(v.Spec, changes.VarPath(v.Name), before[i], after[i])...)
		}
		if len(got.Changes) != len(want) {
			t.Fatalf("seed %d, turn %d: %d changes, want %d:\n%v\n%v", seed, turn, len(got.Changes), len(want), got.Changes, want)
		}
		for i, c := range got.Changes {
			kinds[c.Path.Var]++
			if w := want[i]; !c.Path.Equal(w.Path) || c.Kind != w.Kind || !c.Old.Equal(w.Old) || !c.New.Equal(w.New) {
				t.Fatalf("seed %d, turn %d: change %d is\n%v, want\n%v", seed, turn, i, c, w)
			}
		}
	}
	if len(kinds) != len(p.Variables()) {
		t.Errorf("only %v changed", kinds)
	}
}

// BenchmarkChanges finds the changes of a turn that wrote ten of a million cells; the naive arm reads the variable before and after and compares.
func BenchmarkChanges(b *testing.B) {
	if testing.Short() {
		b.Skip("a million cells")
	}
	for _, kind := range []struct{ name, decl, fill, write, remove string }{
		{"map", "//tandem:shared map lww\nvar V = map[int]int{}", "V[i] = i", "V[k]++", ""},
		{"map-remove", "//tandem:shared map lww\nvar V = map[int]int{}", "V[i] = i", "if V[k] > 0 { delete(V, k) } else { V[k] = k }", ""},
		{"map-text", "//tandem:shared map lww\nvar V = map[int]string{}", "V[i] = \"old\"", "V[k] = text[x>>28:]", ""},
		{"set", "//tandem:shared set\nvar V = map[int]struct{}{}", "V[i] = struct{}{}", "if _, ok := V[k]; ok { delete(V, k) } else { V[k] = struct{}{} }", ""},
		{"fields", "//tandem:shared fields\nvar V struct { Cells [1000000]int; A, B, C, D, E, F, G, H, I, J int }", "V.Cells[i] = i", "switch k%10 { case 0: V.A++; case 1: V.B++; case 2: V.C++; case 3: V.D++; case 4: V.E++; case 5: V.F++; case 6: V.G++; case 7: V.H++; case 8: V.I++; case 9: V.J++ }", ""},
	} {
		b.Run(kind.name, func(b *testing.B) {
			ctx := context.Background()
			p := source(b, fmt.Sprintf(`package main
import "%s"
%s
func main() {
	for i := range 1000000 { %s }
	turn.Commit()
	text := "some sixteen bytes and more"
	_ = text
	x := uint32(1)
	for { for range 10 { x = x*1664525 + 1013904223; k := int(x>>8) %% 1000000; %s }; turn.Commit() }
}
`, "github.com/tandemvm/tandem/vm/turn", kind.decl, kind.fill, kind.write))
			m, _ := machine(b, p, nil)
			turn := func() (found time.Duration, n int) {
				if err := m.BeginTurn(); err != nil {
					b.Fatal(err)
				}
				if _, err := m.RunTurn(ctx, 1<<30); err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				cs, err := m.shared.changed(m.base)
				found = time.Since(start)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := m.EndTurn(); err != nil {
					b.Fatal(err)
				}
				return found, len(cs)
			}
			turn()
			var each []time.Duration
			for b.Loop() {
				found, n := turn()
				if n == 0 || n > 10 {
					b.Fatalf("%d changes", n)
				}
				each = append(each, found)
			}
			before, err := m.Value("main.V")
			if err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			after, err := m.Value("main.V")
			changes.Diff(p.Variables()[0].Spec, changes.VarPath("main.V"), before, after)
			whole := time.Since(start)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(median(each))/1e3, "µs/turn")
			b.ReportMetric(float64(whole)/float64(median(each)), "x-whole")
		})
	}
}
