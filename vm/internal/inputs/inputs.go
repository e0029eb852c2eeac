// Package inputs remembers what a compilation asked of the file system, so that it can be told later, without compiling, whether it would read
// the same again. Questions answered with no (a go.mod that is not there) are inputs like any other: a file that appears can
// change a program. It does not know what the files mean. Costs: reading hashes each file once; asking again
// costs one stat an input of an installation, one read an input of the program's own.
package inputs

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Hash is the SHA-256 of an answer: a file's contents, or the sorted names in a directory.
type Hash [sha256.Size]byte

// kind is what was asked, or how it was answered.
type kind byte

const (
	file      kind = 'f' // read as a file
	directory kind = 'd' // listed
	unread    kind = 'u' // read or listed in vain
	isDir     kind = 'D' // asked what it is: a directory
	isFile    kind = 'F' // a regular file
	isOther   kind = 'O' // neither, or missing
)

// Input is one question to the file system and its answer.
type Input struct {
	name        string
	kind        kind
	sizeBytes   int64
	changedNano int64 // modification time
	hash        Hash
}

// Disk is the file system as the compilation sees it. It may be used from several goroutines.
type Disk struct {
	// Overlay holds files by absolute name that are there whatever the file system says, and the directories they are in. They are
	// no inputs: who gives them knows them.
	Overlay map[string][]byte

	mu   sync.Mutex
	seen map[key]Input
	torn bool // two readings of one input differ
}

type key struct {
	name string
	kind kind
}

// note remembers an answer.
func (d *Disk) note(i Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[key]Input{}
	}
	k := key{i.name, i.kind}
	if old, ok := d.seen[k]; ok && old.hash != i.hash {
		d.torn = true
	}
	d.seen[k] = i
}

// ReadFile is os.ReadFile.
func (d *Disk) ReadFile(name string) ([]byte, error) {
	if b, ok := d.Overlay[name]; ok {
		return bytes.Clone(b), nil
	}
	fi, err := os.Stat(name) // before reading: what changes afterwards has another time
	var b []byte
	if err == nil {
		b, err = os.ReadFile(name)
	}
	if err != nil {
		d.note(Input{name: name, kind: unread})
		return nil, err
	}
	d.note(Input{name, file, int64(len(b)), fi.ModTime().UnixNano(), sha256.Sum256(b)})
	return b, nil
}

// ReadDir is os.ReadDir.
func (d *Disk) ReadDir(name string) ([]os.DirEntry, error) {
	fi, err := os.Stat(name)
	var list []os.DirEntry
	if err == nil {
		list, err = os.ReadDir(name)
	}
	switch {
	case fi != nil && !fi.IsDir():
		d.note(Input{name: name, kind: what(fi, nil)})
	case err != nil:
		d.note(Input{name: name, kind: unread})
	default:
		d.note(Input{name: name, kind: directory, changedNano: fi.ModTime().UnixNano(), hash: listing(list)})
	}
	if laid := d.laid(name); len(laid) > 0 {
		return over(list, laid), nil
	}
	return list, err
}

func listing(list []os.DirEntry) Hash {
	h := sha256.New()
	for _, e := range list {
		fmt.Fprintf(h, "%s\n%v\n", e.Name(), e.IsDir())
	}
	return Hash(h.Sum(nil))
}

// Stat is os.Stat; what is remembered of the answer is whether there is a directory, a regular file, or neither.
func (d *Disk) Stat(name string) (os.FileInfo, error) {
	if b, ok := d.Overlay[name]; ok {
		return laidInfo{name: filepath.Base(name), sizeBytes: int64(len(b))}, nil
	}
	fi, err := os.Stat(name)
	d.note(Input{name: name, kind: what(fi, err)})
	if err != nil && len(d.laid(name)) > 0 {
		return laidInfo{name: filepath.Base(name), dir: true}, nil
	}
	return fi, err
}

func what(fi os.FileInfo, err error) kind {
	switch {
	case err == nil && fi.IsDir():
		return isDir
	case err == nil && fi.Mode().IsRegular():
		return isFile
	}
	return isOther
}

// IsDir says whether name is a directory.
func (d *Disk) IsDir(name string) bool {
	fi, err := d.Stat(name)
	return err == nil && fi.IsDir()
}

