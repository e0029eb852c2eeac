package code

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Disasm prints function fn of m, a line an instruction: word number within the function, op, operands and, behind a
// semicolon, what an operand refers to. Slots are rN, windows wN, jumps name their target. Nothing in it depends
// on other functions or on where data stands. An index out of range and malformed code are printed as such.
func Disasm(m *Image, fn int) string {
	if fn < 0 || fn >= len(m.Funcs) {
		return fmt.Sprintf("no function %d\n", fn)
	}
	f := m.Funcs[fn]
	var b strings.Builder
	fmt.Fprintf(&b, "%s: frame %d, results %d, args %d", f.Name, f.FrameSlots, f.ResSlots, f.ArgSlots)
	for _, flag := range []struct {
		f    FuncFlag
		name string
	}{{FuncWrapper, "wrapper"}, {FuncDefers, "defers"}, {FuncStd, "std"}, {FuncAnySignature, "any signature"}} {
		if f.Flags&flag.f != 0 {
			b.WriteString(", " + flag.name)
		}
	}
	if f.Recover != 0 {
		fmt.Fprintf(&b, ", recover @%d", f.Recover-f.Entry)
	}
	b.WriteByte('\n')
	if f.Entry < 0 || f.End < f.Entry || int(f.End) > len(m.Code) {
		fmt.Fprintf(&b, "  code [%d, %d) is outside the image\n", f.Entry, f.End)
		return b.String()
	}
	code := m.Code[f.Entry:f.End]
	for pc := 0; pc < len(code); {
		words := 1
		if op := code[pc].Op; op > 0 && op < OpCount {
			words = Table[op].Form.Words()
		}
		if pc+words > len(code) {
			fmt.Fprintf(&b, "%5d  cut off: %x\n", pc, code[pc].Ext())
			break
		}
		fmt.Fprintf(&b, "%5d  %s\n", pc, m.instr(code[pc:pc+words], pc))
		pc += words
	}
	return b.String()
}

// instr prints one instruction that stands at word pc of its function.
func (m *Image) instr(w []Instr, pc int) string {
	i := w[0]
	op := i.Op
	if op == 0 || op >= OpCount {
		return fmt.Sprintf("bad op %#x", uint16(i.Op))
	}
	info := Table[op]
	line := strings.TrimRight(fmt.Sprintf("%-10s %s", info.Name, operands(info.Form, w, pc)), " ")
	if note := m.note(op, info.Form, w); note != "" {
		line += " ; " + note
	}
	return line
}

func operands(form Form, w []Instr, pc int) string {
	i := w[0]
	switch form {
	case FormA:
		return fmt.Sprintf("r%d", i.A)
	case FormAB:
		return fmt.Sprintf("r%d r%d", i.A, i.B)
	case FormABC:
		return fmt.Sprintf("r%d r%d r%d", i.A, i.B, i.C)
	case FormABI:
		return fmt.Sprintf("r%d r%d %d", i.A, i.B, int16(i.C))
	case FormABU, FormABUX:
		return fmt.Sprintf("r%d r%d %d", i.A, i.B, i.C) + constant(i.Op, w)
	case FormAI:
		if isGlobal(i.Op) {
			return fmt.Sprintf("r%d", i.A)
		}
		return fmt.Sprintf("r%d %d", i.A, i.Imm32())
	case FormJ:
		return fmt.Sprintf("@%d", pc+int(i.Imm32()))
	case FormAJ:
		return fmt.Sprintf("r%d @%d", i.A, pc+int(i.Imm32()))
	case FormABJ:
		return fmt.Sprintf("r%d r%d @%d", i.A, i.B, pc+int(int16(i.C)))
	case FormAIJ:
		return fmt.Sprintf("r%d %d @%d", i.A, int16(i.B), pc+int(int16(i.C)))
	case FormAX:
		return fmt.Sprintf("r%d", i.A) + constant(i.Op, w)
	case FormABX:
		return fmt.Sprintf("r%d r%d", i.A, i.B) + constant(i.Op, w)
	case FormABCX:
		return fmt.Sprintf("r%d r%d r%d", i.A, i.B, i.C) + constant(i.Op, w)
	case FormABUXX:
		return fmt.Sprintf("r%d r%d %d", i.A, i.B, w[1].Ext())
	case FormSlice:
		return fmt.Sprintf("r%d r%d [%s:%s:%s] %d", i.A, i.B, absent(uint16(w[1].Op)), absent(w[1].A), absent(w[1].B), uint32(w[2].Ext())) +
			arrayLength(w[2].Ext()>>32)
	case FormCall:
		return fmt.Sprintf("w%d", i.A)
	case FormCallB:
		return fmt.Sprintf("w%d r%d %d", i.A, i.B, i.C)
	}
	return ""
}

