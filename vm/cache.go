package vm

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/tandemvm/tandem/vm/internal/cache"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/inputs"
	"github.com/tandemvm/tandem/vm/internal/load"
)

// Cache is a directory of compiled images, which any number of processes may use at once. What is damaged in it is compiled again; one
// that cannot be written to is read only.
type Cache = cache.Cache

// cacheBytes is the bound of the user's cache: some 500 programs.
const cacheBytes = 256 << 20

// UserCache is the cache of the user: $TANDEM_CACHE, or tandem/images in the directory that the system has for such files.
func UserCache() (*Cache, error) {
	dir := os.Getenv("TANDEM_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("vm: no place for compiled programs: %w: set TANDEM_CACHE to a directory", err)
		}
		dir = filepath.Join(base, "tandem", "images")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("vm: TANDEM_CACHE: %w", err)
	}
	return &Cache{Dir: abs, MaxBytes: cacheBytes}, nil
}

// compileCached is Compile by way of s.Cache. A key holds what decides about the image besides files: the compiler, which is this executable,
// overlays and op table included, and where the sources lie, which is in the image as the names of files. The contents of files
// are compared with the record of what the compilation read; an overlay, which is no file, is in the key.
func compileCached(ctx context.Context, s Source) (*Program, error) {
	if compiler() == "" {
		return compileSource(ctx, s, nil)
	}
	root, err := load.FindGOROOT(s.GOROOT, os.Getenv)
	if err != nil {
		return nil, err
	}
	s.GOROOT = root
	modules := load.ModuleCache(os.Getenv)
	parts := []string{compiler(), Version, root, modules, os.Getenv("GOWORK")}
	for _, p := range s.Paths {
		if !filepath.IsAbs(p) {
			if p, err = filepath.Abs(filepath.Join(s.Dir, p)); err != nil {
				return nil, fmt.Errorf("vm: the working directory: %w", err)
			}
		}
		parts = append(parts, p)
	}
	disk, err := s.disk()
	if err != nil {
		return nil, err
	}
	parts = append(parts, "overlay")
	for _, name := range slices.Sorted(maps.Keys(disk.Overlay)) {
		parts = append(parts, name, string(disk.Overlay[name]))
	}
	key := cache.NewKey(parts...)
	image := s.Cache.Get(key, func(record []byte) bool {
		return inputs.Unchanged(record, filepath.Join(root, "src"), modules)
	})
	if image != nil {
		if img, err := code.Decode(image); err == nil {
			if p, err := newProgram(img, image); err == nil {
				return p, nil
			}
		}
	}
	p, err := compileSource(ctx, s, disk)
	if err != nil {
		return nil, err
	}
	if record, err := disk.Record(); err == nil {
		_ = s.Cache.Put(key, record, p.encoded) // in vain: it is compiled again the next time
	}
	return p, nil
}

// compiler names this executable: its build ID, which changes with its contents, else its size and time, "" if neither can be read.
var compiler = sync.OnceValue(func() string {
	name, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 64<<10) // the linker puts the ID at the start of the text segment
	n, _ := f.ReadAt(head, 0)
	if _, rest, ok := bytes.Cut(head[:n], []byte("\xff Go build ID: \"")); ok {
		if id, _, ok := bytes.Cut(rest, []byte("\"\n \xff")); ok && len(id) > 0 {
			return string(id)
		}
	}
	fi, err := f.Stat()
	if err != nil {
		return ""
	}
	return strings.Join([]string{name, fmt.Sprint(fi.Size()), fi.ModTime().String()}, " ")
})