// FS is the tree below dir, as os.DirFS has it.
func (d *Disk) FS(dir string) fs.FS { return tree{d, dir, os.DirFS(dir)} }

type tree struct {
	disk *Disk
	dir  string
	fs.FS
}

func (t tree) path(name string) string                    { return filepath.Join(t.dir, filepath.FromSlash(name)) }
func (t tree) ReadFile(name string) ([]byte, error)       { return t.disk.ReadFile(t.path(name)) }
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) { return t.disk.ReadDir(t.path(name)) }
func (t tree) Stat(name string) (fs.FileInfo, error)      { return t.disk.Stat(t.path(name)) }

// Open is for what asks in none of the ways above; it remembers the file as read. What is laid over is opened in none.
func (t tree) Open(name string) (fs.File, error) {
	if fi, err := t.Stat(name); err == nil && !fi.IsDir() {
		if _, err := t.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return t.FS.Open(name)
}

// ErrTorn says that a file changed while it was compiled: the result is not that of any one state of the sources.
var ErrTorn = errors.New("inputs: a file changed during the compilation")

// Record is what was asked so far and the answers, as text that Unchanged reads.
func (d *Disk) Record() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.torn {
		return nil, ErrTorn
	}
	list := make([]Input, 0, len(d.seen))
	for _, i := range d.seen {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b Input) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return int(a.kind) - int(b.kind)
	})
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d\n", time.Now().UnixNano())
	for _, i := range list {
		fmt.Fprintf(&b, "%c %d %d %x %s\n", i.kind, i.sizeBytes, i.changedNano, i.hash, strconv.Quote(i.name))
	}
	return b.Bytes(), nil
}

// settled is how much older than its record a file's time must be for the time to vouch for the contents: clocks of file systems are coarse.
const settled = 2 * time.Second

// Unchanged says whether every answer in the record would be the same now. Below the directories of installed, which programs are not edited
// in, an unchanged size and time stand for the contents; everything else is read.
func Unchanged(record []byte, installed ...string) bool {
	s := bufio.NewScanner(bytes.NewReader(record))
	s.Buffer(nil, 1<<20)
	if !s.Scan() {
		return false
	}
	at, err := strconv.ParseInt(s.Text(), 10, 64)
	if err != nil {
		return false
	}
	for s.Scan() {
		i, ok := parse(s.Text())
		if !ok {
			return false
		}
		vouched := i.changedNano < at-int64(settled) && slices.ContainsFunc(installed, func(dir string) bool {
			return dir != "" && strings.HasPrefix(i.name, dir+string(os.PathSeparator))
		})
		if !i.holds(vouched) {
			return false
		}
	}
	return s.Err() == nil
}

func parse(line string) (i Input, ok bool) {
	words := strings.SplitN(line, " ", 5)
	if len(words) != 5 || len(words[0]) != 1 {
		return i, false
	}
	size, err1 := strconv.ParseInt(words[1], 10, 64)
	nano, err2 := strconv.ParseInt(words[2], 10, 64)
	sum, err3 := hex.DecodeString(words[3])
	name, err4 := strconv.Unquote(words[4])
	if errors.Join(err1, err2, err3, err4) != nil || len(sum) != len(Hash{}) {
		return i, false
	}
	return Input{name, kind(words[0][0]), size, nano, Hash(sum)}, true
}

// holds says whether the answer is the same now; vouched: an equal size and time will do.
func (i Input) holds(vouched bool) bool {
	fi, err := os.Stat(i.name)
	switch i.kind {
	case unread:
		return err != nil // when it is there, it may be readable now
	case isDir, isFile, isOther:
		return what(fi, err) == i.kind
	case file:
		if err != nil || fi.Size() != i.sizeBytes || !fi.Mode().IsRegular() {
			return false
		}
		if vouched && fi.ModTime().UnixNano() == i.changedNano {
			return true
		}
		b, err := os.ReadFile(i.name)
		return err == nil && sha256.Sum256(b) == i.hash
	case directory:
		if err != nil || !fi.IsDir() {
			return false
		}
		if vouched && fi.ModTime().UnixNano() == i.changedNano {
			return true
		}
		list, err := os.ReadDir(i.name)
		return err == nil && listing(list) == i.hash
	}
	return false
}
