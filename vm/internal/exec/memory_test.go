package exec

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// knownArgs are the Known panic functions and the number of their argument slots.
var knownArgs = map[string]int{
	code.KnownPanicIndex: 2, code.KnownPanicIndexU: 2, code.KnownPanicSliceAlen: 2, code.KnownPanicSliceAcap: 2, code.KnownPanicSliceB: 2,
	code.KnownPanicSlice3Alen: 2, code.KnownPanicSlice3Acap: 2, code.KnownPanicSlice3B: 2, code.KnownPanicSlice3C: 2, code.KnownPanicSliceConv: 2,
	code.KnownPanicDivide: 0, code.KnownPanicOverflow: 0, code.KnownPanicShift: 0, code.KnownPanicMem: 0,
	code.KnownPanicDottypeE: 3, code.KnownPanicDottypeI: 3, code.KnownPanicAssertI: 2, code.KnownPanicMakeLen: 0, code.KnownPanicMakeCap: 0,
	code.KnownPanicMakeChan: 0, code.KnownPanicUnhashable: 1, code.KnownPanicMapKey: 1, code.KnownPanicUncomparable: 1, code.KnownPanicNilMapWrite: 0,
	code.KnownPanicClosedSend: 0, code.KnownPanicCloseNil: 0, code.KnownPanicCloseClosed: 0, code.KnownPanicNil: 0, code.KnownPanicText: 2, code.KnownUnsupported: 2,
}

// haltingPanics gives the image a body for every Known panic function that halts at once, so that a test sees which was called with what.
func haltingPanics(a *Assembler) {
	for sym, n := range knownArgs {
		a.img.Known[sym] = uint64(a.Func(sym, 0, n, 8))
		a.I(code.Halt, 0, 0, 0)
	}
}

// panicked is the Known function whose body the machine halted in and its first two arguments, "" if it is none.
func panicked(m *Machine) (sym string, x, y uint64) {
	f := m.prog.FuncAt(uint64(m.s.PC))
	sym = m.prog.Image.Funcs[f].Name
	if _, ok := knownArgs[sym]; !ok {
		return "", 0, 0
	}
	return sym, *m.reg(3), *m.reg(4)
}

// memRig is a machine that carries out one instruction from given registers, again and again, each time from the same memory.
type memRig struct {
	m    *Machine
	data uint64 // guest address of 4 pages of memory, the last of all
}

const rigBytes = 4 * 4096

func newMemRig(t *testing.T, op code.Op, x, y, z int, exts ...uint64) *memRig {
	a := newAssembler()
	haltingPanics(a)
	main := a.Func("main.main", 0, 0, 64)
	a.J(code.Jmp, 0, 0, "top")
	a.L("op")
	a.I(op, x, y, z, exts...)
	a.L("top")
	a.J(code.Jmp, 0, 0, "op")
	m, data := bare(t, a.finish(main), rigBytes)
	b := m.mem.Writable(data, rigBytes)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	if s := m.Run(1); s.Reason != Budget {
		t.Fatalf("start: %+v", s)
	}
	return &memRig{m, data}
}

// try runs the instruction with the registers in a fresh save, gives the result to see, and takes it all back.
func (r *memRig) try(t *testing.T, regs map[uint16]uint64, see func(s Stop, now []byte)) {
	t.Helper()
	m := r.m
	before := bytes.Clone(m.mem.Bytes(code.Base, m.mem.Size()))
	if err := m.mem.Save(); err != nil {
		t.Fatal(err)
	}
	if err := m.Reload(); err != nil {
		t.Fatal(err)
	}
	for i, v := range regs {
		*m.reg(i) = v
	}
	s := m.Run(1)
	see(s, m.mem.Bytes(r.data, rigBytes))
	if err := m.mem.Undo(); err != nil {
		t.Fatal(err)
	}
	if err := m.Reload(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, m.mem.Bytes(code.Base, m.mem.Size())) {
		t.Fatal("undo did not bring back what a store changed: the store was not tracked")
	}
}

