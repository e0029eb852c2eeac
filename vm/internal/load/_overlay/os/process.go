package os

import (
	"internal/filepathlite"
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

// hostGetwd is the directory that the host looks relative names up in.
func hostGetwd() string

func Getwd() (string, error) {
	scratch.Lock()
	defer scratch.Unlock()
	if scratch.workDir != "" {
		return scratch.workDir, nil
	}
	return hostGetwd(), nil
}

func Chdir(dir string) error {
	scratch.Lock()
	defer scratch.Unlock()
	return chdir(dir, locate(dir, true))
}

// Chdir goes to where the directory was opened, not where its name would lead now.
func (f *File) Chdir() error {
	if err := f.checkValid("chdir"); err != nil {
		return err
	}
	scratch.Lock()
	defer scratch.Unlock()
	return chdir(f.name, place{host: f.host, node: f.node})
}

// chdir makes p the directory that relative names are looked up in. The root, and the one that the run was
// started in, need no grant.
func chdir(name string, p place) error {
	isDir := p.node != nil && p.node.mode.IsDir()
	dir, err := "", p.missing()
	switch {
	case p.host != "":
		if dir, err = p.host, nil; dir[0] != '/' {
			dir = hostGetwd() + "/" + dir
		}
		if dir = filepathlite.Clean(dir); dir == hostGetwd() {
			scratch.workDir = ""
			return nil
		}
		if isDir = dir == "/"; !isDir {
			_, mode, _, errno := hostStat(dir)
			isDir, err = FileMode(mode).IsDir(), hostError(name, errno)
		}
	case err == nil && isDir:
		dir = pathOf(p.node)
	}
	if err == nil && !isDir {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return &PathError{Op: "chdir", Path: name, Err: err}
	}
	scratch.workDir = dir
	return nil
}

// tempDir is in the scratch files: a TMPDIR of the host's is passed over.
func tempDir() string {
	if dir := Getenv("TMPDIR"); inScratch(dir) {
		return dir
	}
	return scratchDir
}
