package replication

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	crdtpb "github.com/ipfs/go-ds-crdt/pb"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func goldenHead() *Head {
	actor := makeActor("peer", 7)
	return &Head{Run: changes.RunID{1}, Epoch: lineageID{2, actor}.epoch(), Owner: "peer", Name: "n", Meta: []byte("m"), Turn: 9,
		Instructions: 900, MemoryBytes: 8192, Root: changes.Hash{3}, Manifest: changes.Hash{4}, Lines: 5,
		Limits: []changes.Limit{{Name: "gas", Max: 10, Used: 2}}, Exit: -1, Program: changes.Hash{6}, Prev: changes.Hash{7},
		Base: &Base{Epoch: lineageID{1, actor}.epoch(), Turn: 8, Lines: 4, Head: changes.Hash{8}}, Signature: []byte("signature")}
}

// goldenDelta is an envelope over a block as the engine makes it.
func goldenDelta() *delta {
	h := goldenHead()
	key := recordKey{kind: headRecord, run: h.Run, lineage: h.lineage()}
	data := must(proto.MarshalOptions{Deterministic: true}.Marshal(&crdtpb.Delta{Priority: 1,
		Elements: []*crdtpb.Element{{Key: key.String(), Value: h.encode()}}}))
	n := merkledag.NodeWithData(data)
	n.SetCidBuilder(merkledag.V1CidPrefix())
	d := &delta{envelope: envelope{Peer: "peer", Incarnation: 7, Seq: 2, Signature: []byte("signature"), Block: n.RawData()}}
	d.bytes = encodeRecord(d.envelope)
	return d
}

// TestFormats holds the bytes of every record: a change is a new version.
func TestFormats(t *testing.T) {
	actor := makeActor("peer", 7)
	g := testGenesis()
	l := lineageID{2, actor}
	inline, _ := encodeContent([]byte("data"), 1)
	blob, blocks := encodeContent(make([]byte, 600<<10), 0)
	var got strings.Builder
	line := func(name string, b []byte) { fmt.Fprintf(&got, "%s %s\n", name, hex.EncodeToString(b)) }
	text := func(name, s string) { fmt.Fprintf(&got, "%s %s\n", name, s) }
	line("head", goldenHead().encode())
	hash := goldenHead().Hash()
	line("head hash", hash[:])
	line("genesis", g.encode())
	id := g.ID()
	line("sandbox", id[:])
	line("member", encodeRecord(member{Peer: "peer", Incarnation: 7, Proof: memberProof([]byte(secret), id, actor)}))
	line("content inline", inline)
	line("content blob", blob)
	for _, b := range blocks {
		fmt.Fprintf(&got, "block %c %s\n", b.ID.Kind, b.ID.Hash)
	}
	line("segment", encodeRecord(segment{First: 3, Lines: []lineWire{{Stream: 1, Text: []byte("x")}}}))
	line("pack", encodeRecord(pack{Cells: []packCell{{Path: []byte("p"), Cell: []byte("c")}}}))
	line("message", encodeRecord(messageWire{ID: "id", From: "b", SentMs: 5, Inline: []byte("x")}))
	line("envelope", goldenDelta().bytes)
	line("beat", encodeRecord(beat{Heads: [][]byte{make([]byte, 32)}, Digest: make([]byte, 32), Deltas: 3, Standby: true,
		Claims: []beatClaim{{Run: make([]byte, 16), Epoch: 2}}}))
	line("pull", encodeRecord(pullRequest{Vector: []vectorEntry{{Actor: actor[:], Seq: 4}}}))
	line("signed", signedBytes(id, blockHash{9}, 7, 2))
	for _, k := range []recordKey{{kind: genesisRecord, sandbox: id}, {kind: memberRecord, lineage: l}, {kind: headRecord, run: changes.RunID{1}, lineage: l},
		{kind: linesRecord, run: changes.RunID{1}, lineage: l, number: 12}, {kind: packRecord, run: changes.RunID{1}, lineage: l, number: 3},
		{kind: messageRecord, run: changes.RunID{1}, lineage: lineageID{actor: actor}, number: 2},
		{kind: cellRecord, run: changes.RunID{1}, lineage: l, path: changes.VarPath("main.Counts").Key(changes.StringValue("word"))}} {
		text("key", k.String())
		if back, err := parseKey(k.String()); err != nil || back.String() != k.String() {
			t.Errorf("key %s: %v", k, err)
		}
	}
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
	b.table.digest.Set("var "+string(changes.VarPath("main.Hits").Encode()), changes.IntValue(changes.Int, 99))
	b.mu.Unlock()
	if names, err := b.Differ(context.Background(), "a"); err != nil || len(names) != 1 || names[0] != "var main.Hits" {
		t.Errorf("differ in %v, %v", names, err)
	}
}
