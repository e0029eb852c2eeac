// A processor without optional features: every package takes its portable path.

package cpu

const (
	CacheLinePadSize = 64
	GOARCH           = "amd64"
)

func doinit() {}
