package load

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// module is what the loader needs of a go.mod: where each import path's source lies.
type module struct {
	path    string
	dir     string
	goVer   string
	require map[string]string // module path to version
	replace map[string]string // module path, or path@version, to directory or path@version
	cache   string            // GOMODCACHE
}

// findModule reads the go.mod that governs dir, nil when there is none.
func findModule(dir string, env func(string) string) (*module, error) {
	for d := dir; ; d = filepath.Dir(d) {
		text, err := os.ReadFile(filepath.Join(d, "go.mod"))
		if err == nil {
			m, err := parseModule(string(text))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", filepath.Join(d, "go.mod"), err)
			}
			m.dir, m.cache = d, moduleCache(env)
			return m, nil
		}
		if !os.IsNotExist(err) && !os.IsPermission(err) {
			return nil, err
		}
		if d == filepath.Dir(d) {
			return nil, nil
		}
	}
}

func moduleCache(env func(string) string) string {
	if dir := env("GOMODCACHE"); dir != "" {
		return dir
	}
	gopath := env("GOPATH")
	if gopath == "" {
		gopath = filepath.Join(env("HOME"), "go")
	}
	return filepath.Join(filepath.SplitList(gopath)[0], "pkg", "mod")
}

// parseModule reads the module, go, require and replace directives.
func parseModule(text string) (*module, error) {
	m := &module{require: map[string]string{}, replace: map[string]string{}}
	block := ""
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "//")
		words := strings.Fields(line)
		for i, w := range words {
			words[i] = strings.Trim(w, "\"`")
		}
		switch {
		case len(words) == 0:
			continue
		case block != "" && words[0] == ")":
			block = ""
			continue
		case block != "":
			words = append([]string{block}, words...)
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			continue
		}
		if err := m.directive(words); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	if m.path == "" {
		return nil, fmt.Errorf("no module directive")
	}
	return m, nil
}

func (m *module) directive(words []string) error {
	switch words[0] {
	case "module":
		if len(words) != 2 {
			return fmt.Errorf("usage: module PATH")
		}
		m.path = words[1]
	case "go":
		if len(words) != 2 {
			return fmt.Errorf("usage: go 1.N")
		}
		m.goVer = "go" + words[1]
	case "require":
		if len(words) != 3 {
			return fmt.Errorf("usage: require PATH VERSION")
		}
		m.require[words[1]] = words[2]
	case "replace":
		from, to, ok := strings.Cut(strings.Join(words[1:], " "), " => ")
		if !ok {
			return fmt.Errorf("usage: replace PATH [VERSION] => PATH [VERSION]")
		}
		m.replace[strings.Replace(from, " ", "@", 1)] = strings.Replace(to, " ", "@", 1)
	}
	return nil
}

// directory is where the package importPath lies: in the module, its vendor folder, a replacement or the module cache.
func (m *module) directory(importPath string) (string, error) {
	if rest, ok := within(importPath, m.path); ok {
		return filepath.Join(m.dir, rest), nil
	}
	if dir := filepath.Join(m.dir, "vendor", importPath); isDir(dir) {
		return dir, nil
	}
	best, rest := "", ""
	for p := range m.require {
		if r, ok := within(importPath, p); ok && len(p) > len(best) {
			best, rest = p, r
		}
	}
	if best == "" {
		return "", fmt.Errorf("no required module provides package %s; to add it:\n\tgo get %s", importPath, importPath)
	}
	target := best + "@" + m.require[best]
	for _, key := range []string{target, best} {
		if to, ok := m.replace[key]; ok {
			target = to
			break
		}
	}
	if strings.HasPrefix(target, "./") || strings.HasPrefix(target, "../") {
		return filepath.Join(m.dir, target, rest), nil
	}
	if filepath.IsAbs(target) {
		return filepath.Join(target, rest), nil
	}
	dir := filepath.Join(m.cache, escapeModule(target))
	if !isDir(dir) {
		return "", fmt.Errorf("module %s is not in the module cache; run `go mod download` in %s", target, m.dir)
	}
	return filepath.Join(dir, rest), nil
}

// within is the part of path below prefix.
func within(path, prefix string) (string, bool) {
	if path == prefix {
		return "", true
	}
	return strings.CutPrefix(path, prefix+"/")
}

// escapeModule writes capitals as the module cache does: !x for X.
func escapeModule(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isDir(dir string) bool {
	fi, err := os.Stat(dir)
	return err == nil && fi.IsDir()
}
