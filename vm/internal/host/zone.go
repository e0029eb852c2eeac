package host

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// zoneBytesMax bounds a file of the zone database; the largest has under 4 KiB.
const zoneBytesMax = 64 << 10

// zoneMagic begins every file of the zone database (RFC 8536).
const zoneMagic = "TZif"

// zoneDirs are where systems keep the database, in package time's order.
var zoneDirs = []string{"/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo"}

// Zone reads a time zone ("Europe/Zurich") of this machine's database: the system's, else the one that comes with Go. Links that lead
// out of the database, such as one to this machine's own zone, are not followed. Errors wrap fs.ErrNotExist or fs.ErrInvalid.
func Zone(name string) ([]byte, error) {
	if !fs.ValidPath(name) || name == "." {
		return nil, fmt.Errorf("host: time zone %q: %w", name, fs.ErrInvalid)
	}
	for _, dir := range zoneDirs {
		root, err := os.OpenRoot(dir)
		if err != nil {
			continue
		}
		b, err := readZone(root.FS(), name)
		root.Close() // opened to look only
		if err == nil {
			return b, nil
		}
	}
	if root := runtime.GOROOT(); root != "" {
		z, err := zip.OpenReader(filepath.Join(root, "lib", "time", "zoneinfo.zip"))
		if err == nil {
			defer z.Close()
			if b, err := readZone(z, name); err == nil {
				return b, nil
			}
		}
	}
	return nil, fmt.Errorf("host: time zone %s: %w", name, fs.ErrNotExist)
}

func readZone(files fs.FS, name string) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, zoneBytesMax))
	if err == nil && (len(b) == zoneBytesMax || !bytes.HasPrefix(b, []byte(zoneMagic))) {
		err = fs.ErrInvalid
	}
	return b, err
}

// zoneNatives are time zones, for package time in the guest.
func zoneNatives() map[string]exec.Native {
	return map[string]exec.Native{
		// func hostZone(name string) (data []byte, errno int)
		"time.hostZone": native(2, 4, func(t *exec.Thread, w exec.Window) exec.Action {
			name, ok := bytesArg(t, w, 0)
			if !ok {
				return fault(t)
			}
			var data []byte
			err := error(ErrNoGrant)
			if z, ok := t.Host().(Zones); ok && len(name) <= pathBytesMax {
				data, err = z.Zone(string(name))
			}
			at := uint64(0)
			if err == nil && len(data) > 0 {
				var full error
				if at, full = t.Heap().AllocKind(heap.KindRaw, uint64(len(data)), 0); full != nil {
					return t.Retry(full)
				}
				copy(t.Mem().Writable(at, uint64(len(data))), data)
			}
			w.Set(0, at)
			w.Set(1, uint64(len(data)))
			w.Set(2, uint64(len(data)))
			setInt(w, 3, errno(err))
			return exec.Next
		}),
	}
}
