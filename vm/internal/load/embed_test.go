package load

import (
	"slices"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/inputs"
)

const embedTree = `
-- a.txt --
-- dir/x.txt --
-- dir/.hidden --
-- dir/_under --
-- dir/sub/y.txt --
-- dir/mod/go.mod --
-- dir/mod/z.txt --
-- dir.txt --
-- with space.txt --
-- empty/.only --
`

// TestEmbedFiles holds which files a pattern means.
func TestEmbedFiles(t *testing.T) {
	dir := tree(t, embedTree)
	for patterns, want := range map[string]string{
		"a.txt":                        "a.txt",
		"*.txt":                        "a.txt dir.txt with space.txt",
		"dir":                          "dir/sub/y.txt dir/x.txt",
		"all:dir":                      "dir/.hidden dir/_under dir/sub/y.txt dir/x.txt",
		"dir/.hidden dir/*/y.txt":      "dir/.hidden dir/sub/y.txt",
		"a.txt a.txt":                  "a.txt",
		"`with space.txt` \"dir.txt\"": "dir.txt with space.txt",
		"nothere":                      "! pattern nothere: no matching files found",
		"../a.txt":                     "! pattern ../a.txt: invalid pattern syntax",
		"[":                            "! pattern [: invalid pattern syntax",
		"dir/mod":                      "! pattern dir/mod: cannot embed directory dir/mod: in different module",
		"empty":                        "! pattern empty: cannot embed directory empty: contains no embeddable files",
	} {
		list, err := embedPatterns(" " + patterns)
		if err != nil {
			t.Fatal(err)
		}
		files, err := embedFiles(&inputs.Disk{}, dir, list)
		got := strings.Join(files, " ")
		if err != nil {
			got = "! " + err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", patterns, got, want)
		}
	}
}

// TestEmbedText: the order of files is that of embed.FS, by directory first.
func TestEmbedText(t *testing.T) {
	dir := tree(t, "-- p/q/r.txt --\nR-- p/a.txt --\nAA-- p-q.txt --\n")
	text, err := embedText(&inputs.Disk{}, dir, []string{"p-q.txt", "p/a.txt", "p/q/r.txt"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"p/", "0", "p-q.txt", "0", "p/a.txt", "2", "AAp/q/", "0", "p/q/r.txt", "1", "R"}
	if got := strings.Split(text, "\x00"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
