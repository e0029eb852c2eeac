package record

import (
	"bytes"
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
	TakenMax     = 1024
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
	Kept         uint64       // number of the first line that is still kept; 0: all are
	Taken        []Mark       // how far the run has taken its senders' messages, sorted by actor; at most TakenMax
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

// Mark says that everything of an actor up to a number was taken.
type Mark struct {
	Actor  Actor
	Number uint64
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
	Kept         uint64      `cbor:"22,keyasint,omitempty"`
	Taken        []markWire  `cbor:"23,keyasint,omitempty"`
}

type limitWire struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Max  uint64
	Used uint64
}

type markWire struct {
	_      struct{} `cbor:",toarray"`
	Actor  []byte
	Number uint64
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
		Signature: h.Signature, Durable: uint32(h.Durable), Voters: h.Voters, Kept: h.Kept}
	for _, l := range h.Limits {
		w.Limits = append(w.Limits, limitWire{Name: l.Name, Max: l.Max, Used: l.Used})
	}
	for _, m := range h.Taken {
		w.Taken = append(w.Taken, markWire{Actor: m.Actor[:], Number: m.Number})
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
		Signature: w.Signature, Durable: quorum.Level(w.Durable), Voters: w.Voters, Kept: w.Kept}
	ok := Fill(h.Run[:], w.Run) && Fill(h.Root[:], w.Root) && Fill(h.Manifest[:], w.Manifest) &&
		Fill(h.Program[:], w.Program) && Fill(h.Prev[:], w.Prev) && len(w.Actor) == 16 && w.Epoch > 0
	for _, l := range w.Limits {
		h.Limits = append(h.Limits, changes.Limit{Name: l.Name, Max: l.Max, Used: l.Used})
	}
	for _, m := range w.Taken {
		h.Taken = append(h.Taken, Mark{Number: m.Number})
		ok = ok && Fill(h.Taken[len(h.Taken)-1].Actor[:], m.Actor)
	}
	if x := w.Base; x != nil {
		h.Base = &Base{Epoch: changes.Epoch{Number: x.Epoch, Owner: string(x.Actor)}, Turn: x.Turn, Lines: x.Lines}
		ok = ok && Fill(h.Base.Head[:], x.Head) && len(x.Actor) == 16 && x.Epoch < w.Epoch && x.Turn <= w.Turn && x.Lines <= w.Lines
	}
	ok = ok && w.Kept <= w.Lines+1 && len(h.Taken) <= TakenMax && slices.IsSortedFunc(h.Taken, Mark.compare)
	if !ok || len(w.Meta) > MetaBytesMax || len(w.Name) > NameBytesMax || len(w.Limits) > LimitsMax ||
		len(w.Voters) > votersMax || (h.Durable == quorum.Majority) != (len(w.Voters) > 0) || !slices.IsSorted(w.Voters) {
		return nil, fmt.Errorf("%w: head with a field of the wrong size", ErrFormat)
	}
	return h, nil
}

func (m Mark) compare(n Mark) int { return bytes.Compare(m.Actor[:], n.Actor[:]) }

// TakenOf is how far the messages of an actor were taken.
func (h *Head) TakenOf(a Actor) uint64 {
	i, found := slices.BinarySearchFunc(h.Taken, Mark{Actor: a}, Mark.compare)
	if !found {
		return 0
	}
	return h.Taken[i].Number
}

// Take notes that messages of an actor were taken up to a number. Beyond TakenMax actors it does not, and then their messages stay.
func (h *Head) Take(a Actor, number uint64) {
	h.Taken = slices.Clone(h.Taken) // earlier heads share it
	i, found := slices.BinarySearchFunc(h.Taken, Mark{Actor: a}, Mark.compare)
	switch {
	case found:
		h.Taken[i].Number = max(h.Taken[i].Number, number)
	case len(h.Taken) < TakenMax:
		h.Taken = slices.Insert(h.Taken, i, Mark{a, number})
	}
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
