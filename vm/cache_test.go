package vm

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module is a program of two packages and a cache to compile it with.
type module struct {
	*testing.T
	dir   string
	cache *Cache
}

func newModule(t *testing.T) *module {
	m := &module{t, t.TempDir(), &Cache{Dir: t.TempDir(), MaxBytes: 64 << 20}}
	m.write("go.mod", "module example.com/m\n\ngo 1.25\n")
	m.write("main.go", "package main\n\nimport \"example.com/m/lib\"\n\nfunc main() { println(lib.F()) }\n")
	m.write("text.txt", "embedded")
	m.write("data/a.txt", "a")
	m.write("embed.go", "package main\n\nimport \"embed\"\n\n//go:embed text.txt\nvar text string\n\n//go:embed data\nvar data embed.FS\n\nfunc init() { println(text); b, _ := data.ReadDir(\"data\"); println(len(b)) }\n")
	m.write("lib/lib.go", "package lib\n\nfunc F() int { return 1 }\n")
	return m
}

func (m *module) write(name, text string) {
	m.Helper()
	file := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		m.Fatal(err)
	}
}

// compile says whether the program came from the cache: a compilation puts new files there.
func (m *module) compile() (p *Program, hit bool) {
	m.Helper()
	before := m.records()
	p, err := Compile(context.Background(), Source{Paths: []string{m.dir}, Cache: m.cache})
	if err != nil {
		m.Fatal(err)
	}
	plain, err := Compile(context.Background(), Source{Paths: []string{m.dir}})
	if err != nil {
		m.Fatal(err)
	}
	if p.Hash() != plain.Hash() || string(p.Encode()) != string(plain.Encode()) {
		m.Error("the program is not the one that is compiled without a cache")
	}
	after := m.records()
	return p, len(before) == 1 && len(after) == 1 && os.SameFile(before[0], after[0])
}

func (m *module) records() (list []os.FileInfo) {
	files, _ := filepath.Glob(filepath.Join(m.cache.Dir, "*.record"))
	for _, f := range files {
		if fi, err := os.Stat(f); err == nil {
			list = append(list, fi)
		}
	}
	return list
}

// TestCacheFollowsSources edits whatever a program depends on: each edit is a miss, then a hit again.
func TestCacheFollowsSources(t *testing.T) {
	m := newModule(t)
	if _, hit := m.compile(); hit {
		t.Fatal("a hit in an empty cache")
	}
	if _, hit := m.compile(); !hit {
		t.Fatal("a miss although nothing changed")
	}
	for _, edit := range []struct{ what, file, text string }{
		{"the main file", "main.go", "package main\n\nimport \"example.com/m/lib\"\n\nfunc main() { println(lib.F() + 1) }\n"},
		{"the imported package", "lib/lib.go", "package lib\n\nfunc F() int { return 2 }\n"},
		{"a new file", "lib/more.go", "package lib\n\nvar X = 1\n"},
		{"a new file of the program", "other.go", "package main\n\nfunc init() { println(0) }\n"},
		{"an embedded file", "text.txt", "Embedded"},
		{"a new embedded file", "data/b.txt", "b"},
		{"go.mod", "go.mod", "module example.com/m\n\ngo 1.21\n"},
	} {
		m.write(edit.file, edit.text)
		if _, hit := m.compile(); hit {
			t.Errorf("%s changed, and the program came from the cache", edit.what)
		}
		if _, hit := m.compile(); !hit {
			t.Errorf("%s: a miss the second time", edit.what)
		}
	}
	m.write("main.go", "package main\n\nfunc main() { undefined() }\n")
	if _, err := Compile(context.Background(), Source{Paths: []string{m.dir}, Cache: m.cache}); err == nil || !strings.Contains(err.Error(), "undefined") {
		t.Errorf("a program that does not compile any more: %v", err)
	}
}

// TestCacheDamaged flips a byte in each file of the cache: the program is compiled again, and kept again.
func TestCacheDamaged(t *testing.T) {
	m := newModule(t)
	m.compile()
	for _, pattern := range []string{"*.record", "*.image"} {
		files, _ := filepath.Glob(filepath.Join(m.cache.Dir, pattern))
		if len(files) != 1 {
			t.Fatalf("%s: %v", pattern, files)
		}
		b, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(files[0], b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, hit := m.compile(); hit {
			t.Errorf("%s is damaged, and the program came from there", pattern)
		}
		if _, hit := m.compile(); !hit {
			t.Errorf("%s is not made good", pattern)
		}
	}
}

func TestCacheUnwritable(t *testing.T) {
	m := newModule(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	m.cache.Dir = filepath.Join(file, "cache")
	for range 2 {
		if _, hit := m.compile(); hit {
			t.Error("a hit where nothing can be kept")
		}
	}
}

func TestUserCache(t *testing.T) {
	t.Setenv("TANDEM_CACHE", "somewhere")
	c, err := UserCache()
	if err != nil || !filepath.IsAbs(c.Dir) || filepath.Base(c.Dir) != "somewhere" || c.MaxBytes <= 0 {
		t.Errorf("%+v, %v", c, err)
	}
	t.Setenv("TANDEM_CACHE", "")
	t.Setenv("HOME", "/home/x")
	t.Setenv("XDG_CACHE_HOME", "/home/x/.cache")
	if c, err := UserCache(); err != nil || !strings.HasSuffix(c.Dir, filepath.Join("tandem", "images")) {
		t.Errorf("%+v, %v", c, err)
	}
}
