package record

import (
	"fmt"
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/quorum"
)

const (
	MetaBytesMax = 16 << 10
	NameBytesMax = 128
	LimitsMax    = 64
	votersMax    = 256
)

// Head is the record of a run's newest turn in one epoch.
type Head struct {
	Run          changes.RunID
	Epoch        changes.Epoch // Epoch.Owner names the owner's actor (peer and incarnation), 16 bytes
	Owner        string        // peer id
	Name         string
	Meta         []byte
	Turn         uint64
	Instructions uint64
	MemoryBytes  uint64
	Root         changes.Hash // state hash
	Manifest     changes.Hash // tree of page hashes, see FORMAT.md
	Lines        uint64       // lines written so far
	Limits       []changes.Limit
	Done         bool
	Exit         int32
	Program      changes.Hash
	Durable      quorum.Level // when a turn's effects may leave
	Voters       []string     // at quorum.Majority: peer ids, sorted; at most votersMax
	Prev         changes.Hash // the head before this one in the chain; zero for the first of a run
	Base         *Base        // the head this epoch continued; nil for a run's first epoch
	Signature    []byte       // of Owner over everything above
}

// Base is the head that a takeover continued.
type Base struct {
	Epoch changes.Epoch
	Turn  uint64
	Lines uint64
	Head  changes.Hash
}

// headWire is a head as it stands in the record.
type headWire struct {
	Run          []byte      `cbor:"1,keyasint"`
	Epoch        uint64      `cbor:"2,keyasint"`
	Actor        []byte      `cbor:"3,keyasint"`
	Owner        string      `cbor:"4,keyasint"`
	Name         string      `cbor:"5,keyasint"`
	Meta         []byte      `cbor:"6,keyasint"`
	Turn         uint64      `cbor:"7,keyasint"`
	Instructions uint64      `cbor:"8,keyasint"`
	MemoryBytes  uint64      `cbor:"9,keyasint"`
	Root         []byte      `cbor:"10,keyasint"`
	Manifest     []byte      `cbor:"11,keyasint"`
	Lines        uint64      `cbor:"12,keyasint"`
	Limits       []limitWire `cbor:"13,keyasint"`
	Done         bool        `cbor:"14,keyasint"`
	Exit         int32       `cbor:"15,keyasint"`
	Program      []byte      `cbor:"16,keyasint"`
	Prev         []byte      `cbor:"17,keyasint"`
	Base         *baseWire   `cbor:"18,keyasint,omitempty"`
	Signature    []byte      `cbor:"19,keyasint"`
	Durable      uint32      `cbor:"20,keyasint,omitempty"`
	Voters       []string    `cbor:"21,keyasint,omitempty"`
}

type limitWire struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Max  uint64
	Used uint64
}

type baseWire struct {
	_     struct{} `cbor:",toarray"`
	Epoch uint64
	Actor []byte
	Turn  uint64
	Lines uint64
	Head  []byte
}

// Encode gives the canonical bytes.
func (h *Head) Encode() []byte {
	w := headWire{Run: h.Run[:], Epoch: h.Epoch.Number, Actor: []byte(h.Epoch.Owner), Owner: h.Owner, Name: h.Name,
		Meta: h.Meta, Turn: h.Turn, Instructions: h.Instructions, MemoryBytes: h.MemoryBytes, Root: h.Root[:],
		Manifest: h.Manifest[:], Lines: h.Lines, Done: h.Done, Exit: h.Exit, Program: h.Program[:], Prev: h.Prev[:],
		Signature: h.Signature, Durable: uint32(h.Durable), Voters: h.Voters}
	for _, l := range h.Limits {
		w.Limits = append(w.Limits, limitWire{Name: l.Name, Max: l.Max, Used: l.Used})
	}
	if b := h.Base; b != nil {
		w.Base = &baseWire{Epoch: b.Epoch.Number, Actor: []byte(b.Epoch.Owner), Turn: b.Turn, Lines: b.Lines, Head: b.Head[:]}
	}
	return Encode(w)
}

// DecodeHead reads the record; the signature is not checked. ErrFormat.
func DecodeHead(b []byte) (*Head, error) {
	var w headWire
	if err := Decode(b, &w); err != nil {
		return nil, err
	}
	h := &Head{Epoch: changes.Epoch{Number: w.Epoch, Owner: string(w.Actor)}, Owner: w.Owner, Name: w.Name, Meta: w.Meta,
		Turn: w.Turn, Instructions: w.Instructions, MemoryBytes: w.MemoryBytes, Lines: w.Lines, Done: w.Done, Exit: w.Exit,
		Signature: w.Signature, Durable: quorum.Level(w.Durable), Voters: w.Voters}
	ok := Fill(h.Run[:], w.Run) && Fill(h.Root[:], w.Root) && Fill(h.Manifest[:], w.Manifest) &&
		Fill(h.Program[:], w.Program) && Fill(h.Prev[:], w.Prev) && len(w.Actor) == 16 && w.Epoch > 0
	for _, l := range w.Limits {
		h.Limits = append(h.Limits, changes.Limit{Name: l.Name, Max: l.Max, Used: l.Used})
	}
	if x := w.Base; x != nil {
		h.Base = &Base{Epoch: changes.Epoch{Number: x.Epoch, Owner: string(x.Actor)}, Turn: x.Turn, Lines: x.Lines}
		ok = ok && Fill(h.Base.Head[:], x.Head) && len(x.Actor) == 16 && x.Epoch < w.Epoch && x.Turn <= w.Turn && x.Lines <= w.Lines
	}
	if !ok || len(w.Meta) > MetaBytesMax || len(w.Name) > NameBytesMax || len(w.Limits) > LimitsMax ||
		len(w.Voters) > votersMax || (h.Durable == quorum.Majority) != (len(w.Voters) > 0) || !slices.IsSorted(w.Voters) {
		return nil, fmt.Errorf("%w: head with a field of the wrong size", ErrFormat)
	}
	return h, nil
}

// Fill copies from into to; false when their sizes differ.
func Fill(to, from []byte) bool { return copy(to, from) == len(to) && len(from) == len(to) }

// Signed is what the signature covers: the record without it.
func (h *Head) Signed() []byte {
	u := *h
	u.Signature = nil
	x := u.hashBytes()
	return x[:]
}

func (h *Head) hashBytes() changes.Hash { return block.Tagged("tandem head 1", h.Encode()) }

// Hash names the head: what Prev and Base.Head of later heads hold.
func (h *Head) Hash() changes.Hash { return h.hashBytes() }

// Lineage is the epoch of the head as keys name it.
func (h *Head) Lineage() Lineage {
	l, ok := LineageOf(h.Epoch)
	if !ok {
		panic("BUG: head without an actor")
	}
	return l
}
