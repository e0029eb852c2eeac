package vm

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A program that is on no disk compiles as one that is, with its module and what it embeds; the cache tells two of them apart.
func TestCompileOverlay(t *testing.T) {
	source := func(word string) Source {
		return Source{Paths: []string{"app"}, Dir: t.TempDir(), Overlay: map[string][]byte{
			"app/go.mod":       []byte("module example.com/app\n\ngo 1.26\n"),
			"app/main.go":      []byte("package main\n\nimport (\n\t_ \"embed\"\n\n\t\"example.com/app/say\"\n)\n\n//go:embed word.txt\nvar word string\n\nfunc main() { say.Say(word) }\n"),
			"app/say/say.go":   []byte("package say\n\nfunc Say(s string) { println(s) }\n"),
			"app/word.txt":     []byte(word),
			"app/main_test.go": []byte("this is not compiled"),
		}}
	}
	shared := &Cache{Dir: t.TempDir(), MaxBytes: 16 << 20}
	for _, cache := range []*Cache{nil, shared, shared} {
		for _, word := range []string{"one", "two"} {
			s := source(word)
			s.Cache = cache
			p, err := Compile(context.Background(), s)
			if err != nil {
				t.Fatal(err)
			}
			if out, _, _ := undisturbed(t, p); !strings.Contains(out, word+"\n") {
				t.Errorf("with cache %v: the outcome is\n%s, want %s printed", cache, out, word)
			}
		}
	}
	s := source("x")
	s.Overlay["app/say/say.go"] = []byte("package say\n\nfunc Say(s string) { printn(s) }\n")
	_, err := Compile(context.Background(), s)
	var complaints *SourceErrors
	if !errors.As(err, &complaints) || !strings.Contains(err.Error(), "say.go:3:22: undefined: printn") {
		t.Errorf("the error is %v", err)
	}
}
