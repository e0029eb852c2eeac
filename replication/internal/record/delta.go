package record

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
	"github.com/tandemvm/tandem/replication/internal/quorum"
	"google.golang.org/protobuf/proto"
)

const (
	DeltaBytesMax = 512 << 10 // of a block; the committer stays below half of it
	parentsMax    = 4096
)

// BlockHash is the sha2-256 of a delta block: its CID without the constant front.
type BlockHash [32]byte

// HashOf takes the hash out of a CID; false when it is not that of a delta block.
func HashOf(c cid.Cid) (h BlockHash, ok bool) {
	p := c.Prefix()
	if p.Version != 1 || p.Codec != cid.DagProtobuf || p.MhType != mh.SHA2_256 || p.MhLength != 32 {
		return h, false
	}
	copy(h[:], c.Hash()[len(c.Hash())-32:])
	return h, true
}

// Cid is the name that go-ds-crdt uses.
func (h BlockHash) Cid() cid.Cid {
	return cid.NewCidV1(cid.DagProtobuf, Must(mh.Encode(h[:], mh.SHA2_256)))
}

// StoreKey is where the envelope of the block stands in the store.
func (h BlockHash) StoreKey() []byte { return append([]byte{'d'}, h[:]...) }

// Envelope carries a delta block with its author's word for it. seq numbers the actor's deltas from
// 1 without gaps, so that "what do you have" is one number an actor.
type Envelope struct {
	_           struct{} `cbor:",toarray"`
	Peer        string
	Incarnation uint64
	Seq         uint64
	Signature   []byte
	Block       []byte
}

// Delta is a decoded envelope.
type Delta struct {
	Envelope
	Bytes    []byte // encoded envelope
	Actor    Actor
	Hash     BlockHash
	Height   uint64
	Parents  []BlockHash
	Node     *merkledag.ProtoNode
	Elements []Element
	Blobs    []block.Ref // that must be here before it is announced
	Member   *Member     // its actor's member record, when inside
	Pruned   []BlockHash // parents that are left out everywhere
	Durable  bool        // it holds a head of a run that is to be durable here
	Indexed  bool        // it has its sequence number's place in the store's index
	Gap      Gap         // of its actor's chain when it is applied
}

// Gap is what an actor's deltas that are here do not say of its chain.
type Gap struct {
	Waits uint64 // number of the first that waits while later ones are applied; 0: none does
	Left  uint64 // up to it, what is not here was left out, and no floor says so yet; 0: a floor does
	Aim   uint64 // number of the one with which what is applied is a state that was, since an answer left out what those up to it replace; 0: it is one
}

// Element is one key of a delta and its new value.
type Element struct {
	Key   Key
	Value []byte
}

// SignedBytes is what the author signs: the block's hash (which covers elements, height and
// parents) and its place in the actor's chain, for one sandbox.
func SignedBytes(sandbox SandboxID, h BlockHash, incarnation, seq uint64) []byte {
	b := append([]byte("tandem delta 1\x00"), sandbox[:]...)
	b = append(b, h[:]...)
	b = binary.BigEndian.AppendUint64(b, incarnation)
	return binary.BigEndian.AppendUint64(b, seq)
}

var (
	ErrForged = errors.New("signature or membership is wrong")
	ErrRule   = errors.New("breaks a rule")
)

// RuleError is an error that wraps ErrRule.
func RuleError(f string, a ...any) error { return fmt.Errorf("%w: %s", ErrRule, fmt.Sprintf(f, a...)) }

// DecodeDelta parses an envelope and checks everything that needs no other delta: form, size, signatures, and
// that each key belongs to the author.
func DecodeDelta(b []byte, sandbox SandboxID, secret []byte, verify func(peer string, data, sig []byte) error) (*Delta, error) {
	if len(b) > DeltaBytesMax+4096 {
		return nil, RuleError("%d bytes", len(b))
	}
	d := &Delta{Bytes: b}
	if err := Decode(b, &d.Envelope); err != nil {
		return nil, err
	}
	d.Actor = MakeActor(d.Peer, d.Incarnation)
	if err := d.ParseBlock(); err != nil {
		return nil, err
	}
	if err := verify(d.Peer, SignedBytes(sandbox, d.Hash, d.Incarnation, d.Seq), d.Signature); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrForged, err)
	}
	for _, e := range d.Elements {
		if err := d.CheckElement(e, sandbox, secret, verify); err != nil {
			return nil, fmt.Errorf("key %s: %w", e.Key, err)
		}
	}
	if d.Seq == 1 && d.Member == nil {
		return nil, fmt.Errorf("%w: first delta without a member record", ErrForged)
	}
	return d, nil
}

// LoadDelta decodes an envelope of our own store; it was checked before it came there.
func LoadDelta(b []byte) (*Delta, error) {
	d := &Delta{Bytes: b}
	if err := Decode(b, &d.Envelope); err != nil {
		return nil, err
	}
	d.Actor = MakeActor(d.Peer, d.Incarnation)
	return d, d.ParseBlock()
}

