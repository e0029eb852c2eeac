package record

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	ds "github.com/ipfs/go-datastore"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
)

// Actor names a peer in one incarnation: the only writer of its keys. A peer that may have lost
// its last writes in a crash goes on as another actor, and so never writes a key twice with different pasts.
type Actor [16]byte

// MakeActor names the actor of a peer in one incarnation.
func MakeActor(peer string, incarnation uint64) (a Actor) {
	h := block.Tagged("tandem actor 1", binary.BigEndian.AppendUint64(nil, incarnation), []byte(peer))
	copy(a[:], h[:])
	return a
}

func (a Actor) String() string { return base64.RawURLEncoding.EncodeToString(a[:]) }

func parseActor(s string) (a Actor, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(a) {
		return a, false
	}
	copy(a[:], b)
	return a, true
}

// Lineage is an epoch as keys name it: number and writer.
type Lineage struct {
	Number uint64
	Actor  Actor
}

// Epoch is the lineage as package changes names it.
func (l Lineage) Epoch() changes.Epoch {
	return changes.Epoch{Number: l.Number, Owner: string(l.Actor[:])}
}

// LineageOf is the reverse of Epoch; false when the owner is no actor.
func LineageOf(e changes.Epoch) (l Lineage, ok bool) {
	l.Number = e.Number
	if len(e.Owner) != len(l.Actor) {
		return l, false
	}
	copy(l.Actor[:], e.Owner)
	return l, true
}

// recordKind is the first part of a key.
type recordKind byte

const (
	GenesisRecord recordKind = 'g'
	MemberRecord  recordKind = 'm'
	LeaveRecord   recordKind = 'o'
	HeadRecord    recordKind = 'h'
	LinesRecord   recordKind = 'l'
	PackRecord    recordKind = 'p'
	CellRecord    recordKind = 'c'
	MessageRecord recordKind = 'i'
	DropRecord    recordKind = 'x'
)

// Key is a parsed key. No key is a path prefix of another: each kind has a fixed number of parts.
type Key struct {
	Kind    recordKind
	Run     changes.RunID
	Lineage Lineage // memberRecord, messageRecord, dropRecord: only the actor
	Number  uint64  // linesRecord: first line; packRecord: slot; messageRecord: of the actor's messages to the run, from 1; dropRecord: DropNumber
	Path    changes.Path
	Sandbox SandboxID
}

// KeyBytesMax is the longest text of a key.
const KeyBytesMax = 2048

// String is the key's text in the engine, which ParseKey reads.
func (k Key) String() string {
	switch k.Kind {
	case GenesisRecord:
		return "/g/" + hex.EncodeToString(k.Sandbox[:])
	case LeaveRecord:
		return "/o/" + k.Lineage.Actor.String() + "/" + k.Run.String()
	case MemberRecord:
		return "/m/" + k.Lineage.Actor.String()
	case HeadRecord:
		return "/h/" + k.lineageText()
	case LinesRecord, PackRecord:
		return fmt.Sprintf("/%c/%s/%016x", k.Kind, k.lineageText(), k.Number)
	case MessageRecord, DropRecord:
		return fmt.Sprintf("/%c/%s/%s/%016x", k.Kind, k.Run.String(), k.Lineage.Actor, k.Number)
	case CellRecord:
		return changes.CellKey(k.Path, k.Run, k.Lineage.Epoch())
	}
	panic("BUG: key of unknown kind " + strconv.Itoa(int(k.Kind)))
}

func (k Key) lineageText() string {
	return fmt.Sprintf("%s/%016x/%s", k.Run.String(), k.Lineage.Number, k.Lineage.Actor)
}

// ParseKey reads the text of a key; exactly what String makes. ErrFormat.
func ParseKey(s string) (k Key, err error) {
	bad := func() (Key, error) { return k, fmt.Errorf("%w: key %.80q", ErrFormat, s) }
	if len(s) > KeyBytesMax || len(s) < 4 || s[0] != '/' || s[2] != '/' || ds.RawKey(s).Name() == "" || ds.NewKey(s).String() != s {
		return bad()
	}
	k.Kind = recordKind(s[1])
	parts := strings.Split(s[3:], "/")
	ok := false
	switch k.Kind {
	case GenesisRecord:
		ok = len(parts) == 1 && ParseHex(parts[0], k.Sandbox[:])
	case LeaveRecord:
		if len(parts) == 2 && ParseHex(parts[1], k.Run[:]) {
			k.Lineage.Actor, ok = parseActor(parts[0])
		}
	case MemberRecord:
		if len(parts) == 1 {
			k.Lineage.Actor, ok = parseActor(parts[0])
		}
	case HeadRecord:
		ok = len(parts) == 3 && k.parseLineage(parts)
	case LinesRecord, PackRecord:
		ok = len(parts) == 4 && k.parseLineage(parts) && parseNumber(parts[3], &k.Number)
	case MessageRecord, DropRecord:
		if len(parts) == 3 {
			k.Lineage.Actor, ok = parseActor(parts[1])
			ok = ok && ParseHex(parts[0], k.Run[:]) && parseNumber(parts[2], &k.Number)
		}
	case CellRecord:
		var e changes.Epoch
		if k.Path, k.Run, e, err = changes.ParseCellKey(s); err == nil {
			k.Lineage, ok = LineageOf(e)
		}
	}
	if !ok || k.String() != s {
		return bad()
	}
	return k, nil
}

func (k *Key) parseLineage(parts []string) (ok bool) {
	k.Lineage.Actor, ok = parseActor(parts[2])
	return ok && ParseHex(parts[0], k.Run[:]) && parseNumber(parts[1], &k.Lineage.Number)
}

// ParseHex decodes exactly len(to) bytes; false for anything else.
func ParseHex(s string, to []byte) bool {
	b, err := hex.DecodeString(s)
	return err == nil && copy(to, b) == len(to) && len(b) == len(to)
}

func parseNumber(s string, to *uint64) bool {
	var b [8]byte
	ok := ParseHex(s, b[:])
	*to = binary.BigEndian.Uint64(b[:])
	return ok
}
