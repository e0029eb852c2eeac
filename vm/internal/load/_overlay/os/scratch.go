package os

import (
	"internal/filepathlite"
	"internal/stringslite"
	"sync"
	"syscall"
	"time"
	_ "unsafe" // for go:linkname
)

// Scratch files: what is below /tmp is the run's own and in its memory, so that it is taken, moved and undone with it
// and counts towards its memory limit. Nothing of it is on a host, and no grant is needed. The user is root, for whom permissions are
// written down and never in the way; access times and owners are not kept.

// scratchDir is the directory below which programs may write.
const scratchDir = "/tmp"

// scratchBytesMax bounds one file. What all of them may take is the run's memory limit.
const scratchBytesMax = 1 << 30

const (
	nameBytesMax = 255 // Linux's NAME_MAX
	linksMax     = 40  // symbolic links followed for one name, Linux's number
	umask        = 0o022
)

var scratch struct {
	sync.Mutex
	root    *inode // stands for /, which has nothing but tmp; nil until the first use
	null    *inode // DevNull; nil until the first use
	workDir string // absolute, "" for the host's
}

// inode is a file, directory, symbolic link or DevNull. All of it is guarded by scratch.
type inode struct {
	mode    FileMode
	modNs   int64
	data    []byte
	target  string            // of a symbolic link
	entries map[string]*inode // of a directory, as are parent and name
	parent  *inode
	name    string
}

// wallNs is the time now, without package time, which a program that only prints does not need.
//
//go:linkname wallNs runtime.walltime
func wallNs() int64

func newNode(mode FileMode) *inode {
	n := &inode{mode: mode, modNs: wallNs()}
	if mode.IsDir() {
		n.entries = map[string]*inode{}
	}
	return n
}

func scratchRoot() *inode {
	if scratch.root == nil {
		root := newNode(ModeDir | 0o755)
		root.parent = root
		root.enter("tmp", newNode(ModeDir|ModeSticky|0o777))
		scratch.root = root
	}
	return scratch.root
}

// enter gives n a name in d.
func (d *inode) enter(name string, n *inode) {
	d.entries[name] = n
	d.modNs = wallNs()
	if n.mode.IsDir() {
		n.parent, n.name = d, name
	}
}

// leave takes a name out of d.
func (d *inode) leave(name string) {
	delete(d.entries, name)
	d.modNs = wallNs()
}

// pathOf is where the directory d is.
func pathOf(d *inode) string {
	if d.parent == d || d.parent == nil {
		return ""
	}
	return pathOf(d.parent) + "/" + d.name
}

// resize makes n's data so long. What is new is zero.
func (n *inode) resize(size int) {
	was := len(n.data)
	if size > cap(n.data) {
		n.data = append(make([]byte, 0, max(size, 2*cap(n.data))), n.data...)
	}
	n.data = n.data[:size]
	if size > was {
		clear(n.data[was:])
	}
}

// setSize is resize for those who may not ask for anything.
func (n *inode) setSize(size int64) error {
	switch {
	case n.mode.IsDir():
		return syscall.EISDIR
	case size < 0 || n.isNull():
		return syscall.EINVAL
	case size > scratchBytesMax:
		return syscall.EFBIG
	case size == 0:
		n.data = nil
	default:
		n.resize(int(size))
	}
	n.modNs = wallNs()
	return nil
}

func nodeInfo(n *inode, name string) *fileStat {
	size := int64(len(n.data))
	if n.mode&ModeSymlink != 0 {
		size = int64(len(n.target))
	}
	return &fileStat{name: name, size: size, mode: n.mode, modTime: time.Unix(0, n.modNs), node: n}
}

// place is where a name leads.
type place struct {
	host string // what the host calls it when it is the host's, else:
	err  error  // why nothing can be there
	dir  *inode // the directory that has it, or would; nil for DevNull, which is of another file system
	base string // its name in dir
	node *inode // nil when nothing is there
	dirs bool   // the name ends in a slash: only a directory will do
}

// missing is why there is no node at p, nil if there is one.
func (p *place) missing() error {
	if p.err == nil && p.node == nil {
		return syscall.ENOENT
	}
	return p.err
}

// fixed says that a node cannot lose the name that led to it.
func (p *place) fixed() error {
	switch {
	case p.base == "." || p.base == "":
		return syscall.EINVAL
	case p.base == "..":
		return syscall.ENOTEMPTY
	case p.dir == scratch.root || p.dir == nil:
		return syscall.EBUSY
	}
	return nil
}

func inScratch(path string) bool {
	return path == scratchDir || stringslite.HasPrefix(path, scratchDir+"/")
}

// locate says where name leads; follow says whether a symbolic link at its end is followed. Relative names are the host's unless
// the program changed its directory. A name below scratchDir is the host's when the run has nothing of that name and a grant
// covers a file of the host: a granted directory below /tmp stays readable, and what the run makes hides it.
func locate(name string, follow bool) place {
	if name == "" {
		return place{err: syscall.ENOENT}
	}
	if stringslite.IndexByte(name, 0) >= 0 {
		return place{err: syscall.EINVAL}
	}
	if name[0] != '/' {
		if scratch.workDir == "" {
			return place{host: name}
		}
		name = scratch.workDir + "/" + name
	}
	clean := filepathlite.Clean(name)
	if !inScratch(clean) {
		return outside(name)
	}
	if !inScratch(name) {
		name = clean
	}
	p := walk(name, follow)
	if p.host == "" && p.node == nil {
		_, _, _, errno := hostStat(clean)
		if errno == 0 || errno != noGrant && p.err == syscall.ENOENT {
			return place{host: clean}
		}
	}
	return p
}

// walk follows an absolute name from the root.
func walk(name string, follow bool) place {
	root := scratchRoot()
	dir, rest, links := root, name, 0
	for {
		first, after := cutName(rest)
		dirs := after != ""
		last := !dirs
		if dirs {
			if next, _ := cutName(after); next == "" {
				last = true
			}
		}
		var node *inode
		switch {
		case first == "" || first == ".":
			node = dir
		case first == "..":
			node = dir.parent
		case dir == root && first != scratchDir[1:]:
			return outside(filepathlite.Clean("/" + first + after))
		case len(first) > nameBytesMax:
			return place{err: syscall.ENAMETOOLONG}
		default:
			node = dir.entries[first]
		}
		switch {
		case node != nil && node.mode&ModeSymlink != 0 && (!last || follow || dirs):
			if links++; links > linksMax {
				return place{err: syscall.ELOOP}
			}
			if rest = node.target + after; node.target[0] == '/' {
				dir = root
			}
		case node == root && last:
			return place{host: "/"}
		case node == nil && !last:
			return place{err: syscall.ENOENT}
		case node != nil && !node.mode.IsDir() && dirs:
			return place{err: syscall.ENOTDIR}
		case last:
			return place{dir: dir, base: first, node: node, dirs: dirs}
		default:
			dir, rest = node, after
		}
	}
}

// cutName cuts the first name of a path off: "/a/b" is "a" and "/b".
func cutName(path string) (first, after string) {
	for path != "" && path[0] == '/' {
		path = path[1:]
	}
	i := stringslite.IndexByte(path, '/')
	if i < 0 {
		return path, ""
	}
	return path[:i], path[i:]
}