// offsets in the rig's memory that matter: aligned, unaligned, across pages, at the end.
var rigOffsets = []uint64{0, 8, 1, 3, 4090, 4092, 4095, 4096, 4088, 4080, 8191, rigBytes - 24, rigBytes - 16, rigBytes - 8, rigBytes - 4, rigBytes - 2, rigBytes - 1}

// rigFaults are addresses outside memory.
func (r *memRig) faults() []uint64 {
	return []uint64{0, 8, code.Base - 1, r.data + rigBytes, r.data + rigBytes + 65536, ^uint64(0), 1 << 63, ^uint64(0) - 100}
}

// loaded is what an access loads from the bytes at b.
func loaded(a code.Access, b []byte) []uint64 {
	if a.Bytes >= 8 {
		var w []uint64
		for i := uint64(0); i < a.Bytes; i += 8 {
			w = append(w, binary.LittleEndian.Uint64(b[i:]))
		}
		return w
	}
	var v uint64
	for i := range a.Bytes {
		v |= uint64(b[i]) << (8 * i)
	}
	if shift := 64 - 8*a.Bytes; a.Signed {
		v = uint64(int64(v<<shift) >> shift)
	}
	return []uint64{v}
}

// TestAccesses tries every load and store op at every interesting address through every way it forms one.
func TestAccesses(t *testing.T) {
	for op := range code.OpCount {
		a := code.Accesses[op]
		if a.Bytes == 0 {
			continue
		}
		// slot 10: value or destination, 20: pointer, 21: length, 30: index
		x, y, z := 10, 20, 0
		if a.Store {
			x, y = 20, 10
		}
		kind := "offset"
		switch {
		case op >= code.LdG64:
			kind = "global"
		case op >= code.LdPU8:
			kind, z = "pointer", 30
		case op >= code.LdXU8:
			kind, z = "index", 30
		}
		const konst = 24
		if kind == "offset" {
			z = konst
		}
		var rig *memRig
		if kind != "global" {
			rig = newMemRig(t, op, x, y, z)
		}
		check := func(rig *memRig, regs map[uint16]uint64, addr uint64, what string) {
			for i, v := range []uint64{0x8182838485868788, 0x9192939495969798, 0xA1A2A3A4A5A6A7A8} {
				regs[10+uint16(i)] = v
			}
			inside := addr >= code.Base && addr <= rig.data+rigBytes-a.Bytes && addr-code.Base < rig.m.mem.Size()
			old := bytes.Clone(rig.m.mem.Bytes(rig.data, rigBytes))
			rig.try(t, regs, func(s Stop, now []byte) {
				if !inside {
					if sym, _, _ := panicked(rig.m); sym != code.KnownPanicMem || s.Reason != Exited {
						t.Fatalf("%s %s %#x: no nil dereference panic: %+v %s", op, what, addr, s, sym)
					}
					return
				}
				if s.Reason != Budget {
					sym, _, _ := panicked(rig.m)
					t.Fatalf("%s %s %#x: %+v %s", op, what, addr, s, sym)
				}
				off := addr - rig.data
				if a.Store {
					v := binary.LittleEndian.AppendUint64(nil, 0x8182838485868788)
					v = binary.LittleEndian.AppendUint64(v, 0x9192939495969798)
					v = binary.LittleEndian.AppendUint64(v, 0xA1A2A3A4A5A6A7A8)
					copy(old[off:], v[:a.Bytes])
				} else {
					for i, want := range loaded(a, old[off:]) {
						if got := *rig.m.regN(10, i); got != want {
							t.Fatalf("%s %s %#x: word %d is %#x, want %#x", op, what, addr, i, got, want)
						}
					}
				}
				if !bytes.Equal(old, now) {
					t.Fatalf("%s %s %#x: memory is not as it should be", op, what, addr)
				}
			})
		}
		if kind == "global" {
			base := newMemRig(t, code.Nop, 0, 0, 0).data
			for _, off := range append(rigOffsets, rigBytes, rigBytes+1<<20) {
				addr := base + off
				g := newMemRig(t, op, 10, int(uint16(addr-code.Base)), int(uint16((addr-code.Base)>>16)))
				check(g, map[uint16]uint64{}, addr, kind)
				g.m.mem.Close()
			}
			continue
		}
		for _, off := range rigOffsets {
			switch addr := rig.data + off; kind {
			case "offset":
				check(rig, map[uint16]uint64{20: addr - konst}, addr, kind)
			case "pointer":
				check(rig, map[uint16]uint64{20: addr - 5*a.Bytes, 30: 5}, addr, kind)
				check(rig, map[uint16]uint64{20: addr + 5*a.Bytes, 30: ^uint64(4)}, addr, kind)
			case "index":
				check(rig, map[uint16]uint64{20: addr - 5*a.Bytes, 21: 6, 30: 5}, addr, kind)
				for _, i := range []uint64{6, 7, ^uint64(0), 1 << 63} {
					rig.try(t, map[uint16]uint64{20: addr - 5*a.Bytes, 21: 6, 30: i}, func(s Stop, now []byte) {
						if sym, p, q := panicked(rig.m); sym != code.KnownPanicIndex || p != i || q != 6 {
							t.Fatalf("%s index %d of 6: %s(%d, %d)", op, int64(i), sym, p, q)
						}
					})
				}
			}
		}
		for _, addr := range rig.faults() {
			switch kind {
			case "offset":
				check(rig, map[uint16]uint64{20: addr - konst}, addr, kind)
			case "pointer":
				check(rig, map[uint16]uint64{20: addr, 30: 0}, addr, kind)
			case "index":
				check(rig, map[uint16]uint64{20: addr, 21: 1, 30: 0}, addr, kind)
			}
		}
		rig.m.mem.Close()
	}
}

