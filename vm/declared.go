package vm

import (
	"context"
	"fmt"
	"go/token"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/load"
	"github.com/tandemvm/tandem/vm/internal/vet"
)

// Inspection is what a program's source says about what it shares.
type Inspection struct {
	Variables []Declared
	Findings  []Finding // doubtful places, by position
}

// Declared is a shared variable where it is declared.
type Declared struct {
	Name     string // package path and name: "main.Counts"
	Rule     string // the text after //tandem:shared
	Spec     *changes.Spec
	Position token.Position // of the directive
}

// Finding is a place in a program that is right when it runs alone, and loses something where variables are shared.
type Finding = vet.Finding

// Inspect reads a program's source as Compile does, and looks for doubtful places. Nothing is executed.
func Inspect(ctx context.Context, s Source) (*Inspection, error) {
	disk, err := s.disk()
	if err != nil {
		return nil, err
	}
	p, err := load.LoadContext(ctx, load.Config{Paths: s.Paths, Dir: s.Dir, GOROOT: s.GOROOT, Test: s.Test, Disk: disk})
	if err != nil {
		return nil, err
	}
	in := &Inspection{Findings: vet.Check(p)}
	for _, v := range p.Variables {
		if !v.Local {
			name := fmt.Sprintf("%s.%s", v.Global.Pkg.Pkg.Path(), v.Global.Name())
			if v.Global.Pkg == p.Main {
				name = "main." + v.Global.Name()
			}
			in.Variables = append(in.Variables, Declared{name, v.Text, v.Spec, v.Position})
		}
	}
	return in, nil
}
