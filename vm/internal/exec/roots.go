package exec

import (
	"math/bits"

	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/live"
	"github.com/tandemvm/tandem/vm/internal/text"
)

// roots names the roots of the run: its timers, the globals by type, the goroutines with their stacks, and the lists of the root page.
func (m *Machine) roots(k *heap.Marker) {
	m.timersOf(0).Roots(k) // those of bubbles are held by them: when a collection happens decides about no bubble's time
	for i := range m.prog.Image.Globals {
		g := &m.prog.Image.Globals[i]
		k.Value(g.Addr, g.Type)
	}
	for _, at := range []uint64{rootSema, rootItabs, rootBubbles} {
		k.Pointer(m.load(at))
	}
	for g := m.load(rootAll); g != 0 && !k.Spent(); g = m.load(g + gNext) {
		k.Pointer(g)
		m.stackRoots(k, g)
	}
}

// stackRoots names the chunks of goroutine g and what its frames refer to. Spare chunks of it are roots too.
func (m *Machine) stackRoots(k *heap.Marker, g uint64) {
	top := m.load(g + gChunk)
	if spare := m.load(top + chunkSpare); spare != 0 {
		for n := 0; spare != 0 && n < 64; spare, n = m.load(spare+chunkSpare), n+1 {
			k.Pointer(spare)
		}
	}
	for chunk, n := top, 0; chunk != 0 && n < 64; chunk, n = m.load(chunk+chunkPrev), n+1 {
		k.Pointer(chunk)
	}
	if top == 0 {
		return
	}
	at := m.frames(k, g)
	if at.chunk == 0 {
		return
	}
	k.Words(at.chunk+chunkHead, at.end) // memory is damaged: whatever is there
	for chunk, n := m.load(at.chunk+chunkPrev), 0; chunk != 0 && n < 64; chunk, n = m.load(chunk+chunkPrev), n+1 {
		k.Words(chunk+chunkHead, chunk+m.load(chunk+chunkBytes))
	}
}

// stretch is a part of a stack chunk up to end.
type stretch struct{ chunk, end uint64 }

// frames names what the frames of g refer to, innermost first. The innermost one of a goroutine that does not run is looked at as it is, since its operation may be
// under way, and so is one in which a panic runs deferred calls; of the others the slots that are needed when they go on. The result is what was not gone through because the frames do not lie as
// they should; its chunk is 0 when there is nothing.
func (m *Machine) frames(k *heap.Marker, g uint64) stretch {
	chunk, fp := m.load(g+gChunk), m.load(g+gFP)
	end := min(fp+max(m.frameBytes(m.load(g+gPC)), header*8), chunk+m.load(chunk+chunkBytes))
	if fp < chunk+chunkHead || fp >= end {
		return stretch{chunk, chunk + m.load(chunk+chunkBytes)}
	}
	if pc := m.load(g + gPC); g != m.g {
		k.Words(fp, end)
	} else {
		m.frameRoots(k, fp, end, pc, false)
	}
	for n := m.chain(); n > 0 && !k.Spent(); n-- {
		caller, ret := m.load(fp), m.load(fp+8)
		if ret == m.prog.Tramp(text.TrampGoExit) {
			return stretch{}
		}
		end = fp
		if fp == chunk+chunkHead {
			win := m.load(chunk + chunkWin)
			chunk = m.load(chunk + chunkPrev)
			end = min(win, chunk+m.load(chunk+chunkBytes))
		}
		if chunk == 0 || caller < chunk+chunkHead || caller >= end || caller&7 != 0 {
			return stretch{chunk, end}
		}
		m.frameRoots(k, caller, end, ret, true)
		fp = caller
	}
	return stretch{}
}

// frameRoots names what the frame at fp, which goes on at code word pc, refers to up to end.
func (m *Machine) frameRoots(k *heap.Marker, fp, end, pc uint64, called bool) {
	slots, known := m.Needed(pc, called)
	if !known {
		k.Words(fp, end)
		return
	}
	for i, w := range slots {
		at := fp + uint64(i)*512
		for w != 0 && at < end {
			skip := bits.TrailingZeros64(w)
			n := bits.TrailingZeros64(^(w >> skip))
			k.Words(at+uint64(skip)*8, min(at+uint64(skip+n)*8, end))
			if skip+n >= 64 {
				break
			}
			w = w >> (skip + n) << (skip + n)
		}
	}
}

// standingAt is the answer about the frame looked at before: in deep recursions the next is the same.
type standingAt struct {
	pc     uint64
	called bool // pc is behind a call, perhaps the last word of its function
	slots  live.Slots
	known  bool
}

// Needed is live.Func.Needed of the function that holds the code word before pc, or pc itself if the frame has called nothing.
func (m *Machine) Needed(pc uint64, called bool) (live.Slots, bool) {
	if l := &m.stood; l.known && l.pc == pc && l.called == called {
		return l.slots, true
	}
	at := pc
	if called {
		at--
	}
	fn := m.prog.FuncAt(at)
	if fn == 0 {
		return nil, false
	}
	slots, known := m.prog.Live(m.nativeSlots).Func(fn).Needed(pc)
	m.stood = standingAt{pc, called, slots, known}
	return slots, known
}

func (m *Machine) nativeSlots(index int) (res, args int) {
	return m.natives[index].Res, m.natives[index].Args
}
