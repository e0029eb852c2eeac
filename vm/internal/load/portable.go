package load

import (
	"bytes"
	"fmt"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/inputs"
)

// Code that Go does not compile cannot run: C and assembly. Many packages have it as one of several ways, so the files of a user's package are
// chosen as CGO_ENABLED=0 does, and when an assembly file would be built for amd64, for an architecture without any (tags purego and noasm set).

// foreign is what a package has that cannot run.
type foreign struct {
	chosen   bool     // the files were chosen from a directory, not named
	cgo      []string // files left out because they import "C"
	assembly []string // assembly files that linux/amd64 would build
}

// chooseUser reads the Go files of a user's package, but for tests.
func (l *loader) chooseUser(dir string) (texts []text, f foreign, err error) {
	ctxt := l.userCtxt
	f.chosen = true
	if f.assembly, err = assembly(l.cfg.Disk, ctxt, dir); err != nil {
		return nil, f, err
	}
	if len(f.assembly) > 0 {
		ctxt.GOARCH = l.stdCtxt.GOARCH
		ctxt.BuildTags = []string{"purego", "noasm"}
		if d := filepath.ToSlash(dir); strings.Contains(d, "golang.org/x/sys") && strings.HasSuffix(d, "/cpu") {
			ctxt.GOOS, ctxt.GOARCH = "js", "wasm" // it has files for each architecture it knows and none for others: one without features
		}
	}
	all, err := readDir(l.cfg.Disk, ctxt, dir)
	if err != nil {
		return nil, f, err
	}
	for _, t := range all {
		if importsC(t) {
			f.cgo = append(f.cgo, shortPath(dir, t.name))
		} else {
			texts = append(texts, t)
		}
	}
	return texts, f, nil
}

// assembly are the assembly files of dir that the context selects.
func assembly(disk *inputs.Disk, ctxt build.Context, dir string) ([]string, error) {
	entries, err := disk.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	ctxt.OpenFile = func(name string) (io.ReadCloser, error) {
		b, err := disk.ReadFile(name)
		return io.NopCloser(bytes.NewReader(b)), err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".s") {
			continue
		}
		if ok, err := ctxt.MatchFile(dir, e.Name()); err != nil {
			return nil, err
		} else if ok {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func importsC(t text) bool {
	f, _ := parser.ParseFile(token.NewFileSet(), t.name, t.bytes, parser.ImportsOnly)
	if f == nil {
		return false
	}
	for _, i := range f.Imports {
		if p, _ := strconv.Unquote(i.Path.Value); p == "C" {
			return true
		}
	}
	return false
}

// refusal says why a package that has such code does not compile; first is the compiler's first complaint, or nothing.
func (f foreign) refusal(path, first string) string {
	if first != "" {
		first = " (" + first + ")"
	}
	switch {
	case len(f.cgo) > 0:
		return fmt.Sprintf("package %s needs cgo (%s), which the VM does not run%s: use a package in pure Go instead, or a version of it that builds with CGO_ENABLED=0", path, strings.TrimPrefix(f.cgo[0], "./"), first)
	case len(f.assembly) > 0:
		return fmt.Sprintf("package %s needs assembly (%s), which the VM does not run%s: use a package in pure Go instead, or give it one under the build tag purego", path, f.assembly[0], first)
	}
	return ""
}
