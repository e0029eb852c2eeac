package os

import (
	"internal/testlog"
	"syscall"
)

// Args are the program's name and arguments.
var Args = runtime_args()

func runtime_args() []string

//go:linkname exit runtime.exit
func exit(status int32)

func Exit(code int) {
	if code == 0 && testlog.PanicOnExit0() {
		panic("unexpected call to os.Exit(0) during test")
	}
	exit(int32(code))
}

func Getuid() int  { return syscall.Getuid() }
func Geteuid() int { return syscall.Geteuid() }
func Getgid() int  { return syscall.Getgid() }
func Getegid() int { return syscall.Getegid() }

func Getgroups() ([]int, error) { return nil, nil }

func Hostname() (string, error) { return "tandem", nil }

func Executable() (string, error) { return Args[0], nil }

// hostGetwd is the directory that relative names are looked up in.
func hostGetwd() string

func Getwd() (string, error) { return hostGetwd(), nil }

func tempDir() string {
	if dir := Getenv("TMPDIR"); dir != "" {
		return dir
	}
	return "/tmp"
}
