package flow

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"golang.org/x/tools/go/ssa"
	"golang.org/x/tools/go/ssa/ssautil"
)

// indexes are bodies of func f(a *[8]int, n int, u uint, b uint8, t *[256]int) in which a or t is indexed once; those named yes need no check.
var indexes = map[string]string{
	"yes counts":        `for i := 0; i < 8; i++ { n += a[i] }`,
	"yes counts by two": `for i := 1; i <= 7; i += 2 { n += a[i] }`,
	"yes range":         `for i := range 8 { n += a[i] }`,
	"yes range array":   `for i := range a { n += a[i] }`,
	"yes nested":        `for i := 0; i < 8; i++ { for j := 0; j < n; j++ { if j > 3 { n += a[i] } } }`,
	"yes mask":          `n += a[n&7]`,
	"yes mask first":    `n += a[7&n]`,
	"yes remainder":     `n += a[u%8]`,
	"yes shift":         `n += a[u>>61]`,
	"yes byte":          `n += t[b]`,
	"yes byte as int":   `n += t[int(b)]`,
	"no range":          `for i := range 9 { n += a[i] }`,
	"no range to n":     `for i := range n { n += a[i] }`,
	"no counts further": `for i := 0; i < 9; i++ { n += a[i] }`,
	"no counts to n":    `for i := 0; i < n; i++ { n += a[i] }`,
	"no from below":     `for i := -1; i < 8; i++ { n += a[i] }`,
	"no from n":         `for i := n; i < 8; i++ { n += a[i] }`,
	"no down":           `for i := 7; i < 8; i-- { n += a[i] }`,
	"no after":          `i := 0; for ; i < 8; i++ { n++ }; n += a[i]`,
	"no raised":         `for i := 0; i < 8; i++ { i += n; n += a[i] }`,
	"no next":           `for i := 0; i < 8; i++ { n += a[i+1] }`,
	"no small type":     `for i := int8(0); i < 8; i += 125 { n += a[i] }`,
	"no signed":         `n += a[n%8]`,
	"no mask":           `n += a[n&8]`,
	"no negative mask":  `n += a[n&-1]`,
	"no shift":          `n += a[u>>60]`,
	"no byte":           `n += a[b]`,
	"no back around":    `i := 0; for { if n > 3 { if i < 8 { n++ } }; n += a[i]; i++ }`,
	"no reset":          `for i := 0; i < 8; i++ { n += a[i]; if n > 9 { i = n } }`,
	"no signed byte":    `n += t[int(int8(b))]`,
}

func TestBelow(t *testing.T) {
	for name, body := range indexes {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "x.go", "package p\nfunc f(a *[8]int, n int, u uint, b uint8, t *[256]int) int {"+body+"\nreturn n}", 0)
		if err != nil {
			t.Fatal(name, err)
		}
		p, _, err := ssautil.BuildPackage(&types.Config{Importer: importer.Default()}, fset, types.NewPackage("p", "p"), []*ast.File{f}, 0)
		if err != nil {
			t.Fatal(name, err)
		}
		found := 0
		for _, b := range p.Func("f").Blocks {
			for _, i := range b.Instrs {
				x, ok := i.(*ssa.IndexAddr)
				if !ok {
					continue
				}
				found++
				n := x.X.Type().Underlying().(*types.Pointer).Elem().Underlying().(*types.Array).Len()
				if got, want := Below(x.Index, n, b), strings.HasPrefix(name, "yes"); got != want {
					t.Errorf("%s: %v for %s", name, got, body)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s: %d indexes", name, found)
		}
	}
}
