package check

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// bodies verifies the code of every function.
func (c *checker) bodies() error {
	starts := make([]bool, len(c.img.Code)) // words at which an instruction begins that a jump may land on
	for i := range c.img.Funcs[1:] {
		b := &body{checker: c, f: &c.img.Funcs[i+1], starts: starts}
		if err := b.check(); err != nil {
			return fmt.Errorf("function %s: %w", b.f.Name, err)
		}
	}
	return nil
}

type body struct {
	*checker
	f      *code.Func
	starts []bool
	jumps  [][2]int32 // from, to
}

func (b *body) check() error {
	last := int32(0)
	for pc := b.f.Entry; pc < b.f.End; {
		op := b.img.Code[pc].Op
		if op == 0 || op >= code.OpCount || b.img.Ops > 0 && op >= b.img.Ops {
			return fmt.Errorf("word %d: no op %#x", pc-b.f.Entry, uint16(op))
		}
		words := int32(code.Table[op].Form.Words())
		if words > b.f.End-pc {
			return fmt.Errorf("word %d: %s is cut off", pc-b.f.Entry, code.Table[op].Name)
		}
		if err := b.instr(pc); err != nil {
			return fmt.Errorf("word %d: %s: %w", pc-b.f.Entry, code.Table[op].Name, err)
		}
		b.starts[pc] = op != code.CallRFin
		last = pc
		pc += words
	}
	if !endsBody(b.img.Code[last].Op) {
		return fmt.Errorf("word %d: code runs off its end", last-b.f.Entry)
	}
	for _, j := range b.jumps {
		if to := j[1]; to < b.f.Entry || to >= b.f.End || !b.starts[to] {
			return fmt.Errorf("word %d: jump to %d, where no instruction of the function begins", j[0]-b.f.Entry, to-b.f.Entry)
		}
	}
	if r := b.f.Recover; r != 0 && (r < b.f.Entry || r >= b.f.End || !b.starts[r]) {
		return fmt.Errorf("no instruction to recover to at %d", r-b.f.Entry)
	}
	return nil
}

// endsBody says that control never continues behind the op.
func endsBody(op code.Op) bool {
	switch op {
	case code.Jmp, code.Ret, code.Ret1, code.Panic, code.Trap, code.Halt:
		return true
	}
	return false
}

func (b *body) instr(pc int32) error {
	i := b.img.Code[pc]
	form := code.Table[i.Op].Form
	var ext uint64
	var t *descriptor
	if form.Words() == 2 {
		ext = b.img.Code[pc+1].Ext()
		var err error
		if t, err = b.ext(i, ext); err != nil {
			return err
		}
	}
	isSlot := slotOperands(form)
	for k, n := range wide(opWidths[i.Op], i, ext, t) {
		if isSlot[k] {
			if err := b.slots([3]uint16{i.A, i.B, i.C}[k], n); err != nil {
				return err
			}
		}
	}
	b.jump(pc, i, form)
	switch {
	case form == code.FormSlice:
		return b.slicing(pc)
	case form == code.FormABUXX:
		return b.division(pc, i)
	case form == code.FormCall, form == code.FormCallB, i.Op == code.RunDefers, i.Op == code.CallR, i.Op == code.CallRFin:
		return b.call(pc, i)
	case i.Op >= code.LdG64 && i.Op <= code.StG192:
		return b.global(i)
	}
	return b.special(i)
}

// slots verifies n slots from slot on; an operand of no slots still is one.
func (b *body) slots(from uint16, n int) error {
	if n < 0 || int(from)+max(n, 1) > int(b.f.FrameSlots) && !(n == 0 && int(from) <= int(b.f.FrameSlots)) {
		return fmt.Errorf("%d slots from %d are outside the frame of %d", n, from, b.f.FrameSlots)
	}
	return nil
}

func (b *body) jump(pc int32, i code.Instr, form code.Form) {
	switch form {
	case code.FormJ, code.FormAJ:
		to := int64(pc) + int64(i.Imm32())
		b.jumps = append(b.jumps, [2]int32{pc, int32(max(min(to, 1<<31-1), -1))})
	case code.FormABJ, code.FormAIJ:
		b.jumps = append(b.jumps, [2]int32{pc, pc + int32(int16(i.C))})
	}
}

// ext verifies what an ext word refers to, and is the type it names.
func (b *body) ext(i code.Instr, ext uint64) (*descriptor, error) {
	switch code.ExtMeaning(i.Op) {
	case code.ExtSlot:
		if ext >= uint64(b.f.FrameSlots) {
			return nil, fmt.Errorf("slot %d is outside the frame", ext)
		}
	case code.ExtFunc:
		if ext == 0 || ext >= uint64(len(b.img.Funcs)) {
			return nil, fmt.Errorf("function %d does not exist", ext)
		}
	case code.ExtDefer:
		if own := uint32(ext); own == 0 || uint64(own) >= uint64(len(b.img.Funcs)) || &b.img.Funcs[own] != b.f {
			return nil, fmt.Errorf("function %d is not the one this is in", own)
		}
	case code.ExtTypeOrItab:
		if t := b.tabs[ext]; t != nil && (i.Op == code.MkIP || i.C == 1) {
			return t, nil
		}
		if t := b.types[ext]; t != nil && (i.Op == code.MkIP || i.C == 0) {
			return t, nil
		}
		return nil, fmt.Errorf("no type or itab at %#x", ext)
	case code.ExtType:
		t := b.types[ext]
		if t == nil {
			return nil, fmt.Errorf("no type at %#x", ext)
		}
		return t, wantKind(i, t)
	case code.ExtNumber:
		if i.Op != code.LdC && ext > 1<<40 {
			return nil, fmt.Errorf("size %d", ext)
		}
	}
	return nil, nil
}

