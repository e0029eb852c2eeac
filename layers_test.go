package tandem

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tandemvm/tandem"

// policy says, one line a package, which packages of this module its non-test files may import (relative to the module
// root, the root package itself is "tandem") and which outside ones beyond the standard library. An unlisted package, a
// permission nobody uses and a package without a comment are failures. The words of outside permissions are the
// keys of outside below.
const policy = `
changes/sequence:
changes/patch:
changes/merkle:
changes:              changes/merkle changes/patch changes/sequence
changes/laws:         changes

vm/internal/code:
vm/internal/pinned:
vm/internal/mem:      vm/internal/code +sys +unsafe
vm/internal/heap:     vm/internal/code vm/internal/mem +unsafe
vm/internal/values:   vm/internal/code vm/internal/heap vm/internal/mem changes
vm/internal/layout:   vm/internal/code
vm/internal/inputs:
vm/internal/cache:
vm/internal/order:
vm/internal/load:     changes vm/internal/inputs vm/internal/order +tools
vm/internal/flow:     vm/internal/layout +tools
vm/internal/link:     vm/internal/code vm/internal/flow vm/internal/layout vm/internal/load +tools
vm/internal/ir:       vm/internal/code
vm/internal/lower:    vm/internal/code vm/internal/flow vm/internal/ir vm/internal/layout vm/internal/link vm/internal/load +tools
vm/internal/vet:      changes vm/internal/load +tools
vm/internal/check:    vm/internal/code
vm/internal/loop:     vm/internal/code vm/internal/mem +unsafe
vm/internal/live:     vm/internal/code
vm/internal/text:     vm/internal/code vm/internal/live vm/internal/loop
vm/internal/timers:   vm/internal/heap vm/internal/mem
vm/internal/exec:     vm/internal/code vm/internal/heap vm/internal/live vm/internal/loop vm/internal/mem vm/internal/text vm/internal/timers +unsafe
vm/internal/host:     vm/internal/check vm/internal/code vm/internal/exec vm/internal/heap
vm:                   changes vm/internal/cache vm/internal/check vm/internal/code vm/internal/exec vm/internal/heap vm/internal/host vm/internal/inputs vm/internal/load vm/internal/lower vm/internal/mem vm/internal/text vm/internal/values vm/internal/vet
vm/turn:

net/ticket:           +libp2p
net/ident:            +libp2p
net/proof:
net/stream:
net/discovery:        +libp2p
net/gossip:           +libp2p +gossip
net/node:             net/discovery net/gossip net/ident net/proof net/stream net/ticket +libp2p +metrics

replication/internal/store: +pebble +ds
replication/internal/lease:
replication/internal/quorum:
replication/internal/inbox:
replication/internal/mailbox:
replication/internal/joining: changes replication/internal/lease
replication/internal/block: changes replication/internal/store
replication/internal/record: changes replication/internal/block replication/internal/quorum +dscrdt +ds +ipld +cbor +protobuf
replication/internal/metrics: +metrics
replication/internal/verdict: changes replication/internal/record
replication/internal/table: changes replication/internal/block replication/internal/inbox replication/internal/lease replication/internal/metrics replication/internal/quorum replication/internal/record replication/internal/verdict
replication/internal/sequel: changes changes/patch replication/internal/block replication/internal/record replication/internal/store +zstd
replication/internal/feed: changes replication/internal/block replication/internal/metrics replication/internal/record replication/internal/store +dscrdt +ds +ipld +protobuf
replication/memnet:
replication:          changes replication/internal/block replication/internal/feed replication/internal/inbox replication/internal/joining replication/internal/lease replication/internal/mailbox replication/internal/metrics replication/internal/quorum replication/internal/record replication/internal/sequel replication/internal/store replication/internal/table replication/internal/verdict +metrics
replication/sim:      changes replication replication/internal/store replication/memnet +metrics +sys +unsafe

tandem:               changes net/ident net/node net/ticket replication vm +metrics

cmd/peer/internal/api:
cmd/peer/internal/client: cmd/peer/internal/api
cmd/peer/internal/saved:  vm
cmd/peer/internal/daemon: cmd/peer/internal/api cmd/peer/internal/saved changes replication tandem vm +metrics
cmd/peer/internal/cable:
cmd/peer/internal/footprint:
cmd/peer/internal/speed:
cmd/peer/internal/bench:  changes cmd/peer/internal/cable net/ident net/node net/ticket replication +dscrdt +ds +ipld +pebble +libp2p +gossip +metrics
cmd/peer/internal/trial:  changes replication replication/sim tandem vm
cmd/peer/internal/demo:   cmd/peer/internal/api cmd/peer/internal/client examples vm
cmd/peer:             changes changes/laws cmd/peer/internal/api cmd/peer/internal/bench cmd/peer/internal/client cmd/peer/internal/daemon cmd/peer/internal/demo cmd/peer/internal/footprint cmd/peer/internal/saved cmd/peer/internal/speed cmd/peer/internal/trial replication replication/sim tandem vm +cobra

examples:
examples/agenda:      vm/turn
examples/primes:
examples/wordcount:   vm/turn
`

