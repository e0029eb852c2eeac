// Package os over what the host grants: standard streams, arguments, environment, and files it lets the program read.
// A File holds its name and position in guest memory; natives get both with each call and keep nothing, so a run
// that moves to another host goes on reading where it stood.

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
	return "tandem: programs cannot " + e.what + " files: " + e.name
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
	fd         int // 0, 1, 2 for the standard streams, -1 for a file of the host, pipeFd, nullFd
	offset     int64
	appendMode bool
	closed     bool
	names      []string // rest of a directory being read
	listed     bool
	pipe       *pipe
	writes     bool // the end of the pipe that is written to
}

// nullFd is the fd of DevNull, which is in every run: it is empty and takes everything.
const nullFd = -3

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
	if name == DevNull {
		return &File{&file{name: name, fd: nullFd}}, nil
	}
	if flag&(O_WRONLY|O_RDWR|O_CREATE|O_TRUNC|O_APPEND) != 0 {
		return nil, refused("open", name, "write")
	}
	if _, _, _, errno := hostStat(name); errno != 0 {
		return nil, &PathError{Op: "open", Path: name, Err: hostError(name, errno)}
	}
	return &File{&file{name: name, fd: -1}}, nil
}

func openFileNolog(name string, flag int, perm FileMode) (*File, error) {
	return OpenFile(name, flag, perm)
}

func openDir(name string) (*File, error) { return Open(name) }

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
	errno := 0
	switch f.fd {
	case nullFd:
		return 0, atEnd(0, len(b), nil)
	case -1:
		n, errno = hostReadAt(f.name, b, f.offset)
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
	n, errno := hostReadAt(f.name, b, off)
	return n, atEnd(n, len(b), hostError(f.name, errno))
}

func (f *File) write(b []byte) (n int, err error) {
	if f.pipe != nil && f.writes {
		return f.pipe.write(f.file, b)
	}
	switch f.fd {
	case nullFd:
		return len(b), nil
	case 1, 2:
	default:
		return 0, syscall.EBADF
	}
	n, errno := hostWrite(f.fd, b)
	return n, hostError(f.name, errno)
}

func (f *File) pwrite(b []byte, off int64) (n int, err error) { return 0, syscall.EBADF }

func (f *File) Seek(offset int64, whence int) (int64, error) {
	if err := f.checkValid("seek"); err != nil {
		return 0, err
	}
	at, err := f.seek(offset, whence)
	return at, f.wrapErr("seek", err)
}

func (f *File) seek(offset int64, whence int) (int64, error) {
	if f.fd != -1 {
		return 0, syscall.ESPIPE
	}
	switch whence {
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		size, _, _, errno := hostStat(f.name)
		if errno != 0 {
			return 0, hostError(f.name, errno)
		}
		offset += size
	case io.SeekStart:
	default:
		return 0, syscall.EINVAL
	}
	if offset < 0 {
		return 0, syscall.EINVAL
	}
	f.offset, f.listed, f.names = offset, false, nil
	return offset, nil
}

func epipecheck(file *File, e error) {}

func (f *File) readFrom(r io.Reader) (n int64, handled bool, err error) { return 0, false, nil }
func (f *File) writeTo(w io.Writer) (n int64, handled bool, err error)  { return 0, false, nil }

func (f *File) readdir(n int, mode readdirMode) (names []string, entries []DirEntry, infos []FileInfo, err error) {
	if !f.listed {
		all, errno := hostReadDir(f.name)
		if errno != 0 {
			return nil, nil, nil, &PathError{Op: "readdirent", Path: f.name, Err: hostError(f.name, errno)}
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
		info, err := Lstat(f.name + "/" + name)
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
}

func (s *fileStat) Name() string       { return s.name }
func (s *fileStat) Size() int64        { return s.size }
func (s *fileStat) Mode() FileMode     { return s.mode }
func (s *fileStat) ModTime() time.Time { return s.modTime }
func (s *fileStat) IsDir() bool        { return s.mode.IsDir() }
func (s *fileStat) Sys() any           { return nil }

func sameFile(a, b *fileStat) bool { return *a == *b }

func stat(op, name string) (FileInfo, error) {
	size, mode, mtimeNs, errno := hostStat(name)
	if errno != 0 {
		return nil, &PathError{Op: op, Path: name, Err: hostError(name, errno)}
	}
	base := name
	for len(base) > 1 && base[len(base)-1] == '/' {
		base = base[:len(base)-1]
	}
	for i := len(base) - 2; i >= 0; i-- {
		if base[i] == '/' {
			base = base[i+1:]
			break
		}
	}
	return &fileStat{base, size, FileMode(mode), time.Unix(0, mtimeNs)}, nil
}

func Stat(name string) (FileInfo, error)  { return stat("stat", name) }
func Lstat(name string) (FileInfo, error) { return stat("lstat", name) }

func (f *File) Stat() (FileInfo, error) {
	if err := f.checkValid("stat"); err != nil {
		return nil, err
	}
	if f.fd != -1 {
		return &fileStat{name: f.name, mode: ModeNamedPipe | 0o600}, nil
	}
	return stat("stat", f.name)
}

func (f *File) Fd() uintptr {
	if f == nil || f.fd < 0 {
		return ^uintptr(0)
	}
	return uintptr(f.fd)
}

func (f *File) Sync() error                           { return f.checkValid("sync") }
func (f *File) Truncate(size int64) error             { return refused("truncate", f.name, "write") }
func (f *File) Chmod(mode FileMode) error             { return refused("chmod", f.name, "change") }
func (f *File) Chown(uid, gid int) error              { return refused("chown", f.name, "change") }
func (f *File) Chdir() error                          { return refused("chdir", f.name, "change the directory of") }
func (f *File) SyscallConn() (syscall.RawConn, error) { return nil, ErrInvalid }
func (f *File) setDeadline(t time.Time) error         { return ErrNoDeadline }
func (f *File) setReadDeadline(t time.Time) error     { return ErrNoDeadline }
func (f *File) setWriteDeadline(t time.Time) error    { return ErrNoDeadline }

func Mkdir(name string, perm FileMode) error            { return refused("mkdir", name, "create") }
func Remove(name string) error                          { return refused("remove", name, "remove") }
func removeAll(name string) error                       { return refused("remove", name, "remove") }
func Truncate(name string, size int64) error            { return refused("truncate", name, "write") }
func Chmod(name string, mode FileMode) error            { return refused("chmod", name, "change") }
func Chown(name string, uid, gid int) error             { return refused("chown", name, "change") }
func Lchown(name string, uid, gid int) error            { return refused("lchown", name, "change") }
func Chtimes(name string, atime, mtime time.Time) error { return refused("chtimes", name, "change") }
func Chdir(dir string) error                            { return refused("chdir", dir, "change the directory of") }
func Readlink(name string) (string, error) {
	return "", &PathError{Op: "readlink", Path: name, Err: syscall.EINVAL}
}

func linkRefused(op, from, to string) error {
	return &LinkError{op, from, to, &grantError{to, "create"}}
}

func Rename(oldpath, newpath string) error  { return linkRefused("rename", oldpath, newpath) }
func Link(oldname, newname string) error    { return linkRefused("link", oldname, newname) }
func Symlink(oldname, newname string) error { return linkRefused("symlink", oldname, newname) }

// ReadFile is one native call.
func ReadFile(name string) ([]byte, error) {
	data, errno := hostReadFile(name)
	if errno != 0 {
		return nil, &PathError{Op: "open", Path: name, Err: hostError(name, errno)}
	}
	return data, nil
}