func TestBlockMemory(t *testing.T) {
	for _, n := range []uint64{0, 1, 7, 8, 13, 24, 100} {
		for _, off := range rigOffsets {
			if off+16+n > rigBytes {
				continue
			}
			r := newMemRig(t, code.LdN, 10, 40, 16, n)
			r.try(t, map[uint16]uint64{40: r.data + off, 10: ^uint64(0), 11: ^uint64(0)}, func(s Stop, now []byte) {
				got := make([]byte, (n+7)&^7)
				for i := range len(got) / 8 {
					binary.LittleEndian.PutUint64(got[8*i:], *r.m.regN(10, i))
				}
				want := append(bytes.Clone(now[off+16:off+16+n]), make([]byte, uint64(len(got))-n)...)
				if !bytes.Equal(got, want) {
					t.Fatalf("LdN %d at %d", n, off)
				}
			})
			r.m.mem.Close()
			for _, op := range []code.Op{code.StN, code.CopyM, code.ZeroM} {
				x, y, z := 40, 10, 0
				switch op {
				case code.StN:
					z = 16
				case code.CopyM:
					y = 41
				}
				r := newMemRig(t, op, x, y, z, n)
				old := bytes.Clone(r.m.mem.Bytes(r.data, rigBytes))
				regs := map[uint16]uint64{40: r.data + off, 41: r.data + off + 5, 10: 0x0102030405060708, 11: 0x1112131415161718, 12: 0x2122232425262728}
				for i := uint16(13); i < 24; i++ {
					regs[i] = uint64(i) * 0x0101010101010101
				}
				r.try(t, regs, func(s Stop, now []byte) {
					switch op {
					case code.StN:
						var v []byte
						for i := uint16(10); i < 24; i++ {
							v = binary.LittleEndian.AppendUint64(v, regs[i])
						}
						copy(old[off+16:], v[:n])
					case code.CopyM:
						copy(old[off:], bytes.Clone(old[off+5:off+5+n]))
					case code.ZeroM:
						clear(old[off : off+n])
					}
					if !bytes.Equal(old, now) {
						t.Fatalf("%s %d at %d: memory is not as it should be", op, n, off)
					}
				})
				if n > 0 {
					for _, addr := range r.faults() {
						r.try(t, map[uint16]uint64{40: addr - uint64(z), 41: addr}, func(s Stop, now []byte) {
							if sym, _, _ := panicked(r.m); sym != code.KnownPanicMem {
								t.Fatalf("%s at %#x: %+v", op, addr, s)
							}
						})
					}
				}
				r.m.mem.Close()
			}
		}
	}
	for _, off := range rigOffsets {
		if off+8 > rigBytes {
			continue
		}
		r := newMemRig(t, code.AddM64, 40, 10, 8)
		want := binary.LittleEndian.Uint64(r.m.mem.Bytes(r.data+off, 8)) + 77
		r.try(t, map[uint16]uint64{40: r.data + off - 8, 10: 77}, func(s Stop, now []byte) {
			if got := binary.LittleEndian.Uint64(now[off:]); got != want {
				t.Fatalf("AddM64 at %d: %#x, want %#x", off, got, want)
			}
		})
		for _, addr := range r.faults() {
			r.try(t, map[uint16]uint64{40: addr - 8, 10: 77}, func(s Stop, now []byte) {
				if sym, _, _ := panicked(r.m); sym != code.KnownPanicMem {
					t.Fatalf("AddM64 at %#x: %+v", addr, s)
				}
			})
		}
		r.m.mem.Close()
	}
}