// outside names the dependencies a package may be granted; a grant covers everything below the prefix.
var outside = map[string][]string{
	"unsafe":   {"unsafe"},
	"libp2p":   {"github.com/libp2p/go-libp2p", "github.com/multiformats/go-multiaddr"},
	"gossip":   {"github.com/libp2p/go-libp2p-pubsub"},
	"dscrdt":   {"github.com/ipfs/go-ds-crdt"},
	"ds":       {"github.com/ipfs/go-datastore"},
	"ipld":     {"github.com/ipfs/go-cid", "github.com/ipfs/go-block-format", "github.com/ipfs/go-ipld-format", "github.com/ipfs/boxo", "github.com/multiformats/go-multihash"},
	"pebble":   {"github.com/cockroachdb/pebble", "github.com/ipfs/go-ds-pebble"},
	"tools":    {"golang.org/x/tools"},
	"sys":      {"golang.org/x/sys"},
	"cbor":     {"github.com/fxamacker/cbor"},
	"zstd":     {"github.com/klauspost/compress"},
	"metrics":  {"github.com/prometheus/client_golang"},
	"cobra":    {"github.com/spf13/cobra", "github.com/spf13/pflag"},
	"protobuf": {"google.golang.org/protobuf"},
}

type layer struct {
	ours, others []string
}

func parsePolicy(t *testing.T) map[string]layer {
	t.Helper()
	m := map[string]layer{}
	for _, l := range strings.Split(policy, "\n") {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		pkg, rest, ok := strings.Cut(l, ":")
		if !ok {
			t.Fatalf("policy line without a colon: %q", l)
		}
		if _, dup := m[pkg]; dup {
			t.Errorf("policy: %s stands twice", pkg)
		}
		var y layer
		for _, w := range strings.Fields(rest) {
			if strings.HasPrefix(w, "+") {
				if outside[w[1:]] == nil {
					t.Errorf("policy: %s: unknown outside permission %s", pkg, w)
				}
				y.others = append(y.others, w[1:])
			} else {
				y.ours = append(y.ours, w)
			}
		}
		m[pkg] = y
	}
	return m
}

// source is a file of a package, parsed as far as its imports.
type source struct {
	path string
	*ast.File
}

