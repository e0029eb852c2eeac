package os

import (
	"io"
	"slices"
	"syscall"
	"time"
)

// openNode opens what is at p, or makes a file there.
func openNode(p place, name string, flag int, perm FileMode) (*File, error) {
	n := p.node
	switch {
	case p.err != nil:
		return nil, p.err
	case n == nil && flag&O_CREATE == 0:
		return nil, syscall.ENOENT
	case n == nil && p.dirs:
		return nil, syscall.EISDIR
	case n == nil:
		n = newNode(perm & (ModePerm | ModeSetuid | ModeSetgid | ModeSticky) &^ umask)
		p.dir.enter(p.base, n)
	case flag&(O_CREATE|O_EXCL) == O_CREATE|O_EXCL:
		return nil, syscall.EEXIST
	case n.mode&ModeSymlink != 0:
		return nil, syscall.ELOOP
	case n.mode.IsDir() && flag&(O_WRONLY|O_RDWR|O_CREATE|O_TRUNC) != 0:
		return nil, syscall.EISDIR
	case !n.mode.IsDir() && flag&syscall.O_DIRECTORY != 0:
		return nil, syscall.ENOTDIR
	case flag&O_TRUNC != 0:
		n.setSize(0)
	}
	return &File{&file{name: name, fd: -1, node: n, noRead: flag&O_WRONLY != 0, writes: flag&(O_WRONLY|O_RDWR) != 0,
		appendMode: flag&O_APPEND != 0}}, nil
}

// readNode is pread of a scratch file; 0, nil at its end.
func (f *file) readNode(b []byte, off int64) (int, error) {
	scratch.Lock()
	defer scratch.Unlock()
	switch {
	case len(b) == 0: // no system call then
		return 0, nil
	case f.noRead:
		return 0, syscall.EBADF
	case f.node.mode.IsDir():
		return 0, syscall.EISDIR
	case off >= int64(len(f.node.data)):
		return 0, nil
	}
	return copy(b, f.node.data[off:]), nil
}

// writeNode is pwrite to a scratch file; atEnd says that what is written, and the file's position, is at the end instead.
func (f *file) writeNode(b []byte, off int64, atEnd bool) (int, error) {
	if !f.writes {
		return 0, syscall.EBADF
	}
	scratch.Lock()
	defer scratch.Unlock()
	n := f.node
	if n.isNull() {
		return len(b), nil
	}
	if atEnd {
		off = int64(len(n.data))
		f.offset = off
	}
	if off > scratchBytesMax-int64(len(b)) {
		return 0, syscall.EFBIG
	}
	if end := int(off) + len(b); end > len(n.data) {
		n.resize(end)
	}
	copy(n.data[off:], b)
	n.modNs = wallNs()
	return len(b), nil
}

