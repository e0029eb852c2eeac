package replication

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/record"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestFormats holds the bytes of messages and manifests: a change is a new version. Those of records are held in package record.
func TestFormats(t *testing.T) {
	actor := record.MakeActor("peer", 7)
	var got strings.Builder
	line := func(name string, b []byte) { fmt.Fprintf(&got, "%s %s\n", name, hex.EncodeToString(b)) }
	line("beat", record.Encode(beat{Heads: [][]byte{make([]byte, 32)}, Digest: make([]byte, 32), Deltas: 3, Standby: true,
		Claims: []beatClaim{{Run: make([]byte, 16), Epoch: 2}}}))
	line("pull", record.Encode(feed.PullRequest{Vector: []feed.VectorEntry{{Actor: actor[:], Seq: 4}}}))
	m := block.NewManifest(300 * changes.PageBytes)
	m.Set(0, changes.Hash{1})
	m.Set(299, changes.Hash{2})
	root, nodes := m.Seal()
	fmt.Fprintf(&got, "manifest %s of %d nodes\n", root, len(nodes))
	const file = "testdata/formats.golden"
	if *update {
		os.MkdirAll("testdata", 0o755)
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got.String() {
		t.Errorf("formats changed (%v); now:\n%s", err, got.String())
	}
}

func TestDifferNamesTheVariable(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	b := c.join("b")
	p := start(t, a, 1)
	p.step(t)
	c.converge()
	if names, err := b.Differ(context.Background(), "a"); err != nil || len(names) != 0 {
		t.Errorf("equal replicas differ in %v, %v", names, err)
	}
	b.mu.Lock()
	b.table.Digest.Set("var "+string(changes.VarPath("main.Hits").Encode()), changes.IntValue(changes.Int, 99))
	b.mu.Unlock()
	if names, err := b.Differ(context.Background(), "a"); err != nil || len(names) != 1 || names[0] != "var main.Hits" {
		t.Errorf("differ in %v, %v", names, err)
	}
}
