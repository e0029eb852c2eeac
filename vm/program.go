package vm

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/check"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/inputs"
	"github.com/tandemvm/tandem/vm/internal/load"
	"github.com/tandemvm/tandem/vm/internal/lower"
	"github.com/tandemvm/tandem/vm/internal/text"
)

// Program is a compiled program. It is immutable; any number of machines may run it at once.
type Program struct {
	img     *code.Image
	text    *text.Program
	encoded []byte
	hash    changes.Hash
	vars    []Variable

	atomicAt, heldAt uint64 // addresses of the guest variables that forbid a turn to end, 0: the program has none
	inboxAt          uint64 // of the guest variable that holds the channel of turn.Inbox
}

// Source says what to compile.
type Source struct {
	Paths  []string // Go files of one package, or one package directory
	Dir    string   // where Paths are relative to, and positions in errors; default: the working directory
	GOROOT string   // default: the installed Go
	Test   bool     // the program is the tests of one package, given as its directory or import path, and takes the -test flags of `go test`
	Cache  *Cache   // where compiled images are kept, but for those of tests; nil: nowhere

	// Overlay holds files, by name relative to Dir or absolute, that are read in place of what the disk has there, if anything: source
	// that was embedded, generated or received.
	Overlay map[string][]byte
}

// Package is a package found by directory or import path.
type Package = load.Package

// FindPackage is the package that s.Paths[0] means, a directory or an import path, as Compile with Test finds it.
func FindPackage(s Source) (Package, error) {
	disk, err := s.disk()
	if err != nil {
		return Package{}, err
	}
	return load.FindPackage(load.Config{Paths: s.Paths, Dir: s.Dir, GOROOT: s.GOROOT, Disk: disk})
}

// SourceErrors are complaints about the program's source, one a line with its position, as the Go compiler words them.
type SourceErrors = load.Errors

// Compile makes a program of Go source. It needs a Go installation; running the program does not. *SourceErrors is
// the error when the source is to blame.
func Compile(ctx context.Context, s Source) (*Program, error) {
	if s.Cache != nil && !s.Test {
		return compileCached(ctx, s)
	}
	return compileSource(ctx, s, nil)
}

// disk is what s is read from; nil: the disk with s.Overlay.
func compileSource(ctx context.Context, s Source, disk *inputs.Disk) (*Program, error) {
	if disk == nil {
		var err error
		if disk, err = s.disk(); err != nil {
			return nil, err
		}
	}
	p, err := load.LoadContext(ctx, load.Config{Paths: s.Paths, Dir: s.Dir, GOROOT: s.GOROOT, Test: s.Test, Disk: disk, Names: true})
	if err != nil {
		return nil, err
	}
	img, err := lower.Build(p, lower.Config{Native: func(sym string) bool { _, ok := natives[sym]; return ok }, Known: code.KnownSymbols})
	if err != nil {
		return nil, err
	}
	return newProgram(img, nil)
}

// disk is the file system with s.Overlay.
func (s Source) disk() (*inputs.Disk, error) {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return nil, fmt.Errorf("vm: the working directory: %w", err)
	}
	return &inputs.Disk{Overlay: inputs.LayOver(dir, s.Overlay)}, nil
}

// DecodeProgram reads an image as Encode wrote it. It is verified: whatever the bytes, what it returns is safe to run.
func DecodeProgram(b []byte) (*Program, error) {
	img, err := code.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("vm: program image: %w", err)
	}
	return newProgram(img, nil)
}

// newProgram verifies img; encoded is its canonical form, nil if it is still to be made.
func newProgram(img *code.Image, encoded []byte) (*Program, error) {
	if err := check.Image(img, signature); err != nil {
		return nil, fmt.Errorf("vm: program image is not safe to run: %w", err)
	}
	x, err := text.NewProgram(img)
	if err != nil {
		return nil, fmt.Errorf("vm: program image: %w", err)
	}
	p := &Program{img: img, text: x, encoded: encoded}
	if encoded == nil {
		if p.encoded, err = img.Encode(); err != nil {
			return nil, fmt.Errorf("vm: program image: %w", err)
		}
	}
	p.hash = changes.Hash(code.Hash(p.encoded))
	if err := p.findGuest(); err != nil {
		return nil, err
	}
	return p, p.variables()
}

// initWords bounds package initialisation when a program is made: beyond it shared variables begin with the zero values of their types.
const initWords = 1 << 28

// variables finds the shared variables and their initial values, by initialising the program's packages once.
func (p *Program) variables() error {
	m, err := New(p, Config{Clock: &VirtualClock{}})
	if err != nil {
		return err
	}
	defer m.Close()
	if len(m.shared.vars) == 0 {
		return nil
	}
	for !m.begun() && m.Instructions() < initWords {
		if s := m.core.Run(initWords); s.Reason != exec.Budget {
			break
		}
	}
	for _, v := range m.shared.vars {
		v.Initial = v.Type.Zero()
		if m.begun() {
			if v.Initial, err = m.shared.valueOf(v.Name); err != nil {
				return err
			}
		}
		p.vars = append(p.vars, v.Variable)
	}
	slices.SortFunc(p.vars, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// Encode is the canonical image: the same source gives the same bytes. It must not be written to.
func (p *Program) Encode() []byte { return p.encoded }

// Hash names the program: the hash of its image.
func (p *Program) Hash() changes.Hash { return p.hash }

// Variables are the program's shared variables, sorted by name.
func (p *Program) Variables() []Variable { return p.vars }
