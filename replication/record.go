package replication

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
	ds "github.com/ipfs/go-datastore"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
)

// Every record is a version byte and canonical CBOR; keys and fields are drawn in FORMAT.md.
const recordVersion = 1

var (
	encoder = must(cbor.EncOptions{Sort: cbor.SortCoreDeterministic, IndefLength: cbor.IndefLengthForbidden,
		ShortestFloat: cbor.ShortestFloatNone, NilContainers: cbor.NilContainerAsEmpty}.EncMode())
	decoder = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		TagsMd: cbor.TagsForbidden, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxNestedLevels: 64,
		MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 16}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return v
}

func encodeRecord(v any) []byte {
	return append([]byte{recordVersion}, must(encoder.Marshal(v))...)
}

// decodeRecord accepts only what encodeRecord makes, so that equal records have equal bytes.
func decodeRecord(b []byte, v any) error {
	if len(b) == 0 {
		return fmt.Errorf("%w: it is empty", ErrFormat)
	}
	if b[0] != recordVersion {
		return fmt.Errorf("%w: version %d, this program reads %d", ErrFormat, b[0], recordVersion)
	}
	if err := decoder.Unmarshal(b[1:], v); err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	if !bytes.Equal(encodeRecord(v), b) {
		return fmt.Errorf("%w: not in canonical form", ErrFormat)
	}
	return nil
}

// tagged is block.Tagged: one way of hashing everywhere.
var tagged = block.Tagged

// actorID names a peer in one incarnation: the only writer of its keys. A peer that may have lost
// its last writes in a crash goes on as another actor, and so never writes a key twice with different pasts.
type actorID [16]byte

func makeActor(peer string, incarnation uint64) (a actorID) {
	h := tagged("tandem actor 1", binary.BigEndian.AppendUint64(nil, incarnation), []byte(peer))
	copy(a[:], h[:])
	return a
}

func (a actorID) String() string { return base64.RawURLEncoding.EncodeToString(a[:]) }

func parseActor(s string) (a actorID, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(a) {
		return a, false
	}
	copy(a[:], b)
	return a, true
}

// lineageID is an epoch as keys name it: number and writer.
type lineageID struct {
	number uint64
	actor  actorID
}

func (l lineageID) epoch() changes.Epoch {
	return changes.Epoch{Number: l.number, Owner: string(l.actor[:])}
}

func lineageOf(e changes.Epoch) (l lineageID, ok bool) {
	l.number = e.Number
	if len(e.Owner) != len(l.actor) {
		return l, false
	}
	copy(l.actor[:], e.Owner)
	return l, true
}

// recordKind is the first part of a key.
type recordKind byte

const (
	genesisRecord recordKind = 'g'
	memberRecord  recordKind = 'm'
	leaveRecord   recordKind = 'o'
	headRecord    recordKind = 'h'
	linesRecord   recordKind = 'l'
	packRecord    recordKind = 'p'
	cellRecord    recordKind = 'c'
	messageRecord recordKind = 'i'
)

// recordKey is a parsed key. No key is a path prefix of another: each kind has a fixed number of parts.
type recordKey struct {
	kind    recordKind
	run     changes.RunID
	lineage lineageID // memberRecord, messageRecord: only the actor
	number  uint64    // linesRecord: first line; packRecord: slot; messageRecord: of the actor's messages to the run, from 1
	path    changes.Path
	sandbox SandboxID
}

const keyBytesMax = 2048

func (k recordKey) String() string {
	switch k.kind {
	case genesisRecord:
		return "/g/" + hex.EncodeToString(k.sandbox[:])
	case leaveRecord:
		return "/o/" + k.lineage.actor.String() + "/" + runText(k.run)
	case memberRecord:
		return "/m/" + k.lineage.actor.String()
	case headRecord:
		return "/h/" + k.lineageText()
	case linesRecord, packRecord:
		return fmt.Sprintf("/%c/%s/%016x", k.kind, k.lineageText(), k.number)
	case messageRecord:
		return fmt.Sprintf("/i/%s/%s/%016x", runText(k.run), k.lineage.actor, k.number)
	case cellRecord:
		return changes.CellKey(k.path, k.run, k.lineage.epoch())
	}
	panic("BUG: key of unknown kind " + strconv.Itoa(int(k.kind)))
}

func (k recordKey) lineageText() string {
	return fmt.Sprintf("%s/%016x/%s", runText(k.run), k.lineage.number, k.lineage.actor)
}

func parseKey(s string) (k recordKey, err error) {
	bad := fmt.Errorf("%w: key %.80q", ErrFormat, s)
	if len(s) > keyBytesMax || len(s) < 4 || s[0] != '/' || s[2] != '/' || ds.RawKey(s).Name() == "" || ds.NewKey(s).String() != s {
		return k, bad
	}
	k.kind = recordKind(s[1])
	parts := strings.Split(s[3:], "/")
	ok := false
	switch k.kind {
	case genesisRecord:
		ok = len(parts) == 1 && parseHex(parts[0], k.sandbox[:])
	case leaveRecord:
		if len(parts) == 2 && parseHex(parts[1], k.run[:]) {
			k.lineage.actor, ok = parseActor(parts[0])
		}
	case memberRecord:
		if len(parts) == 1 {
			k.lineage.actor, ok = parseActor(parts[0])
		}
	case headRecord:
		ok = len(parts) == 3 && k.parseLineage(parts)
	case linesRecord, packRecord:
		ok = len(parts) == 4 && k.parseLineage(parts) && parseNumber(parts[3], &k.number)
	case messageRecord:
		if len(parts) == 3 {
			k.lineage.actor, ok = parseActor(parts[1])
			ok = ok && parseHex(parts[0], k.run[:]) && parseNumber(parts[2], &k.number)
		}
	case cellRecord:
		var e changes.Epoch
		if k.path, k.run, e, err = changes.ParseCellKey(s); err == nil {
			k.lineage, ok = lineageOf(e)
		}
	}
	if !ok || k.String() != s {
		return k, bad
	}
	return k, nil
}

func (k *recordKey) parseLineage(parts []string) (ok bool) {
	k.lineage.actor, ok = parseActor(parts[2])
	return ok && parseHex(parts[0], k.run[:]) && parseNumber(parts[1], &k.lineage.number)
}

func parseHex(s string, to []byte) bool {
	b, err := hex.DecodeString(s)
	return err == nil && copy(to, b) == len(to) && len(b) == len(to)
}

func parseNumber(s string, to *uint64) bool {
	var b [8]byte
	ok := parseHex(s, b[:])
	*to = binary.BigEndian.Uint64(b[:])
	return ok
}
