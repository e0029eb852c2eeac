package replication

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/go-cid"
	crdtpb "github.com/ipfs/go-ds-crdt/pb"
	mh "github.com/multiformats/go-multihash"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"google.golang.org/protobuf/proto"
)

const (
	deltaBytesMax = 512 << 10 // of a block; the committer stays below half of it
	parentsMax    = 4096
)

// blockHash is the sha2-256 of a delta block: its CID without the constant front.
type blockHash [32]byte

func hashOf(c cid.Cid) (h blockHash, ok bool) {
	p := c.Prefix()
	if p.Version != 1 || p.Codec != cid.DagProtobuf || p.MhType != mh.SHA2_256 || p.MhLength != 32 {
		return h, false
	}
	copy(h[:], c.Hash()[len(c.Hash())-32:])
	return h, true
}

func (h blockHash) cid() cid.Cid {
	return cid.NewCidV1(cid.DagProtobuf, must(mh.Encode(h[:], mh.SHA2_256)))
}

func (h blockHash) storeKey() []byte { return append([]byte{'d'}, h[:]...) }

// envelope carries a delta block with its author's word for it. seq numbers the actor's deltas from
// 1 without gaps, so that "what do you have" is one number an actor.
type envelope struct {
	_           struct{} `cbor:",toarray"`
	Peer        string
	Incarnation uint64
	Seq         uint64
	Signature   []byte
	Block       []byte
}

// delta is a decoded envelope.
type delta struct {
	envelope
	bytes    []byte // encoded envelope
	actor    actorID
	hash     blockHash
	height   uint64
	parents  []blockHash
	node     *merkledag.ProtoNode
	elements []element
	blobs    []block.Ref // that must be here before it is announced
	member   *member     // its actor's member record, when inside
	pruned   []blockHash // parents that are left out everywhere
	durable  bool        // it holds a head of a run that is to be durable here
	indexed  bool        // it has its sequence number's place in the store's index
}

type element struct {
	key   recordKey
	value []byte
}

// signedBytes is what the author signs: the block's hash (which covers elements, height and
// parents) and its place in the actor's chain, for one sandbox.
func signedBytes(sandbox SandboxID, h blockHash, incarnation, seq uint64) []byte {
	b := append([]byte("tandem delta 1\x00"), sandbox[:]...)
	b = append(b, h[:]...)
	b = binary.BigEndian.AppendUint64(b, incarnation)
	return binary.BigEndian.AppendUint64(b, seq)
}

var (
	errForged = errors.New("signature or membership is wrong")
	errRule   = errors.New("breaks a rule")
)

func ruleError(f string, a ...any) error { return fmt.Errorf("%w: %s", errRule, fmt.Sprintf(f, a...)) }

// decodeDelta parses an envelope and checks everything that needs no other delta: form, size, signatures, and
// that each key belongs to the author.
func decodeDelta(b []byte, sandbox SandboxID, secret []byte, verify func(peer string, data, sig []byte) error) (*delta, error) {
	if len(b) > deltaBytesMax+4096 {
		return nil, ruleError("%d bytes", len(b))
	}
	d := &delta{bytes: b}
	if err := decodeRecord(b, &d.envelope); err != nil {
		return nil, err
	}
	d.actor = makeActor(d.Peer, d.Incarnation)
	if err := d.parseBlock(); err != nil {
		return nil, err
	}
	if err := verify(d.Peer, signedBytes(sandbox, d.hash, d.Incarnation, d.Seq), d.Signature); err != nil {
		return nil, fmt.Errorf("%w: %v", errForged, err)
	}
	for _, e := range d.elements {
		if err := d.checkElement(e, sandbox, secret, verify); err != nil {
			return nil, fmt.Errorf("key %s: %w", e.key, err)
		}
	}
	if d.Seq == 1 && d.member == nil {
		return nil, fmt.Errorf("%w: first delta without a member record", errForged)
	}
	return d, nil
}

// loadDelta decodes an envelope of our own store; it was checked before it came there.
func loadDelta(b []byte) (*delta, error) {
	d := &delta{bytes: b}
	if err := decodeRecord(b, &d.envelope); err != nil {
		return nil, err
	}
	d.actor = makeActor(d.Peer, d.Incarnation)
	return d, d.parseBlock()
}

func (d *delta) parseBlock() error {
	if d.Seq == 0 || len(d.Block) == 0 {
		return ruleError("no sequence number or no block")
	}
	node, err := merkledag.DecodeProtobuf(d.Block)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	node.SetCidBuilder(merkledag.V1CidPrefix())
	c, err := merkledag.V1CidPrefix().Sum(d.Block)
	if err != nil || !c.Equals(node.Cid()) {
		return ruleError("block is not in canonical form")
	}
	d.node = node
	d.hash, _ = hashOf(c)
	if len(node.Links()) > parentsMax {
		return ruleError("%d parents", len(node.Links()))
	}
	for _, l := range node.Links() {
		h, ok := hashOf(l.Cid)
		if !ok {
			return ruleError("parent %s is not a delta", l.Cid)
		}
		d.parents = append(d.parents, h)
	}
	var body crdtpb.Delta
	if err := proto.Unmarshal(node.Data(), &body); err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	d.height = body.GetPriority()
	if len(body.GetTombstones()) > 0 {
		return ruleError("it deletes keys")
	}
	if len(body.GetElements()) == 0 || d.height == 0 || d.height > 1<<62 {
		return ruleError("%d elements at height %d", len(body.GetElements()), d.height)
	}
	return d.parseElements(&body)
}

