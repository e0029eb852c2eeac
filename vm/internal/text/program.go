// Package text is what of an image does not change while programs run: its code as the loop goes by it, with the machine's own words behind it, and what
// tells functions, source lines and variables by code word. It runs nothing (package exec) and verifies nothing (package check).
//
// Cost: a copy of the code and two bytes a word, once for all machines that run the program.
package text

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/live"
	"github.com/tandemvm/tandem/vm/internal/loop"
)

// Program is an image made ready to run: its code with the machine's trampolines behind it, a table of entries for
// calls and the index from code words to functions. It is immutable and serves any number of machines.
type Program struct {
	Image *code.Image

	Code    []code.Instr // Image.Code and the trampolines, ops as the loop goes by them
	Entries []loop.Entry // by function index
	order   []int32      // function indexes by Entry
	block   []int32      // for each 64 code words, the position in order of the function that holds or follows the first
	Frames  []uint16     // by code word: the last slot of a frame that goes on there, 0: no instruction begins there
	Itabs   map[[2]uint64]uint64
	DataEnd uint64

	liveOnce sync.Once
	live     *live.Table
}

// Live tells which slots of frames are needed. native gives the slots of results and arguments of a native by its index, the same each time.
func (p *Program) Live(native func(index int) (res, args int)) *live.Table {
	p.liveOnce.Do(func() { p.live = live.New(p.Image, native) })
	return p.live
}

// funcReflect marks the functions of package reflect, in entries only.
const FuncReflect code.FuncFlag = 1 << 31

// Trampolines stand behind the image's code, at these distances from its end.
const (
	TrampGoExit = iota
	TrampPanicNext
	TrampTrap
	trampCount
)

// NewProgram prepares an image, which must have passed the verifier of package check.
func NewProgram(img *code.Image) (*Program, error) {
	p := &Program{Image: img, Itabs: map[[2]uint64]uint64{}}
	n := len(img.Code)
	p.Code = make([]code.Instr, n+trampCount)
	copy(p.Code, img.Code)
	p.Frames = make([]uint16, n+trampCount)
	p.Entries = make([]loop.Entry, len(img.Funcs))
	for i, f := range img.Funcs {
		if i == 0 {
			continue
		}
		if f.Entry < 0 || f.End > int32(n) || f.Entry > f.End || f.FrameSlots < code.FrameHeader+f.ResSlots+f.ArgSlots || f.FrameSlots > 1<<16 {
			return nil, fmt.Errorf("text: function %d (%s) is malformed: compile the program again", i, f.Name)
		}
		flags := f.Flags
		if strings.HasPrefix(f.Name, "reflect.") {
			flags |= FuncReflect
		}
		p.Entries[i] = loop.Entry{Start: uint32(f.Entry), FrameBytes: uint32(f.FrameSlots) * 8, Res: uint16(f.ResSlots), Args: uint16(f.ArgSlots), Flags: flags}
		p.order = append(p.order, int32(i))
		p.markFrames(int(f.Entry), int(f.End), uint16(f.FrameSlots-1))
	}
	for i := range trampCount {
		p.Frames[n+i] = code.FrameHeader - 1
	}
	if img.Entry <= 0 || int(img.Entry) >= len(img.Funcs) {
		return nil, fmt.Errorf("text: the image has no entry function: compile the program again")
	}
	slices.SortFunc(p.order, func(a, b int32) int { return int(img.Funcs[a].Entry - img.Funcs[b].Entry) })
	for w, k := 0, 0; w <= n; w += 64 {
		for k < len(p.order)-1 && img.Funcs[p.order[k]].End <= int32(w) {
			k++
		}
		p.block = append(p.block, int32(k))
	}
	p.DataEnd = code.Base + code.DataStart + uint64(len(img.Data))
	for _, t := range img.Itabs {
		o := t - code.Base - code.DataStart
		if o > uint64(len(img.Data)) || uint64(len(img.Data))-o < 16 {
			return nil, fmt.Errorf("text: itab %#x is outside the image's data: compile the program again", t)
		}
		p.Itabs[[2]uint64{binary.LittleEndian.Uint64(img.Data[o:]), binary.LittleEndian.Uint64(img.Data[o+8:])}] = t
	}
	return p, nil
}

// markFrames notes where instructions begin in the words [lo, hi), whose frames have the last slot given.
func (p *Program) markFrames(lo, hi int, last uint16) {
	for w := lo; w < hi; {
		p.Frames[w] = last
		op := p.Code[w].Op
		if !op.Valid() {
			return
		}
		p.Code[w].Op = loop.Dispatch(op)
		w += code.Table[op].Form.Words()
	}
}

// Tramp is the code word of a trampoline.
func (p *Program) Tramp(which int) uint64 { return uint64(len(p.Image.Code) + which) }

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
	file, line, _ = p.LineIn(pc)
	return file, line
}

// LineIn is LineAt and the inlined call that the word comes from, as Line.In.
func (p *Program) LineIn(pc uint64) (file string, line int, in int32) {
	img := p.Image
	i := sort.Search(len(img.Lines), func(i int) bool { return uint64(img.Lines[i].PC) > pc }) - 1
	if i < 0 {
		return "?", 0, 0
	}
	l := img.Lines[i]
	return img.Files[l.File], int(l.Line), l.In
}

// ObservedCode is a copy of the code that the loop leaves at each instruction.
func (p *Program) ObservedCode() []code.Instr {
	c := slices.Clone(p.Code)
	for w := range p.Image.Code {
		if p.Frames[w] != 0 {
			c[w].Op = 0
		}
	}
	return c
}

// Instr is the instruction at code word pc.
func (p *Program) Instr(pc uint64) code.Instr {
	if pc < uint64(len(p.Image.Code)) {
		return p.Image.Code[pc]
	}
	return trampolines[pc-uint64(len(p.Image.Code))]
}

var trampolines = [trampCount]code.Instr{TrampGoExit: {Op: code.GoExit}, TrampPanicNext: {Op: code.PanicNext}, TrampTrap: {Op: code.Trap}}

// LocalsAt are the variables of the source that stand somewhere while a frame is at code word pc.
func (p *Program) LocalsAt(pc uint64) (list []code.Local) {
	for _, l := range p.Image.Locals {
		if uint64(l.From) > pc {
			break
		}
		if pc < uint64(l.To) {
			list = append(list, l)
		}
	}
	return list
}
