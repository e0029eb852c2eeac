package exec

import (
	"encoding/binary"

	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/timers"
)

// Everything the machine knows of a run is in the records of this file: its part of the root page, and objects on the heap.
// All offsets are in bytes, all fields words unless said otherwise. Lists end with 0.

// root is the machine's part of the root page.
const root = code.Base + 1024

const (
	rootVersion   = root + 8*iota // layoutVersion once New is done
	rootG                         // running goroutine, 0: none, see the run queue
	rootPC                        // its code word
	rootFP                        // its frame
	rootCount                     // instruction words carried out
	rootSliceEnd                  // count at which it makes room for another
	rootQueue                     // first goroutine of the run queue
	rootQueueLast                 // last one
	rootAll                       // first goroutine of all, in order of creation
	rootAllLast                   // last one
	rootLive                      // number of goroutines in that list, system ones not counted
	rootNextID                    // number of the next goroutine
	rootTimers                    // the timers.Queue of the world's time, three words
	rootTimerLen
	rootTimerCap
	rootTimerSeq // number of the next timer
	rootSema     // array of semaBuckets list heads, pairs of first and last
	rootItabs    // heap.Itabs, three words
	rootItabLen  // itabs in it
	rootItabCap  // room in it
	rootHostWait // number of goroutines that wait for the host
	rootMainGone // 1: the main goroutine ended by Goexit
	rootExited   // 1: the run is over, exitedFatal: by a fatal error
	rootStatus   // exit status
	rootGas      // limits, 0 none
	rootGoroutineMax
	rootStackMax
	rootSliceWords
	rootFinalizer // goroutine that waits for finalizers and cleanups to run, 0: none waits
	rootBubbles   // first bubble whose root runs
	rootBubbleID  // number of the newest bubble
	rootCollected // count + 1 at the last collection forced by lack of room
	rootEnd
)

const layoutVersion = 2

// A goroutine record (heap.KindGoroutine).
const (
	gID       = 8 * iota
	gStatus   // Status
	gNext     // list of all
	gPrev     // list of all
	gLink     // run queue
	gPC       // code word to continue at, when not running
	gFP       // its frame, when not running
	gChunk    // stack chunk of the running frame
	gDefer    // newest deferred call
	gPanic    // running panic, newest first
	gSudog    // first record of what it waits for
	gFlags    // gSystem
	gFunc     // function it was started with
	gParent   // number of the goroutine that started it
	gParentPC // code word of the go statement, 0 none
	gStack    // bytes of its stack chunks
	gLabel    // for runtime/pprof labels and other per-goroutine words of the guest
	gWaiting  // address waited on: channel, semaphore, timer
	gBubble   // bubble it belongs to, 0 none
	gBytes
)

const gSystem = 1

// A stack chunk (heap.KindStack): this header, then frames. A frame never moves.
const (
	chunkPrev  = 8 * iota // chunk of the caller of the first frame here
	chunkBytes            // size, header included
	chunkTop              // end of the last frame here while a newer chunk is in use
	chunkWin              // frame address the first frame would have had in the caller's window: its results go there
	chunkRes              // result slots to copy there
	chunkSpare            // chunk given up most lately, for reuse
	chunkHead
)

const (
	firstChunkBytes = 2048
	mainChunkBytes  = 32 << 10
)

// A deferred call: an object of heap.KindDefer, or slots of the frame that owns it (DeferL).
const (
	dLink    = 8 * code.DeferLink
	dFP      = 8 * code.DeferFrame
	dOwner   = 8 * code.DeferOwner
	dFunc    = 8 * code.DeferFunc
	dClosure = 8 * code.DeferClosure
	dArgc    = 8 * code.DeferArgc
	dArgs    = 8 * code.DeferHeader
)

