package exec

import (
	"encoding/binary"
	"fmt"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Assembler builds images by hand. Labels are names within the function being written; jumps to them are patched by finish.
type Assembler struct {
	img    code.Image
	labels map[string]int
	jumps  []jumpSite
	cur    int
	line   int32
}

type jumpSite struct {
	at    int
	label string
}

func newAssembler() *Assembler {
	a := &Assembler{}
	a.img.Funcs = make([]code.Func, 1)
	a.img.Code = []code.Instr{{Op: code.Trap}}
	a.img.Files = []string{"/src/a.go"}
	a.img.Known = map[string]uint64{}
	return a
}

// Func begins a function and returns its index; Declare before it gives an index ahead of the body.
func (a *Assembler) Func(name string, res, args, slots int) int {
	i := a.Declare(name, res, args, slots)
	a.Begin(i)
	return i
}

func (a *Assembler) Declare(name string, res, args, slots int) int {
	a.img.Funcs = append(a.img.Funcs, code.Func{Name: name, ResSlots: int32(res), ArgSlots: int32(args), FrameSlots: int32(slots)})
	return len(a.img.Funcs) - 1
}

// Begin starts the body of a declared function.
func (a *Assembler) Begin(i int) {
	a.end()
	a.cur = i
	a.img.Funcs[i].Entry = int32(len(a.img.Code))
	a.labels = map[string]int{}
}

func (a *Assembler) end() {
	if a.cur == 0 {
		return
	}
	a.img.Funcs[a.cur].End = int32(len(a.img.Code))
	for _, j := range a.jumps {
		to, ok := a.labels[j.label]
		if !ok {
			panic("BUG: no label " + j.label)
		}
		in := &a.img.Code[j.at]
		off := to - j.at
		switch code.Table[in.Op].Form {
		case code.FormJ, code.FormAJ:
			*in = in.WithImm32(int32(off))
		default:
			in.C = uint16(int16(off))
		}
	}
	a.jumps, a.cur = nil, 0
}

// I adds an instruction; ext words follow as many as its form has.
func (a *Assembler) I(op code.Op, x, y, z int, ext ...uint64) {
	a.line++
	a.img.Lines = append(a.img.Lines, code.Line{PC: int32(len(a.img.Code)), Line: a.line})
	a.img.Code = append(a.img.Code, code.Instr{Op: op, A: uint16(x), B: uint16(y), C: uint16(z)})
	if n := code.Table[op].Form.Words() - 1; n != len(ext) {
		panic(fmt.Sprintf("BUG: %s has %d ext words, not %d", op, n, len(ext)))
	}
	for _, e := range ext {
		a.img.Code = append(a.img.Code, code.ExtWord(e))
	}
}

// II adds an instruction with a 32-bit immediate.
func (a *Assembler) II(op code.Op, x int, imm int32) {
	a.I(op, x, 0, 0)
	in := &a.img.Code[len(a.img.Code)-1]
	*in = in.WithImm32(imm)
}

// J adds a jump to a label.
func (a *Assembler) J(op code.Op, x, y int, label string) {
	a.jumps = append(a.jumps, jumpSite{len(a.img.Code), label})
	a.I(op, x, y, 0)
}

func (a *Assembler) L(label string) { a.labels[label] = len(a.img.Code) }

// Native is the index of a native symbol.
func (a *Assembler) Native(sym string) int32 {
	for i, s := range a.img.Natives {
		if s == sym {
			return int32(i)
		}
	}
	a.img.Natives = append(a.img.Natives, sym)
	return int32(len(a.img.Natives) - 1)
}

// Data appends words to the image's data and returns their guest address.
func (a *Assembler) Data(words ...uint64) uint64 {
	at := code.Base + code.DataStart + uint64(len(a.img.Data))
	for _, w := range words {
		a.img.Data = binary.LittleEndian.AppendUint64(a.img.Data, w)
	}
	return at
}

// Global appends n zero words and returns their guest address; Conservative scanning of globals needs a type, so tests keep pointers in frames.
func (a *Assembler) Global(n int) uint64 { return a.Data(make([]uint64, n)...) }

// finish is the image, with the entry function's index.
func (a *Assembler) finish(entry int) *code.Image {
	a.end()
	a.img.Entry = int32(entry)
	return &a.img
}
