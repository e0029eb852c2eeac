package live

import (
	"slices"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// program is an image of one function.
func program(slots int32, words ...code.Instr) *code.Image {
	return &code.Image{Code: append([]code.Instr{{}}, words...), Data: make([]byte, 256),
		Funcs: []code.Func{{}, {Entry: 1, End: int32(len(words)) + 1, FrameSlots: slots, ResSlots: 1, ArgSlots: 2}}}
}

func needed(t *testing.T, img *code.Image, pc uint64) (list []int) {
	t.Helper()
	s, known := New(img, func(int) (int, int) { return 1, 2 }).Func(1).Needed(pc)
	if !known {
		t.Fatalf("nothing is known of word %d", pc)
	}
	for i := range int(img.Funcs[1].FrameSlots) {
		if s.Has(i) {
			list = append(list, i)
		}
	}
	return list
}

func TestNeeded(t *testing.T) {
	in := func(op code.Op, a, b, c uint16) code.Instr { return code.Instr{Op: op, A: a, B: b, C: c} }
	im := func(op code.Op, a uint16, v int32) code.Instr { return code.Instr{Op: op, A: a}.WithImm32(v) }
	loop := program(20,
		in(code.Mov, 6, 4, 0),  // 1
		in(code.Add, 7, 7, 6),  // 2: needed around the loop
		im(code.Native, 10, 0), // 3: arguments in 14 and 15
		im(code.JT, 13, -2),    // 4: its result
		in(code.Mov, 3, 7, 0),  // 5
		in(code.Ret, 0, 0, 0))  // 6
	recovers := program(20,
		im(code.Native, 10, 0), // 1
		in(code.Ret1, 5, 0, 0), // 2
		in(code.Ret1, 8, 0, 0)) // 3: where it goes on after a panic
	recovers.Funcs[1].Recover = 3
	taken := program(20,
		in(code.LeaF, 5, 16, 0), // 1
		im(code.Native, 10, 0),  // 2
		in(code.Ret, 0, 0, 0))   // 3
	for _, c := range []struct {
		name string
		img  *code.Image
		pc   uint64
		want []int
	}{
		{"before the loop", loop, 1, []int{4, 7, 14, 15}},
		{"before the call", loop, 3, []int{6, 7, 14, 15}},
		{"behind the call, whose window nobody wrote", loop, 4, []int{6, 7, 13, 14, 15}},
		{"behind the loop", loop, 5, []int{7}},
		{"results", loop, 6, []int{3}},
		{"behind the end", loop, 7, nil},
		{"what a recovered panic needs", recovers, 2, []int{5, 8}},
		{"slots whose address is taken, and those above", taken, 3, []int{3, 16, 17, 18, 19}},
	} {
		if got := needed(t, c.img, c.pc); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if _, known := New(loop, func(int) (int, int) { return 1, 2 }).Func(1).Needed(100); known {
		t.Error("something is known of a word that is not the function's")
	}
}

// TestEveryOperandHasARule: an operand that is a slot is read or written; where the specification does not name it, uses has to.
func TestEveryOperandHasARule(t *testing.T) {
	for op := code.Op(1); op < code.OpCount; op++ {
		var slots [3]bool
		switch code.Table[op].Form {
		case code.FormA, code.FormAI, code.FormAJ, code.FormAIJ, code.FormAX:
			slots[0] = true
		case code.FormAB, code.FormABI, code.FormABU, code.FormABJ, code.FormABX, code.FormABUX, code.FormABUXX, code.FormSlice:
			slots[0], slots[1] = true, true
		case code.FormABC, code.FormABCX:
			slots = [3]bool{true, true, true}
		case code.FormCallB:
			slots[1] = true
		}
		switch op {
		case code.LeaF:
			slots[1] = false // the frame's: TestNeeded
		case code.RunDefers, code.CallR, code.CallRFin:
			slots[0] = false // a window
		}
		// A type with words that are 8 says of itself that it has one slot, as do its key and its element.
		typ := uint64(code.Base + code.DataStart)
		img := program(300, code.Instr{Op: op, A: 100, B: 200, C: 2}, code.ExtWord(typ), code.ExtWord(0))
		img.Data[0] = 8
		for _, at := range []int{itabType, mapKey, mapElem} {
			for k := range 8 {
				img.Data[at+k] = byte(typ >> (8 * k))
			}
		}
		if code.Table[op].Form == code.FormCall {
			continue
		}
		a := &analysis{Table: New(img, nil), f: &img.Funcs[1]}
		u := a.uses(1, img.Code[1])
		for k, at := range []int{100, 200, 2} {
			has := func(s stretch) bool { return s.from == at && s.n > 0 }
			if slots[k] && !slices.ContainsFunc(u.reads, has) && !slices.ContainsFunc(u.writes, has) {
				t.Errorf("%s: operand %c is neither read nor written", op, 'A'+k)
			}
		}
	}
}
