package runtime

// There are no profiles. What programs set is taken and means nothing.

var MemProfileRate = 512 * 1024

func SetBlockProfileRate(rate int)         {}
func SetMutexProfileFraction(rate int) int { return 0 }
func SetCPUProfileRate(hz int)             {}
