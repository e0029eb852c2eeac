package lower_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManyVariables compiles one function with more variables than a frame has slots, and one that calls small functions with as many, and runs them.
func TestManyVariables(t *testing.T) {
	var one, calls, small strings.Builder
	head := "package main\n\nfunc main() {\n\tn, p := 0, 0\n\tdefer func() { println(n, p) }()\n"
	one.WriteString(head)
	calls.WriteString(head)
	for i := range 600 {
		fmt.Fprintf(&one, "\t{\n\t\tvar t [%d]byte\n\t\tfor i := range t {\n\t\t\tt[i] += byte(i + n)\n\t\t}\n\t\tn += int(t[n%%len(t)])\n\t\tp += len(append([]byte(nil), t[p%%len(t):]...))\n\t}\n", 1024-i%64)
	}
	for i := range 100 {
		fmt.Fprintf(&calls, "\tn += f%d(n)\n", i)
		fmt.Fprintf(&small, "\nfunc f%d(n int) int {\n\tvar t [%d]byte\n\tt[n%%len(t)] = byte(n + %d)\n\treturn int(t[(n+n%%3)%%len(t)]) + z%d()[n%%50]\n}\n\nfunc z%d() [%d]int {\n\tvar t [%d]int\n\treturn t\n}\n", i, 1024-i%64, i, i, i, 100+i%20, 100+i%20)
	}
	one.WriteString("}\n")
	calls.WriteString("}\n" + small.String())
	manyVariables(t, one.String(), 1<<14, 1<<16)
	manyVariables(t, calls.String(), 0, 1<<10)
}

// manyVariables runs a program of which main's frame has to have from least to most slots.
func manyVariables(t *testing.T, text string, least, most int32) {
	file := filepath.Join(t.TempDir(), "many.go")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	want := native(t, file)
	img := compile(t, file)
	if got, _ := run(t, img); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for _, f := range img.Funcs {
		if f.Name == "main.main" && (f.FrameSlots < least || f.FrameSlots >= most) {
			t.Errorf("a frame of %d slots, want one from %d to below %d", f.FrameSlots, least, most)
		}
	}
}
