package exec

import "github.com/tandemvm/tandem/vm/internal/code"

// str loads a string constant into slots x and x+1.
func (a *Assembler) str(x int, s string) {
	at := code.Base + code.DataStart + uint64(len(a.img.Data))
	a.img.Data = append(a.img.Data, s...)
	for len(a.img.Data)%8 != 0 {
		a.img.Data = append(a.img.Data, 0)
	}
	a.I(code.LdC, x, 0, 0, at)
	a.II(code.LdI, x+1, int32(len(s)))
}

// guarded makes a function that runs body and prints what it panicked with, if it did.
func (a *Assembler) guarded(name string, rec int, body func()) int {
	f := a.Func(name, 0, 0, 80)
	a.spawn(code.Defer, rec, 4, 60)
	body()
	a.I(code.RunDefers, 60, 0, 0)
	a.setRecover()
	a.I(code.Ret, 0, 0, 0)
	return f
}

func regs4(lo, hi, top int) uint64 {
	return uint64(uint16(lo)) | uint64(uint16(hi))<<16 | uint64(uint16(top))<<32 | 0xFFFF<<48
}

const none = 0xFFFF

// heapPrograms are about what lives on the heap.
var heapPrograms = []program{
	{name: "strings", out: "1 -1 0 1 0 4 233 3 2 97 0 1 98 1 0 0 8364 104 6 120", build: func(a *Assembler, b basics) int {
		main := a.Func("main.main", 0, 0, 80)
		a.str(4, "hé")
		a.str(6, "ll")
		a.str(8, "héll")
		a.I(code.Concat, 10, 4, 2)
		a.I(code.EqStr, 12, 10, 8)
		a.print(60, 12)
		a.I(code.CmpStr, 12, 4, 8)
		a.print(60, 12)
		a.I(code.CmpStr, 12, 10, 8)
		a.print(60, 12)
		a.I(code.CmpStr, 12, 6, 4)
		a.print(60, 12)
		a.I(code.EqStr, 12, 6, 4)
		a.print(60, 12)
		a.I(code.StrToRunes, 14, 8, 0)
		a.print(60, 15)
		a.II(code.LdI, 20, 1)
		a.I(code.LdXS32, 12, 14, 20)
		a.print(60, 12)
		a.I(code.RunesToStr, 16, 14, 0)
		a.II(code.LdI, 21, 4)
		a.I(code.SliceStr, 18, 16, 0, regs4(20, 21, none), 1)
		a.print(60, 19)
		// iterate over "ab"
		a.str(30, "ab")
		a.II(code.LdI, 32, 0)
		a.print(60, 31)
		a.I(code.NextStr, 34, 30, 0)
		a.print(60, 36)
		a.print(60, 35)
		a.I(code.NextStr, 34, 30, 0)
		a.print(60, 34)
		a.print(60, 36)
		a.print(60, 35)
		a.I(code.NextStr, 34, 30, 0)
		a.print(60, 34)
		a.print(60, 36)
		a.II(code.LdI, 40, 8364)
		a.I(code.RuneToStr, 30, 40, 0)
		a.II(code.LdI, 32, 0)
		a.I(code.NextStr, 34, 30, 0)
		a.print(60, 36)
		a.I(code.StrToBytes, 42, 8, 0)
		a.II(code.LdI, 20, 0)
		a.I(code.LdXU8, 12, 42, 20)
		a.print(60, 12)
		a.str(46, "x")
		a.I(code.AppendStr, 42, 42, 46)
		a.print(60, 43)
		a.I(code.BytesToStr, 48, 42, 0)
		a.II(code.LdI, 20, 5)
		a.I(code.LdXU8, 12, 48, 20)
		a.print(60, 12)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "slices", out: "3 8 9 3 4 4 2 6 9 2 9 2 2 9 7", build: func(a *Assembler, b basics) int {
		main := a.Func("main.main", 0, 0, 80)
		a.II(code.LdI, 4, 3)
		a.II(code.LdI, 5, 8)
		a.I(code.MakeSlice, 6, 4, 5, b.int)
		a.print(60, 7)
		a.print(60, 8)
		a.II(code.LdI, 10, 9)
		a.I(code.Append1, 6, 6, 10, b.int)
		a.II(code.LdI, 4, 3)
		a.I(code.LdX64, 12, 6, 4)
		a.print(60, 12)
		a.I(code.Slice, 14, 6, 0, regs4(none, 4, none), 8)
		a.print(60, 15)
		a.I(code.Append, 18, 14, 6, b.int) // 3 and 4 elements fit in 8
		a.II(code.LdI, 22, 2)
		a.II(code.LdI, 23, 6)
		a.I(code.Slice, 24, 18, 0, regs4(22, 23, 23), 8)
		a.print(60, 25)
		a.print(60, 26)
		a.I(code.Slice, 28, 24, 0, regs4(none, 22, none), 8)
		a.print(60, 29)
		a.I(code.Copy, 32, 6, 18, 8)
		a.II(code.LdI, 33, 2)
		a.I(code.Add, 32, 32, 33) // 4 copied, plus 2
		a.print(60, 32)
		a.II(code.LdI, 4, 6)
		a.I(code.LdX64, 12, 18, 4)
		a.print(60, 12)
		a.I(code.SliceToArr, 34, 18, 0, 7)
		a.II(code.LdI, 4, 5)
		a.I(code.LdI, 35, 7, 0)
		a.I(code.SliceArr, 36, 34, 0, regs4(4, 35, none), 8|7<<32)
		a.print(60, 37)
		a.II(code.LdI, 4, 1)
		a.I(code.LdX64, 12, 36, 4)
		a.print(60, 12)
		a.print(60, 38)
		a.I(code.SliceArr, 36, 34, 0, regs4(4, 35, 35), 8|7<<32)
		a.II(code.LdI, 4, 2)
		a.I(code.New, 40, 0, 0, b.int)
		a.I(code.St64, 40, 10, 0)
		a.I(code.Ld64, 12, 40, 0)
		a.print(60, 4)
		a.print(60, 12)
		a.print(60, 19)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "slicing out of range", out: "4 2 3 2 7 5 6 8 9 17 18", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		load := func() { // a slice of length 2 and capacity 4 at 10; 1..9 in slots 21..29
			a.II(code.LdI, 21, 2)
			a.II(code.LdI, 22, 4)
			a.I(code.MakeSlice, 10, 21, 22, b.int)
			for i := range 9 {
				a.II(code.LdI, 21+i, int32(i+1))
			}
			a.II(code.LdI, 30, -1)
			a.I(code.Mov, 16, 10, 0)
		}
		var fs []int
		each := func(body func()) {
			fs = append(fs, a.guarded("main.f", rec, func() {
				load()
				body()
			}))
		}
		sl := func(op code.Op, lo, hi, top int, n uint64) {
			each(func() { a.I(op, 40, 10, 0, regs4(lo, hi, top), 8|n<<32) })
		}
		_ = sl
		sl(code.Slice, 23, 22, none, 0)      // [3:2]: B 4
		sl(code.SliceStr, none, 29, none, 0) // Alen 2
		sl(code.Slice, none, 29, none, 0)    // Acap 3
		sl(code.SliceArr, none, 25, none, 4)
		sl(code.Slice, 21, 24, 23, 0)    // Slice3B
		sl(code.SliceArr, 21, 22, 29, 4) // Slice3Alen
		sl(code.Slice, 21, 22, 25, 0)    // Slice3Acap
		sl(code.Slice, 23, 22, 24, 0)    // Slice3C
		each(func() { a.I(code.SliceToArr, 40, 10, 0, 3) })
		each(func() { a.I(code.MakeSlice, 40, 30, 30, b.int) })
		each(func() { a.I(code.MakeSlice, 40, 22, 21, b.int) })
		main := a.Func("main.main", 0, 0, 80)
		for _, f := range fs {
			a.II(code.Call, 60, int32(f))
		}
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "maps", out: "0 0 -7 1 2 0 10 20 30 1 35 5 0 3 0 22 22 0", build: func(a *Assembler, b basics) int {
		rec := a.recoverer("main.rec", 0)
		nilmap := a.guarded("main.nilmap", rec, func() {
			a.II(code.LdI, 10, 0)
			a.I(code.MapSet, 10, 20, 21, b.mapIntInt)
		})
		nilput := a.guarded("main.nilput", rec, func() {
			a.II(code.LdI, 10, 0)
			a.I(code.MapPut, 11, 10, 20, b.mapIntInt)
		})
		main := a.Func("main.main", 0, 0, 80)
		a.II(code.LdI, 4, 0)
		a.I(code.MapNew, 5, 4, 0, b.mapIntInt)
		a.I(code.MapGet2, 6, 5, 4, b.mapIntInt)
		a.print(60, 6)
		a.print(60, 7)
		for _, kv := range [][2]int{{1, -7}, {2, 5}, {3, 6}} {
			a.II(code.LdI, 10, int32(kv[0]))
			a.II(code.LdI, 11, int32(kv[1]))
			a.I(code.MapSet, 5, 10, 11, b.mapIntInt)
		}
		a.II(code.LdI, 10, 1)
		a.I(code.MapGet2, 6, 5, 10, b.mapIntInt)
		a.print(60, 6)
		a.print(60, 7)
		a.I(code.MapDel, 5, 10, 0, b.mapIntInt)
		a.I(code.MapLen, 6, 5, 0)
		a.print(60, 6)
		a.I(code.MapGet, 6, 5, 10, b.mapIntInt)
		a.print(60, 6)
		a.I(code.MapClear, 5, 0, 0, b.mapIntInt)
		for k := 1; k <= 3; k++ {
			a.II(code.LdI, 10, int32(k))
			a.II(code.LdI, 11, int32(10*k))
			a.I(code.MapSet, 5, 10, 11, b.mapIntInt)
		}
		// sum keys by value digit: visit all, in whatever order, and add up where each belongs
		for k := 1; k <= 3; k++ {
			a.II(code.LdI, 20+k, 0)
		}
		a.I(code.MapIter, 12, 5, 0, b.mapIntInt)
		a.L("loop")
		a.I(code.MapNext, 14, 12, 0, b.mapIntInt)
		a.J(code.JF, 14, 0, "done")
		for k := 1; k <= 3; k++ {
			skip := string(rune('a' + k))
			a.J(code.JNeI, 15, k, skip)
			a.I(code.Add, 20+k, 20+k, 16)
			a.L(skip)
		}
		a.J(code.Jmp, 0, 0, "loop")
		a.L("done")
		for k := 1; k <= 3; k++ {
			a.print(60, 20+k)
		}
		a.II(code.LdI, 10, 3)
		a.I(code.MapGet2, 6, 5, 10, b.mapIntInt)
		a.print(60, 7)
		for k := 3; k <= 4; k++ { // one that is there, one that is not
			a.II(code.LdI, 10, int32(k))
			a.II(code.LdI, 30, 5)
			a.I(code.MapPut, 31, 5, 10, b.mapIntInt)
			a.I(code.AddM64, 31, 30, 0)
			a.I(code.MapGet, 6, 5, 10, b.mapIntInt)
			a.print(60, 6)
		}
		a.I(code.MapDel, 5, 10, 0, b.mapIntInt)
		a.print(60, 14)
		a.I(code.MapLen, 6, 5, 0)
		a.print(60, 6)
		a.II(code.LdI, 5, 0)
		a.I(code.MapLen, 6, 5, 0)
		a.print(60, 6)
		a.II(code.Call, 60, int32(nilmap))
		a.II(code.Call, 60, int32(nilput))
		a.I(code.MapGet, 6, 5, 10, b.mapIntInt)
		a.print(60, 6)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
	{name: "garbage collection keeps what frames, channels, timers and deferred calls hold", out: "77 88 99 66", build: func(a *Assembler, b basics) int {
		boxed := func(dst, tmp, v int) { // a new int holding v
			a.I(code.New, dst, 0, 0, b.int)
			a.II(code.LdI, tmp, int32(v))
			a.I(code.St64, dst, tmp, 0)
		}
		show := a.Func("main.show", 0, 1, 24)
		a.I(code.Ld64, 4, 3, 0)
		a.print(10, 4)
		a.I(code.Ret, 0, 0, 0)
		sleeper := a.Func("main.sleeper", 0, 1, 24)
		a.II(code.LdI, 13, 10)
		a.II(code.Native, 10, a.Native("time.Sleep"))
		a.I(code.Mov, 13, 3, 0)
		a.II(code.Call, 10, int32(show))
		a.I(code.Ret, 0, 0, 0)
		litter := a.Func("main.litter", 0, 0, 24)
		a.II(code.LdI, 3, 0)
		a.II(code.LdI, 4, 2000)
		a.L("loop")
		a.I(code.New, 5, 0, 0, b.big)
		a.I(code.AddI, 3, 3, 1)
		a.J(code.JLtS, 3, 4, "loop")
		a.I(code.Ret, 0, 0, 0)
		main := a.Func("main.main", 0, 0, 64)
		chanPtr := a.Type(18, 8, 8, tflagDirect, 1, b.ptr, 3)
		a.II(code.LdI, 4, 1)
		a.I(code.ChanNew, 5, 4, 0, chanPtr)
		boxed(6, 7, 77)
		boxed(8, 9, 88)
		a.I(code.Send, 5, 8, 0, b.ptr)
		boxed(8, 9, 99)
		a.spawn(code.Go, sleeper, 16, 40, 8)
		boxed(8, 9, 66)
		a.spawn(code.Defer, show, 16, 40, 8)
		a.II(code.LdI, 8, 0)
		a.II(code.Native, 40, a.Native("runtime.Gosched"))
		a.I(code.Zero, 40, 20, 0)
		a.II(code.Call, 40, int32(litter))
		a.II(code.Native, 40, a.Native("test.collect"))
		a.I(code.Mov, 43, 6, 0)
		a.II(code.Call, 40, int32(show))
		a.I(code.Recv, 8, 5, 0, b.ptr)
		a.I(code.Mov, 43, 8, 0)
		a.II(code.Call, 40, int32(show))
		a.II(code.LdI, 43, 20)
		a.II(code.Native, 40, a.Native("time.Sleep"))
		a.I(code.RunDefers, 40, 0, 0)
		a.I(code.Halt, 0, 0, 0)
		return main
	}},
}