// TestFaults covers the ops that only check or compute with a check.
func TestFaults(t *testing.T) {
	type want struct {
		sym  string
		x, y uint64
	}
	try := func(r *memRig, regs map[uint16]uint64, w want) {
		t.Helper()
		r.try(t, regs, func(s Stop, now []byte) {
			sym, x, y := panicked(r.m)
			if sym != w.sym || sym != "" && knownArgs[sym] == 2 && (x != w.x || y != w.y) {
				t.Fatalf("registers %v: %s(%d, %d), want %s(%d, %d); stop %+v", regs, sym, x, y, w.sym, w.x, w.y, s)
			}
		})
	}
	for _, op := range []code.Op{code.DivS, code.DivU, code.RemS, code.RemU} {
		try(newMemRig(t, op, 10, 11, 12), map[uint16]uint64{11: 5, 12: 0}, want{sym: code.KnownPanicDivide})
	}
	r := newMemRig(t, code.Div128, 10, 12, 13, 14)
	try(r, map[uint16]uint64{12: 1, 13: 1, 14: 0}, want{sym: code.KnownPanicDivide})
	try(r, map[uint16]uint64{12: 9, 13: 1, 14: 9}, want{sym: code.KnownPanicOverflow})
	try(r, map[uint16]uint64{12: 8, 13: 1, 14: 9}, want{})
	r = newMemRig(t, code.ShChk, 10, 0, 0)
	try(r, map[uint16]uint64{10: ^uint64(0)}, want{sym: code.KnownPanicShift})
	try(r, map[uint16]uint64{10: 0}, want{})
	r = newMemRig(t, code.Bound, 10, 5, 0)
	try(r, map[uint16]uint64{10: 4}, want{})
	try(r, map[uint16]uint64{10: 5}, want{code.KnownPanicIndex, 5, 5})
	try(r, map[uint16]uint64{10: ^uint64(0)}, want{code.KnownPanicIndex, ^uint64(0), 5})
	r = newMemRig(t, code.BoundR, 10, 11, 0)
	try(r, map[uint16]uint64{10: 4, 11: 5}, want{})
	try(r, map[uint16]uint64{10: 5, 11: 5}, want{code.KnownPanicIndex, 5, 5})
	r = newMemRig(t, code.NilChk, 10, 0, 0)
	try(r, map[uint16]uint64{10: r.data}, want{})
	for _, addr := range r.faults() {
		try(r, map[uint16]uint64{10: addr}, want{sym: code.KnownPanicMem})
	}
	r = newMemRig(t, code.LeaX, 10, 20, 30, 40)
	try(r, map[uint16]uint64{20: r.data, 21: 3, 30: 3}, want{code.KnownPanicIndex, 3, 3})
	r.try(t, map[uint16]uint64{20: r.data, 21: 3, 30: 2}, func(s Stop, now []byte) {
		if *r.m.reg(10) != r.data+80 {
			t.Fatalf("LeaX: %#x", *r.m.reg(10))
		}
	})
	r = newMemRig(t, code.LeaP, 10, 20, 30, 40)
	r.try(t, map[uint16]uint64{20: r.data, 30: ^uint64(0)}, func(s Stop, now []byte) {
		if *r.m.reg(10) != r.data-40 {
			t.Fatalf("LeaP: %#x", *r.m.reg(10))
		}
	})
}
