// The parts of package syscall that portable programs and the standard library name. There is no system to call: the
// numbers are Linux's, and natives of package os return them.

package syscall

import (
	"errors"
	"internal/oserror"
	"internal/strconv"
)

//tandem:replace
//tandem:from env_unix.go
//tandem:from syscall.go StringByteSlice ByteSliceFromString StringBytePtr BytePtrFromString

const (
	O_RDONLY   = 0x0
	O_WRONLY   = 0x1
	O_RDWR     = 0x2
	O_CREAT    = 0x40
	O_EXCL     = 0x80
	O_TRUNC    = 0x200
	O_APPEND   = 0x400
	O_NONBLOCK = 0x800
	O_SYNC     = 0x101000
	O_CLOEXEC  = 0x80000

	ImplementsGetwd = true
)

var Stdin, Stdout, Stderr = 0, 1, 2

type Errno uintptr

const (
	EPERM     = Errno(0x1)
	ENOENT    = Errno(0x2)
	EINTR     = Errno(0x4)
	EIO       = Errno(0x5)
	EBADF     = Errno(0x9)
	EAGAIN    = Errno(0xb)
	ENOMEM    = Errno(0xc)
	EACCES    = Errno(0xd)
	EEXIST    = Errno(0x11)
	ENOTDIR   = Errno(0x14)
	EISDIR    = Errno(0x15)
	EINVAL    = Errno(0x16)
	ENFILE    = Errno(0x17)
	EMFILE    = Errno(0x18)
	ENOTTY    = Errno(0x19)
	EFBIG     = Errno(0x1b)
	ENOSPC    = Errno(0x1c)
	ESPIPE    = Errno(0x1d)
	EROFS     = Errno(0x1e)
	EPIPE     = Errno(0x20)
	ERANGE    = Errno(0x22)
	ENOSYS    = Errno(0x26)
	ENOTEMPTY = Errno(0x27)
	ENOTSUP   = Errno(0x5f)
	ETIMEDOUT = Errno(0x6e)

	EWOULDBLOCK = EAGAIN
	EOPNOTSUPP  = ENOTSUP
)

func (e Errno) Error() string {
	switch e {
	case EPERM:
		return "operation not permitted"
	case ENOENT:
		return "no such file or directory"
	case EINTR:
		return "interrupted system call"
	case EIO:
		return "input/output error"
	case EBADF:
		return "bad file descriptor"
	case EAGAIN:
		return "resource temporarily unavailable"
	case ENOMEM:
		return "cannot allocate memory"
	case EACCES:
		return "permission denied"
	case EEXIST:
		return "file exists"
	case ENOTDIR:
		return "not a directory"
	case EISDIR:
		return "is a directory"
	case EINVAL:
		return "invalid argument"
	case ENFILE:
		return "too many open files in system"
	case EMFILE:
		return "too many open files"
	case ENOTTY:
		return "inappropriate ioctl for device"
	case EFBIG:
		return "file too large"
	case ENOSPC:
		return "no space left on device"
	case ESPIPE:
		return "illegal seek"
	case EROFS:
		return "read-only file system"
	case EPIPE:
		return "broken pipe"
	case ERANGE:
		return "numerical result out of range"
	case ENOSYS:
		return "function not implemented"
	case ENOTEMPTY:
		return "directory not empty"
	case ENOTSUP:
		return "operation not supported"
	case ETIMEDOUT:
		return "connection timed out"
	}
	return "errno " + strconv.Itoa(int(e))
}

func (e Errno) Is(target error) bool {
	switch target {
	case oserror.ErrPermission:
		return e == EACCES || e == EPERM
	case oserror.ErrExist:
		return e == EEXIST || e == ENOTEMPTY
	case oserror.ErrNotExist:
		return e == ENOENT
	case errors.ErrUnsupported:
		return e == ENOSYS || e == ENOTSUP
	}
	return false
}

func (e Errno) Temporary() bool {
	return e == EINTR || e == EMFILE || e == ENFILE || e.Timeout()
}

func (e Errno) Timeout() bool { return e == EAGAIN || e == ETIMEDOUT }

type Signal int

const (
	SIGHUP  = Signal(0x1)
	SIGINT  = Signal(0x2)
	SIGQUIT = Signal(0x3)
	SIGABRT = Signal(0x6)
	SIGKILL = Signal(0x9)
	SIGUSR1 = Signal(0xa)
	SIGSEGV = Signal(0xb)
	SIGUSR2 = Signal(0xc)
	SIGPIPE = Signal(0xd)
	SIGALRM = Signal(0xe)
	SIGTERM = Signal(0xf)
)

func (s Signal) Signal() {}

func (s Signal) String() string {
	switch s {
	case SIGHUP:
		return "hangup"
	case SIGINT:
		return "interrupt"
	case SIGQUIT:
		return "quit"
	case SIGABRT:
		return "aborted"
	case SIGKILL:
		return "killed"
	case SIGUSR1:
		return "user defined signal 1"
	case SIGSEGV:
		return "segmentation fault"
	case SIGUSR2:
		return "user defined signal 2"
	case SIGPIPE:
		return "broken pipe"
	case SIGALRM:
		return "alarm clock"
	case SIGTERM:
		return "terminated"
	}
	return "signal " + strconv.Itoa(int(s))
}

// RawConn is what package os can be asked for and never gives.
type RawConn interface {
	Control(f func(fd uintptr)) error
	Read(f func(fd uintptr) (done bool)) error
	Write(f func(fd uintptr) (done bool)) error
}

// Conn is implemented by types that give a RawConn.
type Conn interface {
	SyscallConn() (RawConn, error)
}

func runtimeSetenv(k, v string)          {}
func runtimeUnsetenv(k string)           {}
func runtimeClearenv(env map[string]int) {}

//go:linkname exit runtime.exit
func exit(status int32)

func Exit(code int) { exit(int32(code)) }

func Getpagesize() int { return 4096 }
func Getpid() int      { return 1 }
func Getppid() int     { return 0 }
func Getuid() int      { return 0 }
func Geteuid() int     { return 0 }
func Getgid() int      { return 0 }
func Getegid() int     { return 0 }
