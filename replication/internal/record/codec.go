package record

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/tandemvm/tandem/replication/internal/block"
)

// Every record is a version byte and canonical CBOR; keys and fields are drawn in FORMAT.md.
const recordVersion = 1

var (
	encoder = Must(cbor.EncOptions{Sort: cbor.SortCoreDeterministic, IndefLength: cbor.IndefLengthForbidden,
		ShortestFloat: cbor.ShortestFloatNone, NilContainers: cbor.NilContainerAsEmpty}.EncMode())
	decoder = Must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		TagsMd: cbor.TagsForbidden, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxNestedLevels: 64,
		MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 16}.DecMode())
)

// Must gives v; an error is a broken invariant of ours.
func Must[T any](v T, err error) T {
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return v
}

// Encode makes a record of any of the wire structures of this package or its importers.
func Encode(v any) []byte {
	return append([]byte{recordVersion}, Must(encoder.Marshal(v))...)
}

// Decode accepts only what encodeRecord makes, so that equal records have equal bytes.
func Decode(b []byte, v any) error {
	if len(b) == 0 {
		return fmt.Errorf("%w: it is empty", ErrFormat)
	}
	if b[0] != recordVersion {
		return fmt.Errorf("%w: version %d, this program reads %d", ErrFormat, b[0], recordVersion)
	}
	if err := decoder.Unmarshal(b[1:], v); err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	if !bytes.Equal(Encode(v), b) {
		return fmt.Errorf("%w: not in canonical form", ErrFormat)
	}
	return nil
}

// Record is a key with its value, as the engine settled it.
type Record struct {
	Key   string
	Value []byte
}

var (
	// ErrFormat: bytes from the store or a peer are not a record of this version.
	ErrFormat = block.ErrFormat
	// ErrGenesis: a genesis record is not acceptable.
	ErrGenesis = errors.New("replication: genesis record is not acceptable")
)
