//go:build amd64 || arm64

package sim

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// still stops the runtime's monitor thread for good: it takes the processor away from a goroutine that seems to execute for 10 ms, which on a busy machine means
// one that waited for the processor, and then the order of goroutines is another. A worker has no need of it: it never blocks in the system while
// there is something to do, and memory is collected only when asked for. A thread is stopped by a signal whose handler does not return.
func still() error {
	const sig = unix.Signal(63) // a real-time signal that nobody uses
	action := struct{ handler, flags, restorer, mask uintptr }{sleeperPC(), saOnstack | saRestorer, sleeperPC(), ^uintptr(0)}
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, unsafe.Sizeof(action.mask), 0, 0); errno != 0 {
		return fmt.Errorf("sim: %w", errno)
	}
	// The monitor is the first thread that the runtime starts.
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	var threads []int
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil && id != os.Getpid() {
			threads = append(threads, id)
		}
	}
	if len(threads) == 0 {
		return fmt.Errorf("sim: the runtime has no second thread")
	}
	monitor := slices.Min(threads)
	for !sleeps(monitor) { // asleep it holds no lock
		time.Sleep(100 * time.Microsecond)
	}
	if err := unix.Tgkill(os.Getpid(), monitor, sig); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	return nil
}

// Of the system's sigaction: the handler has a stack of its own; and amd64 insists on being told what it returns to.
const (
	saOnstack  = 0x08000000
	saRestorer = 0x04000000
)

// sleeps reports whether a thread of this process waits.
func sleeps(thread int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", thread))
	_, after, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(after, "S")
}

// sleeperPC is the address of a signal handler that sleeps for ever.
func sleeperPC() uintptr
