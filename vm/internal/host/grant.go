package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Grant makes a file or folder of this machine readable in the guest.
type Grant struct {
	Guest string // absolute path in the guest
	Path  string // path on this machine
}

// Folder is Files over grants. Links inside a granted folder are followed only as long as they stay in it.
type Folder struct {
	roots []root // longest guest path first
}

type root struct {
	guest string
	dir   *os.Root
	file  string // name in dir when the grant is of one file
}

// NewFolder opens the granted folders. Close it when the run is over.
func NewFolder(grants ...Grant) (*Folder, error) {
	f := &Folder{}
	for _, g := range grants {
		r, err := openRoot(g)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("host: cannot grant %s as %s: %w", g.Path, g.Guest, err), f.Close())
		}
		f.roots = append(f.roots, r)
	}
	slices.SortStableFunc(f.roots, func(a, b root) int { return len(b.guest) - len(a.guest) })
	return f, nil
}

func openRoot(g Grant) (root, error) {
	if !path.IsAbs(g.Guest) || path.Clean(g.Guest) != g.Guest {
		return root{}, fmt.Errorf("%w: the path in the guest must be absolute and clean", fs.ErrInvalid)
	}
	info, err := os.Stat(g.Path)
	if err != nil {
		return root{}, err
	}
	if info.IsDir() {
		dir, err := os.OpenRoot(g.Path)
		return root{guest: g.Guest, dir: dir}, err
	}
	if !info.Mode().IsRegular() {
		return root{}, fmt.Errorf("%w: only files and folders can be granted", fs.ErrInvalid)
	}
	host := strings.TrimRight(g.Path, string(os.PathSeparator))
	i := strings.LastIndexByte(host, os.PathSeparator)
	parent := "."
	if i >= 0 {
		parent = host[:i+1]
	}
	dir, err := os.OpenRoot(parent)
	return root{guest: g.Guest, dir: dir, file: host[i+1:]}, err
}

// Close gives up the grants.
func (f *Folder) Close() error {
	var errs []error
	for _, r := range f.roots {
		errs = append(errs, r.dir.Close())
	}
	f.roots = nil
	return errors.Join(errs...)
}

// find is the granted root that holds a guest path and the name within it.
func (f *Folder) find(guest string) (*os.Root, string, error) {
	if !path.IsAbs(guest) || path.Clean(guest) != guest || strings.IndexByte(guest, 0) >= 0 {
		return nil, "", fs.ErrInvalid
	}
	for _, r := range f.roots {
		switch rest, ok := strings.CutPrefix(guest, r.guest); {
		case !ok:
		case rest == "" && r.file != "":
			return r.dir, r.file, nil
		case r.file != "":
		case rest == "":
			return r.dir, ".", nil
		case r.guest == "/":
			return r.dir, rest, nil
		case rest[0] == '/':
			return r.dir, rest[1:], nil
		}
	}
	return nil, "", ErrNoGrant
}

// Stat describes a granted file.
func (f *Folder) Stat(guest string) (FileInfo, error) {
	dir, name, err := f.find(guest)
	if err != nil {
		return FileInfo{}, err
	}
	info, err := dir.Stat(name)
	if err != nil {
		return FileInfo{}, err
	}
	return describe(path.Base(guest), info), nil
}

func describe(name string, info fs.FileInfo) FileInfo {
	// Nothing can be written, and what else this machine says about a file is none of the guest's business.
	return FileInfo{Name: name, Mode: info.Mode() & (fs.ModeType | 0o555), SizeBytes: info.Size(), Modified: info.ModTime()}
}

// ReadAt reads from a granted file; devices and pipes are not read.
func (f *Folder) ReadAt(guest string, p []byte, off int64) (n int, err error) {
	dir, name, err := f.find(guest)
	if err != nil {
		return 0, err
	}
	switch info, err := dir.Stat(name); {
	case err != nil:
		return 0, err
	case info.IsDir():
		return 0, ErrIsFolder
	case !info.Mode().IsRegular():
		return 0, fs.ErrInvalid
	}
	file, err := dir.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	n, err = file.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadDir lists a granted folder.
func (f *Folder) ReadDir(guest string) (list []FileInfo, err error) {
	dir, name, err := f.find(guest)
	if err != nil {
		return nil, err
	}
	switch info, err := dir.Stat(name); {
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, ErrNoFolder
	}
	file, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	entries, err := file.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // one that vanished meanwhile is left out
			list = append(list, describe(e.Name(), info))
		}
	}
	slices.SortFunc(list, func(a, b FileInfo) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}
