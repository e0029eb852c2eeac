package os

import (
	"internal/filepathlite"
	"io"
	"syscall"
)

// DevNull is in every run, and is the run's own as scratch files are: nothing of it is on a host, and no grant is needed. It is
// an inode that no directory has, which stays empty whatever is written to it.

// seekMax is the largest whence of Linux, SEEK_HOLE.
const seekMax = io.SeekEnd + 2

// outside is where a name leads that is not below scratchDir.
func outside(name string) place {
	switch {
	case filepathlite.Clean(name) != DevNull:
		return place{host: name}
	case name[len(name)-1] == '/':
		return place{err: syscall.ENOTDIR}
	}
	if scratch.null == nil {
		scratch.null = newNode(ModeDevice | ModeCharDevice | 0o666)
	}
	return place{base: "null", node: scratch.null}
}

func (n *inode) isNull() bool { return n.mode&ModeDevice != 0 }

func (f *file) isNull() bool { return f.node != nil && f.node.isNull() }

// seekNull says where DevNull is at, which is its start wherever one goes.
func seekNull(whence int) (int64, error) {
	if whence < 0 || whence > seekMax {
		return 0, syscall.EINVAL
	}
	return 0, nil
}
