package check

import "github.com/tandemvm/tandem/vm/internal/code"

// widths are the slots an op touches from its operands A, B and C on; 0: the operand is no slot or its width depends on the
// instruction (see wide). They are read off the specification.
type widths [3]int

var opWidths = func() (all [code.OpCount]widths) {
	for op := code.Op(1); op < code.OpCount; op++ {
		all[op] = code.Mentioned(code.Table[op].Effect)
	}
	all[code.LeaF][1] = 1 // "slot B of this frame"
	all[code.RotL32I][1] = 1
	all[code.MapGet2][1] = 1 // "as MapGet"
	all[code.Copy][2] = 2    // a string serves as source: its capacity is not read
	return all
}()

// slotOperands says which of A, B and C a form uses as slots.
func slotOperands(f code.Form) [3]bool {
	switch f {
	case code.FormA, code.FormAI, code.FormAJ, code.FormAIJ, code.FormAX:
		return [3]bool{true, false, false}
	case code.FormAB, code.FormABI, code.FormABU, code.FormABJ, code.FormABX, code.FormABUX, code.FormABUXX, code.FormSlice:
		return [3]bool{true, true, false}
	case code.FormABC, code.FormABCX:
		return [3]bool{true, true, true}
	case code.FormCallB:
		return [3]bool{false, true, false}
	}
	return [3]bool{}
}

// wide gives the widths of operands that depend on the instruction, by op; t is the descriptor of a type ext, nil for other ops.
func wide(w widths, i code.Instr, ext uint64, t *descriptor) widths {
	count := int(i.C)
	switch i.Op {
	case code.MovN:
		w[0], w[1] = count, count
	case code.Zero:
		w[0] = int(i.Imm32())
	case code.LdN:
		w[0] = slotsOf(ext)
	case code.StN:
		w[1] = slotsOf(ext)
	case code.EqVal:
		w[1], w[2] = t.slots(), t.slots()
	case code.MkClo:
		w[1] = count
	case code.DeferL:
		w[0] = code.DeferHeader + int(uint32(ext>>32))
	case code.Append1:
		w[2] = t.slots()
	case code.Concat:
		w[1] = 2 * count
	case code.MapGet:
		w[0], w[2] = t.elem.slots(), t.key.slots()
	case code.MapGet2:
		w[0], w[2] = t.elem.slots()+1, t.key.slots()
	case code.MapSet:
		w[1], w[2] = t.key.slots(), t.elem.slots()
	case code.MapPut:
		w[2] = t.key.slots()
	case code.MapDel:
		w[1] = t.key.slots()
	case code.MapNext:
		w[0] = 1 + t.key.slots() + t.elem.slots()
	case code.Send:
		w[1] = t.slots()
	case code.Recv:
		w[0] = t.slots() + count
	case code.Select:
		w[1] = 3 * count
	case code.MkIB:
		w[1] = t.slots()
	case code.AssertT:
		w[0] = t.slots() + count&1
		if count&4 != 0 {
			w[0] = 1 + count&1
		}
	case code.AssertI:
		w[0] = 2 + count&1
	}
	return w
}

// slotsOf is the number of slots of sizeBytes, more than any frame has when that is huge.
func slotsOf(sizeBytes uint64) int {
	return int(min((sizeBytes+7)/8, frameSlotsMax+1))
}