// wantKind verifies that t is of the kind of type i works on.
func wantKind(i code.Instr, t *descriptor) error {
	want, what := uint8(0), ""
	switch i.Op {
	case code.MapNew, code.MapGet, code.MapGet2, code.MapSet, code.MapDel, code.MapClear, code.MapIter, code.MapNext, code.MapPut:
		want, what = kindMap, "map"
	case code.ChanNew:
		want, what = kindChan, "channel"
	case code.AssertI, code.ConvI:
		want, what = kindInterface, "interface"
	case code.AssertT:
		if size, known, _ := code.AssertBytes(i.C); known && t.size != size || i.C>>3 == code.AssertWord && t.slots() != 1 {
			return fmt.Errorf("the type at %#x is no value of flags %d", t.addr, i.C)
		}
	}
	if want != 0 && t.kind != want {
		return fmt.Errorf("the type at %#x is no %s type", t.addr, what)
	}
	return nil
}

// division verifies that the reciprocal is the divisor's.
func (b *body) division(pc int32, i code.Instr) error {
	d, signed := b.img.Code[pc+1].Ext(), code.IsSignedDivision(i.Op)
	if d < 2 || signed && d>>63 != 0 {
		return fmt.Errorf("divisor %d", int64(d))
	}
	if m, shift := code.Reciprocal(d, signed); m != b.img.Code[pc+2].Ext() || shift != i.C {
		return fmt.Errorf("the reciprocal is not that of %d", d)
	}
	return nil
}

func (b *body) slicing(pc int32) error {
	w := b.img.Code[pc+1]
	for _, s := range []uint16{uint16(w.Op), w.A, w.B} {
		if s != code.NoSlot {
			if err := b.slots(s, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// call verifies the window of a call: header, results and arguments of the callee, as far as it is known, lie within the frame.
func (b *body) call(pc int32, i code.Instr) error {
	need := code.FrameHeader
	switch i.Op {
	case code.Call:
		n := i.Imm32()
		if n < 1 || int(n) >= len(b.img.Funcs) {
			return fmt.Errorf("function %d does not exist", n)
		}
		callee := b.img.Funcs[n]
		need += int(callee.ResSlots + callee.ArgSlots)
	case code.Native:
		n := i.Imm32()
		if n < 0 || int(n) >= len(b.sigs) {
			return fmt.Errorf("native %d does not exist", n)
		}
		need += b.sigs[n].Res + b.sigs[n].Args
	case code.Go, code.Defer, code.DeferF, code.DeferC:
		need += int(i.C)
	case code.CallR:
		next := pc + 1
		if next >= b.f.End || b.img.Code[next] != (code.Instr{Op: code.CallRFin, A: i.A, B: i.B, C: i.C}) {
			return fmt.Errorf("it is not followed by CallRFin with the same operands")
		}
	case code.CallRFin:
		if pc == b.f.Entry || b.img.Code[pc-1].Op != code.CallR || !b.starts[pc-1] {
			return fmt.Errorf("it does not follow a CallR")
		}
	}
	if err := b.slots(i.A, need); err != nil {
		return fmt.Errorf("call window: %w", err)
	}
	return nil
}

// globalBytes are the bytes that LdG64 to StG192 read or write.
var globalBytes = [code.StG192 - code.LdG64 + 1]uint64{
	code.LdG64 - code.LdG64: 8, code.LdGU32 - code.LdG64: 4, code.LdGS32 - code.LdG64: 4, code.LdGU8 - code.LdG64: 1,
	code.LdG128 - code.LdG64: 16, code.LdG192 - code.LdG64: 24,
	code.StG64 - code.LdG64: 8, code.StG32 - code.LdG64: 4, code.StG8 - code.LdG64: 1,
	code.StG128 - code.LdG64: 16, code.StG192 - code.LdG64: 24,
}

// global verifies the memory of a load or store by constant address.
func (b *body) global(i code.Instr) error {
	size := globalBytes[i.Op-code.LdG64]
	off, lo := uint64(uint32(i.Imm32())), uint64(code.DataStart)
	if i.Op >= code.StG64 {
		lo += b.img.ROBytes
	}
	if off < lo || off+size > code.DataStart+uint64(len(b.img.Data)) {
		return fmt.Errorf("offset %d is outside the image's variables", off)
	}
	return nil
}

// special verifies what single ops demand beyond their form.
func (b *body) special(i code.Instr) error {
	switch i.Op {
	case code.ShlI, code.ShrUI, code.ShrSI:
		if i.C > 63 {
			return fmt.Errorf("shift count %d", int16(i.C))
		}
	case code.ShlU32I, code.RotL32I:
		if i.C > 31 {
			return fmt.Errorf("shift count %d", int16(i.C))
		}
	case code.Ret1:
		if b.f.ResSlots < 1 {
			return fmt.Errorf("the function has no result")
		}
	case code.TypeW, code.Recv, code.MkIB, code.MkIM:
		if i.C > 1 {
			return fmt.Errorf("flag %d", i.C)
		}
	case code.AssertT:
		if _, _, ok := code.AssertBytes(i.C); !ok {
			return fmt.Errorf("flags %d", i.C)
		}
	case code.AssertI:
		if i.C > 3 {
			return fmt.Errorf("flags %d", i.C)
		}
	case code.Zero:
		if i.Imm32() < 0 {
			return fmt.Errorf("%d slots", i.Imm32())
		}
	case code.GoExit, code.PanicNext:
		return fmt.Errorf("only the machine's own code may hold it")
	}
	return nil
}
