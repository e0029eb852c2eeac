package runtime

import "unsafe"

// Bubbles of internal/synctest. The machine keeps them: which goroutines are in one, whether all are durably blocked, its time and timers.

// bubble is the machine's record.
type bubble struct {
	next           *bubble
	id             uint64
	now            int64
	total, running int
	root, main     uintptr // goroutines; main is mainOver when it is over
	waiter         uintptr
	timers         unsafe.Pointer
	timerLen       uint64
	timerCap       uint64
}

const mainOver = 1

// bubbled says that there was a bubble in this run: else nobody has to be asked.
var bubbled bool

func bubbleOf() *bubble
func bubbleEnter()
func bubbleLeave()
func bubbleRun()
func bubbleWait() bool
func bubbleJoin(b *bubble)
func bubblePart()

// inside is the bubble of the running goroutine, nil if it is in none.
func inside() *bubble {
	if bubbled {
		return bubbleOf()
	}
	return nil
}

//go:linkname synctestRun internal/synctest.Run
func synctestRun(f func()) {
	if inside() != nil {
		panic("synctest.Run called from within a synctest bubble")
	}
	bubbled = true
	bubbleEnter()
	defer bubbleLeave()
	go f()
	bubbleRun()
	b := bubbleOf()
	if b.total == 1 {
		return
	}
	if b.main == mainOver {
		panic(synctestDeadlockError{"deadlock: main bubble goroutine has exited but blocked goroutines remain"})
	}
	panic(synctestDeadlockError{"deadlock: all goroutines in bubble are blocked"})
}

type synctestDeadlockError struct{ reason string }

func (e synctestDeadlockError) Error() string { return e.reason }

//go:linkname synctestWait internal/synctest.Wait
func synctestWait() {
	if inside() == nil {
		panic("goroutine is not in a bubble")
	}
	if !bubbleWait() {
		panic("wait already in progress")
	}
}

//go:linkname synctest_isInBubble internal/synctest.IsInBubble
func synctest_isInBubble() bool { return inside() != nil }

// A bubble that somebody acquired is not blocked.
//
//go:linkname synctest_acquire internal/synctest.acquire
func synctest_acquire() any {
	b := inside()
	if b == nil {
		return nil
	}
	b.running++
	return b
}

//go:linkname synctest_release internal/synctest.release
func synctest_release(b any) {
	b.(*bubble).running--
	Gosched()
}

//go:linkname synctest_inBubble internal/synctest.inBubble
func synctest_inBubble(b any, f func()) {
	if inside() != nil {
		panic("goroutine is already bubbled")
	}
	bubbleJoin(b.(*bubble))
	defer bubblePart()
	f()
}

// What an object's bubble is hangs on it as a special: its value is the number of the bubble.

const (
	currentBubble = 1 + iota
	otherBubble
)

//go:linkname synctest_associate internal/synctest.associate
func synctest_associate(p unsafe.Pointer) int {
	id := uintptr(bubbleOf().id)
	if addSpecial(specialMark, p, unsafe.Pointer(id), nil) != 0 || special(specialMark, p) == id {
		return currentBubble
	}
	return otherBubble
}

//go:linkname synctest_disassociate internal/synctest.disassociate
func synctest_disassociate(p unsafe.Pointer) { dropSpecial(specialMark, p, 0) }

//go:linkname synctest_isAssociated internal/synctest.isAssociated
func synctest_isAssociated(p unsafe.Pointer) bool {
	b := inside()
	return b != nil && special(specialMark, p) == uintptr(b.id)
}