// The layout of a guest _panic record, which runtime.fatalpanic receives; offsets in bytes. In Go:
//
//	type _panic struct {
//		arg        any      // 0
//		link       *_panic  // 16: the panic that was running when this one began, nil at the first
//		recovered  bool     // 24: recover was called, but the deferred function had not returned
//		goexit     bool     // 25: not a panic but runtime.Goexit running deferred calls
//		repanicked bool     // 26: recovered, then panicked again with the same value
//		_          [5]byte  // 27
//		_          [8]uintptr // 32: the machine's own
//	}
const (
	panicArg        = 0
	panicLink       = 16
	panicRecovered  = 24
	panicGoexit     = 25
	panicRepanicked = 26
)

// The machine's own part of a panic record (heap.KindPanic), after that.
const (
	pPrev    = 32 + 8*iota // the panic record before this one, link skips those that are over
	pFP                    // frame that panicked
	pPC                    // its code word
	pCallFP                // frame of the deferred call being run
	pMark                  // newest deferred call when that one began: reached by a newer panic, this one is aborted
	pOwnerFP               // frame that owned the deferred call
	pOwner                 // function of that frame
	pState                 // pAborted, pDone
	pBytes
)

const (
	pAborted = 1 // a newer panic went past it
	pDone    = 2 // recovered; the rest of the owner's deferred calls are run before it continues
)

// What a goroutine waits for (heap.KindSudog): a place in a queue of a channel, semaphore or notify list.
const (
	sG     = 8 * iota
	sNext  // queue
	sPrev  // queue
	sMore  // next record of the same goroutine (select)
	sChan  // channel or semaphore address
	sElem  // address of the value sent or of the place to receive into, 0: discard
	sOK    // address of the word for "received ok", 0: none
	sIndex // address of the word for the chosen case, 0: not a select
	sCase  // number to store there; ticket in a notify list
	sPC    // code word of the operation, to be done anew when a sender finds the channel closed
	sFlags // sudogSend, sudogSlots, sudogLocal
	sBytes
)

const (
	sudogSend  = 1
	sudogSlots = 2 // sElem is a frame slot in slot form, not memory form
)

// A channel (heap.KindChan).
const (
	cLen = 8 * iota
	cCap
	cElem      // element type
	cElemBytes // its size
	cClosed    // chanClosed, chanTimer; besides the address of the timer that the channel holds, which is a multiple of 8
	cSendX
	cRecvX
	cRecvQ // first waiting receiver
	cRecvQLast
	cSendQ // first waiting sender
	cSendQLast
	cBubble // bubble it was made in, 0 none
	cBuf    // the elements
)

const (
	chanClosed = 1
	chanTimer  = 2 // a timer's: it has a buffer, which the program does not see
)

// A timer (heap.KindTimer), after what package timers keeps.
const (
	tG       = timers.Own + 8*iota // goroutine to wake, 0: call tFunc
	tClosure                       // func(arg any, seq uintptr, delta int64) to call in a new goroutine
	tArg                           // any, two words
	tArg1
	tArgSeq
	tBubble // bubble whose time it follows, 0: the world's
	tBytes
)

// recordMin is as much as any record in a list takes, the shortest being a frame.
const recordMin = header * 8

// chain bounds walks along lists in memory, which may be damaged and lead in a circle: no list has more records.
func (m *Machine) chain() uint64 { return m.mem.Size() / recordMin }

// slot is slot i of the frame at p.
func slot(p unsafe.Pointer, i int) *uint64 { return (*uint64)(unsafe.Add(p, uintptr(i)*8)) }

// Standing is where the run stands whose memory begins with page, a copy of its root page: the running goroutine's code word and frame, 0 when
// none runs, and the instruction words carried out. False: there is no run of this version.
func Standing(page []byte) (pc, frame, count uint64, ok bool) {
	if len(page) < 4096 {
		return 0, 0, 0, false
	}
	word := func(addr uint64) uint64 { return binary.LittleEndian.Uint64(page[addr-code.Base:]) }
	if word(rootG) != 0 {
		pc, frame = word(rootPC), word(rootFP)
	}
	return pc, frame, word(rootCount), word(rootVersion) == layoutVersion
}
