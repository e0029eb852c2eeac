package load

import (
	"errors"
	"fmt"
	"go/token"
	"go/version"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/tandemvm/tandem/vm/internal/inputs"
)

// module is what the loader needs of a go.mod: where each import path's source lies.
type module struct {
	path    string
	dir     string
	goVer   string
	require map[string]string // module path to version
	replace map[string]string // module path, or path@version, to directory or path@version
	use     []string          // of a go.work: directories
	cache   string            // GOMODCACHE
	disk    *inputs.Disk
	vendor  map[string]string // module path to language version, by vendor/modules.txt; nil when there is none
	others  []*module         // modules of the same workspace
	built   defaults          // how programs of it are built
}

// findModule reads the go.mod that governs dir and the go.work around it, nil when there is no go.mod.
func findModule(disk *inputs.Disk, dir string, env func(string) string) (*module, error) {
	file, err := upwards(disk, dir, "go.mod")
	if err != nil || file == "" {
		return nil, err
	}
	m, err := readModule(disk, file)
	if err != nil {
		return nil, err
	}
	m.cache = ModuleCache(env)
	if m.vendor, err = readVendor(disk, filepath.Join(m.dir, "vendor", "modules.txt")); err != nil {
		return nil, err
	}
	if err := m.workspace(env); err != nil {
		return nil, err
	}
	if version.Compare(m.goVer, "go1.17") < 0 {
		m.complete()
	}
	return m, nil
}

// upwards is the file of that name in dir or the nearest directory above, empty when there is none.
func upwards(disk *inputs.Disk, dir, name string) (string, error) {
	for d := dir; ; d = filepath.Dir(d) {
		file := filepath.Join(d, name)
		fi, err := disk.Stat(file)
		switch {
		case err == nil && fi.Mode().IsRegular():
			return file, nil
		case err != nil && !os.IsNotExist(err) && !os.IsPermission(err):
			return "", err
		}
		if d == filepath.Dir(d) {
			return "", nil
		}
	}
}

// ModuleCache is the directory of downloaded modules.
func ModuleCache(env func(string) string) string {
	if dir := env("GOMODCACHE"); dir != "" {
		return dir
	}
	gopath := env("GOPATH")
	if gopath == "" {
		gopath = filepath.Join(env("HOME"), "go")
	}
	return filepath.Join(filepath.SplitList(gopath)[0], "pkg", "mod")
}

func readModule(disk *inputs.Disk, file string) (*module, error) {
	text, err := disk.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m, err := parseModule(string(text))
	if err == nil && m.path == "" {
		err = errors.New("no module directive")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	m.dir, m.disk, m.built.file, m.built.goVer = filepath.Dir(file), disk, file, orOldest(m.goVer)
	return m, nil
}

// parseModule reads the directives of a go.mod or go.work that say where source lies.
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
		if err := m.directive(words, n+1); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return m, nil
}

func (m *module) directive(words []string, line int) error {
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
	case "use":
		if len(words) != 2 {
			return fmt.Errorf("usage: use DIR")
		}
		m.use = append(m.use, words[1])
	case "godebug":
		key, value, ok := strings.Cut(strings.Join(words[1:], " "), "=")
		if len(words) != 2 || !ok || strings.Contains(value, ",") {
			return errors.New("usage: godebug key=value")
		}
		m.built.settings = append(m.built.settings, setting{key, value, token.Position{Line: line}})
	case "toolchain", "exclude", "retract", "tool", "ignore":
	default:
		return fmt.Errorf("unknown directive: %s", words[0])
	}
	return nil
}

// readVendor reads which modules are vendored and the language version of each.
func readVendor(disk *inputs.Disk, file string) (map[string]string, error) {
	text, err := disk.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	vendor, last := map[string]string{}, ""
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) >= 3 && words[0] == "#":
			last = words[1]
			vendor[last] = ""
		case len(words) > 1 && words[0] == "##" && last != "":
			for i, w := range words[:len(words)-1] {
				if w == "go" {
					vendor[last] = "go" + words[i+1]
				}
			}
		}
	}
	return vendor, nil
}

