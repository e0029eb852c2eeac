package exec

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// Ops that package loop carries out in some cases and exec in all: both ways must do the same.

// bothRig is a machine that stands at one instruction, with an object of random bytes to work on.
type bothRig struct {
	m    *Machine
	data uint64 // guest address of bothBytes of memory
	typ  uint64 // of a type descriptor, made up
	// callee is a function of one result and three arguments.
	callee uint64
}

const bothBytes = 3 * 4096

// newBothRig has the instruction made by emit at hand; size and kind are those of the type its ext word may name.
func newBothRig(t *testing.T, size uint64, kind uint8, emit func(a *Assembler, typ uint64)) *bothRig {
	a := newAssembler()
	haltingPanics(a)
	typ := a.Data(size, 0, uint64(kind)<<56, 0, 0, 0)
	main := a.Func("main.main", 0, 0, 64)
	a.J(code.Jmp, 0, 0, "top")
	a.L("op")
	emit(a, typ)
	a.L("top")
	a.J(code.Jmp, 0, 0, "op")
	callee := a.Func("main.callee", 1, 3, 20)
	a.I(code.Trap, 0, 0, 0)
	r := newRig(t, a.finish(main), Limits{}, nil)
	data, err := r.m.heap.AllocKind(heap.KindRaw, bothBytes, 0)
	if err != nil {
		t.Fatal(err)
	}
	if s := r.m.Run(1); s.Reason != Budget {
		t.Fatalf("start: %+v", s)
	}
	return &bothRig{r.m, data, typ, uint64(callee)}
}

// outcome is what the guest sees of a step: the frame, the data, where it stands, and the words counted.
func (r *bothRig) outcome() (frame, data []byte, sym string, count uint64) {
	sym, _, _ = panicked(r.m)
	frame = slices.Clone(r.m.mem.Bytes(r.m.s.FP, 64*8))
	frame = binary.LittleEndian.AppendUint64(frame, r.m.load(r.m.g+gDefer))
	return frame, slices.Clone(r.m.mem.Bytes(r.data, bothBytes)), sym, r.m.Count()
}

