package load

import (
	"cmp"
	"errors"
	"go/constant"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/inputs"
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
		"cycle":        {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport \"m/b\"\nfunc main() { b.F() }\n-- b/b.go --\npackage b\nimport \"m/c\"\nfunc F() { c.F() }\n-- c/c.go --\npackage c\nimport \"m/b\"\nfunc F() { b.F() }\n", ".", "package m\n\timports m/b from a.go\n\timports m/c from b.go\n\timports m/b from c.go: import cycle not allowed"},
		"in a package": {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport \"m/b\"\nfunc main() { b.F() }\n-- b/b.go --\npackage b\nfunc F() { return 1 }\n", ".", "b/b.go:2:19: too many return values"},
		"no program":   {"-- a.go --\npackage lib\n", "a.go", "is not a main package"},
		"no files":     {"-- a_windows.go --\npackage main\n", ".", "build constraints exclude all Go files in ."},
		"empty":        {"-- x.txt --\n", ".", "no Go files in ."},
		"internal":     {"-- go.mod --\nmodule m\nrequire e.com/x v1.0.0\nreplace e.com/x => ./x\n-- a.go --\npackage main\nimport \"e.com/x/internal/y\"\nfunc main() { y.F() }\n-- x/internal/y/y.go --\npackage y\nfunc F() {}\n", ".", "./a.go:2:8: use of internal package e.com/x/internal/y not allowed"},
		"std internal": {"-- a.go --\npackage main\nimport _ \"internal/abi\"\nfunc main() {}\n", "a.go", "./a.go:2:8: use of internal package internal/abi not allowed"},
		"not below":    {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport _ \"m/nothere\"\nfunc main() {}\n", ".", "./a.go:2:8: no required module provides package m/nothere; to add it:\n\tgo get m/nothere"},
		"no target":    {"-- go.mod --\nmodule m\nrequire e.com/x v1.0.0\nreplace e.com/x => ./x\n-- a.go --\npackage main\nimport _ \"e.com/x\"\nfunc main() {}\n", ".", "/x, which does not exist"},
		"no main":      {"-- a.go --\npackage main\n", "a.go", "function main is undeclared in the main package"},
		"excluded":     {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport _ \"m/b\"\nfunc main() {}\n-- b/b_windows.go --\npackage b\n", ".", "package m/b: build constraints exclude all Go files in "},
		"a program":    {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport _ \"m/b\"\nfunc main() {}\n-- b/b.go --\npackage main\n", ".", "import \"m/b\" is a program, not an importable package"},
		"bad go.mod":   {"-- go.mod --\nmodule m\n\nnonsense here\n-- a.go --\npackage main\nfunc main() {}\n", ".", "go.mod: line 3: unknown directive: nonsense"},
		"newer go":     {"-- go.mod --\nmodule m\ngo 1.999\n-- a.go --\npackage main\nfunc main() {}\n", ".", "go.mod requires go >= 1.999 (running go1."},
		"not vendored": {"-- go.mod --\nmodule m\nrequire e.com/x v1.0.0\n-- vendor/modules.txt --\n# e.com/x v1.0.0\n## explicit\n-- a.go --\npackage main\nimport _ \"e.com/x\"\nfunc main() {}\n", ".", "./a.go:2:8: cannot find module providing package e.com/x: import lookup disabled by -mod=vendor: run `go mod vendor` in "},
		"cgo":          {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport \"m/c\"\nfunc main() { c.F() }\n-- c/c.go --\npackage c\nimport \"C\"\nfunc F() {}\n", ".", "package m/c needs cgo (c.go), which the VM does not run: use a package in pure Go instead, or a version of it that builds with CGO_ENABLED=0"},
		"half cgo":     {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport \"m/c\"\nfunc main() { c.G() }\n-- c/c.go --\npackage c\nimport \"C\"\nfunc F() {}\n-- c/g.go --\npackage c\nfunc G() { F() }\n", ".", "package m/c needs cgo (c.go), which the VM does not run (./c/g.go:2:12: undefined: F)"},
		"cgo file":     {"-- a.go --\npackage main\nimport \"C\"\nfunc main() {}\n", "a.go", "./a.go:2:8: unsupported import: C (cgo programs cannot run in the VM)"},
		"cgo program":  {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport \"C\"\nfunc main() {}\n", ".", " needs cgo (a.go), which the VM does not run: use"},
		"assembly":     {"-- go.mod --\nmodule m\n-- a.go --\npackage main\nimport \"m/s\"\nfunc main() { s.F() }\n-- s/s.go --\npackage s\nfunc F()\n-- s/s_amd64.s --\nTEXT ·F(SB),$0\n", ".", "package m/s needs assembly (s_amd64.s), which the VM does not run (./s/s.go:2:6: missing function body): use a package in pure Go instead, or give it one under the build tag purego"},
		"no file":      {"-- a.go --\npackage main\n", "b.go", "b.go: no such file"},
		"two names":    {"-- a.go --\npackage main\nfunc main() {}\n-- b.go --\npackage other\n", ".", "found packages main (a.go) and other (b.go) in "},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Load(Config{Paths: []string{c.path}, Dir: tree(t, c.tree)})
			if err == nil || p != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// places are modules in all ways that source can be found: the value each package prints names it.
const placesTree = `
-- work/go.work --
go 1.26
use (
	./app
	./tool
)
replace replaced.com/w => ./w
-- work/app/go.mod --
module app

go 1.21

require (
	cached.com/m v1.2.0
	replaced.com/w v1.0.0
	replaced.com/v v1.1.0
)

replace replaced.com/v v1.1.0 => cached.com/m v1.3.0
-- work/app/main.go --
package main

import (
	"app/internal/x"
	"app/sub"
	"cached.com/m"
	v "replaced.com/v"
	"replaced.com/w"
	"tool/lib"
)

func main() { println(x.V, sub.V, m.V, v.V, w.V, lib.V) }
-- work/app/internal/x/x.go --
package x
const V = "internal"
-- work/app/sub/sub.go --
package sub
const V = "sub"
-- work/tool/go.mod --
module tool
require (
	cached.com/m v1.10.0
)
-- work/tool/lib/lib.go --
package lib
const V = "tool"
-- work/w/w.go --
package w
const V = "w"
-- cache/cached.com/m@v1.2.0/m.go --
package m
const V = "m 1.2"
-- cache/cached.com/m@v1.10.0/m.go --
package m
const V = "m 1.10"
-- cache/cached.com/m@v1.3.0/m.go --
package v
const V = "m 1.3"
-- vendored/go.mod --
module vendored
go 1.26
require e.com/x v1.0.0
-- vendored/vendor/modules.txt --
# e.com/x v1.0.0
## explicit; go 1.20
e.com/x/y
-- vendored/vendor/e.com/x/y/y.go --
package y
const V = "vendored"
-- vendored/main.go --
package main
import "e.com/x/y"
func main() { println(y.V) }
-- old/go.mod --
module old
go 1.15
require e.com/a v1.0.0
-- old/main.go --
package main
import "e.com/a"
func main() { println(a.V) }
-- cache/e.com/a@v1.0.0/a.go --
package a
import "e.com/b"
const V = b.V
-- cache/cache/download/e.com/a/@v/v1.0.0.mod --
module e.com/a
require e.com/b v1.1.0
-- cache/e.com/b@v1.1.0/b.go --
package b
const V = "b"
-- cache/e.com/a@v1.0.0/a_test.go --
package a_test
import ("e.com/a"; "testing")
func TestA(t *testing.T) { _ = a.V }
-- portable/go.mod --
module portable
-- portable/main.go --
package main
import ("portable/asm"; "portable/c"; "portable/plain")
func main() { println(asm.V, c.V, plain.V) }
-- portable/asm/asm_amd64.go --
package asm
const V = "assembly"
func F()
-- portable/asm/asm_amd64.s --
TEXT ·F(SB),$0
-- portable/asm/asm_generic.go --
//go:build !amd64 || purego
package asm
const V = "generic"
-- portable/c/c.go --
package c
import "C"
const V = "C"
-- portable/c/nocgo.go --
//go:build !cgo
package c
const V = "no C"
-- portable/plain/plain_amd64.go --
package plain
const V = "amd64"
-- portable/plain/plain_linux.go --
package plain
-- portable/plain/plain_arm64.go --
package plain
const V = "arm64"
`

func TestPlaces(t *testing.T) {
	dir := tree(t, placesTree)
	env := func(key string) string {
		switch key {
		case "GOMODCACHE":
			return filepath.Join(dir, "cache")
		case "GOWORK":
			return ""
		}
		return os.Getenv(key)
	}
	for name, want := range map[string]string{
		"work/app": "internal sub m 1.10 m 1.3 w tool",
		"vendored": "vendored",
		"old":      "b",
		"portable": "generic no C amd64",
	} {
		p, err := Load(Config{Paths: []string{name}, Dir: dir, Env: env})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var said []string
		for _, b := range p.Main.Func("main").Blocks {
			for _, i := range b.Instrs {
				if call, ok := i.(*ssa.Call); ok {
					for _, a := range call.Call.Args {
						said = append(said, constant.StringVal(a.(*ssa.Const).Value))
					}
				}
			}
		}
		if got := strings.Join(said, " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	m, err := findModule(&inputs.Disk{}, filepath.Join(dir, "vendored"), env)
	if err != nil {
		t.Fatal(err)
	}
	if v := m.language("e.com/x/y", filepath.Join(dir, "vendored/vendor/e.com/x/y")); v != "go1.20" {
		t.Errorf("language of a vendored package %s, want go1.20", v)
	}
}

func TestVersions(t *testing.T) {
	order := strings.Fields("v0.0.0-2020 v0.1.0 v1.0.0-alpha v1.0.0-alpha.1 v1.0.0-alpha.beta v1.0.0-rc.2 v1.0.0-rc.11 v1.0.0 v1.2.0 v1.10.0 v2.0.0+incompatible")
	for i, a := range order {
		for j, b := range order {
			if got, want := compareVersions(a, b), cmp.Compare(i, j); got != want {
				t.Errorf("%s against %s: %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestNoGOROOT(t *testing.T) {
	_, err := FindGOROOT(t.TempDir(), os.Getenv)
	if !errors.Is(err, ErrGOROOT) || !strings.Contains(err.Error(), "set GOROOT to a Go installation") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}