// workspace adds what a go.work says, if m is one of its modules: the other modules, their requirements and its replacements.
func (m *module) workspace(env func(string) string) error {
	file := env("GOWORK")
	switch file {
	case "off":
		return nil
	case "":
		var err error
		if file, err = upwards(m.disk, m.dir, "go.work"); err != nil || file == "" {
			return err
		}
	}
	text, err := m.disk.ReadFile(file)
	if err != nil {
		return err
	}
	w, err := parseModule(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	member := false
	var others []*module
	for _, dir := range w.use {
		if dir = filepath.FromSlash(dir); !filepath.IsAbs(dir) {
			dir = filepath.Join(filepath.Dir(file), dir)
		}
		if dir == m.dir {
			member = true
			continue
		}
		o, err := readModule(m.disk, filepath.Join(dir, "go.mod"))
		if err != nil {
			return fmt.Errorf("%s: use %s: %w", file, dir, err)
		}
		others = append(others, o)
	}
	if !member {
		return nil
	}
	m.others, m.vendor, m.built = others, nil, w.built
	if m.built.file, m.built.goVer = file, w.goVer; w.goVer == "" {
		m.built.goVer = "go1.18"
	}
	if m.vendor, err = readVendor(m.disk, filepath.Join(filepath.Dir(file), "vendor", "modules.txt")); err != nil {
		return err
	}
	for _, o := range others {
		m.adopt(o)
		for from, to := range o.replace {
			m.replace[from] = absolute(o.dir, to)
		}
	}
	for from, to := range w.replace {
		m.replace[from] = absolute(filepath.Dir(file), to)
	}
	return nil
}

// absolute is the target of a replacement that stands in a file of dir.
func absolute(dir, target string) string {
	if isLocal(target) {
		return filepath.Join(dir, target)
	}
	return target
}

func isLocal(target string) bool {
	return target == "." || target == ".." || strings.HasPrefix(target, "./") || strings.HasPrefix(target, "../")
}

// adopt takes the requirements of o: of two versions of a module the greater is used. It says whether anything changed.
func (m *module) adopt(o *module) (changed bool) {
	for p, v := range o.require {
		if have, ok := m.require[p]; !ok || compareVersions(have, v) < 0 {
			m.require[p], changed = v, true
		}
	}
	return changed
}

// complete adds the requirements of the modules required, which a go.mod before Go 1.17 does not list. What is not in the module
// cache is missed only if a package of it is imported.
func (m *module) complete() {
	read := map[string]bool{}
	for again := true; again; {
		again = false
		for p, v := range m.require {
			if read[p+"@"+v] {
				continue
			}
			read[p+"@"+v] = true
			file := filepath.Join(m.cache, "cache", "download", escapeModule(p), "@v", escapeModule(v)+".mod")
			if target := m.target(p); target != p+"@"+v {
				file = filepath.Join(m.source(target), "go.mod")
			}
			if o, err := readModule(m.disk, file); err == nil && m.adopt(o) {
				again = true
			}
		}
	}
}

// compareVersions orders semantic versions; releases come after their candidates.
func compareVersions(a, b string) int {
	a, _, _ = strings.Cut(a, "+")
	b, _, _ = strings.Cut(b, "+")
	aNumbers, aPre, aIsPre := strings.Cut(strings.TrimPrefix(a, "v"), "-")
	bNumbers, bPre, bIsPre := strings.Cut(strings.TrimPrefix(b, "v"), "-")
	if c := compareParts(aNumbers, bNumbers); c != 0 || !aIsPre && !bIsPre {
		return c
	}
	switch {
	case !aIsPre:
		return 1
	case !bIsPre:
		return -1
	}
	return compareParts(aPre, bPre)
}

// compareParts orders texts part by part between dots: numbers by size, and before words.
func compareParts(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
		n, aErr := strconv.ParseUint(a, 10, 64)
		m, bErr := strconv.ParseUint(b, 10, 64)
		switch {
		case aErr == nil && bErr == nil && n != m:
			if n < m {
				return -1
			}
			return 1
		case aErr == nil && bErr != nil:
			return -1
		case aErr != nil && bErr == nil:
			return 1
		}
		return strings.Compare(a, b)
	})
}