// namesOf are the names in a directory, sorted.
func namesOf(d *inode) ([]string, error) {
	scratch.Lock()
	defer scratch.Unlock()
	if !d.mode.IsDir() {
		return nil, syscall.ENOTDIR
	}
	names := make([]string, 0, len(d.entries))
	for name := range d.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// entryOf is what d has under name.
func entryOf(d *inode, name string) (FileInfo, error) {
	scratch.Lock()
	defer scratch.Unlock()
	n := d.entries[name]
	if n == nil {
		return nil, &PathError{Op: "lstat", Path: joinPath(pathOf(d), name), Err: syscall.ENOENT}
	}
	return nodeInfo(n, name), nil
}

// at does something with the scratch file at name; one of the host fails with what was not granted.
func at(op, name, what string, follow bool, do func(p place) error) error {
	scratch.Lock()
	defer scratch.Unlock()
	p := locate(name, follow)
	if p.host != "" {
		return refused(op, name, what)
	}
	err := p.err
	if err == nil {
		err = do(p)
	}
	if err != nil {
		return &PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// atNode is at for something that has to be there.
func atNode(op, name, what string, follow bool, do func(n *inode) error) error {
	return at(op, name, what, follow, func(p place) error {
		if p.node == nil {
			return syscall.ENOENT
		}
		return do(p.node)
	})
}

func Mkdir(name string, perm FileMode) error {
	return at("mkdir", name, "create", false, func(p place) error {
		if p.node != nil {
			return syscall.EEXIST
		}
		p.dir.enter(p.base, newNode(ModeDir|perm&(ModePerm|ModeSticky)&^umask))
		return nil
	})
}

func Remove(name string) error {
	return at("remove", name, "remove", false, func(p place) error {
		if p.node == nil {
			return syscall.ENOENT
		}
		if err := p.fixed(); err != nil {
			return err
		}
		if len(p.node.entries) > 0 {
			return syscall.ENOTEMPTY
		}
		p.dir.leave(p.base)
		return nil
	})
}

func removeAll(name string) error {
	if name == "" {
		return nil
	}
	if endsWithDot(name) {
		return &PathError{Op: "RemoveAll", Path: name, Err: syscall.EINVAL}
	}
	for len(name) > 1 && name[len(name)-1] == '/' {
		name = name[:len(name)-1]
	}
	err := at("unlinkat", name, "remove", false, func(p place) error {
		if p.node == nil {
			return nil
		}
		if err := p.fixed(); err != nil {
			return err
		}
		p.dir.leave(p.base)
		empty(p.node)
		return nil
	})
	if IsNotExist(err) {
		return nil
	}
	return err
}

// empty takes everything out of a directory, for those who have it open.
func empty(d *inode) {
	for name, n := range d.entries {
		empty(n)
		delete(d.entries, name)
	}
}

func Truncate(name string, size int64) error {
	return atNode("truncate", name, "write", true, func(n *inode) error { return n.setSize(size) })
}

func (f *File) Truncate(size int64) error {
	return f.alter("truncate", "write", func(n *inode) error {
		if !f.writes {
			return syscall.EINVAL
		}
		return n.setSize(size)
	})
}

// alter is atNode for an open file.
func (f *File) alter(op, what string, do func(n *inode) error) error {
	if err := f.checkValid(op); err != nil {
		return err
	}
	if f.node == nil {
		return refused(op, f.name, what)
	}
	scratch.Lock()
	defer scratch.Unlock()
	return f.wrapErr(op, do(f.node))
}

func (n *inode) chmod(mode FileMode) error {
	const bits = ModePerm | ModeSetuid | ModeSetgid | ModeSticky
	n.mode = n.mode&^bits | mode&bits
	return nil
}

func (n *inode) chown() error { return nil }

func Chmod(name string, mode FileMode) error {
	return atNode("chmod", name, "change", true, func(n *inode) error { return n.chmod(mode) })
}

func (f *File) Chmod(mode FileMode) error {
	return f.alter("chmod", "change", func(n *inode) error { return n.chmod(mode) })
}

func Chown(name string, uid, gid int) error {
	return atNode("chown", name, "change", true, (*inode).chown)
}

func Lchown(name string, uid, gid int) error {
	return atNode("lchown", name, "change", false, (*inode).chown)
}

func (f *File) Chown(uid, gid int) error { return f.alter("chown", "change", (*inode).chown) }

func Chtimes(name string, atime, mtime time.Time) error {
	return atNode("chtimes", name, "change", true, func(n *inode) error {
		if !mtime.IsZero() {
			n.modNs = mtime.UnixNano()
		}
		return nil
	})
}

func Symlink(oldname, newname string) error {
	err := at("symlink", newname, "create", false, func(p place) error {
		switch {
		case oldname == "":
			return syscall.ENOENT
		case p.node != nil:
			return syscall.EEXIST
		case p.dirs:
			return syscall.ENOENT
		}
		n := newNode(ModeSymlink | ModePerm)
		n.target = oldname
		p.dir.enter(p.base, n)
		return nil
	})
	return linkError("symlink", oldname, newname, err)
}

func Link(oldname, newname string) error { return two("link", oldname, newname, link) }

func Rename(oldpath, newpath string) error { return two("rename", oldpath, newpath, rename) }

func linkError(op, from, to string, err error) error {
	if err == nil {
		return nil
	}
	return &LinkError{op, from, to, underlyingError(err)}
}

// two does something with two names of scratch files, the first of which has to be there.
func two(op, oldname, newname string, do func(from, to place) error) error {
	scratch.Lock()
	defer scratch.Unlock()
	from, to := locate(oldname, false), locate(newname, false)
	var err error
	switch {
	case to.host != "":
		err = &grantError{newname, "create"}
	case from.host != "" && op == "rename":
		err = &grantError{oldname, "remove"}
	case from.host != "":
		err = &grantError{oldname, "link"}
	case from.missing() != nil:
		err = from.missing()
	case to.err != nil:
		err = to.err
	case (from.dir == nil) != (to.dir == nil):
		err = syscall.EXDEV
	default:
		err = do(from, to)
	}
	return linkError(op, oldname, newname, err)
}

func link(from, to place) error {
	switch {
	case to.node != nil:
		return syscall.EEXIST
	case from.node.mode.IsDir():
		return syscall.EPERM
	case to.dirs:
		return syscall.ENOENT
	}
	to.dir.enter(to.base, from.node)
	return nil
}

func rename(from, to place) error {
	n := from.node
	if to.node != nil && to.node.mode.IsDir() && (to.node != n || to.dir == from.dir && to.base == from.base) {
		return syscall.EEXIST
	}
	if err := from.fixed(); err != nil {
		return err
	}
	if n.mode.IsDir() {
		for d := to.dir; d != d.parent; d = d.parent {
			if d == n {
				return syscall.EINVAL
			}
		}
	}
	switch {
	case to.node == n:
		return nil
	case to.node != nil && n.mode.IsDir(), to.dirs && !n.mode.IsDir():
		return syscall.ENOTDIR
	}
	from.dir.leave(from.base)
	to.dir.enter(to.base, n)
	return nil
}

// offsetFrom is a position in f that size bytes follow or precede.
func offsetFrom(f *file, offset, size int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += size
	case io.SeekStart:
	default:
		return 0, syscall.EINVAL
	}
	if offset < 0 {
		return 0, syscall.EINVAL
	}
	return offset, nil
}
