package demo

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/tandemvm/tandem/examples"
	"github.com/tandemvm/tandem/vm"
)

// The example programs.
const (
	wordcount = "wordcount"
	primes    = "primes"
)

// expected is what the two programs must come to, found without any of ours: by counting in order, and by a sieve.
type expected struct {
	counts map[string]int64
	total  int64
	parts  []int64  // words of each part
	primes []string // lines
}

// expect counts the text of a file as the programs do, all in one go.
func expect(file string, parts, lines int) (expected, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return expected{}, fmt.Errorf("no text to count: %w: name one that can be read", err)
	}
	e := expected{counts: map[string]int64{}, parts: make([]int64, parts), primes: primeLines(lines)}
	s := bufio.NewScanner(bytes.NewReader(text))
	for n := 0; s.Scan(); n++ {
		for _, word := range strings.Fields(s.Text()) {
			e.counts[bare(word)]++
			e.total++
			e.parts[n%parts]++
		}
	}
	if err := s.Err(); err != nil {
		return e, fmt.Errorf("%s cannot be counted: %w", file, err)
	}
	if e.total == 0 {
		return e, fmt.Errorf("%s has no words: name another text", file)
	}
	return e, nil
}

// bare is a word in lower case without what is no letter or digit at its ends, or the word itself if nothing remains.
func bare(word string) string {
	runes := []rune(word)
	inner := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	for len(runes) > 0 && !inner(runes[0]) {
		runes = runes[1:]
	}
	for len(runes) > 0 && !inner(runes[len(runes)-1]) {
		runes = runes[:len(runes)-1]
	}
	if len(runes) == 0 {
		return string([]rune(word)) // as JSON has it, should it be no UTF-8
	}
	return strings.ToLower(string(runes))
}

// primeLines are the lines that examples/primes prints, by a sieve.
func primeLines(lines int) []string {
	var out []string
	for limit := 20000 * (lines + 1); len(out) < lines; limit *= 2 {
		out = out[:0]
		composite := make([]bool, limit)
		count := 0
		for n := 2; n < limit && len(out) < lines; n++ {
			if composite[n] {
				continue
			}
			if count++; count%1000 == 0 {
				out = append(out, fmt.Sprintf("%d: prime number %d is %d\n", len(out)+1, count, n))
			}
			for m := n * n; m < limit; m += n {
				composite[m] = true
			}
		}
	}
	return out
}

// compileExample compiles an embedded program, from a copy of its source below dir.
func compileExample(ctx context.Context, dir, name string) ([]byte, error) {
	src := filepath.Join(dir, "examples", name)
	if err := os.MkdirAll(src, 0o700); err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(examples.Files, name)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, err := fs.ReadFile(examples.Files, name+"/"+e.Name())
		if err == nil {
			err = os.WriteFile(filepath.Join(src, e.Name()), text, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	p, err := vm.Compile(ctx, vm.Source{Paths: []string{src}})
	if err != nil {
		return nil, fmt.Errorf("examples/%s cannot be compiled: %w", name, err)
	}
	return p.Encode(), nil
}
