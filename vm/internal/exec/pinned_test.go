package exec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/pinned"
	"github.com/tandemvm/tandem/vm/internal/timers"
)

// TestLayoutIsPinned: the machine's records stand in snapshots, so they change with layoutVersion only.
func TestLayoutIsPinned(t *testing.T) {
	var b strings.Builder
	record := func(name string, first int, fields ...int) {
		for i, v := range fields {
			fmt.Fprintf(&b, "%s %d %d\n", name, first+i, v)
		}
	}
	record("root", 0, rootVersion-code.Base, rootG-code.Base, rootPC-code.Base, rootFP-code.Base, rootCount-code.Base, rootSliceEnd-code.Base, rootQueue-code.Base, rootQueueLast-code.Base,
		rootAll-code.Base, rootAllLast-code.Base, rootLive-code.Base, rootNextID-code.Base, rootTimers-code.Base, rootTimerLen-code.Base, rootTimerCap-code.Base, rootTimerSeq-code.Base,
		rootSema-code.Base, rootItabs-code.Base, rootItabLen-code.Base, rootItabCap-code.Base, rootHostWait-code.Base, rootMainGone-code.Base, rootExited-code.Base, rootStatus-code.Base,
		rootGas-code.Base, rootGoroutineMax-code.Base, rootStackMax-code.Base, rootSliceWords-code.Base, rootFinalizer-code.Base, rootBubbles-code.Base, rootBubbleID-code.Base, rootCollected-code.Base, rootEnd-code.Base)
	record("goroutine", 0, gID, gStatus, gNext, gPrev, gLink, gPC, gFP, gChunk, gDefer, gPanic, gSudog, gFlags, gFunc, gParent, gParentPC, gStack, gLabel, gWaiting, gBubble, gBytes, gSystem)
	record("chunk", 0, chunkPrev, chunkBytes, chunkTop, chunkWin, chunkRes, chunkSpare, chunkHead)
	record("frame", 0, header, code.FrameHeader)
	record("deferred call", 0, dLink, dFP, dOwner, dFunc, dClosure, dArgc, dArgs)
	record("panic", 0, panicArg, panicLink, panicRecovered, panicGoexit, pPrev, pFP, pPC, pCallFP, pMark, pOwnerFP, pOwner, pState, pBytes, pAborted, pDone)
	record("waiting", 0, sG, sNext, sPrev, sMore, sChan, sElem, sOK, sIndex, sCase, sPC, sFlags, sBytes, sudogSend, sudogSlots)
	record("channel", 0, cLen, cCap, cElem, cElemBytes, cClosed, cSendX, cRecvX, cRecvQ, cRecvQLast, cSendQ, cSendQLast, cBubble, cBuf)
	record("timer", 0, timers.Own, timers.Bytes, tG, tClosure, tArg, tArg1, tArgSeq, tBubble, tBytes)
	record("semaphores", 0, semaBuckets)
	for s := range statusCount {
		fmt.Fprintf(&b, "status %d %s\n", uint64(s), s)
	}
	pinned.Check(t, "layout", layoutVersion, b.String(), "Snapshots of this version would be misread: raise exec's layoutVersion and vm.Version.")
}
