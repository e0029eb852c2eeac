// Crash output and heap dumps go nowhere: the host records both of a run.

package debug

import (
	"errors"
	"os"
	"time"
)

//tandem:remove runtime_setCrashFD

func SetCrashOutput(f *os.File, opts CrashOptions) error {
	return errors.New("runtime/debug: crash output cannot be set in the VM")
}

func WriteHeapDump(fd uintptr) {}

func SetTraceback(level string) {}

func readGCStats(stats *[]time.Duration) { *stats = append((*stats)[:0], 0, 0, 0) }
