package tandem

import (
	"bytes"
	"errors"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Beyond these sizes a package or a file is more than one can hold in the head.
const (
	packageLinesMax = 4000 // lines with code: not blank, not only comment, not in tests
	fileLinesMax    = 800  // lines with code
)

// oversized are files that are one thing all the same, with their bound: the dispatch loop is one function, a case for each op.
var oversized = map[string]int{"vm/internal/loop/loop.go": 2000}

// TestSizes holds the bounds for every package of the module.
func TestSizes(t *testing.T) {
	for dir, files := range sources(t) {
		sum := 0
		for _, f := range files {
			n := codeLines(t, f.path)
			sum += n
			limit := fileLinesMax
			if m, ok := oversized[filepath.ToSlash(f.path)]; ok {
				limit = m
			}
			if n > limit {
				t.Errorf("%s has %d lines of code, the limit is %d: give each concept its file", f.path, n, limit)
			}
		}
		if sum > packageLinesMax {
			t.Errorf("package %s has %d lines of code, the limit is %d: find the seam and make what is beyond it a package of its own", dir, sum, packageLinesMax)
		}
	}
}

// TestNothingLargeIsKept: what git keeps it keeps for ever, a built program too.
func TestNothingLargeIsKept(t *testing.T) {
	const keptMaxBytes = 256 << 10
	list, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skip("not in a clone of the repository:", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		info, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > keptMaxBytes {
			t.Errorf("%s has %d bytes, the limit is %d: make it where it is needed", name, info.Size(), keptMaxBytes)
		}
	}
}

// codeLines counts the lines of a Go file on which a token stands.
func codeLines(t *testing.T, path string) int {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return countLines(src)
}

func countLines(src []byte) int {
	file := token.NewFileSet().AddFile("", -1, len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, 0)
	n, last := 0, 0
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			return n
		}
		if tok == token.SEMICOLON && text == "\n" {
			continue // put there by the scanner
		}
		first := file.Line(pos)
		end := first + strings.Count(text, "\n") // a raw string
		n += end - max(first-1, last)
		last = end
	}
}

func TestCountLines(t *testing.T) {
	src := "// a comment\n\npackage p // beside code\n\n/* more\n */ var x = `raw\n\nstring` + \"y\"\n\nfunc f() {\n\t// nothing\n}\n"
	if n := countLines([]byte(src)); n != 1+3+2 {
		t.Errorf("%d lines in\n%s", n, src)
	}
	if n := countLines(bytes.Repeat([]byte("var a, b int\n\n"), 50)); n != 50 {
		t.Errorf("%d lines", n)
	}
}
