// No signal reaches a run: who waits for one waits for ever.

package signal

import (
	"os"
	"syscall"
)

//tandem:without signal_unix.go

const numSig = 65

func signum(sig os.Signal) int {
	if s, ok := sig.(syscall.Signal); ok && s >= 0 && s < numSig {
		return int(s)
	}
	return -1
}

// ignored are the signals that Ignore was called for.
var ignored [numSig]bool

func enableSignal(sig int)       { ignored[sig] = false }
func disableSignal(sig int)      { ignored[sig] = false }
func ignoreSignal(sig int)       { ignored[sig] = true }
func signalIgnored(sig int) bool { return ignored[sig] }

func signalWaitUntilIdle() {}