func (d *delta) parseElements(body *crdtpb.Delta) error {
	seen := make(map[string]bool, len(body.GetElements()))
	for _, e := range body.GetElements() {
		if seen[e.GetKey()] || len(e.GetValue()) == 0 {
			return ruleError("key %.80q stands twice or has no value", e.GetKey())
		}
		seen[e.GetKey()] = true
		k, err := parseKey(e.GetKey())
		if err != nil {
			return err
		}
		d.elements = append(d.elements, element{k, e.GetValue()})
	}
	return nil
}

func (d *delta) checkElement(e element, sandbox SandboxID, secret []byte, verify func(string, []byte, []byte) error) error {
	if e.key.kind == genesisRecord {
		if e.key.sandbox != sandbox || tagged("tandem genesis 1", e.value) != sandbox {
			return ruleError("it is not this sandbox's genesis")
		}
		g, err := decodeGenesis(e.value)
		if err == nil {
			d.blobs = append(d.blobs, block.Ref{Bytes: g.ImageBytes, Hash: g.Image[:]})
		}
		return err
	}
	if e.key.lineage.actor != d.actor {
		return ruleError("key belongs to another writer")
	}
	switch e.key.kind {
	case leaveRecord:
		if _, err := decodeLeave(e.key, e.value); err != nil {
			return err
		}
	case memberRecord:
		m := new(member)
		if err := decodeRecord(e.value, m); err != nil {
			return err
		}
		if m.Peer != d.Peer || m.Incarnation != d.Incarnation || !m.check(secret, sandbox, d.actor) {
			return fmt.Errorf("%w: proof of membership", errForged)
		}
		d.member = m
	case headRecord:
		h, err := decodeHead(e.value)
		if err != nil {
			return err
		}
		if h.Run != e.key.run || h.lineage() != e.key.lineage || h.Owner != d.Peer {
			return ruleError("head under another run's key")
		}
		d.durable = d.durable || h.Durable != Local
		if err := verify(h.Owner, h.signed(), h.Signature); err != nil {
			return fmt.Errorf("%w: head: %v", errForged, err)
		}
	case messageRecord:
		m, err := decodeMessage(e.value)
		if err != nil {
			return err
		}
		if m.From != d.Peer {
			return ruleError("message in the name of another peer")
		}
		if m.Blob != nil {
			d.blobs = append(d.blobs, *m.Blob)
		}
	case linesRecord, packRecord:
		c, err := decodeContent(e.value)
		if err != nil {
			return err
		}
		if c.Blob != nil {
			d.blobs = append(d.blobs, *c.Blob)
		}
	case cellRecord:
		c, err := changes.DecodeCell(e.value)
		if err != nil {
			return fmt.Errorf("%w: %v", ErrFormat, err)
		}
		if c.Stamp.Run != e.key.run {
			return ruleError("cell of another run")
		}
	}
	return nil
}

// content is a value that may be too large for a delta: then it stands in a blob, which is here before
// the delta is announced, wherever it is announced.
type content struct {
	Inline []byte     `cbor:"1,keyasint,omitempty"`
	Blob   *block.Ref `cbor:"2,keyasint,omitempty"`
	Count  uint64     `cbor:"3,keyasint,omitempty"` // lines in a segment
}

const inlineBytesMax = 32 << 10

func encodeContent(data []byte, count uint64) (value []byte, made []block.Block) {
	if len(data) <= inlineBytesMax {
		return encodeRecord(content{Inline: data, Count: count}), nil
	}
	ref, made := block.Split(data)
	return encodeRecord(content{Blob: &ref, Count: count}), made
}

func decodeContent(value []byte) (c content, err error) {
	if err := decodeRecord(value, &c); err != nil {
		return c, err
	}
	if (c.Blob == nil) == (len(c.Inline) == 0) || c.Blob != nil && !c.Blob.Valid() {
		return c, fmt.Errorf("%w: content is neither inline nor a blob", ErrFormat)
	}
	return c, nil
}

func readContent(b *block.Store, value []byte) ([]byte, error) {
	c, err := decodeContent(value)
	if err != nil {
		return nil, err
	}
	if c.Blob != nil {
		return b.ReadBlob(*c.Blob)
	}
	return c.Inline, nil
}

// pack is many cells of one epoch in one record, for turns that touch more cells than a delta should hold keys.
type pack struct {
	Cells []packCell `cbor:"1,keyasint"`
}

type packCell struct {
	_    struct{} `cbor:",toarray"`
	Path []byte
	Cell []byte
}

func decodePack(b []byte) ([]changes.PathCell, error) {
	var p pack
	if err := decodeRecord(b, &p); err != nil {
		return nil, err
	}
	var out []changes.PathCell
	for _, x := range p.Cells {
		path, err := changes.DecodePath(x.Path)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrFormat, err)
		}
		c, err := changes.DecodeCell(x.Cell)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrFormat, err)
		}
		out = append(out, changes.PathCell{Path: path, Cell: c})
	}
	return out, nil
}

// segment is consecutive lines of output.
type segment struct {
	First uint64     `cbor:"1,keyasint"`
	Lines []lineWire `cbor:"2,keyasint"`
}

type lineWire struct {
	_      struct{} `cbor:",toarray"`
	Stream uint8
	Text   []byte
}

func decodeSegment(b []byte) (*segment, error) {
	s := new(segment)
	if err := decodeRecord(b, s); err != nil {
		return nil, err
	}
	if s.First == 0 || len(s.Lines) == 0 {
		return nil, fmt.Errorf("%w: empty segment of lines", ErrFormat)
	}
	return s, nil
}
