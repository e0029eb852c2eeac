package load

import (
	"go/types"
	"testing"
)

// TestPrune holds what is left out and what is not.
func TestPrune(t *testing.T) {
	const uses = `package main

import (
	"reflect"
	"strings"
)

var r strings.Reader

func main() {
	println(strings.TrimSpace(" a "), r.Len())
	v := reflect.ValueOf(&r)
	%
}
`
	load := func(t *testing.T, line string) (funcs, methods func(name string) bool) {
		t.Helper()
		text := ""
		for _, c := range uses {
			if c == '%' {
				text += line
			} else {
				text += string(c)
			}
		}
		p, err := loadText(t, text)
		if err != nil {
			t.Fatal(err)
		}
		pkg := p.SSA.ImportedPackage("strings")
		reader := types.NewPointer(pkg.Type("Reader").Type())
		return func(name string) bool { return pkg.Func(name) != nil },
			func(name string) bool { return p.SSA.MethodSets.MethodSet(reader).Lookup(nil, name) != nil }
	}

	funcs, methods := load(t, "_ = v")
	for name, want := range map[string]bool{"TrimSpace": true, "TrimFunc": true, "Title": false, "NewReplacer": false} {
		if funcs(name) != want {
			t.Errorf("strings.%s is there: %v", name, !want)
		}
	}
	if !methods("Len") || methods("ReadAt") {
		t.Error("Len was left out, or ReadAt was not")
	}

	// A call of a method by its name may mean any exported one.
	if _, methods = load(t, `v.MethodByName("Read" + "At")`); !methods("ReadAt") {
		t.Error("ReadAt was left out though reflection can call it")
	}
}

// TestPruneKeepsInitialisers: a package that is only imported runs all of its own initialisers when it is the program's.
func TestPruneKeepsInitialisers(t *testing.T) {
	dir := tree(t, `
-- go.mod --
module m
-- a.go --
package main

import _ "m/side"

func main() {}
-- side/side.go --
package side

import "strings"

var _ = strings.ToUpper("effect")

func unused() string { return strings.ToLower("x") }
`)
	p, err := Load(Config{Paths: []string{"."}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if p.SSA.ImportedPackage("m/side").Func("unused") == nil || p.SSA.ImportedPackage("strings").Func("ToLower") == nil {
		t.Error("a part of the program was left out")
	}
}
