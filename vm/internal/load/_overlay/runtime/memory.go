package runtime

//tandem:from mstats.go MemStats

// GC collects and lets others run, so that a goroutine that does nothing else does not take all of the time.
func GC() {
	collect()
	Gosched()
}

func collect()

// heapStats are the heap's numbers: live bytes, bytes ever allocated, objects allocated, objects freed, bytes of
// pages given to objects, bytes of memory, live bytes at the next collection, collections.
func heapStats(n *[8]uint64)

// setGCPercent returns the former value.
func setGCPercent(percent int32) int32

func ReadMemStats(m *MemStats) {
	var n [8]uint64
	heapStats(&n)
	*m = MemStats{Alloc: n[0], TotalAlloc: n[1], Mallocs: n[2], Frees: n[3], HeapAlloc: n[0], HeapSys: n[4], HeapInuse: n[4],
		HeapObjects: n[2] - n[3], Sys: n[5], NextGC: n[6], NumGC: uint32(n[7]), EnableGC: true}
}

// Pinner pins nothing: objects never move.
type Pinner struct{ pinned []any }

func (p *Pinner) Pin(pointer any) { p.pinned = append(p.pinned, pointer) }

func (p *Pinner) Unpin() { p.pinned = nil }
