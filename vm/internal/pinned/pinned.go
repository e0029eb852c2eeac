// Package pinned holds tests to what must not change under an old version number: layouts of memory, which stand in snapshots. It is no general
// golden file: a file is written once and never again, so whoever changes what it says has to take a new number.
package pinned

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("pin", false, "write the files of versions that have none yet")

// Check compares now with testdata/NAME-VERSION.txt. advice says what to do about a difference.
func Check(t testing.TB, name string, version int, now, advice string) {
	t.Helper()
	file := filepath.Join("testdata", fmt.Sprintf("%s-%d.txt", name, version))
	want, err := os.ReadFile(file)
	if os.IsNotExist(err) && *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v: this version is new; run this test with -pin", err)
	}
	old, lines := strings.Split(string(want), "\n"), strings.Split(now, "\n")
	for i := range max(len(old), len(lines)) {
		if i >= len(old) || i >= len(lines) || old[i] != lines[i] {
			t.Fatalf("%s, line %d: %q was %q.\n%s Then run this test with -pin.", file, i+1, at(lines, i), at(old, i), advice)
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// Struct lists the fields of a struct value as lines "name.field offset size".
func Struct(name string, v any) string {
	var b strings.Builder
	typ := reflect.TypeOf(v)
	for i := range typ.NumField() {
		f := typ.Field(i)
		fmt.Fprintf(&b, "%s.%s %d %d\n", name, f.Name, f.Offset, f.Type.Size())
	}
	fmt.Fprintf(&b, "%s %d\n", name, typ.Size())
	return b.String()
}
