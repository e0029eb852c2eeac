package store

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// FS is the file system a store lies on.
type FS = vfs.FS

// Disk is a disk in memory that can lose power, for tests and simulation: what was not synced may be lost, block by block.
type Disk struct {
	mem *vfs.MemFS
	fs  FS

	fail atomic.Int64 // writes until one fails; 0: none does
}

// NewDisk makes an empty disk.
func NewDisk() *Disk { return diskOver(vfs.NewCrashableMem()) }

func diskOver(m *vfs.MemFS) *Disk {
	d := &Disk{mem: m}
	d.fs = errorfs.Wrap(m, errorfs.InjectorFunc(d.inject))
	return d
}

func (d *Disk) inject(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || d.fail.Load() == 0 {
		return nil
	}
	if d.fail.Add(-1) == 0 {
		d.fail.Store(1) // a broken disk stays broken
		return errorfs.ErrInjected
	}
	return nil
}

// FS is the disk's file system.
func (d *Disk) FS() FS { return d.fs }

// FailAfter makes every write fail once n more have been made.
func (d *Disk) FailAfter(n int) { d.fail.Store(int64(n)) }

// Crash returns the disk as it is found after a power loss at this moment: everything synced, and of the rest each block
// with the given probability in percent. The old disk goes on existing for whoever still writes to it.
func (d *Disk) Crash(keepPercent int, rnd *rand.Rand) *Disk {
	return diskOver(d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keepPercent, RNG: rnd}))
}
