package load

import (
	"context"
	"go/types"
	"os"
	"testing"
)

// TestGuestPackage holds that package turn has the same face in the VM as in plain Go.
func TestGuestPackage(t *testing.T) {
	p, err := loadWhole(t, guestPath)
	if err != nil {
		t.Fatal(err)
	}
	guest := p.SSA.ImportedPackage(guestPath).Pkg.Scope()

	dir := t.TempDir()
	text := "package main\nimport _ \"example.com/turn\"\nfunc main() {}\n"
	for name, text := range map[string]string{"go.mod": "module example.com\ngo 1.26\n", "main.go": text, "turn/turn.go": plainTurn(t)} {
		if err := os.MkdirAll(dir+"/turn", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	q, err := LoadContext(context.Background(), Config{Paths: []string{"."}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	plain := q.SSA.ImportedPackage("example.com/turn").Pkg.Scope()
	for _, name := range append(plain.Names(), guest.Names()...) {
		a, b := plain.Lookup(name), guest.Lookup(name)
		exported := a != nil && a.Exported() || b != nil && b.Exported()
		if exported && (a == nil || b == nil || signature(a) != signature(b)) {
			t.Errorf("%s: plain %v, in the VM %v", name, a, b)
		}
	}
}

// signature is a declaration, its own package's name left out.
func signature(o types.Object) string {
	return types.ObjectString(o, types.RelativeTo(o.Pkg())) + types.TypeString(o.Type().Underlying(), types.RelativeTo(o.Pkg()))
}

func plainTurn(t *testing.T) string {
	text, err := os.ReadFile("../../turn/turn.go")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
