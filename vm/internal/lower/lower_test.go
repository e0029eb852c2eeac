package lower

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/load"
)

var update = flag.Bool("update", false, "rewrite golden files")

// build lowers the Go source text as package main.
func build(t testing.TB, src string) *code.Image { return buildWith(t, src, load.Config{}) }

func buildWith(t testing.TB, src string, c load.Config) *code.Image {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Paths = []string{file}
	p, err := load.Load(c)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Build(p, Config{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// disasm prints the functions of package main.
func disasm(m *code.Image) string {
	var b strings.Builder
	for i, f := range m.Funcs {
		if strings.HasPrefix(f.Name, "main.") {
			b.WriteString(code.Disasm(m, i))
		}
	}
	return b.String()
}

// TestGolden compares the code of small functions with testdata/NAME.txt.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test programs: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := disasm(build(t, string(src)))
			golden := strings.TrimSuffix(file, ".go") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, _ := os.ReadFile(golden)
			if !bytes.Equal(want, []byte(got)) {
				t.Errorf("%s differs (go test -update rewrites it):\n%s", golden, got)
			}
		})
	}
}

// TestCanonical builds a program twice from separate loads: the images must be the same bytes.
func TestCanonical(t *testing.T) {
	src := "package main\n\nimport (\n\t\"fmt\"\n\t\"sort\"\n\t\"strings\"\n)\n\nfunc main() {\n\tx := strings.Fields(\"c b a\")\n\tsort.Strings(x)\n\tfmt.Println(x, map[string]int{\"a\": 1})\n}\n"
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	var first *code.Image
	for range 4 {
		p, err := load.Load(load.Config{Paths: []string{file}})
		if err != nil {
			t.Fatal(err)
		}
		m, err := Build(p, Config{})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = m
			continue
		}
		a, err := first.Encode()
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(a, b) {
			continue
		}
		if len(first.Funcs) != len(m.Funcs) {
			t.Errorf("%d functions and %d", len(first.Funcs), len(m.Funcs))
		}
		for i := range min(len(first.Funcs), len(m.Funcs)) {
			if x, y := code.Disasm(first, i), code.Disasm(m, i); x != y {
				t.Fatalf("function %d differs:\n%s\n%s", i, x, y)
			}
		}
		t.Fatal("the data differs")
	}
}

// TestStaticData says that a table of constants is data: no instruction fills it, however its literals nest.
func TestStaticData(t *testing.T) {
	src := "package main\n\ntype pair struct{ lo, hi uint16 }\n\ntype set struct {\n\tname string\n\tof   []pair\n\tup   *set\n\tany  any\n\tf    func(int) int\n}\n\n" +
		"func id(n int) int { return n }\n\nvar sets = map[bool]*set{}\n\nvar table = []set{\n" +
		strings.Repeat("\t{\"x\", []pair{{1, 2}, {3, 4}}, &set{name: \"y\", any: pair{5, 6}}, 7, id},\n", 50) + "}\n\nfunc main() { println(len(table), len(sets)) }\n"
	m := build(t, src)
	for _, f := range m.Funcs {
		if words := f.End - f.Entry; f.Name == "main.init" && words > 8 {
			t.Errorf("the initialiser has %d instruction words, want the few that make the map", words)
		}
	}
}

// Names of variables are noted beside the code, which stays as it is but for the places of data.
func TestNamesChangeNoCode(t *testing.T) {
	files, err := filepath.Glob("testdata/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test programs: %v", err)
	}
	addresses := regexp.MustCompile(`0x[0-9a-f]+|[0-9]{4,}`)
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		with, without := buildWith(t, string(src), load.Config{Names: true}), build(t, string(src))
		if len(without.Locals) > 0 || len(with.Locals) == 0 {
			t.Errorf("%s: %d places of variables without names, %d with", file, len(without.Locals), len(with.Locals))
		}
		if a, b := addresses.ReplaceAllString(disasm(with), "N"), addresses.ReplaceAllString(disasm(without), "N"); a != b {
			t.Errorf("%s: with names\n%s\nwithout\n%s", file, a, b)
		}
	}
}
