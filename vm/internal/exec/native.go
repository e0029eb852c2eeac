package exec

import "github.com/tandemvm/tandem/vm/internal/code"

// A Native is a host function that guest code calls by symbol. Res and Args are the slots of its results and parameters,
// as the lowering counts them (each rounded up to whole slots, receiver first).
//
// Call reads its arguments and writes its results in the window and says what happens next. It must keep no guest
// state: what it needs later belongs in guest memory. It must not open an epoch (Save, Undo, Take and so on), for the frame it writes its
// results to would not be tracked: it asks for PauseAfter, and the caller of Run does that. It may allocate; allocation never collects while it
// runs, so guest addresses in its host locals stay good. Everything it writes outside the window goes through Thread.Mem's tracked writes.
type Native struct {
	Res, Args int
	Call      func(t *Thread, w Window) Action
}

// Action says how the machine goes on after a native. Natives return Next, or what a method of Thread returned.
type Action uint8

const (
	// Next continues after the call.
	Next Action = iota
	// moved: the thread's position was set (a guest call or panic was begun).
	moved
	// parked: the goroutine waits; it continues after the call when it is made ready.
	parked
	// again: the goroutine waits for the host and calls the native anew when Run is called next.
	again
	// yielded: the goroutine went to the end of the run queue.
	yielded
	// ended: the run is over (exit, throw or limit).
	ended
)

// Status names what a goroutine waits for, as tracebacks print it.
type Status uint64

const (
	StatusRunnable Status = iota
	StatusRunning
	StatusDead
	StatusChanReceive
	StatusChanSend
	StatusChanReceiveNil
	StatusChanSendNil
	StatusSelect
	StatusSelectNone
	StatusSleep
	StatusSemacquire
	StatusMutexLock
	StatusRWMutexRLock
	StatusRWMutexLock
	StatusWaitGroupWait
	StatusCondWait
	StatusIO
	StatusHost
	StatusFinalizerWait
	StatusCoroutine
	StatusBubbleRun
	StatusBubbleWait
	StatusChanReceiveIn // the waits of bubbles on what is theirs
	StatusChanSendIn
	StatusSelectIn
	StatusWaitGroupIn
	statusCount
)

var statusText = [statusCount]string{
	StatusRunnable: "runnable", StatusRunning: "running", StatusDead: "dead",
	StatusChanReceive: "chan receive", StatusChanSend: "chan send",
	StatusChanReceiveNil: "chan receive (nil chan)", StatusChanSendNil: "chan send (nil chan)",
	StatusSelect: "select", StatusSelectNone: "select (no cases)", StatusSleep: "sleep",
	StatusSemacquire: "semacquire", StatusMutexLock: "sync.Mutex.Lock", StatusRWMutexRLock: "sync.RWMutex.RLock",
	StatusRWMutexLock: "sync.RWMutex.Lock", StatusWaitGroupWait: "sync.WaitGroup.Wait", StatusCondWait: "sync.Cond.Wait",
	StatusIO: "IO wait", StatusHost: "syscall",
	StatusFinalizerWait: "finalizer wait", StatusCoroutine: "coroutine", StatusBubbleRun: "synctest.Run", StatusBubbleWait: "synctest.Wait",
	StatusChanReceiveIn: "chan receive", StatusChanSendIn: "chan send", StatusSelectIn: "select", StatusWaitGroupIn: "sync.WaitGroup.Wait",
}

func (s Status) String() string {
	if s < statusCount {
		return statusText[s]
	}
	return "unknown"
}

// Host is what a machine asks of the world. The machine reads no clock and writes no file by itself.
type Host interface {
	// Walltime is nanoseconds since 1970, Nanotime a monotonic clock in nanoseconds whose zero is the host's choice
	// but must not go back across Attach.
	Walltime() int64
	Nanotime() int64
	// Stderr takes the text of fatal errors and tracebacks. An error stops the run: *LimitError when output is used up.
	Stderr(p []byte) error
}

// Register names of the frame of a native: see vm/DESIGN.md.
const header = code.FrameHeader
