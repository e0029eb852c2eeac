package runtime

import "internal/abi"

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

// SetFinalizer checks its arguments as Go's does and runs nothing: what a run does may not depend on when it collects.
func SetFinalizer(obj any, finalizer any) {
	e := efaceOf(&obj)
	if e._type == nil {
		throw("runtime.SetFinalizer: first argument is nil")
	}
	if e._type.Kind() != abi.Pointer {
		throw("runtime.SetFinalizer: first argument is " + toRType(e._type).string() + ", not pointer")
	}
	if e.data == nil {
		throw("nil elem type!")
	}
	if f := efaceOf(&finalizer); f._type != nil && f._type.Kind() != abi.Func {
		throw("runtime.SetFinalizer: second argument is " + toRType(f._type).string() + ", not a function")
	}
}

// Cleanup is a handle to a cleanup, which never runs, as finalizers do not.
type Cleanup struct{ id uint64 }

func AddCleanup[T, S any](ptr *T, cleanup func(S), arg S) Cleanup { return Cleanup{} }

func (c Cleanup) Stop() {}

// Pinner pins nothing: objects never move.
type Pinner struct{ pinned []any }

func (p *Pinner) Pin(pointer any) { p.pinned = append(p.pinned, pointer) }

func (p *Pinner) Unpin() { p.pinned = nil }
