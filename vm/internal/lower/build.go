// Package lower turns go/ssa into code: it selects instructions for the form of package ir, which places and encodes them, for each function
// that package link numbers, and puts the image together. It is not the loader (package load), the look of types and data (package
// layout), nor the interpreter.
//
// The same program gives the same image, byte for byte. Costs: about linear in the reachable code.
package lower

import (
	"errors"
	"fmt"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/link"
	"github.com/tandemvm/tandem/vm/internal/load"
)

// Config is what the lowering has to know of the machine that will run the image.
type Config struct {
	// Native says whether the machine has a native of that symbol; nil: every function without a body is a native.
	Native func(symbol string) bool
	// Known are the symbols the machine wants in Image.Known: functions by symbol, types with "type:" before the name. A symbol the
	// program does not have is left out.
	Known []string
}

// ErrTooBig is returned for functions that do not fit the instruction format.
var ErrTooBig = errors.New("lower: function too big")

// Begin is the native, without parameters and results, that every program calls between the initialisation of its packages and
// main.main if the machine has it.
const Begin = "vm.begin"

// unit is a program being lowered.
type unit struct {
	*link.Unit
	cfg    Config
	made   []made                // Funcs[1:] as far as they are lowered
	bodies map[int32]func(*sel)  // of the functions that are not go/ssa's
	costs  map[*ssa.Function]int // of inlining
	names  map[*ssa.Function]*flow.Names
}

// made is a function with its code.
type made struct {
	chunk   *ir.Chunk
	lines   []ir.LinePos
	inlined []ir.InlinedCall
	vars    map[int]variable
}

// Build lowers what is reachable of p.
func Build(p *load.Program, cfg Config) (m *code.Image, err error) {
	defer func() {
		switch x := recover().(type) {
		case nil:
		case ir.TooBig:
			err = fmt.Errorf("%w: %s: split it, or make its variables smaller", ErrTooBig, string(x))
		default:
			panic(x)
		}
	}()
	u := &unit{Unit: link.New(p), cfg: cfg, bodies: map[int32]func(*sel){}, costs: map[*ssa.Function]int{}, names: map[*ssa.Function]*flow.Names{}}
	entry := u.synthetic("entry", "runtime.main", link.Shape{}, (*sel).entry)
	u.Resolve(cfg.Known)
	u.Resolve([]string{"runtime.typeEqual", "runtime.typeHash"})
	for _, v := range p.Variables {
		u.Global(v.Global) // peers share it whether or not this program text uses it
	}
	u.work()
	return u.finish(entry)
}

// work lowers functions until nothing new is reached.
func (u *unit) work() {
	for done := false; !done; {
		for len(u.made) < len(u.Funcs)-1 {
			u.made = append(u.made, u.lower(int32(len(u.made)+1)))
		}
		for t, m := range u.Methods() {
			u.methodFuncs(t, m)
		}
		done = len(u.made) == len(u.Funcs)-1
	}
}

// synthetic is the number of a function made by the lowering, one per key.
func (u *unit) synthetic(key, name string, shape link.Shape, body func(*sel)) int32 {
	i, fresh := u.Synthetic(key, name, shape)
	if fresh {
		u.bodies[i] = body
	}
	return i
}

// entry runs the initialisers of all packages in order, then main.main.
func (s *sel) entry() {
	for _, f := range s.u.Initialisers() {
		in := blank(code.Call)
		in.Imm = int64(s.u.FuncIndex(f))
		s.callWith(in, nil, nil)
	}
	if s.u.cfg.Native == nil || s.u.cfg.Native(Begin) {
		s.callNative(Begin, nil)
	}
	if f := s.u.Prog.Main.Func("main"); f != nil {
		in := blank(code.Call)
		in.Imm = int64(s.u.FuncIndex(f))
		s.callWith(in, nil, nil)
	}
	s.end(blank(code.Halt))
}