func absent(slot uint16) string {
	if slot == NoSlot {
		return ""
	}
	return fmt.Sprintf("r%d", slot)
}

func arrayLength(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" of %d", n)
}

// constant prints an ext word that is a number of its own and no reference.
func constant(op Op, w []Instr) string {
	switch ExtMeaning(op) {
	case ExtNumber:
		if v := w[1].Ext(); op != LdC || v-Base >= 1<<32 {
			return fmt.Sprintf(" %d", int64(v))
		}
		return " data"
	case ExtSlot:
		return fmt.Sprintf(" r%d", w[1].Ext())
	case ExtDefer:
		return fmt.Sprintf(" %d", w[1].Ext()>>32)
	}
	return ""
}

func isGlobal(op Op) bool { return op >= LdG64 && op <= StG192 }

// note names what an instruction refers to.
func (m *Image) note(op Op, form Form, w []Instr) string {
	i := w[0]
	switch {
	case op == Call || op == FnS:
		return m.funcName(uint64(uint32(i.Imm32())))
	case op == Native:
		if n := i.Imm32(); n >= 0 && int(n) < len(m.Natives) {
			return m.Natives[n]
		}
		return "no native"
	case isGlobal(op):
		return m.describe(Base + uint64(uint32(i.Imm32())))
	case form.Words() != 2:
		return ""
	}
	switch ext := w[1].Ext(); ExtMeaning(op) {
	case ExtFunc:
		return m.funcName(ext)
	case ExtType, ExtTypeOrItab:
		return m.describe(ext)
	case ExtNumber:
		if op == LdC && ext >= Base+DataStart {
			return m.describe(ext)
		}
	}
	return ""
}

func (m *Image) funcName(i uint64) string {
	if i < uint64(len(m.Funcs)) {
		return m.Funcs[i].Name
	}
	return "no function"
}

// describe names the datum at addr: a variable with offset, a type, an itab, or the first bytes there.
func (m *Image) describe(addr uint64) string {
	off := addr - Base - DataStart
	if addr < Base+DataStart || off >= uint64(len(m.Data)) {
		return ""
	}
	if off >= m.ROBytes {
		return m.globalAt(addr)
	}
	if slices.Contains(m.TypeLinks, addr) {
		return "type " + m.typeString(addr)
	}
	if slices.Contains(m.Itabs, addr) {
		return "itab " + m.typeString(m.word(addr)) + ", " + m.typeString(m.word(addr+8))
	}
	return fmt.Sprintf("%q", m.Data[off:min(off+12, uint64(len(m.Data)))])
}

func (m *Image) globalAt(addr uint64) string {
	best := -1
	for i, g := range m.Globals {
		if g.Addr <= addr && (best < 0 || g.Addr > m.Globals[best].Addr) {
			best = i
		}
	}
	if best < 0 {
		return "data"
	}
	if d := addr - m.Globals[best].Addr; d > 0 {
		return fmt.Sprintf("%s+%d", m.Globals[best].Name, d)
	}
	return m.Globals[best].Name
}

// word is the 8 bytes of initial memory at addr, 0 outside the data.
func (m *Image) word(addr uint64) uint64 {
	off := addr - Base - DataStart
	if addr < Base+DataStart || off+8 > uint64(len(m.Data)) {
		return 0
	}
	return binary.LittleEndian.Uint64(m.Data[off:])
}

// typeString is the name in the abi.Type at addr, "?" when there is none.
func (m *Image) typeString(addr uint64) string {
	const str, tflag, extraStar = 40, 20, 1 << 1
	name := Base + uint64(uint32(m.word(addr+str)))
	off := name - Base - DataStart
	if name < Base+DataStart || off >= uint64(len(m.Data)) {
		return "?"
	}
	n, used := binary.Uvarint(m.Data[off+1:])
	if used <= 0 || n == 0 || n > uint64(len(m.Data))-off-1-uint64(used) {
		return "?"
	}
	s := string(m.Data[off+1+uint64(used):][:n])
	if m.word(addr+tflag)&extraStar != 0 {
		s = s[1:]
	}
	return s
}
