package load

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/ssa"
)

// tree writes files given as "-- name --" sections below a new directory.
func tree(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for _, section := range strings.Split(text, "-- ")[1:] {
		name, body, _ := strings.Cut(section, " --\n")
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const moduleTree = `
-- go.mod --
module example.com/app // the program

go 1.21

require (
	example.com/lib v1.2.0
	example.com/Cached/mod v0.1.0 // indirect
)

replace example.com/lib => ./lib
-- cmd/main.go --
package main

import (
	"example.com/Cached/mod/deep"
	"example.com/app/internal/inner"
	"example.com/lib"
	"github.com/tandemvm/tandem/vm/turn"
)

func main() {
	println(inner.X, lib.Y, deep.Z)
	turn.Atomic(func() {})
	for i := 0; i < 2; i++ {
		defer func() { println(i) }()
	}
}
-- cmd/main_test.go --
package main

import "testing"

func TestX(t *testing.T) { undefined() }
-- cmd/other_windows.go --
package main

func main() {}
-- cmd/tagged.go --
//go:build arm64 || tandem

package main

func main() {}
-- internal/inner/inner.go --
package inner

var X = 1
-- lib/go.mod --
module example.com/lib

go 1.25
-- lib/lib.go --
package lib

var Y = func() (n int) {
	for range 3 {
		n++
	}
	return n
}()
-- cache/example.com/!cached/mod@v0.1.0/deep/deep.go --
package deep

const Z = 3
`

func TestModule(t *testing.T) {
	dir := tree(t, moduleTree)
	env := func(key string) string {
		if key == "GOMODCACHE" {
			return filepath.Join(dir, "cache")
		}
		return os.Getenv(key)
	}
	p, err := Load(Config{Paths: []string{"cmd"}, Dir: dir, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, pkg := range p.Packages {
		if !p.IsStd(pkg.Pkg) {
			order = append(order, pkg.Pkg.Path())
		}
	}
	if got, want := strings.Join(order, " "), "example.com/Cached/mod/deep example.com/app/internal/inner example.com/lib main"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	// Go 1.21 has one loop variable for all iterations: it stands in memory before the loop.
	allocs := 0
	for _, i := range p.Main.Func("main").Blocks[0].Instrs {
		if a, ok := i.(*ssa.Alloc); ok && a.Comment == "i" {
			allocs++
		}
	}
	if allocs != 1 {
		t.Errorf("%d loop variables before the loop under go 1.21, want 1", allocs)
	}
}

func TestModuleErrors(t *testing.T) {
	for name, c := range map[string]struct{ tree, path, want string }{
		"no module":    {"-- a.go --\npackage main\nimport \"example.com/x\"\nfunc main() { x.F() }\n", "a.go", "./a.go:2:8: no required module provides package example.com/x: go.mod file not found"},
		"not required": {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport \"example.com/x\"\nfunc main() { x.F() }\n", ".", "./a.go:2:8: no required module provides package example.com/x; to add it:"},
		"not there":    {"-- go.mod --\nmodule m\nrequire example.com/x v1.0.0\n-- a.go --\npackage main\nimport \"example.com/x\"\nfunc main() { x.F() }\n", ".", "module example.com/x@v1.0.0 is not in the module cache; run `go mod download`"},
		"cycle":        {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport \"m/b\"\nfunc main() { b.F() }\n-- b/b.go --\npackage b\nimport \"m/c\"\nfunc F() { c.F() }\n-- c/c.go --\npackage c\nimport \"m/b\"\nfunc F() { b.F() }\n", ".", "import cycle not allowed: m imports m/b imports m/c imports m/b"},
		"in a package": {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport \"m/b\"\nfunc main() { b.F() }\n-- b/b.go --\npackage b\nfunc F() { return 1 }\n", ".", "b/b.go:2:19: too many return values"},
		"no program":   {"-- a.go --\npackage lib\n", "a.go", "is not a main package"},
		"no files":     {"-- a_windows.go --\npackage main\n", ".", "no Go files in ."},
		"no file":      {"-- a.go --\npackage main\n", "b.go", "b.go: no such file"},
		"two names":    {"-- a.go --\npackage main\nfunc main() {}\n-- b.go --\npackage other\n", ".", "./b.go:1:9: package other; expected package main"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Load(Config{Paths: []string{c.path}, Dir: tree(t, c.tree)})
			if err == nil || p != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestNoGOROOT(t *testing.T) {
	_, err := FindGOROOT(t.TempDir(), os.Getenv)
	if !errors.Is(err, ErrGOROOT) || !strings.Contains(err.Error(), "set GOROOT to a Go installation") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}