// target is the directory, or path@version, that stands for a required module.
func (m *module) target(p string) string {
	target := p + "@" + m.require[p]
	for _, key := range []string{target, p} {
		if to, ok := m.replace[key]; ok {
			return absolute(m.dir, to)
		}
	}
	return target
}

// source is where the files of a target lie.
func (m *module) source(target string) string {
	if filepath.IsAbs(target) {
		return target
	}
	return filepath.Join(m.cache, escapeModule(target))
}

// directory is where the package importPath lies: in the module or another one of its workspace, its vendor folder, a replacement or
// the module cache. Of modules whose path fits, the longest with such a directory has it.
func (m *module) directory(importPath string) (string, error) {
	places := map[string]string{} // path of a module to where its source lies
	for _, own := range append([]*module{m}, m.others...) {
		places[own.path] = own.dir
	}
	if m.vendor == nil {
		for p := range m.require {
			if _, own := places[p]; !own {
				places[p] = m.source(m.target(p))
			}
		}
	}
	missing := ""
	for p := importPath; p != "." && p != "/"; p = path.Dir(p) {
		place, ok := places[p]
		if !ok {
			continue
		}
		if !m.disk.IsDir(place) {
			missing = m.target(p)
			continue
		}
		if dir := filepath.Join(place, strings.TrimPrefix(importPath, p)); m.disk.IsDir(dir) {
			return dir, nil
		}
	}
	if m.vendor != nil {
		if dir := filepath.Join(m.vendorDir(), importPath); m.disk.IsDir(dir) {
			return dir, nil
		}
		return "", fmt.Errorf("cannot find module providing package %s: import lookup disabled by -mod=vendor: run `go mod vendor` in %s", importPath, m.dir)
	}
	switch {
	case filepath.IsAbs(missing):
		return "", fmt.Errorf("package %s: its module is replaced by %s, which does not exist", importPath, missing)
	case missing != "":
		return "", fmt.Errorf("module %s is not in the module cache; run `go mod download` in %s", missing, m.dir)
	}
	return "", fmt.Errorf("no required module provides package %s; to add it:\n\tgo get %s", importPath, importPath)
}

// owns says whether importPath is one of the module or of its workspace.
func (m *module) owns(importPath string) bool {
	_, ok := within(importPath, m.path)
	return ok || slices.ContainsFunc(m.others, func(o *module) bool { return o.owns(importPath) })
}

// vendorDir is the vendor folder of m or of its workspace.
func (m *module) vendorDir() string {
	if dir := filepath.Join(m.dir, "vendor"); len(m.others) == 0 {
		return dir
	}
	file, _ := upwards(m.disk, m.dir, "go.work")
	return filepath.Join(filepath.Dir(file), "vendor")
}

// language is the language version of the package importPath in dir, which directory found.
func (m *module) language(importPath, dir string) string {
	if m.vendor != nil && strings.HasPrefix(dir, m.vendorDir()+string(filepath.Separator)) {
		for p := importPath; p != "."; p = path.Dir(p) {
			if v, ok := m.vendor[p]; ok {
				return orOldest(v)
			}
		}
	}
	if file, err := upwards(m.disk, dir, "go.mod"); err == nil && file != "" {
		if o, err := readModule(m.disk, file); err == nil {
			return orOldest(o.goVer)
		}
	}
	return orOldest("")
}

// orOldest is the version, go1.16 for a module that names none.
func orOldest(v string) string {
	if v == "" {
		return "go1.16"
	}
	return v
}

// importPath is the path of the module's package in dir.
func (m *module) importPath(dir string) (string, error) {
	rel, err := filepath.Rel(m.dir, dir)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(m.path+"/"+filepath.ToSlash(rel), "/."), nil
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
