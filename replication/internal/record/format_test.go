package record

import (
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
	actor := MakeActor("peer", 7)
	return &Head{Run: changes.RunID{1}, Epoch: Lineage{Number: 2, Actor: actor}.Epoch(), Owner: "peer", Name: "n", Meta: []byte("m"), Turn: 9,
		Instructions: 900, MemoryBytes: 8192, Root: changes.Hash{3}, Manifest: changes.Hash{4}, Lines: 5,
		Limits: []changes.Limit{{Name: "gas", Max: 10, Used: 2}}, Exit: -1, Program: changes.Hash{6}, Prev: changes.Hash{7},
		Base: &Base{Epoch: Lineage{Number: 1, Actor: actor}.Epoch(), Turn: 8, Lines: 4, Head: changes.Hash{8}}, Signature: []byte("signature")}
}

// goldenDelta is an envelope over a block as the engine makes it.
func goldenDelta() *Delta {
	h := goldenHead()
	key := Key{Kind: HeadRecord, Run: h.Run, Lineage: h.Lineage()}
	data := Must(proto.MarshalOptions{Deterministic: true}.Marshal(&crdtpb.Delta{Priority: 1,
		Elements: []*crdtpb.Element{{Key: key.String(), Value: h.Encode()}}}))
	n := merkledag.NodeWithData(data)
	n.SetCidBuilder(merkledag.V1CidPrefix())
	d := &Delta{Envelope: Envelope{Peer: "peer", Incarnation: 7, Seq: 2, Signature: []byte("signature"), Block: n.RawData()}}
	d.Bytes = Encode(d.Envelope)
	return d
}

var (
	intType   = &changes.Type{Form: changes.Int}
	textType  = &changes.Type{Form: changes.String}
	countType = &changes.Type{Form: changes.Map, Key: textType, Elem: intType}
)

func testGenesis() Genesis {
	return Genesis{Program: changes.Hash{1, 2, 3}, Name: "test", Variables: []Variable{
		{Name: "main.Hits", Rule: "counter", Type: intType},
		{Name: "main.Counts", Rule: "map counter", Type: countType},
		{Name: "main.Title", Rule: "lww", Type: textType, Initial: changes.StringValue("start")},
	}}
}

// TestFormats holds the bytes of every record: a change is a new version.
func TestFormats(t *testing.T) {
	actor := MakeActor("peer", 7)
	g := testGenesis()
	l := Lineage{Number: 2, Actor: actor}
	inline, _ := EncodeContent([]byte("data"), 1)
	blob, blocks := EncodeContent(make([]byte, 600<<10), 0)
	var got strings.Builder
	line := func(name string, b []byte) { fmt.Fprintf(&got, "%s %s\n", name, hex.EncodeToString(b)) }
	text := func(name, s string) { fmt.Fprintf(&got, "%s %s\n", name, s) }
	line("head", goldenHead().Encode())
	hash := goldenHead().Hash()
	line("head hash", hash[:])
	line("genesis", g.Encode())
	id := g.ID()
	line("sandbox", id[:])
	line("member", Encode(Member{Peer: "peer", Incarnation: 7, Proof: MemberProof([]byte("the sandbox's key"), id, actor)}))
	line("content inline", inline)
	line("content blob", blob)
	for _, b := range blocks {
		fmt.Fprintf(&got, "block %c %s\n", b.ID.Kind, b.ID.Hash)
	}
	line("segment", Encode(Segment{First: 3, Lines: []Line{{Stream: 1, Text: []byte("x")}}}))
	line("pack", Encode(Pack{Cells: []PackCell{{Path: []byte("p"), Cell: []byte("c")}}}))
	line("message", Encode(Message{ID: "id", From: "b", SentMs: 5, Inline: []byte("x")}))
	line("drop", Encode(Drop{Message: Message{ID: "id", From: "b", SentMs: 5, Inline: []byte("x")}, By: "c", AtMs: 6}))
	line("envelope", goldenDelta().Bytes)
	line("signed", SignedBytes(id, BlockHash{9}, 7, 2))
	for _, k := range []Key{{Kind: GenesisRecord, Sandbox: id}, {Kind: MemberRecord, Lineage: l}, {Kind: HeadRecord, Run: changes.RunID{1}, Lineage: l},
		{Kind: LinesRecord, Run: changes.RunID{1}, Lineage: l, Number: 12}, {Kind: PackRecord, Run: changes.RunID{1}, Lineage: l, Number: 3},
		{Kind: MessageRecord, Run: changes.RunID{1}, Lineage: Lineage{Actor: actor}, Number: 2},
		{Kind: DropRecord, Run: changes.RunID{1}, Lineage: Lineage{Actor: actor}, Number: DropNumber("id")},
		{Kind: CellRecord, Run: changes.RunID{1}, Lineage: l, Path: changes.VarPath("main.Counts").Key(changes.StringValue("word"))}} {
		text("key", k.String())
		if back, err := ParseKey(k.String()); err != nil || back.String() != k.String() {
			t.Errorf("key %s: %v", k, err)
		}
	}
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

func FuzzDecodeDelta(f *testing.F) {
	f.Add([]byte{1, 0x85})
	f.Add(goldenDelta().Bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := DecodeDelta(b, SandboxID{}, nil, func(string, []byte, []byte) error { return nil })
		if err == nil && len(d.Elements) == 0 {
			t.Error("a delta of nothing was accepted")
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add((&Head{Epoch: changes.Epoch{Number: 1, Owner: "0123456789abcdef"}}).Encode())
	g := testGenesis()
	f.Add(g.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := DecodeHead(b); err == nil && string(h.Encode()) != string(b) {
			t.Error("head: encodes differently")
		}
		if g, err := DecodeGenesis(b); err == nil && string(g.Encode()) != string(b) {
			t.Error("genesis: encodes differently")
		}
		DecodePack(b)
		DecodeSegment(b)
		DecodeContent(b)
		block.Parse(b)
		block.ParseIDs(b)
		if k, err := ParseKey(string(b)); err == nil && k.String() != string(b) {
			t.Error("key: prints differently")
		}
	})
}
