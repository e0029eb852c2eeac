package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	vmexec "github.com/tandemvm/tandem/vm/internal/exec"
)

// granted is a folder granted as /data with a file, a subfolder and links, and one file granted as /one.
func granted(t *testing.T) *Folder {
	t.Helper()
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(outside, []byte("secret"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "a.txt"), []byte("hello world"), 0o644))
	must(os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	must(os.WriteFile(filepath.Join(dir, "sub", "b"), nil, 0o644))
	must(os.Symlink(outside, filepath.Join(dir, "leak")))
	must(os.Symlink("a.txt", filepath.Join(dir, "alias")))
	f, err := NewFolder(Grant{"/data", dir}, Grant{"/one", filepath.Join(dir, "a.txt")})
	must(err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestFolder(t *testing.T) {
	f := granted(t)
	p := make([]byte, 100)
	for path, want := range map[string]error{
		"/data/a.txt": nil, "/one": nil, "/data/alias": nil,
		"/data": ErrIsFolder, "/data/sub": ErrIsFolder, "/data/none": fs.ErrNotExist,
		"/": ErrNoGrant, "/other": ErrNoGrant, "/datax": ErrNoGrant, "/one/x": ErrNoGrant,
		"data/a.txt": fs.ErrInvalid, "/data/../data/a.txt": fs.ErrInvalid, "/data//a.txt": fs.ErrInvalid, "/data/a\x00": fs.ErrInvalid, "": fs.ErrInvalid,
	} {
		n, err := f.ReadAt(path, p, 6)
		if !errors.Is(err, want) || err == nil && string(p[:n]) != "world" {
			t.Errorf("read %s: %q %v, want %v", path, p[:n], err, want)
		}
	}
	if n, err := f.ReadAt("/data/leak", p, 0); err == nil {
		t.Errorf("a link leads out of the granted folder: %q", p[:n])
	}
	if n, err := f.ReadAt("/data/a.txt", p, 11); n != 0 || err != nil {
		t.Errorf("read at the end: %d %v", n, err)
	}
	info, err := f.Stat("/data/a.txt")
	if err != nil || info.SizeBytes != 11 || info.Mode != 0o444 || info.Name != "a.txt" || info.Modified.IsZero() {
		t.Errorf("%+v %v", info, err)
	}
	list, err := f.ReadDir("/data")
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	if want := []string{"a.txt", "alias", "leak", "sub"}; err != nil || !reflect.DeepEqual(names, want) {
		t.Errorf("%v %v", names, err)
	}
	if _, err := f.ReadDir("/data/a.txt"); !errors.Is(err, ErrNoFolder) {
		t.Errorf("listing a file: %v", err)
	}
	for _, g := range []Grant{{"rel", t.TempDir()}, {"/a/../b", t.TempDir()}, {"/x", filepath.Join(t.TempDir(), "none")}} {
		if _, err := NewFolder(g); err == nil {
			t.Errorf("grant %+v is accepted", g)
		}
	}
}

func TestFileNatives(t *testing.T) {
	g := newGuest(t)
	g.world.Folder = granted(t)
	const abs, rel, none, secret = at(0), at(16), at(32), at(48)
	memory := []byte(strings.Repeat("\x00", 64))
	copy(memory, "/data/a.txt")
	copy(memory[16:], "sub/../a.txt")
	copy(memory[32:], "/data/none")
	copy(memory[48:], "/etc/passwd")
	st := g.call("os.hostStat", rel, 12)
	missing := g.call("os.hostStat", none, 10)
	refused := g.call("os.hostReadFile", secret, 11)
	folder := g.call("os.hostReadFile", abs, 5)
	whole := g.call("os.hostReadFile", abs, 11)
	part := g.call("os.hostReadAt", abs, 11, at(100), 5, 5, 6)
	end := g.call("os.hostReadAt", abs, 11, at(100), 5, 5, 11)
	back := g.call("os.hostReadAt", abs, 11, at(100), 5, 5, -1)
	zero := g.call("os.hostReadAt", abs, 11, 0, 0, 0, 0)
	list := g.call("os.hostReadDir", abs, 5)
	nothing := g.call("os.hostReadDir", 0, 0)
	wd := g.call("os.hostGetwd")
	g.run(string(memory))
	g.ended("")
	if g.res(st, 0) != 11 || g.res(st, 1) != 0o444 || g.res(st, 2) == 0 || g.res(st, 3) != 0 {
		t.Errorf("stat %d %o errno %d", g.res(st, 0), g.res(st, 1), g.res(st, 3))
	}
	for _, c := range []struct {
		step, slot int
		want       int64
	}{{missing, 3, errNoEntry}, {refused, 3, errNoGrant}, {folder, 3, errIsDir}, {whole, 3, 0}, {part, 1, 0}, {end, 0, 0}, {end, 1, 0},
		{back, 1, errInvalid}, {zero, 1, 0}, {list, 3, 0}, {nothing, 3, errNoEntry}} {
		if got := int64(g.res(c.step, c.slot)); got != c.want {
			t.Errorf("%s%v slot %d: %d, want %d", g.steps[c.step].symbol, g.steps[c.step].args, c.slot, got, c.want)
		}
	}
	if g.str(whole, 0) != "hello world" || string(g.mem.Bytes(g.scratch+100, 5)) != "world" || g.str(wd, 0) != "/data" {
		t.Errorf("%q, %q, %q", g.str(whole, 0), g.mem.Bytes(g.scratch+100, 5), g.str(wd, 0))
	}
	if got := g.strs(list); !reflect.DeepEqual(got, []string{"a.txt", "alias", "leak", "sub"}) {
		t.Errorf("list %q", got)
	}
}

func TestStreamsAndSettings(t *testing.T) {
	g := newGuest(t)
	g.world.input, g.world.waits = []byte("abcdef"), 2
	g.world.args, g.world.env = []string{"prog", "", "two words"}, []string{"A=b"}
	out := g.call("os.hostWrite", 1, at(0), 3, 3)
	g.call("os.hostWrite", 2, at(3), 2, 2)
	bad := g.call("os.hostWrite", 3, at(0), 3, 3)
	in := g.call("os.hostRead", at(16), 4, 4)
	rest := g.call("os.hostRead", at(20), 4, 4)
	end := g.call("os.hostRead", at(24), 4, 4)
	args := g.call("os.runtime_args")
	env := g.call("syscall.runtime_envs")
	g.run("outer")
	g.ended("")
	if g.world.stdout.String() != "out" || g.world.stderr.String() != "er" || g.res(out, 0) != 3 || g.res(bad, 1) != errBadFile {
		t.Errorf("stdout %q stderr %q", g.world.stdout.String(), g.world.stderr.String())
	}
	if g.world.waits != 0 || g.res(in, 0) != 4 || g.res(rest, 0) != 2 || g.res(end, 0) != 0 || g.res(end, 1) != 0 || string(g.mem.Bytes(g.scratch+16, 6)) != "abcdef" {
		t.Errorf("input %d %d %d %q", g.res(in, 0), g.res(rest, 0), g.res(end, 0), g.mem.Bytes(g.scratch+16, 6))
	}
	if !reflect.DeepEqual(g.strs(args), g.world.args) || !reflect.DeepEqual(g.strs(env), g.world.env) {
		t.Errorf("args %q env %q", g.strs(args), g.strs(env))
	}
}

func TestNothingGranted(t *testing.T) {
	g := newGuest(t)
	g.host = bare{g.world}
	out := g.call("os.hostWrite", 1, at(0), 4, 4)
	g.call("os.hostWrite", 2, at(0), 4, 4)
	in := g.call("os.hostRead", at(0), 4, 4)
	file := g.call("os.hostReadFile", at(0), 4)
	args := g.call("os.runtime_args")
	env := g.call("syscall.runtime_envs")
	wd := g.call("os.hostGetwd")
	g.run("text")
	g.ended("")
	if g.res(out, 0) != 4 || g.world.stderr.String() != "text" || g.world.stdout.Len() != 0 || g.res(in, 0) != 0 || int64(g.res(file, 3)) != errNoGrant {
		t.Error("an ungranted capability did something")
	}
	if len(g.strs(args)) != 1 || g.res(env, 1) != 0 || g.str(wd, 0) != "/" {
		t.Errorf("args %q wd %q", g.strs(args), g.str(wd, 0))
	}
}

func TestOutputLimitEndsTheRun(t *testing.T) {
	g := newGuest(t)
	g.world.stdout.WriteString(strings.Repeat("x", 1<<20+1))
	g.call("os.hostWrite", 1, at(0), 4, 4)
	g.run("text")
	var limit *vmexec.LimitError
	if g.stop.Reason != vmexec.Failed || !errors.As(g.stop.Err, &limit) || limit.Limit != "output" {
		t.Errorf("%+v", g.stop)
	}
}

func TestZone(t *testing.T) {
	b, err := Zone("America/New_York")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("this machine has no database of time zones: ", err)
	}
	want, loadErr := time.LoadLocation("America/New_York")
	got, parseErr := time.LoadLocationFromTZData("America/New_York", b)
	if err != nil || loadErr != nil || parseErr != nil {
		t.Fatal(err, loadErr, parseErr)
	}
	for month := range time.Month(12) {
		at := time.Date(2024, month+1, 15, 12, 0, 0, 0, time.UTC)
		if at.In(got).String() != at.In(want).String() {
			t.Errorf("%v, want %v", at.In(got), at.In(want))
		}
	}
	for _, name := range []string{"", ".", "..", "/etc/localtime", "../../../etc/passwd", "America", "zone.tab", "Nowhere/Land", "Europe/\x00"} {
		if b, err := Zone(name); err == nil {
			t.Errorf("%q is a zone of %d bytes", name, len(b))
		}
	}
}
