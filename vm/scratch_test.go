package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const besideGrants = `package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

func main() {
	granted, secret := os.Args[1], os.Args[2]
	b, err := os.ReadFile(granted + "/given")
	fmt.Printf("%s %v\n", b, err)
	err = os.WriteFile(granted+"/given", nil, 0o600)
	fmt.Println(errors.Is(err, fs.ErrPermission), os.IsNotExist(err))
	err = os.WriteFile(granted+"/new", nil, 0o600)
	fmt.Println(errors.Is(err, fs.ErrPermission), os.IsNotExist(err))
	err = os.Remove(granted + "/given")
	fmt.Println(errors.Is(err, fs.ErrPermission), os.IsNotExist(err))
	err = os.Rename(granted + "/given", "/tmp/mine")
	fmt.Println(errors.Is(err, fs.ErrPermission), os.IsNotExist(err))
	_, err = os.ReadFile(secret)
	fmt.Println(os.IsNotExist(err))

	if err := os.MkdirAll(granted, 0o700); err != nil {
		panic(err)
	}
	if err := os.Chdir(granted); err != nil {
		panic(err)
	}
	entries, err := os.ReadDir(".")
	fmt.Println(entries, err)
	if err := os.Chdir("/"); err != nil {
		panic(err)
	}
	entries, err = os.ReadDir("/tmp")
	fmt.Println(len(entries), err)
	if err := os.Symlink(secret, "/tmp/way"); err != nil {
		panic(err)
	}
	_, err = os.ReadFile("/tmp/way")
	fmt.Println(os.IsNotExist(err))
	if err := os.Symlink("/etc/passwd", "/tmp/out"); err != nil {
		panic(err)
	}
	_, err = os.ReadFile("/tmp/out")
	fmt.Println(errors.Is(err, fs.ErrPermission))
	err = os.WriteFile("/tmp/out", nil, 0o600)
	fmt.Println(errors.Is(err, fs.ErrPermission))
	err = os.WriteFile("/tmp/../etc/x", nil, 0o600)
	fmt.Println(errors.Is(err, fs.ErrPermission))
}
`

// TestScratchBesideGrants: a directory of the host below /tmp is read if it is granted and else not seen; nothing of it changes, and the run's own files
// are not on the host.
func TestScratchBesideGrants(t *testing.T) {
	host, err := os.MkdirTemp("/tmp", "granted")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(host)
	granted, secret := filepath.Join(host, "granted"), filepath.Join(host, "secret")
	if err := os.Mkdir(granted, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{granted + "/given", secret} {
		if err := os.WriteFile(name, []byte("of the host"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const want = `of the host <nil>
true false
true false
true false
true false
true
[- given] <nil>
0 <nil>
true
true
true
true
`
	m := configured(t, source(t, besideGrants), Config{Args: []string{"main", granted, secret}, Grants: Grants{Read: []string{granted}}})
	out, _, exit, failed := runTurns(t, m, 1<<30)
	if out != want || exit != 0 || failed != nil {
		t.Errorf("exit status %d, %v\n%s\nwant\n%s", exit, failed, out, want)
	}
	for _, name := range []string{granted + "/given", secret} {
		if b, err := os.ReadFile(name); string(b) != "of the host" {
			t.Errorf("%s has become %q, %v", name, b, err)
		}
	}
	if entries, err := os.ReadDir(granted); len(entries) != 1 {
		t.Errorf("the host's directory has become %v, %v", entries, err)
	}
	for _, name := range []string{"/tmp/mine", "/tmp/way", "/tmp/out"} {
		if _, err := os.Lstat(name); err == nil {
			t.Errorf("%s is on the host", name)
		}
	}
}

// TestScratchCountsTowardsMemory: who writes without end reaches the run's memory limit.
func TestScratchCountsTowardsMemory(t *testing.T) {
	p := source(t, `package main

import "os"

func main() {
	f, err := os.CreateTemp("", "")
	if err != nil {
		panic(err)
	}
	block := make([]byte, 64<<10)
	for range 1000 {
		if _, err := f.Write(block); err != nil {
			panic(err)
		}
	}
}
`)
	m := configured(t, p, Config{Limits: Limits{MemoryBytes: 16 << 20}})
	_, _, exit, failed := runTurns(t, m, 1<<30)
	if failed == nil || !strings.Contains(failed.Reason, "memory") {
		t.Errorf("exit status %d, %v", exit, failed)
	}
	m = configured(t, p, Config{Limits: Limits{MemoryBytes: 512 << 20}})
	if _, _, exit, failed := runTurns(t, m, 1<<30); exit != 0 || failed != nil {
		t.Errorf("with enough memory: exit status %d, %v", exit, failed)
	}
}

// TestDevNullStays: nothing is renamed over os.DevNull, which has a file system of its own, and nothing takes it away; a program run by gc as root could do both.
func TestDevNullStays(t *testing.T) {
	m := configured(t, source(t, `package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println(os.WriteFile("/tmp/kept", []byte("kept"), 0o600))
	fmt.Println(os.Rename("/tmp/kept", os.DevNull))
	fmt.Println(os.Link("/tmp/kept", os.DevNull))
	fmt.Println(os.Rename(os.DevNull, "/tmp/null"))
	fmt.Println(os.Link(os.DevNull, "/tmp/null"))
	fmt.Println(os.Rename(os.DevNull, os.DevNull))
	fmt.Println(os.Remove(os.DevNull))
	fmt.Println(os.RemoveAll(os.DevNull))
	b, err := os.ReadFile("/tmp/kept")
	fmt.Println(string(b), err)
	b, err = os.ReadFile(os.DevNull)
	fmt.Println(string(b), err)
}
`), Config{})
	const want = `<nil>
rename /tmp/kept /dev/null: invalid cross-device link
link /tmp/kept /dev/null: invalid cross-device link
rename /dev/null /tmp/null: invalid cross-device link
link /dev/null /tmp/null: invalid cross-device link
rename /dev/null /dev/null: device or resource busy
remove /dev/null: device or resource busy
unlinkat /dev/null: device or resource busy
kept <nil>
 <nil>
`
	out, _, exit, failed := runTurns(t, m, 1<<30)
	if out != want || exit != 0 || failed != nil {
		t.Errorf("exit status %d, %v\n%s\nwant\n%s", exit, failed, out, want)
	}
}