// try does the step both ways from the same state.
func (r *bothRig) try(t *testing.T, name string, set func()) {
	t.Helper()
	m := r.m
	save := func() {
		if err := m.mem.Save(); err != nil {
			t.Fatal(err)
		}
		if err := m.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	undo := func() {
		if err := m.mem.Undo(); err != nil {
			t.Fatal(err)
		}
		if err := m.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	save()
	set()
	m.flush()
	save()
	m.halt = false
	m.limit()
	fp := m.s.FP
	m.slow()
	if sym, _, _ := panicked(m); sym == "" && m.s.FP == fp && !m.halt {
		m.s.Left-- // the jump back
	}
	frame1, data1, sym1, count1 := r.outcome()
	undo()
	if rand.IntN(2) == 0 {
		m.mem.Touch(r.data, bothBytes) // else the pages are clean
	}
	m.Run(1)
	frame2, data2, sym2, count2 := r.outcome()
	undo()
	if sym1 != sym2 || sym1 == "" && (!bytes.Equal(frame1, frame2) || count1 != count2) || !bytes.Equal(data1, data2) {
		t.Fatalf("%s: the loop and exec differ\npanic %q and %q\nwords %d and %d\nframe %x\nand   %x", name, sym2, sym1, count2, count1, frame2, frame1)
	}
}

func TestLoopAgainstSlow(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const a, b, c = 10, 20, 30
	plain := func(op code.Op, y, z int, exts ...uint64) func(*Assembler, uint64) {
		return func(x *Assembler, typ uint64) {
			for i, e := range exts {
				if e == typeExt {
					exts = slices.Clone(exts)
					exts[i] = typ
				}
			}
			x.I(op, a, y, z, exts...)
		}
	}
	type variant struct {
		size uint64
		kind uint8
		emit func(*Assembler, uint64)
	}
	var all []variant
	add := func(size uint64, emit func(*Assembler, uint64)) { all = append(all, variant{size, 11, emit}) }
	for _, n := range []int{0, 1, 2, 3, 5, 16, 17, 30} {
		for _, from := range []int{a - 3, a, a + 1, a + 4, 25} {
			add(8, plain(code.MovN, from, n))
		}
		add(8, func(x *Assembler, _ uint64) { x.II(code.Zero, a, int32(n)) })
	}
	for _, bytes := range []uint64{0, 1, 8, 12, 32, 40, 128, 136} {
		for _, at := range []int{0, 3, 8, 65535} {
			add(8, plain(code.LdN, b, at, bytes))
			add(8, plain(code.StN, b, at, bytes))
		}
		add(8, plain(code.ZeroM, 0, 0, bytes))
	}
	for _, size := range []uint64{0, 1, 2, 8, 12, 64, 128, 200} {
		add(8, plain(code.Copy, b, c, size))
		add(8, plain(code.Copy, b, b+3, size))
	}
	add(8, plain(code.FnC, b, 0))
	add(8, plain(code.EqStr, b, c))
	add(8, plain(code.CmpStr, b, c))
	add(8, plain(code.CmpStr, c, b))
	for range 8 {
		regs := uint64(0)
		for i := range 4 {
			slot := uint64(c + rng.IntN(3))
			if rng.IntN(3) == 0 || i == 2 && rng.IntN(2) == 0 || i == 3 {
				slot = code.NoSlot
			}
			regs |= slot << (16 * i)
		}
		add(8, plain(code.Slice, b, 0, regs, uint64(rng.IntN(30))))
		add(8, plain(code.Slice, a, 0, regs, 8))
		add(8, plain(code.SliceStr, b, 0, regs|0xFFFF<<32, 1))
		add(8, plain(code.SliceArr, b, 0, regs, uint64(rng.IntN(30))|uint64(rng.IntN(30))<<32))
		add(8, plain(code.SliceArr, a, 0, regs, 8|20<<32))
	}
	for _, size := range []uint64{1, 2, 3, 4, 8, 12, 16, 24, 32} {
		add(size, plain(code.Append1, b, c, typeExt))
		add(size, plain(code.Append1, a, c, typeExt))
	}
	add(8, plain(code.NextStr, b, 0))
	for flags := range 8 {
		add(8, plain(code.AssertT, b, flags, typeExt))
		if flags&4 == 0 {
			for k := code.Assert8; k <= code.Assert4S; k++ {
				size, _, _ := code.AssertBytes(uint16(k << 3))
				kind := reflect.Uint8
				switch k {
				case code.Assert1S:
					kind = reflect.Int8
				case code.Assert2S:
					kind = reflect.Int16
				case code.Assert4S:
					kind = reflect.Int32
				case code.Assert8, code.Assert16, code.Assert24:
					kind = reflect.Uint64
				}
				all = append(all, variant{size, uint8(kind), plain(code.AssertT, b, flags|k<<3, typeExt)})
			}
		}
	}
	for _, v := range all {
		r := newBothRig(t, v.size, v.kind, v.emit)
		name := r.m.instr().Op.String()
		for range 60 {
			r.try(t, name, func() { r.fill(rng) })
		}
		r.m.mem.Close()
	}
	for range 3 {
		for _, emit := range []func(*Assembler, uint64){
			func(x *Assembler, _ uint64) { x.I(code.DeferL, a, 0, 0, uint64(rng.IntN(20))<<32|1) },
			func(x *Assembler, _ uint64) { x.I(code.RunDefers, 40, 0, 0) },
		} {
			r := newBothRig(t, 8, 11, emit)
			for range 300 {
				r.try(t, r.m.instr().Op.String(), func() { r.fill(rng); r.fillDefers(rng) })
			}
			r.m.mem.Close()
		}
	}
}

// fillDefers gives the goroutine deferred calls, of its frame and others, or something that is none.
func (r *bothRig) fillDefers(rng *rand.Rand) {
	m := r.m
	records := []uint64{0, r.data + 8*uint64(rng.IntN(100)), r.data + 1000 + 8*uint64(rng.IntN(100)), m.s.FP + 80, m.s.FP + 8*uint64(rng.IntN(60)), code.Base + m.mem.Size() - 8*uint64(rng.IntN(12)), rng.Uint64()}
	some := func(list ...uint64) uint64 { return list[rng.IntN(len(list))] }
	for _, d := range records[1:5] {
		m.store(d+dLink, some(records...))
		m.store(d+dFP, some(m.s.FP, m.s.FP, m.s.FP, m.s.FP+8, 0))
		m.store(d+dFunc, some(r.callee, r.callee, r.callee, 0, 1<<40, rng.Uint64()))
		m.store(d+dClosure, some(records...))
		m.store(d+dArgc, some(3, 3, 3, 0, 2, 4, 20, 1<<63))
	}
	m.store(m.g+gDefer, some(append(records, records[1:5]...)...))
}

// typeExt stands for the address of the rig's type.
const typeExt = 1<<64 - 1

// fill gives every slot something that some op may take for a pointer, a length or a type, and the data random bytes of few kinds.
func (r *bothRig) fill(rng *rand.Rand) {
	m := r.m
	d := m.mem.Writable(r.data, bothBytes)
	for i := range d {
		d[i] = "aab\x80"[rng.IntN(4)]
	}
	for range 20 {
		at := r.data + uint64(rng.IntN(bothBytes/8))*8
		m.store(at, r.typ)
	}
	for i := uint16(header); i < 64; i++ {
		v := uint64(0)
		switch rng.IntN(12) {
		case 0, 1, 2:
			v = r.data + uint64(rng.IntN(bothBytes))
		case 3, 4:
			v = r.data + uint64(rng.IntN(bothBytes/8))*8
		case 5, 6, 7, 8:
			v = uint64(rng.IntN(20))
		case 9:
			v = r.typ
		case 10:
			v = code.Base + m.mem.Size() - uint64(rng.IntN(30))
		case 11:
			v = rng.Uint64() >> rng.IntN(64)
		}
		*m.reg(i) = v
	}
	if rng.IntN(2) == 0 { // a slice with room, an interface with a type, strings of one length
		*m.reg(10), *m.reg(11), *m.reg(12) = r.data+uint64(rng.IntN(4000)), uint64(rng.IntN(30)), uint64(rng.IntN(60))
		*m.reg(20), *m.reg(21), *m.reg(22) = r.data+uint64(rng.IntN(4000)), uint64(rng.IntN(20)), uint64(rng.IntN(60))
		*m.reg(30), *m.reg(31) = r.data+uint64(rng.IntN(bothBytes-100)), *m.reg(21)
	}
	if rng.IntN(4) == 0 {
		*m.reg(20) = r.typ
	}
}
