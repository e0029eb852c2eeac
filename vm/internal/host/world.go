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

// Input gives standard input: at most len(p) bytes, 0 at the end, ErrWait when there is nothing yet.
// What it gives must depend on how much was given before only, so that a run continued elsewhere reads on.
type Input interface {
	Input(p []byte) (n int, err error)
}

// ErrWait says that an answer is not there yet; the goroutine waits, and the run stops with exec.HostCall once nothing
// else can run.
var ErrWait = errors.New("host: no answer yet")

// Settings are the arguments (program name first) and environment ("KEY=value") of the program. The program reads them once, at its start.
type Settings interface {
	Args() []string
	Environ() []string
}

// Files are read-only files by absolute, clean guest path. Nothing is kept open between calls: which files are open, and where,
// is guest memory, so that a run continues on any peer that grants the same files. Errors wrap fs.ErrNotExist, fs.ErrPermission,
// fs.ErrInvalid or are shown as EIO.
type Files interface {
	Stat(path string) (FileInfo, error)
	// ReadAt reads up to len(p) bytes at off; fewer only at the end of the file, without io.EOF.
	ReadAt(path string, p []byte, off int64) (int, error)
	// ReadDir lists a folder, sorted by name.
	ReadDir(path string) ([]FileInfo, error)
}

// FileInfo describes a file.
type FileInfo struct {
	Name      string
	Mode      fs.FileMode
	SizeBytes int64
	Modified  time.Time
}
