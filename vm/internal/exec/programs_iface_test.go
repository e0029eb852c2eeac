package exec

import "github.com/tandemvm/tandem/vm/internal/code"

// name adds an abi.Name and returns its offset from Base.
func (a *Assembler) name(s string, exported bool) uint32 {
	at := uint32(code.DataStart + len(a.img.Data))
	flags := byte(0)
	if exported {
		flags = 1
	}
	a.img.Data = append(append(a.img.Data, flags, byte(len(s))), s...)
	for len(a.img.Data)%8 != 0 {
		a.img.Data = append(a.img.Data, 0)
	}
	return at
}

// typeOff is the offset of a type from Base.
func typeOff(t uint64) uint64 { return t - code.Base }

// ifacePrograms are about interfaces.
var ifacePrograms = []program{
	{name: "boxes and assertions", out: "1 -3 1 0 0 14 1 1 0 1 -3 21 32 1 5", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		wrong := a.guarded("main.wrong", rec, func() {
			a.num(b, 20, 5)
			a.I(code.AssertT, 30, 20, 0, b.int8)
		})
		uncomparable := a.guarded("main.uncomparable", rec, func() {
			a.I(code.LdC, 20, 0, 0, b.slice)
			a.I(code.LdC, 21, 0, 0, a.Data(0, 0, 0))
			a.I(code.EqEface, 30, 20, 20)
		})
		unhashable := a.guarded("main.unhashable", rec, func() {
			m := a.Type(21, 8, 8, tflagDirect, 1, b.empty, b.int, 0, 0, 0, 0, 0, 0)
			a.II(code.LdI, 10, 0)
			a.I(code.LdC, 20, 0, 0, b.slice)
			a.I(code.LdC, 21, 0, 0, a.Data(0, 0, 0))
			a.I(code.MapGet, 30, 10, 20, m)
		})
		main := a.Func("main.main", 0, 0, 80)
		a.II(code.LdI, 4, -3)
		a.I(code.MkIB, 6, 4, 0, b.int8)
		a.I(code.AssertT, 8, 6, 1, b.int8) // with ok
		a.print(60, 9)
		a.print(60, 8)
		a.I(code.MkIB, 10, 4, 0, b.int8)
		a.I(code.EqEface, 12, 6, 10)
		a.print(60, 12)
		a.I(code.AssertT, 8, 6, 1, b.int)
		a.print(60, 9)
		a.print(60, 8)
		a.II(code.Call, 60, int32(wrong))
		a.I(code.TypeW, 12, 6, 0)
		a.I(code.LdC, 13, 0, 0, b.int8)
		a.I(code.EqI, 12, 12, 13)
		a.print(60, 12)
		// a copy from memory is another object, and equal
		a.I(code.LdC, 14, 0, 0, a.Data(5))
		a.I(code.MkIM, 16, 14, 0, b.int)
		a.num(b, 18, 5)
		a.I(code.EqEface, 12, 16, 18)
		a.print(60, 12)
		a.I(code.EqI, 12, 17, 19)
		a.print(60, 12)
		a.I(code.EqMem, 12, 17, 19, b.int)
		a.print(60, 12)
		a.I(code.AssertT, 20, 6, 4, b.int8) // the box itself
		a.I(code.LdS8, 12, 20, 0)
		a.print(60, 12)
		a.II(code.Call, 60, int32(uncomparable))
		a.II(code.Call, 60, int32(unhashable))
		a.str(30, "ab")
		a.str(32, "ab")
		a.I(code.EqVal, 12, 30, 32, b.str)
		a.print(60, 12)
		a.I(code.LdC, 40, 0, 0, b.ptr)
		a.I(code.MkIP, 42, 14, 0, b.ptr)
		a.I(code.AssertT, 44, 42, 0, b.ptr)
		a.I(code.Ld64, 12, 44, 0)
		a.print(60, 12)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "interface conversion finds methods", out: "41 1 0 16 41 1 1 0 41", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		get := a.Func("main.T.Get", 1, 1, 8) // receiver: the data word
		a.I(code.Ld64, 5, 4, 0)
		a.I(code.Ret1, 5, 0, 0)
		other := a.Func("main.T.Also", 1, 1, 8)
		a.I(code.Trap, 0, 0, 0)
		sig := a.Type(19, 8, 8, tflagDirect, 1, 0)
		nGet, nAlso, nMiss := a.name("Get", true), a.name("Also", true), a.name("Zzz", true)
		method := func(name uint32, fn int) (uint64, uint64) {
			return uint64(name) | typeOff(sig)<<32, uint64(fn) | uint64(fn)<<32
		}
		// type T int with methods Also and Get: uncommon part after the 48 bytes, methods 16 bytes after its start
		m1, m2 := method(nAlso, other)
		m3, m4 := method(nGet, get)
		typ := a.Type(2, 8, 0, tflagRegular|1, 0, 2<<32|2<<48, 16, m1, m2, m3, m4)
		iface := func(names ...uint32) uint64 {
			var list []uint64
			for _, n := range names {
				list = append(list, uint64(n)|typeOff(sig)<<32)
			}
			at := a.Data(list...)
			n := uint64(len(names))
			return a.Type(20, 16, 16, 0, 3, 0, at, n, n)
		}
		getter, both, miss := iface(nGet), iface(nAlso, nGet), iface(nGet, nMiss)
		fail := a.guarded("main.fail", rec, func() {
			a.I(code.LdC, 20, 0, 0, typ)
			a.I(code.LdC, 21, 0, 0, a.Data(41))
			a.I(code.AssertI, 30, 20, 0, miss)
		})
		main := a.Func("main.main", 0, 0, 80)
		a.I(code.LdC, 4, 0, 0, typ)
		a.I(code.LdC, 5, 0, 0, a.Data(41))
		call := func(x int) {
			a.I(code.Mov, 64, x+1, 0)
			a.I(code.CallI, 60, x, 0)
			a.I(code.Mov, 6, 63, 0)
			a.print(60, 6)
		}
		a.I(code.AssertI, 10, 4, 0, getter)
		call(10)
		a.I(code.AssertI, 14, 4, 1, both)
		a.print(60, 16)
		a.I(code.AssertI, 18, 4, 1, miss)
		a.print(60, 20)
		a.II(code.Call, 60, int32(fail))
		a.I(code.AssertI, 18, 14, 2, getter) // from an itab
		call(18)
		a.I(code.EqIface, 6, 18, 10)
		a.print(60, 6)
		a.I(code.IToE, 22, 14, 0)
		a.I(code.EqI, 6, 22, 4)
		a.print(60, 6)
		a.II(code.LdI, 24, 0)
		a.I(code.ConvI, 26, 24, 0, getter)
		a.print(60, 26)
		a.I(code.ConvI, 26, 4, 0, getter)
		call(26)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "large arrays are boxed in their slot", out: "0 1 77 77 77 0", build: func(a *Assembler, b basics) int {
		mapBig := a.Type(21, 8, 8, tflagDirect, 1, b.int, b.big, 0, 0, 0, 0, 0, 0)
		chanBig := a.Type(18, 8, 8, tflagDirect, 1, b.big, 3)
		main := a.Func("main.main", 0, 0, 80)
		show := func(x int) { // word 100 of the array
			a.I(code.Ld64, 6, x, 800)
			a.print(60, 6)
		}
		a.II(code.LdI, 4, 1)
		a.I(code.MapNew, 5, 4, 0, mapBig)
		a.I(code.MapGet2, 10, 5, 4, mapBig)
		show(10)
		a.I(code.New, 12, 0, 0, b.big)
		a.II(code.LdI, 13, 77)
		a.I(code.St64, 12, 13, 800)
		a.I(code.MapSet, 5, 4, 12, mapBig)
		a.I(code.MapGet2, 10, 5, 4, mapBig)
		a.print(60, 11)
		show(10)
		a.I(code.ChanNew, 14, 4, 0, chanBig)
		a.I(code.Send, 14, 10, 0, b.big)
		a.I(code.Recv, 16, 14, 0, b.big)
		show(16)
		a.I(code.MkIB, 18, 16, 0, b.big)
		a.I(code.AssertT, 20, 18, 1, b.big)
		show(20)
		a.I(code.ChanClose, 14, 0, 0)
		a.I(code.Recv, 22, 14, 1, b.big)
		show(22)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
}
