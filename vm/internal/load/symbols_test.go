package load

import (
	"go/types"
	"os"
	"regexp"
	"slices"
	"testing"

	"golang.org/x/tools/go/ssa"
)

// missing are the symbols of functions without a body anywhere.
func missing(p *Program) map[string]string {
	list := map[string]string{}
	add := func(fn *ssa.Function) {
		if fn == nil || syntaxHasBody(fn) || fn.Synthetic != "" || fn.Syntax() == nil {
			return
		}
		if sym := p.Symbol(fn); p.Body(sym) == nil {
			list[sym] = fn.Signature.String()
		}
	}
	for _, pkg := range p.Packages {
		for _, m := range pkg.Members {
			switch m := m.(type) {
			case *ssa.Function:
				add(m)
			case *ssa.Type:
				named, ok := m.Type().(*types.Named)
				if !ok {
					continue
				}
				for f := range named.Methods() {
					add(p.SSA.FuncValue(f))
				}
			}
		}
	}
	return list
}

var nativeName = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// TestSymbols holds that what has no Go body in any supported package is listed in NATIVES.md, and that the list has nothing else.
func TestSymbols(t *testing.T) {
	text, err := os.ReadFile("NATIVES.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range nativeName.FindAllStringSubmatch(string(text), -1) {
		listed[m[1]] = true
	}
	p, err := loadWhole(t, supported...)
	if err != nil {
		t.Fatal(err)
	}
	need := missing(p)
	var names []string
	for n := range need {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if !listed[n] {
			t.Errorf("nobody implements %s %s", n, need[n])
		}
	}
	for n := range listed {
		if _, ok := need[n]; !ok {
			t.Errorf("NATIVES.md lists %s, which nothing needs", n)
		}
	}
}
