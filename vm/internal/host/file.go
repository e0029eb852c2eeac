package host

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// Error numbers of linux, which package syscall in the guest knows, and one of package os.
const (
	errNoGrant    = -1
	errNoEntry    = 2
	errIO         = 5
	errBadFile    = 9
	errPermission = 13
	errNotDir     = 20
	errIsDir      = 21
	errInvalid    = 22
)

// ioBytesMax bounds what one call reads or writes; callers come back for the rest.
const ioBytesMax = 1 << 20

// pathBytesMax is Linux's PATH_MAX.
const pathBytesMax = 4096

// errno is the error number of an error of Files.
func errno(err error) int64 {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrNoGrant):
		return errNoGrant
	case errors.Is(err, ErrIsFolder):
		return errIsDir
	case errors.Is(err, ErrNoFolder):
		return errNotDir
	case errors.Is(err, fs.ErrNotExist):
		return errNoEntry
	case errors.Is(err, fs.ErrPermission):
		return errPermission
	case errors.Is(err, fs.ErrInvalid):
		return errInvalid
	}
	return errIO
}

// failure is the error number of an answer that is wrong even without an error.
func failure(err error) int64 {
	if err == nil {
		return errIO
	}
	return errno(err)
}

// fileNatives are standard streams, settings and files, for package os in the guest. An errno is 0 when all is well.
func fileNatives() map[string]exec.Native {
	return map[string]exec.Native{
		// func hostWrite(fd int, p []byte) (n int, errno int)
		"os.hostWrite": native(4, 2, writeOut),
		// func hostRead(p []byte) (n int, errno int): 0, 0 at the end
		"os.hostRead": native(3, 2, readIn),
		// func runtime_args() []string, func runtime_envs() []string, func hostGetwd() string
		"os.runtime_args": native(0, 3, func(t *exec.Thread, w exec.Window) exec.Action {
			return done(t, setStrings(t, w, settings(t).Args()))
		}),
		"syscall.runtime_envs": native(0, 3, func(t *exec.Thread, w exec.Window) exec.Action {
			return done(t, setStrings(t, w, settings(t).Environ()))
		}),
		"os.hostGetwd": native(0, 2, func(t *exec.Thread, w exec.Window) exec.Action { return text(t, w, workDir(t)) }),
		// func hostStat(name string) (size int64, mode uint32, mtimeNs int64, errno int): mode as fs.FileMode
		"os.hostStat": native(2, 4, stat),
		// func hostReadAt(name string, p []byte, off int64) (n int, errno int): 0, 0 at the end
		"os.hostReadAt": native(6, 2, readAt),
		// func hostReadFile(name string) (data []byte, errno int)
		"os.hostReadFile": native(2, 4, readFile),
		// func hostReadDir(name string) (names []string, errno int): sorted
		"os.hostReadDir": native(2, 4, readDir),
	}
}

// count is the end of a native that returns (n, errno).
func count(w exec.Window, n int, errno int64) exec.Action {
	setInt(w, 0, int64(n))
	setInt(w, 1, errno)
	return exec.Next
}

func writeOut(t *exec.Thread, w exec.Window) exec.Action {
	fd := w.Int(0)
	if fd != 1 && fd != 2 {
		return count(w, 0, errBadFile)
	}
	all, ok := bytesArg(t, w, 1)
	if !ok {
		return fault(t)
	}
	t.Work(uint64(len(all)))
	p := slices.Clone(all) // the host may keep it
	var err error
	if out, ok := t.Host().(Output); ok {
		err = out.Output(int(fd), p)
	} else if fd == 2 {
		err = t.Host().Stderr(p)
	}
	if err != nil {
		return t.Fail(err)
	}
	return count(w, len(p), 0)
}

func readIn(t *exec.Thread, w exec.Window) exec.Action {
	n := min(w.Arg(1), ioBytesMax)
	in, ok := t.Host().(Input)
	if n == 0 || !ok {
		return count(w, 0, 0) // an input that was not granted is empty
	}
	if !t.Mem().InRange(w.Arg(0), n) {
		return fault(t)
	}
	p := make([]byte, n)
	got, err := in.Input(p)
	switch {
	case errors.Is(err, ErrWait):
		return t.Block()
	case err != nil || got < 0 || got > len(p):
		return count(w, 0, errIO)
	}
	t.Work(uint64(got))
	copy(t.Mem().Writable(w.Arg(0), uint64(got)), p)
	return count(w, got, 0)
}

// none are the settings of a run that was granted none.
type none struct{}

func (none) Args() []string    { return []string{"main"} }
func (none) Environ() []string { return nil }

func settings(t *exec.Thread) Settings {
	if s, ok := t.Host().(Settings); ok {
		return s
	}
	return none{}
}

