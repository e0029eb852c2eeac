package vm

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/load"
)

// previous is a GOROOT of the supported release before this one: $TANDEM_PREVIOUS_GOROOT, or a toolchain in the module cache.
func previous(t *testing.T) string {
	if root := os.Getenv("TANDEM_PREVIOUS_GOROOT"); root != "" {
		return root
	}
	roots, _ := filepath.Glob(filepath.Join(load.ModuleCache(os.Getenv), "golang.org", "toolchain@v0.0.1-go1.25.*"))
	if len(roots) == 0 {
		t.Skip("no Go 1.25 in the module cache: get it with `GOTOOLCHAIN=go1.25.9 go version`, or name one in TANDEM_PREVIOUS_GOROOT")
	}
	return roots[len(roots)-1]
}

// TestReleases runs programs of the corpus with the standard library of the previous Go release: the output is that of the present one.
func TestReleases(t *testing.T) {
	root := previous(t)
	for _, name := range strings.Fields("atomic_pool ciphers context_cancel errors_wrap generics iterators json_template numbers panic_exit reflection runtime_error_exit static_init") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := filepath.Join("testdata", "corpus", name+".go")
			b, err := os.ReadFile(src)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), name+".go") // outside this module, which asks for the present release
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
			p, err := Compile(context.Background(), Source{Paths: []string{file}, GOROOT: root})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(p.img.GoVersion, "go1.25") {
				t.Errorf("compiled with %s", p.img.GoVersion)
			}
			var out collected
			clock := epoch2026()
			m, err := New(p, Config{Args: []string{"program"}, Clock: clock, Output: &out})
			if err != nil {
				t.Fatal(err)
			}
			m, exit := finish(t, m, clock, 1<<20, func(m *Machine) *Machine { return m })
			defer m.Close()
			if got, want := out.outcome(exit), native(t, src); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
