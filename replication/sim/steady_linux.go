package sim

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// still keeps the runtime's monitor thread from interfering: it takes the processor away from a goroutine that seems to execute for 10 ms, which
// on a busy machine means one that waited for the processor, and then the order of goroutines is another. The process stays on one
// core, and there the monitor, which is the first thread that the runtime starts, only executes when nobody else wants to.
func still(worker int) error {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	nth := worker % all.Count()
	for cpu := 0; nth >= 0; cpu++ {
		if all.IsSet(cpu) {
			if nth--; nth < 0 {
				one.Set(cpu)
			}
		}
	}
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	var threads []int
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil && unix.SchedSetaffinity(id, &one) == nil {
			threads = append(threads, id)
		}
	}
	threads = slices.DeleteFunc(threads, func(id int) bool { return id == os.Getpid() })
	if len(threads) == 0 {
		return fmt.Errorf("sim: the runtime has no second thread")
	}
	idle := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
	if err := unix.SchedSetAttr(slices.Min(threads), idle, 0); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	return nil
}