func workDir(t *exec.Thread) string {
	if p, ok := t.Host().(Place); ok {
		return p.Dir()
	}
	return "/"
}

// setStrings makes a guest []string the result slots 0 to 2.
func setStrings(t *exec.Thread, w exec.Window, list []string) error {
	for i := range 3 {
		w.Set(i, 0)
	}
	if len(list) == 0 {
		return nil
	}
	at, err := t.Heap().AllocKind(heap.KindWords, uint64(len(list))*16, 0)
	if err != nil {
		return err
	}
	for i, s := range list {
		g, err := t.Heap().NewString(s)
		if err != nil {
			return err
		}
		t.Mem().Store64(at+uint64(i)*16, g.Ptr)
		t.Mem().Store64(at+uint64(i)*16+8, g.Len)
	}
	w.Set(0, at)
	w.Set(1, uint64(len(list)))
	w.Set(2, uint64(len(list)))
	return nil
}

// filesOf is the files granted and the absolute path named by argument slots 0 and 1; number is an errno. ok is false when the
// name is not in memory.
func filesOf(t *exec.Thread, w exec.Window) (files Files, name string, number int64, ok bool) {
	b, ok := bytesArg(t, w, 0)
	if !ok {
		return nil, "", 0, false
	}
	files, granted := t.Host().(Files)
	switch {
	case len(b) == 0:
		return nil, "", errNoEntry, true
	case len(b) > pathBytesMax || bytes.IndexByte(b, 0) >= 0:
		return nil, "", errInvalid, true
	case !granted:
		return nil, "", errNoGrant, true
	}
	name = string(b)
	if !path.IsAbs(name) {
		name = path.Join(workDir(t), name)
	}
	return files, path.Clean(name), 0, true
}

func stat(t *exec.Thread, w exec.Window) exec.Action {
	files, name, number, ok := filesOf(t, w)
	if !ok {
		return fault(t)
	}
	var info FileInfo
	if number == 0 {
		var err error
		info, err = files.Stat(name)
		number = errno(err)
	}
	for i := range 3 {
		w.Set(i, 0)
	}
	if number == 0 {
		setInt(w, 0, info.SizeBytes)
		w.Set(1, uint64(uint32(info.Mode)))
		setInt(w, 2, info.Modified.UnixNano())
	}
	setInt(w, 3, number)
	return exec.Next
}

func readAt(t *exec.Thread, w exec.Window) exec.Action {
	files, name, number, ok := filesOf(t, w)
	n, off := min(w.Arg(3), ioBytesMax), w.Int(5)
	switch {
	case !ok:
		return fault(t)
	case number != 0:
		return count(w, 0, number)
	case off < 0:
		return count(w, 0, errInvalid)
	case n == 0:
		return count(w, 0, 0)
	case !t.Mem().InRange(w.Arg(2), n):
		return fault(t)
	}
	p := make([]byte, n) // guest memory changes only if the read succeeds
	got, err := files.ReadAt(name, p, off)
	if err != nil || got < 0 || got > len(p) {
		return count(w, 0, failure(err))
	}
	if got > 0 {
		t.Work(uint64(got))
		copy(t.Mem().Writable(w.Arg(2), uint64(got)), p)
	}
	return count(w, got, 0)
}

// readFile reads a whole file into a new slice, whose size is bounded by the memory limit.
func readFile(t *exec.Thread, w exec.Window) exec.Action {
	files, name, number, ok := filesOf(t, w)
	if !ok {
		return fault(t)
	}
	for i := range 3 {
		w.Set(i, 0)
	}
	if number == 0 {
		info, err := files.Stat(name)
		if number = errno(err); number == 0 && info.Mode.IsDir() {
			number = errIsDir
		}
		if number == 0 && info.SizeBytes > 0 {
			at, err := t.Heap().AllocKind(heap.KindRaw, uint64(info.SizeBytes), 0)
			if err != nil {
				return t.Retry(err)
			}
			t.Work(uint64(info.SizeBytes))
			got := 0
			if got, err = files.ReadAt(name, t.Mem().Writable(at, uint64(info.SizeBytes)), 0); err != nil {
				got, number = 0, errno(err)
			}
			w.Set(0, at)
			setInt(w, 1, int64(got))
			setInt(w, 2, info.SizeBytes)
		}
	}
	setInt(w, 3, number)
	return exec.Next
}

func readDir(t *exec.Thread, w exec.Window) exec.Action {
	files, name, number, ok := filesOf(t, w)
	if !ok {
		return fault(t)
	}
	var names []string
	if number == 0 {
		list, err := files.ReadDir(name)
		number = errno(err)
		for _, info := range list {
			names = append(names, info.Name)
		}
	}
	setInt(w, 3, number)
	return done(t, setStrings(t, w, names))
}
