package load

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const suiteTree = `
-- go.mod --
module m
go 1.26
-- p/p.go --
package p
func F() int { return 1 }
-- p/in_test.go --
package p
import "testing"
func TestIn(t *testing.T) {}
func Testing() {}
func TestMain(m *testing.M) { m.Run() }
func BenchmarkB(b *testing.B) {}
func helper(t *testing.T) {}
-- p/out_test.go --
package p_test
import (
	"fmt"
	"testing"
	"m/p"
	"m/q"
)
func TestOut(t *testing.T) { q.G(); p.Exported() }
func ExampleF() {
	fmt.Println("a")
	// Unordered output: a
}
func ExampleG() {}
func FuzzX(f *testing.F) {}
-- p/export_test.go --
package p
var Exported = F
-- p/other_windows_test.go --
package p
func TestWindows(t *testing.T) {}
-- q/q.go --
package q
import "m/p"
func G() { p.F() }
-- only/only_test.go --
package only_test
import "testing"
func TestOnly(t *testing.T) {}
-- plain/plain.go --
package plain
-- wrong/wrong_test.go --
package wrong
import "testing"
func TestWrong(t *testing.B) {}
-- twice/a_test.go --
package twice
import "testing"
func TestMain(m *testing.M) {}
-- twice/b_test.go --
package twice_test
import "testing"
func TestMain(m *testing.M) {}
`

// TestSuite holds what becomes part of a test program, and that the package there is one and the same for all who import it.
func TestSuite(t *testing.T) {
	dir := tree(t, suiteTree)
	for _, name := range []string{"p", "./p", "m/p"} {
		p, err := FindPackage(Config{Paths: []string{name}, Dir: dir})
		if want := (Package{Path: "m/p", Dir: filepath.Join(dir, "p"), Tests: true}); err != nil || p != want {
			t.Errorf("%s: %+v, want %+v; %v", name, p, want, err)
		}
	}
	l, err := open(t.Context(), Config{Paths: []string{"./p"}, Dir: dir, Test: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.load(true)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, pkg := range p.Packages {
		if !p.IsStd(pkg.Pkg) {
			order = append(order, pkg.Pkg.Path())
		}
	}
	if got, want := strings.Join(order, " "), "m/p m/q m/p_test main"; got != want {
		t.Errorf("packages %s, want %s", got, want)
	}
	own := p.SSA.ImportedPackage("m/p")
	if own.Func("TestIn") == nil || own.Var("Exported") == nil || own.Func("TestWindows") != nil {
		t.Error("the package under test is not the package with its test files")
	}
}

// TestSuiteMain holds which functions are tests, and with what package testing is called.
func TestSuiteMain(t *testing.T) {
	dir := tree(t, suiteTree)
	for name, want := range map[string]suite{
		"p": {Tests: []testFunc{{"_test", "TestIn", "", false}, {"_xtest", "TestOut", "", false}}, Benchmarks: []testFunc{{"_test", "BenchmarkB", "", false}},
			Fuzzes: []testFunc{{"_xtest", "FuzzX", "", false}}, Examples: []testFunc{{"_xtest", "ExampleF", "a\n", true}}, Main: &testFunc{"_test", "TestMain", "", false}},
		"only": {Tests: []testFunc{{"_xtest", "TestOnly", "", false}}},
	} {
		l, err := open(t.Context(), Config{Paths: []string{name}, Dir: dir, Test: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.readSuite(); err != nil {
			t.Fatal(err)
		}
		var got suite
		in, out, err := l.readTests(l.tested)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range in {
			err = got.collect(l, x, "_test")
		}
		for _, x := range out {
			err = got.collect(l, x, "_xtest")
		}
		if err != nil {
			t.Fatal(err)
		}
		want.Uses, want.UsesExternal, want.HasExternal = got.Uses, got.UsesExternal, got.HasExternal
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestSuiteErrors(t *testing.T) {
	dir := tree(t, suiteTree)
	for name, want := range map[string]string{
		"./wrong":   "./wrong/wrong_test.go:3:1: wrong signature for TestWrong, must be: func TestWrong(t *testing.T)",
		"./twice":   "multiple definitions of TestMain",
		"./nothere": "directory ./nothere not found",
		"nothere":   "package nothere is not in std (",
		"a.com/x":   "no required module provides package a.com/x; to add it:",
	} {
		_, err := Load(Config{Paths: []string{name}, Dir: dir, Test: true})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if p, err := FindPackage(Config{Paths: []string{"plain"}, Dir: dir}); err != nil || p.Tests {
		t.Errorf("%+v, %v", p, err)
	}
	root, err := FindGOROOT("", os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := FindPackage(Config{Paths: []string{"container/ring"}, Dir: dir}); err != nil || !p.Std || !p.Tests || p.Dir != filepath.Join(root, "src", "container", "ring") {
		t.Errorf("%+v, %v", p, err)
	}
}