// sources lists the package folders of the module with their non-test files, guest code and test data left out.
func sources(t *testing.T) map[string][]source {
	t.Helper()
	pkgs := map[string][]source{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			n := d.Name()
			if p != "." && (n == "testdata" || strings.HasPrefix(n, ".") || strings.HasPrefix(n, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if strings.Contains(string(src), "//go:build ignore") {
			return nil
		}
		f, err := parser.ParseFile(fset, p, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(p))
		if dir == "." {
			dir = "tandem"
		}
		pkgs[dir] = append(pkgs[dir], source{p, f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

func outsideWord(imp string) (word string, std bool) {
	for w, prefixes := range outside {
		for _, p := range prefixes {
			if imp == p || strings.HasPrefix(imp, p+"/") || strings.HasPrefix(imp, p+"-") && w != "libp2p" {
				return w, false
			}
		}
	}
	first, _, _ := strings.Cut(imp, "/")
	return "", !strings.Contains(first, ".")
}

// TestLayers holds the house of DESIGN.md: imports go down only, and each outside library has its one room.
func TestLayers(t *testing.T) {
	allowed := parsePolicy(t)
	pkgs := sources(t)
	dirs := make([]string, 0, len(pkgs))
	for d := range pkgs {
		dirs = append(dirs, d)
	}
	sort.Strings(dirs)
	for _, dir := range dirs {
		y, ok := allowed[dir]
		if !ok {
			t.Errorf("package %s is not in the policy: add its line, or put the code in a room that exists", dir)
		}
		used := map[string]bool{}
		commented := false
		for _, f := range pkgs[dir] {
			if f.Doc != nil && len(strings.TrimSpace(f.Doc.Text())) > 0 {
				commented = true
			}
			for _, s := range f.Imports {
				imp, err := strconv.Unquote(s.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if imp == module || strings.HasPrefix(imp, module+"/") {
					rel := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
					if rel == "" {
						rel = "tandem"
					}
					used[rel] = true
					if ok && !slices.Contains(y.ours, rel) {
						t.Errorf("%s imports %s: the policy does not allow it", dir, rel)
					}
					continue
				}
				word, std := outsideWord(imp)
				if std {
					continue
				}
				if word == "" {
					t.Errorf("%s imports %s: no dependency of that name is known to the policy", dir, imp)
					continue
				}
				used["+"+word] = true
				if ok && !slices.Contains(y.others, word) {
					t.Errorf("%s imports %s: the policy does not grant +%s", dir, imp, word)
				}
			}
		}
		if !commented {
			t.Errorf("package %s has no package comment: say what it is, what it is not and what it costs", dir)
		}
		for _, o := range y.ours {
			if !used[o] {
				t.Errorf("policy: %s may import %s but does not", dir, o)
			}
		}
		for _, o := range y.others {
			if !used["+"+o] {
				t.Errorf("policy: %s is granted +%s but does not use it", dir, o)
			}
		}
	}
	for p := range allowed {
		if pkgs[p] == nil {
			t.Errorf("policy: there is no package %s", p)
		}
	}
	checkDown(t, allowed)
}

// checkDown proves that the policy itself has no cycle and that the three wings stay apart.
func checkDown(t *testing.T, allowed map[string]layer) {
	t.Helper()
	var visit func(p string, stack []string)
	visit = func(p string, stack []string) {
		if slices.Contains(stack, p) {
			t.Errorf("policy: cycle %s", strings.Join(append(stack, p), " -> "))
			return
		}
		for _, o := range allowed[p].ours {
			visit(o, append(slices.Clone(stack), p))
		}
	}
	wing := func(p string) string {
		first, _, _ := strings.Cut(p, "/")
		if first == "vm" || first == "replication" || first == "net" {
			return first
		}
		return ""
	}
	for p, y := range allowed {
		visit(p, nil)
		for _, o := range y.ours {
			if a, b := wing(p), wing(o); a != "" && b != "" && a != b {
				t.Errorf("policy: %s imports %s, but vm, replication and net never import one another", p, o)
			}
			if strings.HasPrefix(path.Clean(p), "changes") && o != "changes" && !strings.HasPrefix(o, "changes/") {
				t.Errorf("policy: %s imports %s, but changes and what is below it import the standard library and one another only", p, o)
			}
		}
	}
}

// TestWords finds each word of the design as one exported type, function or package of that name, where a newcomer looks first.
func TestWords(t *testing.T) {
	where := map[string]string{"Program": "vm", "Sandbox": ".", "Run": ".", "Turn": "vm", "Epoch": "changes", "Page": "changes", "Change": "changes",
		"Delta": "changes", "Snapshot": "vm", "Digest": "changes", "Session": "vm", "Snapshotter": "vm", "Observer": "vm", "VersionController": "vm", "VersionedSlot": "vm"}
	for word, dir := range where {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Recv == nil && d.Name.Name == word {
						found++
					}
				case *ast.GenDecl:
					for _, s := range d.Specs {
						if s, ok := s.(*ast.TypeSpec); ok && s.Name.Name == word {
							found++
						}
					}
				}
			}
		}
		if found != 1 {
			t.Errorf("%s: %d declarations in %s, want one", word, found, dir)
		}
	}
}
