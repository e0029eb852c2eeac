package live

import (
	"encoding/binary"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// stretch is n slots from one on.
type stretch struct{ from, n int }

// uses is what an instruction does with the slots of its frame. What is read may be told larger than it is, what is written smaller.
type uses struct {
	reads, writes []stretch
	window        int // slots from here on are the callee's, -1: none
}

// Widths of operands A, B and C as the specification of the op has them: "r[A:3] = " writes three slots, any other mention reads.
type widths struct{ read, write [3]int }

var opWidths = func() (all [code.OpCount]widths) {
	for op := code.Op(1); op < code.OpCount; op++ {
		w, effect := &all[op], code.Table[op].Effect
		left, right, found := strings.Cut(effect, " = ")
		if found && strings.HasPrefix(effect, "r[A") && !strings.Contains(left, " ") {
			w.write, w.read = code.Mentioned(left), code.Mentioned(right)
		} else {
			w.read = code.Mentioned(effect)
		}
	}
	return all
}()

// uses tells what instruction i at pc does.
func (a *analysis) uses(pc int32, i code.Instr) uses {
	u := uses{window: -1}
	w := opWidths[i.Op]
	for k, slot := range [3]uint16{i.A, i.B, i.C} {
		if n := w.write[k]; n > 0 {
			u.writes = append(u.writes, stretch{int(slot), n})
		}
		if n := w.read[k]; n > 0 {
			u.reads = append(u.reads, stretch{int(slot), n})
		}
	}
	read := func(slot uint16, n int) { u.reads = append(u.reads, stretch{int(slot), n}) }
	write := func(slot uint16, n int) { u.writes = append(u.writes, stretch{int(slot), n}) }
	rest := int(a.f.FrameSlots)
	form := code.Table[i.Op].Form
	ext := uint64(0)
	if form.Words() > 1 {
		ext = a.img.Code[pc+1].Ext()
	}
	if code.ExtMeaning(i.Op) == code.ExtSlot {
		read(uint16(ext), 1)
	}
	if form == code.FormSlice {
		for _, s := range []uint16{uint16(ext), uint16(ext >> 16), uint16(ext >> 32)} {
			if s != code.NoSlot {
				read(s, 1)
			}
		}
	}
	count := int(i.C)
	switch i.Op {
	case code.RotL32I:
		read(i.B, 1)
	case code.MovN:
		read(i.B, count)
		write(i.A, count)
	case code.Zero:
		write(i.A, int(i.Imm32()))
	case code.LdN:
		write(i.A, slotsOf(ext))
	case code.StN:
		read(i.B, slotsOf(ext))
	case code.EqVal:
		n := a.slots(ext)
		read(i.B, n)
		read(i.C, n)
	case code.MkClo:
		read(i.B, count)
	case code.Append1:
		read(i.C, a.slots(ext))
	case code.Concat:
		read(i.B, 2*count)
	case code.MkIB:
		typ := ext
		if i.C == 1 {
			typ = a.word(ext + itabType)
		}
		read(i.B, a.slots(typ))
	case code.AssertT:
		n := a.slots(ext)
		if i.C&4 != 0 {
			n = 1
		}
		write(i.A, n+int(i.C&1))
	case code.MapGet, code.MapGet2:
		read(i.B, 1)
		read(i.C, a.slots(a.word(ext+mapKey)))
		write(i.A, a.slots(a.word(ext+mapElem)))
	case code.MapSet:
		read(i.B, a.slots(a.word(ext+mapKey)))
		read(i.C, a.slots(a.word(ext+mapElem)))
	case code.MapPut:
		read(i.C, a.slots(a.word(ext+mapKey)))
	case code.MapDel:
		read(i.B, a.slots(a.word(ext+mapKey)))
	case code.MapNext:
		write(i.A, 1+a.slots(a.word(ext+mapKey))+a.slots(a.word(ext+mapElem)))
	case code.Send:
		read(i.B, a.slots(ext))
	case code.Recv:
		write(i.A, a.slots(ext)+count)
	case code.Select:
		read(i.B, 3*count)
	case code.Ret:
		read(code.FrameHeader, int(a.f.ResSlots))
	case code.Call:
		callee := &a.img.Funcs[i.Imm32()]
		u.window = int(i.A)
		read(i.A+2, 1) // a closure of what is known by its function
		read(i.A+uint16(code.FrameHeader+callee.ResSlots), int(callee.ArgSlots))
	case code.Native:
		res, args := a.native(int(i.Imm32()))
		u.window = int(i.A)
		read(i.A+uint16(code.FrameHeader+res), args)
	case code.CallRFin:
		read(i.B, 6)
	case code.CallC, code.CallI, code.CallR:
		u.window = int(i.A)
		read(i.A+code.FrameHeader, rest)
	case code.Go, code.Defer, code.DeferF, code.DeferC:
		read(i.B, 3)
		read(i.A+code.FrameHeader, rest)
	case code.DeferL:
		read(i.A, code.DeferHeader+int(uint32(ext>>32)))
	}
	return u
}

const (
	mapKey     = 48 // in abi.MapType
	mapElem    = 56
	itabType   = 8 // in abi.ITab
	kindArray  = 17
	kindStruct = 25
)

// word is a word of the image's data.
func (a *analysis) word(addr uint64) uint64 {
	off := addr - code.Base - code.DataStart
	if off > uint64(len(a.img.Data)) || uint64(len(a.img.Data))-off < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(a.img.Data[off:])
}

// slots is the number of slots of a value of the type whose descriptor is at an address; its first word is the size, and byte 23 the kind.
func (a *analysis) slots(typ uint64) int {
	size := a.word(typ)
	if kind := a.word(typ+16) >> 56 & 31; (kind == kindStruct || kind == kindArray) && size >= code.BoxedBytes {
		return 1
	}
	return slotsOf(size)
}

func slotsOf(sizeBytes uint64) int { return int(min((sizeBytes+7)/8, 1<<16)) }
