// Package os over what the host grants: standard streams, arguments, environment, and files it lets the program read; and over
// scratch files, which are the run's own (scratch.go). A File of the host holds its name and position in guest memory; natives
// get both with each call and keep nothing, so a run that moves to another host goes on reading where it stood.

package os

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
	"time"
)

//tandem:replace
//tandem:from file.go
//tandem:from dir.go
//tandem:from env.go
//tandem:from tempfile.go
//tandem:from path.go
//tandem:from path_unix.go
//tandem:from types.go Getpagesize FileInfo FileMode ModeDir ModeAppend ModeExclusive ModeTemporary ModeSymlink ModeDevice ModeNamedPipe ModeSocket ModeSetuid ModeSetgid ModeCharDevice ModeSticky ModeIrregular ModeType ModePerm SameFile
//tandem:from exec.go
//tandem:from exec_posix.go
//tandem:from exec_unix.go
//tandem:from exec_nohandle.go
//tandem:from file_posix.go ignoringEINTR ignoringEINTR2
//tandem:from pidfd_other.go
//tandem:from wait_unimp.go
//tandem:from root.go
//tandem:from root_nonwindows.go
//tandem:from root_noopenat.go
//tandem:from root_js.go
//tandem:from error.go ErrInvalid ErrPermission ErrExist ErrNotExist ErrClosed timeout PathError SyscallError SyscallError.Error SyscallError.Unwrap SyscallError.Timeout NewSyscallError IsExist IsNotExist IsPermission IsTimeout underlyingErrorIs underlyingError

var (
	ErrNoDeadline       = errors.New("file type does not support deadline")
	ErrDeadlineExceeded = error(deadlineError{})
)

type syscallErrorType = syscall.Errno

type deadlineError struct{}

func (deadlineError) Error() string   { return "i/o timeout" }
func (deadlineError) Timeout() bool   { return true }
func (deadlineError) Temporary() bool { return true }

const (
	PathSeparator     = '/'
	PathListSeparator = ':'
	DevNull           = "/dev/null"
)

// Natives. An errno is 0, Linux's, or noGrant.

func hostRead(p []byte) (n int, errno int) // standard input; 0, 0 at its end
func hostWrite(fd int, p []byte) (n int, errno int)
func hostStat(name string) (size int64, mode uint32, mtimeNs int64, errno int) // mode as fs.FileMode
func hostReadAt(name string, p []byte, off int64) (n int, errno int)           // 0, 0 at the end
func hostReadFile(name string) (data []byte, errno int)
func hostReadDir(name string) (names []string, errno int) // sorted

// noGrant says that the host lets the program touch no file of that name.
const noGrant = -1

// grantError is why a file cannot be used; it is an fs.ErrPermission.
type grantError struct{ name, what string }

func (e *grantError) Error() string {
	if e.what == "read" {
		return "tandem: no file grant covers " + e.name + "; start with --grant-read " + e.name
	}
	return "tandem: programs can " + e.what + " only files of their own, below " + scratchDir + ": " + e.name
}

func (e *grantError) Is(target error) bool { return target == fs.ErrPermission }

func hostError(name string, errno int) error {
	switch errno {
	case 0:
		return nil
	case noGrant:
		return &grantError{name, "read"}
	}
	return syscall.Errno(errno)
}

func refused(op, name, what string) error {
	return &PathError{Op: op, Path: name, Err: &grantError{name, what}}
}

type File struct{ *file }

type file struct {
	name       string
	fd         int    // 0, 1, 2 for the standard streams, -1 for a file, pipeFd
	host       string // what the host calls its file
	node       *inode // the scratch file, else nil
	offset     int64
	appendMode bool
	closed     bool
	names      []string // rest of a directory being read
	listed     bool
	pipe       *pipe
	writes     bool // a scratch file, or the end of a pipe, that may be written to
	noRead     bool // a scratch file that may not be read
}

func NewFile(fd uintptr, name string) *File {
	if fd > 2 {
		return nil
	}
	return &File{&file{name: name, fd: int(fd)}}
}

//go:linkname net_newUnixFile net.newUnixFile
func net_newUnixFile(fd int, name string) *File { return NewFile(uintptr(fd), name) }

func (f *File) checkValid(op string) error {
	switch {
	case f == nil:
		return ErrInvalid
	case f.closed:
		return &PathError{Op: op, Path: f.name, Err: ErrClosed}
	}
	return nil
}

func (f *File) wrapErr(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &PathError{Op: op, Path: f.name, Err: err}
}

