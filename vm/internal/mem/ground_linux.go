package mem

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ground is a content in a nameless file, for many memories to stand on: each maps it privately, so that they share what they do not write.
type ground struct {
	of *Pages
	fd int
}

// newGround copies p to a file; nil when the host does not give one.
func newGround(p *Pages) *ground {
	fd, err := unix.MemfdCreate("tandem", unix.MFD_CLOEXEC)
	if err != nil {
		return nil
	}
	err = unix.Ftruncate(fd, int64(p.size))
	run := make([]image, 0, 64) // pages in a row
	next := uint64(0)           // page after them
	flush := func() {
		if err == nil && len(run) > 0 {
			b := unsafe.Slice(&run[0][0], len(run)*PageBytes)
			_, err = unix.Pwrite(fd, b, int64(next<<PageShift)-int64(len(b)))
		}
		run = run[:0]
	}
	p.differ(nil, func(at uint64, _, now *cell) bool {
		if at != next || len(run) == cap(run) {
			flush()
		}
		run, next = run[:len(run)+1], at+1
		if !now.copyTo(&run[len(run)-1], at) {
			run[len(run)-1] = zeroPage
		}
		return err == nil
	})
	flush()
	if err != nil {
		unix.Close(fd)
		return nil
	}
	g := &ground{p, fd}
	runtime.AddCleanup(g, func(fd int) { unix.Close(fd) }, fd)
	return g
}

// mapAt puts the ground's content in place of what is at base.
func (g *ground) mapAt(base unsafe.Pointer) error {
	_, err := unix.MmapPtr(g.fd, 0, base, uintptr(g.of.size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
	runtime.KeepAlive(g)
	return err
}
