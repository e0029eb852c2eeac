package vm

import (
	"context"
	"runtime"
	"strings"
	"testing"
)

// overlapping is small in memory and huge to whoever writes out what each variable holds.
const overlapping = `package main

var (
	Suffixes []string
	Parts    [][]byte
	Nothing  [1 << 30][1 << 30]struct{}
	Many     []struct{}
	Long     []byte
	Text     string
	N        int
)

func main() {
	b := make([]byte, 1<<20)
	s := string(b)
	for i := range 20000 {
		Suffixes = append(Suffixes, s[i:])
		Parts = append(Parts, b[i:])
	}
	Many = make([]struct{}, 1<<31)
	Long = make([]byte, 1000)
	Text = string(Long)
	for {
		N = 7
		Long[999]++
		Text = string(Long)
	}
}
`

// TestOverlappingValuesAreBounded: what looks at a run takes no more than a few times its memory, however large its variables say they are.
func TestOverlappingValuesAreBounded(t *testing.T) {
	ctx := context.Background()
	p := source(t, overlapping)
	m, err := New(p, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var before, after runtime.MemStats
	var snapshots []*Snapshot
	for range 2 {
		if _, err := m.Run(ctx, 3_000_000); err != nil {
			t.Fatal(err)
		}
		s, err := m.Take(ctx)
		if err != nil {
			t.Fatal(err)
		}
		snapshots = append(snapshots, s)
	}
	runtime.ReadMemStats(&before)
	vars, err := snapshots[0].Values()
	runtime.ReadMemStats(&after)
	if made := after.TotalAlloc - before.TotalAlloc; err != nil || made > 64*snapshots[0].SizeBytes() {
		t.Errorf("%d MB made of %d, %v", made>>20, snapshots[0].SizeBytes()>>20, err)
	}
	for _, v := range vars {
		switch v.Name {
		case "main.Suffixes", "main.Parts", "main.Nothing", "main.Many":
			if v.Value.Present() || v.Note == "" {
				t.Errorf("%s is %.40v %q", v.Name, v.Value, v.Note)
			}
		case "main.N":
			if v.Value.Int() != 7 {
				t.Errorf("%s is %v: the program is not far enough", v.Name, v.Value)
			}
		}
	}
	// A difference beyond what is shown of a long text is one.
	differ, err := Differences(snapshots[0], snapshots[1], false)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range differ {
		names = append(names, d.Path)
	}
	if got := strings.Join(names, " "); got != "main.Long main.Text" {
		t.Errorf("differ in %s", got)
	}
}
