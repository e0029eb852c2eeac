// Package cache keeps compiled images on disk, so that a program that was compiled before starts without compiling. An image is kept under
// the hash of its bytes, and beside it, under the hash of what was asked for, a record of what the compilation read. A hit needs
// both to be whole and the record to hold still; anything else is a miss, and whatever was wrong is
// removed or replaced by the next Put. A cache that cannot be read or written only never hits.
//
//	KEY.record   "tandem record 1" LF, hash of the image in hex LF, hash of what follows in hex LF, then the record
//	HASH.image   the image
//
// Files appear by renaming, so readers never see half of one, and any number of processes may use a directory at once. It does not know
// what images or records mean. Costs: a hit reads and hashes two files; a Put lists the directory.
package cache

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Cache is a directory of images.
type Cache struct {
	Dir      string
	MaxBytes int64 // beyond it the images used longest ago are removed
}

// Key names what was asked for: everything that decides about the image but for the contents of the files that are read.
type Key [sha256.Size]byte

// NewKey is the key of the parts.
func NewKey(parts ...string) Key {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return Key(h.Sum(nil))
}

const (
	magic     = "tandem record 1\n"
	recordExt = ".record"
	imageExt  = ".image"
	tempExt   = ".temp"
)

// headBytes is the size of a record file without its record.
const headBytes = len(magic) + 2*(2*sha256.Size+1)

// used is how old the mark of the last use may become before a hit renews it.
const used = time.Hour

func (c *Cache) recordFile(k Key) string {
	return filepath.Join(c.Dir, hex.EncodeToString(k[:])+recordExt)
}

func (c *Cache) imageFile(hash string) string { return filepath.Join(c.Dir, hash+imageExt) }

// Get is the image kept under k, nil if there is none that is whole and whose record satisfies holds.
func (c *Cache) Get(k Key, holds func(record []byte) bool) []byte {
	name := c.recordFile(k)
	b, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	hash, record, ok := unwrap(b)
	if !ok {
		os.Remove(name)
		return nil
	}
	if !holds(record) {
		return nil // the next Put replaces it
	}
	image, err := os.ReadFile(c.imageFile(hash))
	if err != nil {
		return nil
	}
	if sum(image) != hash {
		os.Remove(c.imageFile(hash))
		return nil
	}
	c.touch(name)
	c.touch(c.imageFile(hash))
	return image
}

// unwrap takes a record file apart: the hash of the image, and the record.
func unwrap(b []byte) (hash string, record []byte, ok bool) {
	b, ok = bytes.CutPrefix(b, []byte(magic))
	if !ok {
		return "", nil, false
	}
	image, b, ok1 := bytes.Cut(b, []byte("\n"))
	own, record, ok2 := bytes.Cut(b, []byte("\n"))
	whole := append(append(bytes.Clone(image), '\n'), record...)
	return string(image), record, ok1 && ok2 && len(image) == 2*sha256.Size && sum(whole) == string(own)
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// touch marks a file as used now.
func (c *Cache) touch(name string) {
	now := time.Now()
	if fi, err := os.Stat(name); err == nil && now.Sub(fi.ModTime()) > used {
		os.Chtimes(name, now, now) // in vain: it goes earlier than it should
	}
}

// Put keeps the image under k with its record. The error says why it is not kept; nothing is harmed then.
func (c *Cache) Put(k Key, record, image []byte) error {
	if int64(headBytes+len(record)+len(image)) > c.MaxBytes {
		return fmt.Errorf("cache: an image of %d bytes is larger than the whole cache may be, %d", len(image), c.MaxBytes)
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	hash := sum(image)
	if err := c.write(c.imageFile(hash), image); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	text := hash + "\n" + string(record)
	if err := c.write(c.recordFile(k), []byte(magic+hash+"\n"+sum([]byte(text))+"\n"+string(record))); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return c.trim()
}

// write makes the file appear whole. Its contents are not forced to the disk: a file that a crash left damaged is found out by its hash.
func (c *Cache) write(name string, b []byte) error {
	f, err := os.CreateTemp(c.Dir, "*"+tempExt)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

type entry struct {
	name      string
	sizeBytes int64
	last      time.Time
}

// entries are the files of the cache, the one used longest ago first.
func (c *Cache) entries() ([]entry, error) {
	list, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil, err
	}
	var es []entry
	for _, e := range list {
		ext := filepath.Ext(e.Name())
		if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() && (ext == recordExt || ext == imageExt || ext == tempExt) {
			es = append(es, entry{filepath.Join(c.Dir, e.Name()), fi.Size(), fi.ModTime()})
		}
	}
	slices.SortFunc(es, func(a, b entry) int {
		return cmp.Or(a.last.Compare(b.last), strings.Compare(a.name, b.name))
	})
	return es, nil
}

// trim removes what was used longest ago until the files together are within the bound, and what processes that ended badly left behind.
func (c *Cache) trim() error {
	es, err := c.entries()
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	var total int64
	for _, e := range es {
		total += e.sizeBytes
	}
	for _, e := range es {
		abandoned := filepath.Ext(e.name) == tempExt && time.Since(e.last) > used
		if total <= c.MaxBytes && !abandoned {
			continue
		}
		if err := os.Remove(e.name); err == nil || os.IsNotExist(err) {
			total -= e.sizeBytes
		}
	}
	return nil
}

// Size is the number of images kept and the bytes of all files.
func (c *Cache) Size() (images int, sizeBytes int64, err error) {
	es, err := c.entries()
	if os.IsNotExist(err) {
		return 0, 0, nil
	}
	for _, e := range es {
		sizeBytes += e.sizeBytes
		if filepath.Ext(e.name) == imageExt {
			images++
		}
	}
	return images, sizeBytes, err
}

// Clear removes all images and records.
func (c *Cache) Clear() error {
	es, err := c.entries()
	if os.IsNotExist(err) {
		return nil
	}
	for _, e := range es {
		if e := os.Remove(e.name); e != nil && !os.IsNotExist(e) && err == nil {
			err = e
		}
	}
	return err
}
