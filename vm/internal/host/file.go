package host

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/exec"
)

// Error numbers of linux/amd64, which package syscall in the guest knows.
const (
	errNoEntry    = 2
	errIO         = 5
	errBadFile    = 9
	errPermission = 13
	errInvalid    = 22
)

// ioBytesMax bounds what one call reads or writes; callers come back for the rest.
const ioBytesMax = 1 << 20

// errno is the error number of an error of Files.
func errno(err error) int64 {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, fs.ErrNotExist):
		return errNoEntry
	case errors.Is(err, fs.ErrPermission):
		return errPermission
	case errors.Is(err, fs.ErrInvalid):
		return errInvalid
	}
	return errIO
}

// fileNatives are standard streams, settings and files, for package syscall in the guest.
func fileNatives() map[string]exec.Native {
	return map[string]exec.Native{
		// func hostWrite(fd int, p []byte) (n int, errno int)
		"syscall.hostWrite": native(4, 2, writeOut),
		// func hostRead(fd int, p []byte) (n int, errno int)
		"syscall.hostRead": native(4, 2, readIn),
		// func hostArgs() string, func hostEnv() string: each item ended by NUL
		"syscall.hostArgs": native(0, 2, func(t *exec.Thread, w exec.Window) exec.Action {
			return settings(t, w, Settings.Args)
		}),
		"syscall.hostEnv": native(0, 2, func(t *exec.Thread, w exec.Window) exec.Action {
			return settings(t, w, Settings.Environ)
		}),
		// func hostStat(path string, st *[4]int64) (errno int): mode, size, modified in ns since 1970, 1 for a folder
		"syscall.hostStat": native(3, 1, stat),
		// func hostPread(path string, p []byte, off int64) (n int, errno int)
		"syscall.hostPread": native(6, 2, readAt),
		// func hostReadDir(path string) (list string, errno int): per entry 'd', 'f' or 'o', name, NUL
		"syscall.hostReadDir": native(2, 3, readDir),
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
		return count(w, -1, errBadFile)
	}
	p, ok := bytesAt(t, w.Arg(1), min(w.Arg(2), ioBytesMax))
	if !ok || !t.Mem().InRange(w.Arg(1), w.Arg(2)) && len(p) > 0 {
		return fault(t)
	}
	p = append([]byte(nil), p...) // the host may keep it
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
	in, ok := t.Host().(Input)
	if w.Int(0) != 0 {
		return count(w, -1, errBadFile)
	}
	if !ok {
		return count(w, 0, 0) // an input that was not granted is empty
	}
	n := min(w.Arg(2), ioBytesMax)
	if n == 0 {
		return count(w, 0, 0)
	}
	p := t.Mem().Writable(w.Arg(1), n)
	if p == nil {
		return fault(t)
	}
	got, err := in.Input(p)
	switch {
	case errors.Is(err, ErrWait):
		return t.Block()
	case err != nil:
		return count(w, -1, errIO)
	}
	return count(w, got, 0)
}

func settings(t *exec.Thread, w exec.Window, which func(Settings) []string) exec.Action {
	var b strings.Builder
	if s, ok := t.Host().(Settings); ok {
		for _, item := range which(s) {
			b.WriteString(strings.ReplaceAll(item, "\x00", ""))
			b.WriteByte(0)
		}
	}
	return text(t, w, b.String())
}

// filesOf is the files granted and the path in argument slots 0 and 1; errno is not 0 when there is none.
func filesOf(t *exec.Thread, w exec.Window) (files Files, path string, number int64, ok bool) {
	b, ok := bytesArg(t, w, 0)
	if !ok {
		return nil, "", 0, false
	}
	files, granted := t.Host().(Files)
	switch {
	case !granted:
		return nil, "", errNoEntry, true
	case len(b) > 4096:
		return nil, "", errInvalid, true
	}
	return files, string(b), 0, true
}

func stat(t *exec.Thread, w exec.Window) exec.Action {
	files, path, number, ok := filesOf(t, w)
	if !ok || !t.Mem().InRange(w.Arg(2), 32) {
		return fault(t)
	}
	if number == 0 {
		info, err := files.Stat(path)
		if number = errno(err); number == 0 {
			folder := int64(0)
			if info.Mode.IsDir() {
				folder = 1
			}
			for i, v := range []int64{int64(info.Mode), info.SizeBytes, info.Modified.UnixNano(), folder} {
				t.Mem().Store64(w.Arg(2)+uint64(i)*8, uint64(v))
			}
		}
	}
	setInt(w, 0, number)
	return exec.Next
}

func readAt(t *exec.Thread, w exec.Window) exec.Action {
	files, path, number, ok := filesOf(t, w)
	if !ok {
		return fault(t)
	}
	if number != 0 {
		return count(w, -1, number)
	}
	n := min(w.Arg(3), ioBytesMax)
	if w.Int(5) < 0 {
		return count(w, -1, errInvalid)
	}
	if n == 0 {
		return count(w, 0, 0)
	}
	if !t.Mem().InRange(w.Arg(2), n) {
		return fault(t)
	}
	p := make([]byte, n) // guest memory changes only if the read succeeds
	got, err := files.ReadAt(path, p, w.Int(5))
	if err != nil {
		return count(w, -1, errno(err))
	}
	if got > 0 {
		copy(t.Mem().Writable(w.Arg(2), uint64(got)), p[:got])
	}
	return count(w, got, 0)
}

func readDir(t *exec.Thread, w exec.Window) exec.Action {
	files, path, number, ok := filesOf(t, w)
	if !ok {
		return fault(t)
	}
	var b strings.Builder
	if number == 0 {
		list, err := files.ReadDir(path)
		number = errno(err)
		for _, info := range list {
			switch {
			case info.Mode.IsDir():
				b.WriteByte('d')
			case info.Mode.IsRegular():
				b.WriteByte('f')
			default:
				b.WriteByte('o')
			}
			b.WriteString(info.Name)
			b.WriteByte(0)
		}
	}
	setInt(w, 2, number)
	return text(t, w, b.String())
}
