package exec

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/loop"
)

// Program is an image made ready to run: its code with the machine's trampolines behind it, a table of entries for
// calls and the index from code words to functions. It is immutable and serves any number of machines.
type Program struct {
	Image *code.Image

	code    []code.Instr // Image.Code and the trampolines, ops as the loop goes by them
	entries []loop.Entry // by function index
	order   []int32      // function indexes by Entry
	block   []int32      // for each 64 code words, the position in order of the function that holds or follows the first
	starts  []bool       // by code word: an instruction begins here, so a frame may continue here
	itabs   map[[2]uint64]uint64
	dataEnd uint64
}

// funcReflect marks the functions of package reflect, in entries only.
const funcReflect code.FuncFlag = 1 << 31

// Trampolines stand behind the image's code, at these distances from its end.
const (
	trampGoExit = iota
	trampPanicNext
	trampTrap
	trampCount
)

// NewProgram prepares an image, which must have passed the verifier of package check.
func NewProgram(img *code.Image) (*Program, error) {
	p := &Program{Image: img, itabs: map[[2]uint64]uint64{}}
	n := len(img.Code)
	p.code = make([]code.Instr, n+trampCount)
	copy(p.code, img.Code)
	p.starts = make([]bool, n+trampCount)
	p.entries = make([]loop.Entry, len(img.Funcs))
	for i, f := range img.Funcs {
		if i == 0 {
			continue
		}
		if f.Entry < 0 || f.End > int32(n) || f.Entry > f.End || f.FrameSlots < code.FrameHeader+f.ResSlots+f.ArgSlots || f.FrameSlots > 1<<16 {
			return nil, fmt.Errorf("exec: function %d (%s) is malformed: compile the program again", i, f.Name)
		}
		flags := f.Flags
		if strings.HasPrefix(f.Name, "reflect.") {
			flags |= funcReflect
		}
		p.entries[i] = loop.Entry{Start: uint32(f.Entry), FrameBytes: uint32(f.FrameSlots) * 8, Res: uint16(f.ResSlots), Args: uint16(f.ArgSlots), Flags: flags}
		p.order = append(p.order, int32(i))
		p.markStarts(int(f.Entry), int(f.End))
	}
	for i := range trampCount {
		p.starts[n+i] = true
	}
	if img.Entry <= 0 || int(img.Entry) >= len(img.Funcs) {
		return nil, fmt.Errorf("exec: the image has no entry function: compile the program again")
	}
	slices.SortFunc(p.order, func(a, b int32) int { return int(img.Funcs[a].Entry - img.Funcs[b].Entry) })
	for w, k := 0, 0; w <= n; w += 64 {
		for k < len(p.order)-1 && img.Funcs[p.order[k]].End <= int32(w) {
			k++
		}
		p.block = append(p.block, int32(k))
	}
	p.dataEnd = code.Base + code.DataStart + uint64(len(img.Data))
	for _, t := range img.Itabs {
		o := t - code.Base - code.DataStart
		if o > uint64(len(img.Data)) || uint64(len(img.Data))-o < 16 {
			return nil, fmt.Errorf("exec: itab %#x is outside the image's data: compile the program again", t)
		}
		p.itabs[[2]uint64{binary.LittleEndian.Uint64(img.Data[o:]), binary.LittleEndian.Uint64(img.Data[o+8:])}] = t
	}
	return p, nil
}

// markStarts notes where instructions begin in the words [lo, hi).
func (p *Program) markStarts(lo, hi int) {
	for w := lo; w < hi; {
		p.starts[w] = true
		op := p.code[w].Op
		if !op.Valid() {
			return
		}
		p.code[w].Op = loop.Dispatch(op)
		w += code.Table[op].Form.Words()
	}
}

// tramp is the code word of a trampoline.
func (p *Program) tramp(which int) uint64 { return uint64(len(p.Image.Code) + which) }

// FuncAt is the index of the function that holds code word pc, 0 if none does.
func (p *Program) FuncAt(pc uint64) int32 {
	if pc >= uint64(len(p.Image.Code)) {
		return 0
	}
	for k := int(p.block[pc>>6]); k < len(p.order); k++ {
		f := &p.Image.Funcs[p.order[k]]
		if uint64(f.Entry) > pc {
			return 0
		}
		if pc < uint64(f.End) {
			return p.order[k]
		}
	}
	return 0
}

// LineAt is the file and line of code word pc, "?" and 0 when unknown.
func (p *Program) LineAt(pc uint64) (file string, line int) {
	file, line, _ = p.lineAt(pc)
	return file, line
}

// lineAt is LineAt and the inlined call that the word comes from, as Line.In.
func (p *Program) lineAt(pc uint64) (file string, line int, in int32) {
	img := p.Image
	i := sort.Search(len(img.Lines), func(i int) bool { return uint64(img.Lines[i].PC) > pc }) - 1
	if i < 0 {
		return "?", 0, 0
	}
	l := img.Lines[i]
	return img.Files[l.File], int(l.Line), l.In
}

// observedCode is a copy of the code that the loop leaves at each instruction.
func (p *Program) observedCode() []code.Instr {
	c := slices.Clone(p.code)
	for w := range p.Image.Code {
		if p.starts[w] {
			c[w].Op = 0
		}
	}
	return c
}

// instr is the instruction at code word pc.
func (p *Program) instr(pc uint64) code.Instr {
	if pc < uint64(len(p.Image.Code)) {
		return p.Image.Code[pc]
	}
	return trampolines[pc-uint64(len(p.Image.Code))]
}

var trampolines = [trampCount]code.Instr{trampGoExit: {Op: code.GoExit}, trampPanicNext: {Op: code.PanicNext}, trampTrap: {Op: code.Trap}}
