package store

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// FS is the file system a store lies on.
type FS = vfs.FS

// Disk is a disk in memory that can lose power and break, for tests and simulation: what was not synced may be lost, block by block.
type Disk struct {
	mem *vfs.MemFS
	fs  FS

	writes, reads faults
}

// faults are the failures to come of one kind of operation.
type faults struct {
	made atomic.Int64 // operations so far
	from atomic.Int64 // the first that fails, counted from 1; 0: none does
	err  atomic.Pointer[error]
}

func (f *faults) next() error {
	n, from := f.made.Add(1), f.from.Load()
	if from == 0 || n < from {
		return nil
	}
	return *f.err.Load()
}

func (f *faults) after(n int64, err error) {
	f.err.Store(&err)
	f.from.Store(f.made.Load() + n + 1)
}

// NewDisk makes an empty disk.
func NewDisk() *Disk { return diskOver(vfs.NewCrashableMem()) }

func diskOver(m *vfs.MemFS) *Disk {
	d := &Disk{mem: m}
	d.fs = errorfs.Wrap(m, errorfs.InjectorFunc(d.inject))
	return d
}

func (d *Disk) inject(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
		return d.writes.next()
	}
	return d.reads.next()
}

// Writes counts the writing operations so far: of data, files, names and syncs.
func (d *Disk) Writes() int64 { return d.writes.made.Load() }

// Reads counts the reading operations so far.
func (d *Disk) Reads() int64 { return d.reads.made.Load() }

// FailWrites makes every write fail with err once n more have been made.
func (d *Disk) FailWrites(n int64, err error) { d.writes.after(n, err) }

// FailReads makes every read fail with err once n more have been made.
func (d *Disk) FailReads(n int64, err error) { d.reads.after(n, err) }

// Mend makes nothing fail any more.
func (d *Disk) Mend() {
	d.writes.from.Store(0)
	d.reads.from.Store(0)
}

// FS is the disk's file system.
func (d *Disk) FS() FS { return d.fs }

// Crash returns the disk as it is found after a power loss at this moment: everything synced, and of the rest each block
// with the given probability in percent. The old disk goes on existing for whoever still writes to it. What is kept follows from rnd: the file
// system's own way of losing power walks its maps, whose order is another each time, so it is asked for all and for nothing only.
func (d *Disk) Crash(keepPercent int, rnd *rand.Rand) *Disk {
	synced := d.mem.CrashClone(vfs.CrashCloneCfg{})
	if keepPercent <= 0 {
		return diskOver(synced)
	}
	all := d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))})
	if keepPercent >= 100 {
		return diskOver(all)
	}
	if err := keepSome(synced, all, "/", keepPercent, rnd); err != nil {
		panic("BUG: store: a disk in memory fails: " + err.Error())
	}
	return diskOver(synced)
}

// keepSome adds to dir on disk what each file of the other one, which has all of them, has more: each new file, and of each file each block, with the
// given probability.
func keepSome(disk, other *vfs.MemFS, dir string, percent int, rnd *rand.Rand) error {
	names, err := other.List(dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		path := other.PathJoin(dir, name)
		info, err := other.Stat(path)
		if err != nil {
			return err
		}
		_, absent := disk.Stat(path)
		if absent != nil && rnd.IntN(100) >= percent {
			continue
		}
		if info.IsDir() {
			err = errors.Join(disk.MkdirAll(path, 0o700), keepSome(disk, other, path, percent, rnd))
		} else {
			err = keepBlocks(disk, other, path, percent, rnd)
		}
		if err != nil {
			return err
		}
	}
	return syncDir(disk, dir)
}

const diskBlockBytes = 4096

func keepBlocks(disk, other *vfs.MemFS, path string, percent int, rnd *rand.Rand) error {
	has, err := contents(disk, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	full, err := contents(other, path)
	if err != nil {
		return err
	}
	for from := 0; from < len(full); from += diskBlockBytes {
		to := min(from+diskBlockBytes, len(full))
		if rnd.IntN(100) < percent {
			has = append(has, make([]byte, max(0, to-len(has)))...)
			copy(has[from:], full[from:to])
		}
	}
	f, err := disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(has)
	return errors.Join(err, f.Sync(), f.Close())
}

func contents(disk *vfs.MemFS, path string) ([]byte, error) {
	f, err := disk.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func syncDir(disk *vfs.MemFS, dir string) error {
	f, err := disk.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
