package load

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/version"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A program keeps the behaviour of the Go release that its module was written for where a later one changed it: the go command sets GODEBUG so by
// the go line and the godebug lines of the main module (in a workspace, of its go.work), and by //go:debug lines of the program. Which settings there
// are and what each release changed stands in GOROOT's internal/godebugs.

// setting is one "key=value".
type setting struct {
	key, value string
	where      token.Position
}

// defaults are a go.mod or go.work as far as it decides about GODEBUG.
type defaults struct {
	file, goVer string
	settings    []setting
}

// knob is an entry of the table of settings.
type knob struct {
	changed int    // 1.N of the release that changed the default, 0: none did
	old     string // the default before
	removed int    // 1.N of the release that has it no longer
}

// setDefaults finds GODEBUG's default for a program of main (nil outside of modules) with these files.
func (l *loader) setDefaults(main *module, files []text) error {
	goVer, values := l.version, map[string]string{}
	var knobs map[string]knob
	read := func() (err error) {
		if knobs == nil {
			knobs, err = l.knobs()
		}
		return err
	}
	if main != nil {
		goVer = main.built.goVer
		for _, s := range main.built.settings {
			if err := read(); err != nil {
				return err
			}
			if problem := l.wrong(s, "godebug", knobs); problem != "" {
				return fmt.Errorf("load: %s:%d: %s", main.built.file, s.where.Line, problem)
			}
			values[s.key] = s.value
		}
	}
	list, errs := l.debugLines(files)
	seen := map[string]setting{}
	for _, s := range list {
		if err := read(); err != nil {
			return err
		}
		old, again := seen[s.key]
		switch problem := l.wrong(s, "//go:debug setting", knobs); {
		case problem != "":
			errs = append(errs, Error{s.where, "invalid //go:debug: " + problem})
		case again:
			errs = append(errs, Error{s.where, fmt.Sprintf("repeated //go:debug for %s\n\t%s: previous //go:debug", s.key, old.where)})
		default:
			seen[s.key], values[s.key] = s, s.value
		}
	}
	if len(errs) > 0 {
		return &Errors{Package: l.command.path, List: errs, std: true} // the whole text would say the same
	}
	if v, ok := values["default"]; ok {
		goVer = v
		delete(values, "default")
	}
	if version.Compare(version.Lang(goVer), version.Lang(l.version)) < 0 {
		if err := read(); err != nil {
			return err
		}
		of, _ := strconv.Atoi(strings.TrimPrefix(version.Lang(goVer), "go1."))
		for name, k := range knobs {
			if _, set := values[name]; !set && of < k.changed {
				values[name] = k.old
			}
		}
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		words = append(words, name+"="+values[name])
	}
	l.godebug = strings.Join(words, ",")
	return nil
}

// defaultsText is the file of package runtime that says it.
func (l *loader) defaultsText() text {
	return text{name: "overlay/runtime/_godebug.go", overlay: true, bytes: fmt.Appendf(nil, "package runtime\n\nconst godebugDefault = %q\n", l.godebug)}
}

// debugLines are the //go:debug lines of files, which stand before the package clause.
func (l *loader) debugLines(files []text) (list []setting, errs []Error) {
	for _, t := range files {
		if !bytes.Contains(t.bytes, []byte("//go:debug")) {
			continue
		}
		fset := token.NewFileSet()
		f, _ := parser.ParseFile(fset, t.name, t.bytes, parser.ParseComments|parser.PackageClauseOnly)
		if f == nil {
			continue
		}
		for _, g := range f.Comments {
			for _, c := range g.List {
				rest, ok := strings.CutPrefix(c.Text, "//go:debug")
				if !ok || g.Pos() >= f.Package || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
					continue
				}
				where := fset.Position(c.Pos())
				where.Filename = shortPath(l.cfg.Dir, where.Filename)
				key, value, ok := strings.Cut(strings.TrimSpace(rest), "=")
				if !ok {
					errs = append(errs, Error{where, "invalid //go:debug: missing key=value"})
					continue
				}
				list = append(list, setting{key, value, where})
			}
		}
	}
	return list, errs
}

// wrong says what is wrong with a setting, in the go command's words; empty when nothing is.
func (l *loader) wrong(s setting, kind string, knobs map[string]knob) string {
	for _, part := range []struct{ name, text string }{{"key", s.key}, {"value", s.value}} {
		if strings.ContainsAny(part.text, " \t") {
			return part.name + " contains space"
		}
	}
	for _, part := range []struct{ name, text string }{{"key", s.key}, {"value", s.value}} {
		if strings.Contains(part.text, ",") {
			return part.name + " contains comma"
		}
	}
	k, known := knobs[s.key]
	switch {
	case s.key == "default" && !version.IsValid(s.value):
		return "value for default= must be goVERSION"
	case s.key == "default" && version.Compare(s.value, l.version) > 0:
		return fmt.Sprintf("default=%s too new (toolchain is %s)", s.value, l.version)
	case s.key == "default" || known && k.removed == 0:
		return ""
	case known:
		return fmt.Sprintf("use of removed %s %q, see https://go.dev/doc/godebug#go-1%d", kind, s.key, k.removed)
	}
	return fmt.Sprintf("unknown %s %q", kind, s.key)
}

// errKnobs says that GOROOT's table of settings is not as it was.
var errKnobs = errors.New("load: internal/godebugs/table.go of GOROOT is no table of settings")

// knobs reads GOROOT's table, by name.
func (l *loader) knobs() (map[string]knob, error) {
	name := filepath.Join(l.root, "src", "internal", "godebugs", "table.go")
	b, err := l.cfg.Disk.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, b, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errKnobs, err)
	}
	knobs := map[string]knob{}
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		var k knob
		name := ""
		for _, e := range lit.Elts {
			pair, _ := e.(*ast.KeyValueExpr)
			if pair == nil {
				continue
			}
			field, _ := pair.Key.(*ast.Ident)
			value, _ := pair.Value.(*ast.BasicLit)
			if field == nil || value == nil {
				continue
			}
			switch field.Name {
			case "Name":
				name, _ = strconv.Unquote(value.Value)
			case "Old":
				k.old, _ = strconv.Unquote(value.Value)
			case "Changed":
				k.changed, _ = strconv.Atoi(value.Value)
			case "Removed":
				k.removed, _ = strconv.Atoi(value.Value)
			}
		}
		if name != "" {
			knobs[name] = k
		}
		return true
	})
	if _, ok := knobs["panicnil"]; !ok {
		return nil, errKnobs
	}
	return knobs, nil
}
