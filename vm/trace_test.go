package vm

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// traced is a program whose functions the compiler inlines into one another. A comment "N: f" says that frame N of its traceback is f at that line.
const traced = `package main

type node struct {
	next *node
	v    int
}

func (n *node) get() int {
	return n.v // 2: main.(*node).get(...)
}

func walk(n *node) int {
	s := 0
	for i := 0; i < 3; i++ {
		s += n.
			get() // 3: main.walk(...)
		n = n.next
	}
	return s
}

func try(f func()) {
	defer func() {
		if r := recover(); r != nil {
			panic(r) // 0: main.try.func1()
		}
	}()
	f() // 5: main.try(...)
}

func main() {
	x := []int{1}
	try(func() { // 6: main.main()
		println(x[0],
			walk(&node{v: 1}), // 4: main.main.func1()
			x[1])
	})
}
`

// TestTraceback: a panic that ends the program names the functions and lines it came through, inlined ones as well, as Go's do.
func TestTraceback(t *testing.T) {
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(traced), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Compile(context.Background(), Source{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	var out collected
	m, err := New(p, Config{Output: &out, Clock: epoch2026()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, exit := finish(t, m, epoch2026(), 0, func(m *Machine) *Machine { return m }); exit != 2 {
		t.Fatalf("exit status %d\n%s", exit, &out.stderr)
	}
	_, trace, _ := strings.Cut(out.stderr.String(), "goroutine 1 [running]:\n")
	frames := regexp.MustCompile(`(?m)^(\S+\))\n\t\S*?([^/\s]+:\d+)`).FindAllStringSubmatch(trace, -1)
	if len(frames) != 7 || !strings.HasPrefix(frames[1][1], "panic(") {
		t.Fatalf("%d frames, want 7, the second of panic:\n%s", len(frames), &out.stderr)
	}
	for number, line := range strings.Split(traced, "\n") {
		_, mark, ok := strings.Cut(line, "// ")
		if !ok {
			continue
		}
		frame := frames[mark[0]-'0']
		if want := strings.TrimSpace(mark[2:]); frame[1] != want || !strings.HasSuffix(frame[2], "main.go:"+strconv.Itoa(number+1)) {
			t.Errorf("frame %c is %s at %s, want %s at line %d", mark[0], frame[1], frame[2], want, number+1)
		}
	}
}