func OpenFile(name string, flag int, perm FileMode) (*File, error) {
	f, err := openFile(name, flag, perm)
	if err != nil {
		return nil, &PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

func openFile(name string, flag int, perm FileMode) (*File, error) {
	scratch.Lock()
	defer scratch.Unlock()
	p := locate(name, flag&(O_CREATE|O_EXCL) != O_CREATE|O_EXCL)
	if p.host == "" {
		return openNode(p, name, flag, perm)
	}
	if flag&(O_WRONLY|O_RDWR|O_CREATE|O_TRUNC|O_APPEND) != 0 {
		return nil, &grantError{name, "write"}
	}
	if _, _, _, errno := hostStat(p.host); errno != 0 {
		return nil, hostError(name, errno)
	}
	return &File{&file{name: name, fd: -1, host: p.host}}, nil
}

func openFileNolog(name string, flag int, perm FileMode) (*File, error) {
	return OpenFile(name, flag, perm)
}

func openDir(name string) (*File, error) { return OpenFile(name, O_RDONLY|syscall.O_DIRECTORY, 0) }

func (f *File) Close() error {
	if f == nil {
		return ErrInvalid
	}
	if f.closed {
		return &PathError{Op: "close", Path: f.name, Err: ErrClosed}
	}
	f.closed = true
	if f.pipe != nil {
		f.pipe.close(f.file)
	}
	return nil
}

func (f *File) read(b []byte) (n int, err error) {
	if f.pipe != nil && !f.writes {
		return f.pipe.read(f.file, b)
	}
	if f.node != nil {
		n, err = f.readNode(b, f.offset)
		f.offset += int64(n)
		return n, atEnd(n, len(b), err)
	}
	errno := 0
	switch f.fd {
	case -1:
		n, errno = hostReadAt(f.host, b, f.offset)
		f.offset += int64(n)
	case 0:
		n, errno = hostRead(b)
	default:
		return 0, syscall.EBADF
	}
	return n, atEnd(n, len(b), hostError(f.name, errno))
}

// atEnd is io.EOF for a read that wanted bytes and got none, as internal/poll has it.
func atEnd(n, want int, err error) error {
	if n == 0 && want > 0 && err == nil {
		return io.EOF
	}
	return err
}

func (f *File) pread(b []byte, off int64) (n int, err error) {
	if f.fd != -1 {
		return 0, syscall.ESPIPE
	}
	if f.node != nil {
		n, err = f.readNode(b, off)
		return n, atEnd(n, len(b), err)
	}
	n, errno := hostReadAt(f.host, b, off)
	return n, atEnd(n, len(b), hostError(f.name, errno))
}

func (f *File) write(b []byte) (n int, err error) {
	if f.pipe != nil && f.writes {
		return f.pipe.write(f.file, b)
	}
	if f.node != nil {
		return f.writeScratch(b)
	}
	if f.fd != 1 && f.fd != 2 {
		return 0, syscall.EBADF
	}
	n, errno := hostWrite(f.fd, b)
	return n, hostError(f.name, errno)
}

func (f *File) writeScratch(b []byte) (n int, err error) {
	n, err = f.writeNode(b, f.offset, f.appendMode)
	f.offset += int64(n)
	return n, err
}

func (f *File) pwrite(b []byte, off int64) (n int, err error) {
	if f.node == nil {
		return 0, syscall.EBADF
	}
	return f.writeNode(b, off, false)
}

func (f *File) Seek(offset int64, whence int) (int64, error) {
	if err := f.checkValid("seek"); err != nil {
		return 0, err
	}
	at, err := f.seek(offset, whence)
	return at, f.wrapErr("seek", err)
}

func (f *File) seek(offset int64, whence int) (int64, error) {
	switch {
	case f.fd != -1:
		return 0, syscall.ESPIPE
	case f.isNull():
		return seekNull(whence)
	}
	size := int64(0)
	if whence == io.SeekEnd {
		info, err := fileInfo(f)
		if err != nil {
			return 0, err
		}
		size = info.Size()
	}
	offset, err := offsetFrom(f.file, offset, size, whence)
	if err == nil {
		f.offset, f.listed, f.names = offset, false, nil
	}
	return offset, err
}

func epipecheck(file *File, e error) {}

func (f *File) readFrom(r io.Reader) (n int64, handled bool, err error) { return 0, false, nil }
func (f *File) writeTo(w io.Writer) (n int64, handled bool, err error)  { return 0, false, nil }

// namesIn are the names in a directory.
func namesIn(f *File) ([]string, error) {
	if f.node != nil {
		return namesOf(f.node)
	}
	names, errno := hostReadDir(f.host)
	return names, hostError(f.name, errno)
}

// entryIn is what a directory has under name.
func entryIn(f *File, name string) (FileInfo, error) {
	if f.node != nil {
		return entryOf(f.node, name)
	}
	return hostInfo("lstat", joinPath(f.name, name), joinPath(f.host, name))
}

func (f *File) readdir(n int, mode readdirMode) (names []string, entries []DirEntry, infos []FileInfo, err error) {
	if !f.listed {
		all, err := namesIn(f)
		if err != nil {
			return nil, nil, nil, &PathError{Op: "readdirent", Path: f.name, Err: err}
		}
		f.names, f.listed = all, true
	}
	some := f.names
	if n > 0 {
		if len(some) == 0 {
			return nil, nil, nil, io.EOF
		}
		some = some[:min(n, len(some))]
	}
	f.names = f.names[len(some):]
	for _, name := range some {
		if mode == readdirName {
			names = append(names, name)
			continue
		}
		info, err := entryIn(f, name)
		switch {
		case IsNotExist(err):
		case err != nil:
			return names, entries, infos, err
		case mode == readdirDirEntry:
			entries = append(entries, fs.FileInfoToDirEntry(info))
		default:
			infos = append(infos, info)
		}
	}
	return names, entries, infos, nil
}

type fileStat struct {
	name    string
	size    int64
	mode    FileMode
	modTime time.Time
	node    *inode // of a scratch file
}

func (s *fileStat) Name() string       { return s.name }
func (s *fileStat) Size() int64        { return s.size }
func (s *fileStat) Mode() FileMode     { return s.mode }
func (s *fileStat) ModTime() time.Time { return s.modTime }
func (s *fileStat) IsDir() bool        { return s.mode.IsDir() }
func (s *fileStat) Sys() any           { return nil }

func sameFile(a, b *fileStat) bool {
	if a.node != nil || b.node != nil {
		return a.node == b.node
	}
	return *a == *b
}

func stat(op, name string, follow bool) (FileInfo, error) {
	scratch.Lock()
	defer scratch.Unlock()
	p := locate(name, follow)
	if p.host != "" {
		return hostInfo(op, name, p.host)
	}
	if err := p.missing(); err != nil {
		return nil, &PathError{Op: op, Path: name, Err: err}
	}
	return nodeInfo(p.node, lastName(name)), nil
}

// hostInfo describes the file of the host that the program calls name.
func hostInfo(op, name, host string) (FileInfo, error) {
	size, mode, mtimeNs, errno := hostStat(host)
	if errno != 0 {
		return nil, &PathError{Op: op, Path: name, Err: hostError(name, errno)}
	}
	return &fileStat{name: lastName(name), size: size, mode: FileMode(mode), modTime: time.Unix(0, mtimeNs)}, nil
}

func lastName(name string) string {
	_, base := splitPath(name)
	return base
}

func Stat(name string) (FileInfo, error)  { return stat("stat", name, true) }
func Lstat(name string) (FileInfo, error) { return stat("lstat", name, false) }

func (f *File) Stat() (FileInfo, error) {
	if err := f.checkValid("stat"); err != nil {
		return nil, err
	}
	return fileInfo(f)
}

func fileInfo(f *File) (FileInfo, error) {
	switch {
	case f.node != nil:
		scratch.Lock()
		defer scratch.Unlock()
		return nodeInfo(f.node, lastName(f.name)), nil
	case f.fd != -1:
		return &fileStat{name: f.name, mode: ModeNamedPipe | 0o600}, nil
	}
	return hostInfo("stat", f.name, f.host)
}

func (f *File) Fd() uintptr {
	if f == nil || f.fd < 0 {
		return ^uintptr(0)
	}
	return uintptr(f.fd)
}

func (f *File) Sync() error {
	if err := f.checkValid("sync"); err != nil || !f.isNull() {
		return err
	}
	return f.wrapErr("sync", syscall.EINVAL)
}

func (f *File) SyscallConn() (syscall.RawConn, error) { return nil, ErrInvalid }
func (f *File) setDeadline(t time.Time) error         { return ErrNoDeadline }
func (f *File) setReadDeadline(t time.Time) error     { return ErrNoDeadline }
func (f *File) setWriteDeadline(t time.Time) error    { return ErrNoDeadline }

func Readlink(name string) (string, error) {
	scratch.Lock()
	defer scratch.Unlock()
	p := locate(name, false)
	err := p.missing()
	switch {
	case p.host != "":
		err = syscall.EINVAL
	case err == nil && p.node.mode&ModeSymlink == 0:
		err = syscall.EINVAL
	}
	if err != nil {
		return "", &PathError{Op: "readlink", Path: name, Err: err}
	}
	return p.node.target, nil
}

// ReadFile is one native call for a file of the host.
func ReadFile(name string) ([]byte, error) {
	scratch.Lock()
	defer scratch.Unlock()
	p := locate(name, true)
	if p.host != "" {
		data, errno := hostReadFile(p.host)
		if errno != 0 {
			return nil, &PathError{Op: "open", Path: name, Err: hostError(name, errno)}
		}
		return data, nil
	}
	if err := p.missing(); err != nil {
		return nil, &PathError{Op: "open", Path: name, Err: err}
	}
	if p.node.mode.IsDir() {
		return nil, &PathError{Op: "read", Path: name, Err: syscall.EISDIR}
	}
	return append(make([]byte, 0, len(p.node.data)), p.node.data...), nil
}
