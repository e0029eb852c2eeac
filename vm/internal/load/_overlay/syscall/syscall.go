// Package syscall is linux/amd64's, so that what programs name is there, over a system of which hardly anything is left: a run
// has its standard streams, an end and no more. Every other call fails with an error number that says which grant is missing.

package syscall

import (
	errorspkg "errors"
	"internal/oserror"
	"unsafe"
)

//tandem:from syscall_linux_amd64.go
//tandem:from zerrors_linux_amd64.go
//tandem:from zsyscall_linux_amd64.go
//tandem:from zsysnum_linux_amd64.go
//tandem:from ztypes_linux_amd64.go
//tandem:without rlimit.go rlimit_stub.go
//tandem:from rlimit.go origRlimitNofile
//tandem:remove runtime_doAllThreadsSyscall runtime_entersyscall runtime_exitsyscall runtime_BeforeFork runtime_AfterFork runtime_AfterForkInChild
//tandem:remove runtime_BeforeExec runtime_AfterExec forkAndExecInChild forkAndExecInChild1 forkAndExecFailureCleanup doCheckClonePidfd

// Error numbers beyond Linux's, for what nobody granted. They are ErrPermission.
const (
	noNetwork = Errno(1<<16 + iota)
	noProcess
	noSystem
	noFiles
)

func (e Errno) Error() string {
	switch e {
	case noNetwork:
		return "tandem: no network grant: a run cannot reach a network"
	case noProcess:
		return "tandem: no process grant: a run cannot start or signal processes"
	case noSystem:
		return "tandem: no system call grant: a run cannot call the operating system"
	case noFiles:
		return "tandem: no file grant: use package os, with --grant-read"
	}
	if int(e) < len(errors) && errors[e] != "" {
		return errors[e]
	}
	return "errno " + decimal(uint(e))
}

func decimal(n uint) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return decimal(n/10) + string(rune('0'+n%10))
}

func (e Errno) Is(target error) bool {
	switch target {
	case oserror.ErrPermission:
		return e == EACCES || e == EPERM || e >= noNetwork && e <= noFiles
	case oserror.ErrExist:
		return e == EEXIST || e == ENOTEMPTY
	case oserror.ErrNotExist:
		return e == ENOENT
	case errorspkg.ErrUnsupported:
		return e == ENOSYS || e == EOPNOTSUPP
	}
	return false
}

// refused is why a system call fails.
func refused(trap uintptr) Errno {
	switch trap {
	case SYS_SOCKET, SYS_SOCKETPAIR, SYS_CONNECT, SYS_ACCEPT, SYS_ACCEPT4, SYS_BIND, SYS_LISTEN, SYS_SENDTO, SYS_RECVFROM, SYS_SENDMSG,
		SYS_RECVMSG, SYS_SHUTDOWN, SYS_GETSOCKNAME, SYS_GETPEERNAME, SYS_GETSOCKOPT, SYS_SETSOCKOPT:
		return noNetwork
	case SYS_CLONE, _SYS_clone3, SYS_FORK, SYS_VFORK, SYS_EXECVE, SYS_KILL, SYS_TKILL, SYS_TGKILL, SYS_WAIT4, SYS_WAITID, SYS_PTRACE:
		return noProcess
	case SYS_OPEN, SYS_OPENAT, SYS_CREAT, SYS_STAT, SYS_LSTAT, SYS_NEWFSTATAT, SYS_ACCESS, SYS_FACCESSAT, SYS_MKDIR, SYS_MKDIRAT,
		SYS_RMDIR, SYS_UNLINK, SYS_UNLINKAT, SYS_RENAME, SYS_RENAMEAT, SYS_LINK, SYS_LINKAT, SYS_SYMLINK, SYS_SYMLINKAT, SYS_READLINK,
		SYS_READLINKAT, SYS_CHDIR, SYS_CHMOD, SYS_FCHMODAT, SYS_CHOWN, SYS_FCHOWNAT, SYS_TRUNCATE, SYS_STATFS, SYS_MOUNT, SYS_CHROOT:
		return noFiles
	case SYS_READ, SYS_WRITE, SYS_PREAD64, SYS_PWRITE64, SYS_LSEEK, SYS_CLOSE, SYS_FSTAT, SYS_FSYNC, SYS_FTRUNCATE, SYS_DUP, SYS_DUP2, SYS_DUP3,
		SYS_FCNTL, SYS_GETDENTS64:
		return EBADF
	}
	return noSystem
}

//go:linkname hostWrite os.hostWrite
func hostWrite(fd int, p []byte) (n int, errno int)

//go:linkname hostRead os.hostRead
func hostRead(p []byte) (n int, errno int)

// RawSyscall6 is what all system calls come to.
func RawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno) {
	n, errno := 0, 0
	switch {
	case trap == SYS_WRITE && (a1 == 1 || a1 == 2):
		n, errno = hostWrite(int(a1), unsafe.Slice((*byte)(unsafe.Pointer(a2)), int(a3)))
	case trap == SYS_READ && a1 == 0:
		n, errno = hostRead(unsafe.Slice((*byte)(unsafe.Pointer(a2)), int(a3)))
	case trap == SYS_GETPID || trap == SYS_GETTID:
		n = 1
	case trap == SYS_GETPPID || trap == SYS_GETUID || trap == SYS_GETEUID || trap == SYS_GETGID || trap == SYS_GETEGID:
	case trap == SYS_EXIT || trap == SYS_EXIT_GROUP:
		exit(int32(a1))
	default:
		return ^uintptr(0), 0, refused(trap)
	}
	if errno != 0 {
		return ^uintptr(0), 0, Errno(errno)
	}
	return uintptr(n), 0, 0
}

func RawSyscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno) {
	return RawSyscall6(trap, a1, a2, a3, 0, 0, 0)
}

func Syscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno) {
	return RawSyscall6(trap, a1, a2, a3, 0, 0, 0)
}

func Syscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno) {
	return RawSyscall6(trap, a1, a2, a3, a4, a5, a6)
}

func rawSyscallNoError(trap, a1, a2, a3 uintptr) (r1, r2 uintptr) {
	r1, r2, _ = RawSyscall6(trap, a1, a2, a3, 0, 0, 0)
	return r1, r2
}

func rawVforkSyscall(trap, a1, a2, a3 uintptr) (r1 uintptr, err Errno) { return 0, refused(trap) }

func AllThreadsSyscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno) {
	return 0, 0, refused(trap)
}

func AllThreadsSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno) {
	return 0, 0, refused(trap)
}

// cgocaller is what Setuid and its like would call in a program with C in it.
func cgocaller(unsafe.Pointer, ...uintptr) uintptr { return uintptr(noSystem) }

func gettimeofday(tv *Timeval) Errno { return noSystem }

// Processes.

func forkExec(argv0 string, argv []string, attr *ProcAttr) (pid int, err error) { return 0, noProcess }

func Exec(argv0 string, argv []string, envv []string) error { return noProcess }

//go:linkname os_checkClonePidfd os.checkClonePidfd
func os_checkClonePidfd() error { return noProcess }

func Setrlimit(resource int, rlim *Rlimit) error { return setrlimit(resource, rlim) }

func runtimeSetenv(k, v string) {
	if k == "GODEBUG" {
		setGodebug(v)
	}
}

func runtimeUnsetenv(k string) { runtimeSetenv(k, "") }

func runtimeClearenv(env map[string]int) { setGodebug("") }

//go:linkname setGodebug runtime.setGodebug
func setGodebug(text string)

//go:linkname exit runtime.exit
func exit(status int32)

func Exit(code int) { exit(int32(code)) }

func Getpagesize() int { return 4096 }
