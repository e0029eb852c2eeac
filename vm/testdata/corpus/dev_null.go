// os.DevNull: what can be asked of it, opened and not, with the errors of Linux.

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

var dir string

func say(what string, values ...any) {
	text := strings.TrimSuffix(fmt.Sprintln(values...), "\n")
	if dir != "" {
		text = strings.ReplaceAll(text, dir, "DIR")
	}
	fmt.Println(what, "|", text)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func describe(what string, info os.FileInfo, err error) {
	if err != nil {
		say(what, err)
		return
	}
	say(what, info.Name(), info.Size(), info.Mode(), info.IsDir(), info.Mode().IsRegular(), info.ModTime().IsZero())
}

func named() {
	info, err := os.Stat(os.DevNull)
	describe("stat", info, err)
	again, err := os.Lstat("/dev/../dev//null")
	describe("lstat", again, err)
	say("same", os.SameFile(info, again))
	_, err = os.Stat(os.DevNull + "/")
	say("stat as a directory", err)
	b, err := os.ReadFile(os.DevNull)
	say("read file", len(b), err)
	say("write file", os.WriteFile(os.DevNull, []byte("gone"), 0o600))
	_, err = os.ReadDir(os.DevNull)
	say("read dir", err)
	_, err = os.OpenFile(os.DevNull, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	say("exclusive", err)
	_, err = os.Readlink(os.DevNull)
	say("readlink", err)
	say("truncate", os.Truncate(os.DevNull, 3))
	say("mkdir", os.Mkdir(os.DevNull, 0o700))
	say("symlink", os.Symlink("x", os.DevNull))
	say("chdir", os.Chdir(os.DevNull))
}

func opened(what string, flag int) {
	f, err := os.OpenFile(os.DevNull, flag, 0o600)
	if err != nil {
		say(what, err)
		return
	}
	b := make([]byte, 4)
	say(what)
	info, err := f.Stat()
	describe("  stat", info, err)
	n, err := f.Write([]byte("some"))
	say("  write", n, err)
	n, err = f.WriteString("more")
	say("  write string", n, err)
	n, err = f.WriteAt([]byte("there"), 1<<40)
	say("  write at", n, err)
	n, err = f.WriteAt([]byte("there"), -1)
	say("  write before", n, err)
	n, err = f.Read(b)
	say("  read", n, err)
	n, err = f.Read(nil)
	say("  read nothing", n, err)
	n, err = f.ReadAt(b, 7)
	say("  read at", n, err)
	n, err = f.ReadAt(b, -7)
	say("  read before", n, err)
	for _, whence := range []int{io.SeekStart, io.SeekCurrent, io.SeekEnd, 4, 5, -1} {
		for _, offset := range []int64{0, 9, -9} {
			at, err := f.Seek(offset, whence)
			say("  seek", offset, whence, at, err)
		}
	}
	say("  truncate", f.Truncate(0), f.Truncate(5))
	say("  sync", f.Sync())
	_, err = f.ReadDir(-1)
	say("  read dir", err)
	_, err = f.Readdirnames(1)
	say("  names", err)
	copied, err := io.Copy(f, strings.NewReader("a longer text"))
	say("  copy to", copied, err)
	copied, err = io.Copy(io.Discard, f)
	say("  copy from", copied, err)
	say("  close", f.Close(), f.Close())
	_, err = f.Seek(0, io.SeekStart)
	say("  seek when closed", err)
	_, err = f.Stat()
	say("  stat when closed", err)
}

// linked reaches it by a link below os.TempDir.
func linked() {
	var err error
	dir, err = os.MkdirTemp("", "null")
	check(err)
	defer os.RemoveAll(dir)
	link, file := filepath.Join(dir, "link"), filepath.Join(dir, "file")
	check(os.Symlink(os.DevNull, link))
	check(os.WriteFile(link, []byte("gone"), 0o600))
	info, err := os.Stat(link)
	describe("stat of a link", info, err)
	direct, err := os.Stat(os.DevNull)
	check(err)
	say("same through a link", os.SameFile(info, direct))
	info, err = os.Lstat(link)
	check(err)
	say("the link", info.Mode().Type())
	check(os.WriteFile(file, []byte("kept"), 0o600))
	say("link over it", os.Link(file, os.DevNull) != nil)
}

func main() {
	named()
	opened("read", os.O_RDONLY)
	opened("write", os.O_WRONLY)
	opened("both", os.O_RDWR)
	opened("create", os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	opened("append", os.O_WRONLY|os.O_APPEND)
	linked()
}
