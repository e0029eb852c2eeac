package load

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// whenGoComesOut is what a new Go release needs.
const whenGoComesOut = `When a Go release comes out:
 1. releases.go: add it with the experiments that are on in it (GOROOT/src/internal/buildcfg/exp.go), and remove the release that the Go project no
    longer supports together with the overlay files whose //go:build line is for that one alone.
 2. Run this package's tests with GOROOT set to it. TestSupported and TestSymbols say which overlay names what is no longer there, and which function
    has no body any more. A file for one release only gets a //go:build line.
 3. Compare internal/abi/type.go (package layout writes descriptors, packages heap and check read them), runtime/error.go and runtime/panic.go (the
    texts of run-time errors), reflect/map.go, and internal/sync.
 4. Read the release notes for changes of the language: go/types and golang.org/x/tools have to know them, and go.mod to ask for such a version.
 5. Run the corpus of package vm with it (go test ./vm -run TestReleases), then the conformance suites.`

// TestReleases fails when the Go at hand is not one that programs can be compiled with, and says what to do about it.
func TestReleases(t *testing.T) {
	for _, v := range []string{runtime.Version(), installed(t)} {
		if _, ok := releaseOf(v); !ok {
			t.Errorf("%s is not among the supported releases, %s.\n%s", v, supportedReleases(), whenGoComesOut)
		}
	}
	if len(releases) > 2 {
		t.Errorf("%d releases are supported; the Go project supports two.\n%s", len(releases), whenGoComesOut)
	}
}

func installed(t *testing.T) string {
	root, err := FindGOROOT("", os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	v, err := readVersion(os.ReadFile, root)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestUnsupportedRelease has installations of other releases, and ones that are none: the error is one line that says what to do.
func TestUnsupportedRelease(t *testing.T) {
	for name, c := range map[string]struct {
		version string // of the VERSION file, "" for none
		fmt     bool   // there is a package fmt
		want    error
		words   string
	}{
		"older":      {"go1.20.1\ntime 2023", true, ErrRelease, "is go1.20.1: set GOROOT to one of go1.25 or go1.26"},
		"newer":      {"go1.99", true, ErrRelease, "is go1.99"},
		"in between": {"go1.27rc1", true, ErrRelease, "is go1.27rc1"},
		"unreleased": {"devel go1.26-0123456", true, ErrRelease, "is devel"},
		"no VERSION": {"", true, ErrRelease, "VERSION"},
		"no Go":      {"go1.26.0", false, ErrGOROOT, "set GOROOT"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if c.version != "" {
				put(t, filepath.Join(root, "VERSION"), c.version)
			}
			if c.fmt {
				put(t, filepath.Join(root, "src", "fmt", "print.go"), "package fmt")
			}
			_, err := Load(Config{Paths: []string{"x.go"}, GOROOT: root})
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestOverlayRelease reads //go:build lines as Go does, by release.
func TestOverlayRelease(t *testing.T) {
	for text, want := range map[string][2]bool{ // in go1.25, in go1.26
		"package p":                      {true, true},
		"//go:build go1.26\n\npackage p": {false, true},
		"// A comment.\n\n//go:build !go1.26\n\npackage p": {true, false},
		"package p\n\n//go:build !go1.26\n":                {true, true},
		"//go:build go1.25 && !go1.26\n\npackage p":        {true, false},
	} {
		for i, v := range []string{"go1.25.3", "go1.26.1"} {
			if got := built([]byte(text), releaseTags(v)); got != want[i] {
				t.Errorf("%q in %s: %v", text, v, got)
			}
		}
	}
}
