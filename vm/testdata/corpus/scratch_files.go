// Scratch files: what a program may do below os.TempDir, with Go's own errors.

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var dir string

// say prints an error without the directory, whose name varies.
func say(what string, err error) {
	if err == nil {
		fmt.Println(what, "ok")
		return
	}
	text := strings.ReplaceAll(err.Error(), dir, "DIR")
	fmt.Println(what, "|", text, "|", errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrClosed), errors.Is(err, fs.ErrInvalid))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func in(name string) string { return filepath.Join(dir, name) }

func show(name string) {
	b, err := os.ReadFile(in(name))
	if err != nil {
		say("read "+name, err)
		return
	}
	fmt.Printf("%s: %q\n", name, b)
}

func tree() {
	check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		check(err)
		rel, _ := filepath.Rel(dir, path)
		size := info.Size()
		if d.IsDir() {
			size = 0
		}
		fmt.Println(" ", rel, info.Mode(), size)
		return nil
	}))
}

func opening() {
	check(os.WriteFile(in("a"), []byte("hello"), 0o644))
	_, err := os.OpenFile(in("a"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	say("exclusive", err)
	_, err = os.Open(in("missing"))
	say("missing", err)
	_, err = os.Create(in("missing/x"))
	say("no parent", err)
	_, err = os.Create(in("a/x"))
	say("parent is a file", err)
	_, err = os.OpenFile(dir, os.O_RDWR, 0)
	say("write a directory", err)
	_, err = os.ReadFile(dir)
	say("read a directory", err)
	_, err = os.ReadDir(in("a"))
	say("list a file", err)
	_, err = os.Create("")
	say("no name", err)
	_, err = os.Create(in("a\x00b"))
	say("zero in name", err)
	_, err = os.Create(in(strings.Repeat("n", 256)))
	say("long name", errors.Unwrap(err))

	f, err := os.Open(in("a"))
	check(err)
	_, err = f.Write([]byte("x"))
	say("write a file opened for reading", err)
	say("truncate it", f.Truncate(1))
	_, err = f.ReadAt(make([]byte, 1), -1)
	say("read before it", err)
	_, err = f.Seek(-1, io.SeekStart)
	say("seek before it", err)
	_, err = f.Seek(0, 9)
	say("seek from nowhere", err)
	say("close", f.Close())
	say("close again", f.Close())
	_, err = f.Read(make([]byte, 1))
	say("read when closed", err)
	_, err = f.Stat()
	say("stat when closed", err)

	w, err := os.OpenFile(in("a"), os.O_WRONLY|os.O_APPEND, 0)
	check(err)
	_, err = w.Read(make([]byte, 1))
	say("read a file opened for writing", err)
	_, err = w.WriteString(", world")
	say("append", err)
	at, err := w.Seek(0, io.SeekCurrent)
	fmt.Println(at, err)
	_, err = w.WriteAt([]byte("x"), 0)
	say("write at, appending", err)
	check(w.Close())
	show("a")
}

func positions() {
	f, err := os.Create(in("p"))
	check(err)
	defer f.Close()
	fmt.Fprint(f, "0123456789")
	_, err = f.WriteAt([]byte("AB"), 14)
	check(err)
	at, err := f.Seek(-3, io.SeekEnd)
	fmt.Println(at, err)
	b := make([]byte, 8)
	n, err := f.Read(b)
	fmt.Printf("%d %q %v\n", n, b[:n], err)
	n, err = f.Read(b)
	fmt.Println(n, err)
	n, err = f.ReadAt(b, 10)
	fmt.Printf("%d %q %v\n", n, b[:n], err)
	check(f.Truncate(4))
	check(f.Truncate(7))
	at, err = f.Seek(0, io.SeekCurrent)
	fmt.Println(at, err)
	show("p")
	n64, err := f.ReadFrom(strings.NewReader("tail"))
	fmt.Println(n64, err)
	show("p")
	info, err := f.Stat()
	check(err)
	fmt.Println(info.Name(), info.Size(), info.Mode(), info.IsDir())
	say("sync", f.Sync())
	say("deadline", f.SetDeadline(time.Now()))
	check(os.Truncate(in("p"), 0))
	show("p")
}

func directories() {
	check(os.MkdirAll(in("d/e/f"), 0o755))
	check(os.MkdirAll(in("d/e/f"), 0o755))
	say("mkdir", os.Mkdir(in("d"), 0o755))
	say("mkdir in a file", os.MkdirAll(in("a/b/c"), 0o755))
	say("mkdir without parent", os.Mkdir(in("x/y"), 0o755))
	for _, name := range []string{"3", "1", "2"} {
		check(os.WriteFile(in("d/e/"+name), []byte(name), 0o600))
	}
	entries, err := os.ReadDir(in("d/e"))
	check(err)
	for _, e := range entries {
		fmt.Print(e, " ")
	}
	fmt.Println()
	f, err := os.Open(in("d/e"))
	check(err)
	total := 0
	for {
		infos, err := f.Readdir(3)
		total += len(infos)
		if err != nil {
			fmt.Println(total, err)
			break
		}
	}
	check(f.Close())
	say("remove full", os.Remove(in("d/e")))
	say("remove", os.Remove(in("d/e/1")))
	say("remove again", os.Remove(in("d/e/1")))
	say("remove below a file", os.Remove(in("a/b")))
	say("remove all, nothing there", os.RemoveAll(in("q/r")))
	say("remove all of dot", os.RemoveAll(in("d")+"/."))
	tree()
	say("remove all", os.RemoveAll(in("d")))
	_, err = os.Stat(in("d/e/2"))
	say("gone", err)
}

func renaming() {
	check(os.MkdirAll(in("m/n"), 0o700))
	check(os.WriteFile(in("m/one"), []byte("1"), 0o600))
	check(os.WriteFile(in("m/two"), []byte("2"), 0o600))
	say("over a file", os.Rename(in("m/one"), in("m/two")))
	show("m/two")
	say("from nothing", os.Rename(in("m/one"), in("m/two")))
	say("over a directory", os.Rename(in("m/two"), in("m/n")))
	say("directory over a file", os.Rename(in("m/n"), in("m/two")))
	say("into itself", os.Rename(in("m"), in("m/n/m")))
	say("to a missing place", os.Rename(in("m/two"), in("z/two")))
	say("to itself", os.Rename(in("m/two"), in("m/two")))
	say("a directory", os.Rename(in("m"), in("k")))
	show("k/two")
	info, err := os.Stat(in("k/n/.."))
	check(err)
	k, err := os.Stat(in("k"))
	check(err)
	fmt.Println(os.SameFile(info, k))
}

func linking() {
	say("symlink", os.Symlink("k/two", in("soft")))
	say("symlink again", os.Symlink("k/two", in("soft")))
	show("soft")
	target, err := os.Readlink(in("soft"))
	fmt.Println(target, err)
	_, err = os.Readlink(in("k"))
	say("readlink", err)
	check(os.Symlink("loop", in("loop")))
	_, err = os.ReadFile(in("loop"))
	say("loop", err)
	check(os.Symlink(dir+"/k", in("to")))
	show("to/two")
	check(os.WriteFile(in("to/../up"), []byte("up"), 0o600))
	show("up")
	check(os.Symlink("fresh", in("dangling")))
	check(os.WriteFile(in("dangling"), []byte("made"), 0o600))
	show("fresh")
	info, err := os.Lstat(in("soft"))
	check(err)
	fmt.Println(info.Mode(), info.Size())
	say("link", os.Link(in("k/two"), in("hard")))
	say("link again", os.Link(in("k/two"), in("hard")))
	check(os.WriteFile(in("hard"), []byte("both"), 0o600))
	show("k/two")
	_, err = os.Lstat(in("soft/"))
	say("slash", err)
	_, err = os.Stat(in("soft") + "/")
	say("slash", err)
	check(os.RemoveAll(in("to")))
	show("k/two")
}

func attributes() {
	when := time.Date(2001, 2, 3, 4, 5, 6, 7000, time.UTC)
	check(os.Chtimes(in("a"), time.Time{}, when))
	check(os.Chmod(in("a"), 0o4751))
	info, err := os.Stat(in("a"))
	check(err)
	fmt.Println(info.Mode(), info.ModTime().UTC())
	say("chmod", os.Chmod(in("none"), 0))
	f, err := os.CreateTemp(dir, "x*.txt")
	check(err)
	fmt.Println(strings.HasPrefix(f.Name(), in("x")), strings.HasSuffix(f.Name(), ".txt"))
	check(f.Chmod(0o640))
	info, err = f.Stat()
	check(err)
	fmt.Println(info.Mode())
	check(os.Remove(f.Name()))
	fmt.Fprint(f, "still there")
	b := make([]byte, 5)
	_, err = f.ReadAt(b, 6)
	fmt.Printf("%q %v\n", b, err)
	check(f.Close())
}

func systems() {
	check(os.CopyFS(in("copy"), os.DirFS(in("k"))))
	matches, err := fs.Glob(os.DirFS(dir), "copy/*")
	fmt.Println(matches, err)
	r, err := os.OpenRoot(dir)
	check(err)
	defer r.Close()
	check(r.Mkdir("root", 0o700))
	check(r.WriteFile("root/file", []byte("in root"), 0o600))
	b, err := r.ReadFile("root/file")
	fmt.Printf("%q %v\n", b, err)
	_, err = r.Open("../a")
	say("escape", err)
	check(os.Chdir(in("root")))
	b, err = os.ReadFile("file")
	fmt.Printf("%q %v\n", b, err)
	check(os.WriteFile("../beside", nil, 0o600))
	say("chdir to a file", os.Chdir("file"))
	wd, err := os.Getwd()
	fmt.Println(strings.HasSuffix(wd, "/root"), err)
	check(os.Symlink("/", "up"))
	check(os.Chdir("up"))
	wd, err = os.Getwd()
	fmt.Println(wd, err)
	check(os.Chdir(in("root")))
	check(os.Remove("up"))
	abs, err := filepath.Abs("../k")
	fmt.Println(strings.HasSuffix(abs, "/k"), err)
}

func main() {
	var err error
	dir, err = os.MkdirTemp("", "scratch")
	check(err)
	opening()
	positions()
	directories()
	renaming()
	linking()
	attributes()
	systems()
	tree()
	check(os.RemoveAll(dir))
	_, err = os.Stat(dir)
	say("at the end", err)
}
