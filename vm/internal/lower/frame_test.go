package lower_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManyVariables compiles one function with more variables than a frame has slots, and runs it.
func TestManyVariables(t *testing.T) {
	var s strings.Builder
	s.WriteString("package main\n\nfunc main() {\n\tn, p := 0, 0\n\tdefer func() { println(n, p) }()\n")
	for i := range 600 {
		fmt.Fprintf(&s, "\t{\n\t\tvar t [%d]byte\n\t\tfor i := range t {\n\t\t\tt[i] += byte(i + n)\n\t\t}\n\t\tn += int(t[n%%len(t)])\n\t\tp += len(append([]byte(nil), t[p%%len(t):]...))\n\t}\n", 1024-i%64)
	}
	s.WriteString("}\n")
	file := filepath.Join(t.TempDir(), "many.go")
	if err := os.WriteFile(file, []byte(s.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	want := native(t, file)
	img := compile(t, file)
	if got, _ := run(t, img); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for _, f := range img.Funcs {
		if f.Name == "main.main" && f.FrameSlots < 1<<14 {
			t.Errorf("a frame of %d slots: it fits without", f.FrameSlots)
		}
	}
}
