// Package lower turns go/ssa into code: it selects instructions for the form of package ir, which places and encodes them, and it decides what of a
// program is reachable at all. It is not the loader (package load), the look of types and data (package layout), nor the interpreter.
//
// The same program gives the same image, byte for byte. Costs: about linear in the reachable code.
package lower

import (
	"errors"
	"fmt"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
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
	u := &unit{
		prog:    p,
		cfg:     cfg,
		data:    layout.NewBuilder(),
		funcs:   []*function{nil},
		index:   map[*ssa.Function]int32{},
		synth:   map[string]int32{},
		natives: map[string]int32{},
		globals: map[*ssa.Global]uint64{},
		traits:  map[types.Type]*trait{},
		reach:   newReach(),
		known:   map[string]uint64{},
		costs:   map[*ssa.Function]int{},
	}
	u.data.DirectKinds = p.DirectKinds
	entry := u.synthetic("entry", "runtime.main", shape{}, (*sel).entry)
	u.knownSymbols()
	for _, v := range p.Variables {
		u.global(v.Global) // peers share it whether or not this program text uses it
	}
	u.work()
	return u.finish(entry)
}

// work lowers functions until nothing new is reached.
func (u *unit) work() {
	for {
		for ; u.done < len(u.funcs)-1; u.done++ {
			u.lower(u.funcs[u.done+1])
		}
		if !u.reach.methods(u) {
			return
		}
	}
}

// entry runs the initialisers of all packages in order, then main.main.
func (s *sel) entry() {
	for _, p := range s.u.prog.Packages {
		if f := p.Func("init"); f != nil && !s.u.inert(f) {
			in := blank(code.Call)
			in.Imm = int64(s.u.funcIndex(f))
			s.callWith(in, nil, nil)
		}
	}
	if s.u.cfg.Native == nil || s.u.cfg.Native(Begin) {
		s.callNative(Begin, nil)
	}
	if f := s.u.prog.Main.Func("main"); f != nil {
		in := blank(code.Call)
		in.Imm = int64(s.u.funcIndex(f))
		s.callWith(in, nil, nil)
	}
	s.end(blank(code.Halt))
}

// inert says whether a package initialiser does nothing but call others.
func (u *unit) inert(f *ssa.Function) bool {
	for _, b := range f.Blocks {
		for _, i := range b.Instrs {
			if !u.plumbing(i) {
				return false
			}
		}
	}
	return true
}

// plumbing says whether i is go/ssa's own part of an initialiser: the guard, and the calls of other packages'
// initialisers, which entry makes in order.
func (u *unit) plumbing(i ssa.Instruction) bool {
	switch i := i.(type) {
	case *ssa.If, *ssa.Jump, *ssa.Return:
		return true
	case *ssa.UnOp:
		return isGuard(i.X)
	case *ssa.Store:
		return isGuard(i.Addr)
	case *ssa.Call:
		f, ok := i.Call.Value.(*ssa.Function)
		return ok && f.Synthetic == "package initializer"
	}
	return false
}

// knownSymbols resolves what the machine asked for.
func (u *unit) knownSymbols() {
	for _, sym := range u.cfg.Known {
		if name, ok := strings.CutPrefix(sym, "type:"); ok {
			if t := u.namedType(name); t != nil {
				u.known[sym] = u.typeAddr(t)
			}
			continue
		}
		if f := u.prog.Body(sym); f != nil {
			u.known[sym] = uint64(u.funcIndex(f))
		}
	}
	for _, sym := range []string{"runtime.typeEqual", "runtime.typeHash"} {
		if f := u.prog.Body(sym); f != nil {
			u.known[sym] = uint64(u.funcIndex(f))
		}
	}
}

