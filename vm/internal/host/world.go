package host

import (
	"errors"
	"io/fs"
	"time"
)

// What a run may ask of the world beyond exec.Host. The host of a machine implements those of these interfaces that whoever starts
// the run grants; a program that uses another finds empty input, no settings, no files.

// Output takes what the program writes to standard output (fd 1) and standard error (fd 2). An error stops the
// run: *exec.LimitError when output is used up. Without it, standard error goes to exec.Host's Stderr and standard output nowhere.
type Output interface {
	Output(fd int, p []byte) error
}

var (
	// ErrNoGrant says that no grant covers a path.
	ErrNoGrant = errors.New("host: no file grant covers the path")
	// ErrIsFolder and ErrNoFolder say that a folder was read as a file, or a file listed.
	ErrIsFolder = errors.New("host: is a folder")
	ErrNoFolder = errors.New("host: is not a folder")
)

// Input gives standard input: at most len(p) bytes, 0 at the end, ErrWait when there is nothing yet.
// What it gives must depend on how much was given before only, so that a run continued elsewhere reads on.
type Input interface {
	Input(p []byte) (n int, err error)
}

// ErrWait says that an answer is not there yet; the goroutine waits, and the run stops with exec.HostCall once nothing
// else can run.
var ErrWait = errors.New("host: no answer yet")

// Settings are the arguments (program name first) and environment ("KEY=value") of the program. They are read once, at its
// start, and are guest state from then on.
type Settings interface {
	Args() []string
	Environ() []string
}

// Place is where relative file names are looked up: an absolute guest path, "/" without it. It must be the same wherever the run continues.
type Place interface {
	Dir() string
}

// Files are read-only files by absolute, clean guest path. Nothing is kept open between calls: which files are open, and where,
// is guest memory, so that a run continues on any peer that grants the same files. Errors wrap ErrNoGrant, ErrIsFolder, ErrNoFolder,
// fs.ErrNotExist, fs.ErrPermission or fs.ErrInvalid; others are shown as EIO.
type Files interface {
	Stat(path string) (FileInfo, error)
	// ReadAt reads up to len(p) bytes at off; fewer only at the end of the file, without io.EOF.
	ReadAt(path string, p []byte, off int64) (int, error)
	// ReadDir lists a folder, sorted by name.
	ReadDir(path string) ([]FileInfo, error)
}

// Zones is the database of time zones, in RFC 8536's format by name. It says nothing about the machine, so machines grant it
// unasked; what was read is guest memory and moves with the run. Errors wrap fs.ErrNotExist or fs.ErrInvalid.
type Zones interface {
	Zone(name string) ([]byte, error)
}

// FileInfo describes a file.
type FileInfo struct {
	Name      string
	Mode      fs.FileMode
	SizeBytes int64
	Modified  time.Time
}
