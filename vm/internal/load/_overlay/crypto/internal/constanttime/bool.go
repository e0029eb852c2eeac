// What the compiler of Go makes a conditional move. Time is not constant here: nobody outside the run can measure it.

package constanttime

func boolToUint8(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