// namedType is the type "pkg.Name", a pointer to it with a star before.
func (u *unit) namedType(name string) types.Type {
	star := strings.HasPrefix(name, "*")
	name = strings.TrimPrefix(name, "*")
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		if o := types.Universe.Lookup(name); o != nil {
			return o.Type()
		}
		return nil
	}
	p := u.prog.SSA.ImportedPackage(name[:i])
	if p == nil || p.Type(name[i+1:]) == nil {
		return nil
	}
	t := p.Type(name[i+1:]).Type()
	if star {
		return types.NewPointer(t)
	}
	return t
}

// finish puts the pieces together.
func (u *unit) finish(entry int32) (*code.Image, error) {
	m := &code.Image{GoVersion: u.prog.GoVersion, Entry: entry, Known: u.known, Natives: u.symbols}
	m.Funcs = make([]code.Func, len(u.funcs))
	files := fileTable{index: map[string]int32{}}
	files.add("")
	for i, x := range u.funcs {
		if x != nil {
			u.placeFunc(m, i, x, &files)
		}
	}
	m.Files = files.names
	data, err := u.data.Finish(layout.Funcs{
		Method:    u.method,
		TypeEqual: int32(u.known["runtime.typeEqual"]),
		TypeHash:  int32(u.known["runtime.typeHash"]),
	})
	if err != nil {
		return nil, err
	}
	for i, x := range u.funcs {
		if x == nil {
			continue
		}
		words := m.Code[m.Funcs[i].Entry:]
		for _, w := range x.chunk.Refs {
			words[w] = words[w].WithImm32(data.FinalOffset(words[w].Imm32()))
		}
		for _, w := range x.chunk.Exts {
			words[w] = code.ExtWord(data.Final(words[w].Ext()))
		}
	}
	m.Data, m.ROBytes, m.Globals, m.TypeLinks, m.Itabs = data.Bytes, data.ROBytes, data.Globals, data.TypeLinks, data.Itabs
	return m, nil
}

// placeFunc appends the code of function i.
func (u *unit) placeFunc(m *code.Image, i int, x *function, files *fileTable) {
	at := int32(len(m.Code))
	c := x.chunk
	m.Code = append(m.Code, c.Words...)
	f := &m.Funcs[i]
	*f = code.Func{
		Name: x.name, Entry: at, End: int32(len(m.Code)), FrameSlots: c.Frame,
		ResSlots: int32(sum(x.sig.res)), ArgSlots: int32(sum(x.sig.args)),
		Flags: x.flags, File: files.add(x.file), Line: x.line,
	}
	if c.Recover >= 0 {
		f.Recover = at + c.Recover
	}
	if len(c.Words) > 0 && (len(c.Lines) == 0 || c.Lines[0].Word > 0) {
		m.Lines = append(m.Lines, code.Line{PC: at, File: f.File, Line: f.Line})
	}
	first := int32(len(m.Inlined))
	in := func(n int32) int32 {
		if n == 0 {
			return 0
		}
		return first + n
	}
	for _, i := range x.inlined {
		m.Inlined = append(m.Inlined, code.Inlined{Name: i.Name, File: files.add(i.From.File), Line: i.From.Line, In: in(i.From.In)})
	}
	for _, l := range c.Lines {
		p := x.lines[l.Pos]
		m.Lines = append(m.Lines, code.Line{PC: at + l.Word, File: files.add(p.File), Line: p.Line, In: in(p.In)})
	}
}

// fileTable numbers file names in order of first use.
type fileTable struct {
	names []string
	index map[string]int32
}

func (t *fileTable) add(name string) int32 {
	if i, ok := t.index[name]; ok {
		return i
	}
	i := int32(len(t.names))
	t.names = append(t.names, name)
	t.index[name] = i
	return i
}

// method is layout.Funcs.Method.
func (u *unit) method(recv types.Type, sel *types.Selection) (ifn, tfn int32) {
	if _, ok := u.reach.types.Get(recv); !ok || !u.reach.wants(sel) {
		return 0, 0
	}
	return u.methodFuncs(recv, sel)
}
