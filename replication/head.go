package replication

import (
	"fmt"
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/lease"
)

const (
	metaBytesMax = 16 << 10
	nameBytesMax = 128
	limitsMax    = 64
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
	Durable      Level        // when a turn's effects may leave
	Voters       []string     // at Majority: peer ids, sorted; at most votersMax
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

func (h *Head) encode() []byte {
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
	return encodeRecord(w)
}

func decodeHead(b []byte) (*Head, error) {
	var w headWire
	if err := decodeRecord(b, &w); err != nil {
		return nil, err
	}
	h := &Head{Epoch: changes.Epoch{Number: w.Epoch, Owner: string(w.Actor)}, Owner: w.Owner, Name: w.Name, Meta: w.Meta,
		Turn: w.Turn, Instructions: w.Instructions, MemoryBytes: w.MemoryBytes, Lines: w.Lines, Done: w.Done, Exit: w.Exit,
		Signature: w.Signature, Durable: Level(w.Durable), Voters: w.Voters}
	ok := fill(h.Run[:], w.Run) && fill(h.Root[:], w.Root) && fill(h.Manifest[:], w.Manifest) &&
		fill(h.Program[:], w.Program) && fill(h.Prev[:], w.Prev) && len(w.Actor) == 16 && w.Epoch > 0
	for _, l := range w.Limits {
		h.Limits = append(h.Limits, changes.Limit{Name: l.Name, Max: l.Max, Used: l.Used})
	}
	if x := w.Base; x != nil {
		h.Base = &Base{Epoch: changes.Epoch{Number: x.Epoch, Owner: string(x.Actor)}, Turn: x.Turn, Lines: x.Lines}
		ok = ok && fill(h.Base.Head[:], x.Head) && len(x.Actor) == 16 && x.Epoch < w.Epoch && x.Turn <= w.Turn && x.Lines <= w.Lines
	}
	if !ok || len(w.Meta) > metaBytesMax || len(w.Name) > nameBytesMax || len(w.Limits) > limitsMax ||
		len(w.Voters) > votersMax || (h.Durable == Majority) != (len(w.Voters) > 0) || !slices.IsSorted(w.Voters) {
		return nil, fmt.Errorf("%w: head with a field of the wrong size", ErrFormat)
	}
	return h, nil
}

func fill(to, from []byte) bool { return copy(to, from) == len(to) && len(from) == len(to) }

// signed is what the signature covers: the record without it.
func (h *Head) signed() []byte {
	u := *h
	u.Signature = nil
	x := u.hashBytes()
	return x[:]
}

func (h *Head) hashBytes() changes.Hash { return tagged("tandem head 1", h.encode()) }

// Hash names the head: what Prev and Base.Head of later heads hold.
func (h *Head) Hash() changes.Hash { return h.hashBytes() }

func (h *Head) lineage() lineageID {
	l, ok := lineageOf(h.Epoch)
	if !ok {
		panic("BUG: head without an actor")
	}
	return l
}

func (h *Head) rank() lease.Rank {
	return lease.Rank{Epoch: h.Epoch.Number, Turn: h.Turn, Instructions: h.Instructions, Owner: h.Owner, Actor: h.lineage().actor}
}