// ParseBlock decodes the envelope's block into the other fields. ErrFormat, ErrRule.
func (d *Delta) ParseBlock() error {
	if d.Seq == 0 || len(d.Block) == 0 {
		return RuleError("no sequence number or no block")
	}
	node, err := merkledag.DecodeProtobuf(d.Block)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	node.SetCidBuilder(merkledag.V1CidPrefix())
	c, err := merkledag.V1CidPrefix().Sum(d.Block)
	if err != nil || !c.Equals(node.Cid()) {
		return RuleError("block is not in canonical form")
	}
	d.Node = node
	d.Hash, _ = HashOf(c)
	if len(node.Links()) > parentsMax {
		return RuleError("%d parents", len(node.Links()))
	}
	for _, l := range node.Links() {
		h, ok := HashOf(l.Cid)
		if !ok {
			return RuleError("parent %s is not a delta", l.Cid)
		}
		d.Parents = append(d.Parents, h)
	}
	var body crdtpb.Delta
	if err := proto.Unmarshal(node.Data(), &body); err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	d.Height = body.GetPriority()
	if len(body.GetTombstones()) > 0 {
		return RuleError("it deletes keys")
	}
	if len(body.GetElements()) == 0 || d.Height == 0 || d.Height > 1<<62 {
		return RuleError("%d elements at height %d", len(body.GetElements()), d.Height)
	}
	return d.parseElements(&body)
}

func (d *Delta) parseElements(body *crdtpb.Delta) error {
	seen := make(map[string]bool, len(body.GetElements()))
	for _, e := range body.GetElements() {
		if seen[e.GetKey()] || len(e.GetValue()) == 0 {
			return RuleError("key %.80q stands twice or has no value", e.GetKey())
		}
		seen[e.GetKey()] = true
		k, err := ParseKey(e.GetKey())
		if err != nil {
			return err
		}
		d.Elements = append(d.Elements, Element{k, e.GetValue()})
	}
	return nil
}

// CheckElement checks one key and value of a delta, and notes the blobs and the member record in it. ErrFormat, ErrForged, ErrRule.
func (d *Delta) CheckElement(e Element, sandbox SandboxID, secret []byte, verify func(string, []byte, []byte) error) error {
	if e.Key.Kind == GenesisRecord {
		if e.Key.Sandbox != sandbox || block.Tagged("tandem genesis 1", e.Value) != sandbox {
			return RuleError("it is not this sandbox's genesis")
		}
		g, err := DecodeGenesis(e.Value)
		if err == nil {
			d.Blobs = append(d.Blobs, block.Ref{Bytes: g.ImageBytes, Hash: g.Image[:]})
		}
		return err
	}
	if e.Key.Lineage.Actor != d.Actor {
		return RuleError("key belongs to another writer")
	}
	switch e.Key.Kind {
	case LeaveRecord:
		if _, err := DecodeLeave(e.Key, e.Value); err != nil {
			return err
		}
	case MemberRecord:
		m := new(Member)
		if err := Decode(e.Value, m); err != nil {
			return err
		}
		if m.Peer != d.Peer || m.Incarnation != d.Incarnation || !m.check(secret, sandbox, d.Actor) {
			return fmt.Errorf("%w: proof of membership", ErrForged)
		}
		d.Member = m
	case HeadRecord:
		h, err := DecodeHead(e.Value)
		if err != nil {
			return err
		}
		if h.Run != e.Key.Run || h.Lineage() != e.Key.Lineage || h.Owner != d.Peer {
			return RuleError("head under another run's key")
		}
		d.Durable = d.Durable || h.Durable != quorum.Local
		if len(h.Signature) > 0 { // older heads have one; the delta's covers them all
			if err := verify(h.Owner, h.Signed(), h.Signature); err != nil {
				return fmt.Errorf("%w: head: %v", ErrForged, err)
			}
		}
	case MessageRecord:
		m, err := DecodeMessage(e.Value)
		if err != nil {
			return err
		}
		if m.From != d.Peer {
			return RuleError("message in the name of another peer")
		}
		if m.Blob != nil {
			d.Blobs = append(d.Blobs, *m.Blob)
		}
	case DropRecord:
		x, err := DecodeDrop(e.Key, e.Value)
		if err != nil {
			return err
		}
		if x.By != d.Peer {
			return RuleError("drop in the name of another peer")
		}
		if x.Blob != nil {
			d.Blobs = append(d.Blobs, *x.Blob)
		}
	case LinesRecord, PackRecord:
		c, err := DecodeContent(e.Value)
		if err != nil {
			return err
		}
		if c.Blob != nil {
			d.Blobs = append(d.Blobs, *c.Blob)
		}
	case CellRecord:
		c, err := changes.DecodeCell(e.Value)
		if err != nil {
			return fmt.Errorf("%w: %v", ErrFormat, err)
		}
		if c.Stamp.Run != e.Key.Run {
			return RuleError("cell of another run")
		}
	}
	return nil
}

// Blob is what the element stands in or names beside its delta, nil if nothing.
func (e Element) Blob() *block.Ref {
	switch e.Key.Kind {
	case GenesisRecord:
		if g, err := DecodeGenesis(e.Value); err == nil {
			return &block.Ref{Bytes: g.ImageBytes, Hash: g.Image[:]}
		}
	case LinesRecord, PackRecord:
		if c, err := DecodeContent(e.Value); err == nil {
			return c.Blob
		}
	case MessageRecord:
		if m, err := DecodeMessage(e.Value); err == nil {
			return m.Blob
		}
	case DropRecord:
		if x, err := DecodeDrop(e.Key, e.Value); err == nil {
			return x.Blob
		}
	}
	return nil
}
