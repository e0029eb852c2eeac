package inputs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// laid are the entries of a directory that the overlay has, sorted.
func (d *Disk) laid(dir string) []fs.DirEntry {
	if len(d.Overlay) == 0 {
		return nil
	}
	prefix := strings.TrimSuffix(dir, string(os.PathSeparator)) + string(os.PathSeparator)
	byName := map[string]laidInfo{}
	for name, b := range d.Overlay {
		rest, below := strings.CutPrefix(name, prefix)
		if !below {
			continue
		}
		if sub, _, deeper := strings.Cut(rest, string(os.PathSeparator)); deeper {
			byName[sub] = laidInfo{name: sub, dir: true}
		} else {
			byName[rest] = laidInfo{name: rest, sizeBytes: int64(len(b))}
		}
	}
	list := make([]fs.DirEntry, 0, len(byName))
	for _, i := range byName {
		list = append(list, fs.FileInfoToDirEntry(i))
	}
	slices.SortFunc(list, byEntryName)
	return list
}

func byEntryName(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) }

// over is what a directory holds when laid is laid over list.
func over(list, laid []fs.DirEntry) []fs.DirEntry {
	all := slices.Clone(laid)
	for _, e := range list {
		if _, hidden := slices.BinarySearchFunc(laid, e, byEntryName); !hidden {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, byEntryName)
	return all
}

// laidInfo describes a file or directory of the overlay.
type laidInfo struct {
	name      string
	sizeBytes int64
	dir       bool
}

func (i laidInfo) Name() string       { return i.name }
func (i laidInfo) Size() int64        { return i.sizeBytes }
func (i laidInfo) ModTime() time.Time { return time.Time{} }
func (i laidInfo) IsDir() bool        { return i.dir }
func (i laidInfo) Sys() any           { return nil }
func (i laidInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

// LayOver makes an overlay of files named relative to dir, or absolutely.
func LayOver(dir string, files map[string][]byte) map[string][]byte {
	m := make(map[string][]byte, len(files))
	for name, b := range files {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		m[filepath.Clean(name)] = b
	}
	return m
}
