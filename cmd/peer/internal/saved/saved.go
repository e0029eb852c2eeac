// Package saved is the file of a saved run: a program and a snapshot of a run of it, so that the run can go on where there is no Go and no
// source:
//
//	"tandem saved run 1\n" | length(8) arguments as JSON | length(8) image | length(8) snapshot | SHA-256 of all before
//
// Lengths are big endian. Image and snapshot are verified by their own decoders too. What the run may use is not in the file: who
// loads it grants it anew. The package reads and writes no files; a run costs its size in memory, twice while it is encoded.
package saved

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tandemvm/tandem/vm"
)

const magic = "tandem saved run 1\n"

var (
	// ErrFormat: the bytes are not a saved run of this release.
	ErrFormat = errors.New("saved: not a saved run")
	// ErrDamaged: the bytes were a saved run once.
	ErrDamaged = errors.New("saved: damaged")
)

// Run is a run that stands still.
type Run struct {
	Args     []string // os.Args
	Program  *vm.Program
	Snapshot *vm.Snapshot
}

// Encode is the content of the file.
func (r *Run) Encode() ([]byte, error) {
	snapshot, err := r.Snapshot.Encode()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(r.Args)
	if err != nil {
		return nil, err
	}
	b := []byte(magic)
	for _, part := range [][]byte{text, r.Program.Encode(), snapshot} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

// Decode reads what Encode made. The error is ErrFormat, ErrDamaged with the reason in parentheses, or vm.ErrVersion.
func Decode(b []byte) (*Run, error) {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok {
		return nil, ErrFormat
	}
	damaged := func(why any) (*Run, error) { return nil, fmt.Errorf("%w (%v)", ErrDamaged, why) }
	end := len(b) - sha256.Size
	if end < len(magic) {
		return damaged("it ends too early")
	}
	if sum := sha256.Sum256(b[:end]); !bytes.Equal(sum[:], b[end:]) {
		return damaged("its checksum does not match")
	}
	rest = rest[:end-len(magic)]
	var parts [3][]byte
	for i := range parts {
		if len(rest) < 8 {
			return damaged("it ends too early")
		}
		n := binary.BigEndian.Uint64(rest)
		if rest = rest[8:]; n > uint64(len(rest)) {
			return damaged("it ends too early")
		}
		parts[i], rest = rest[:n], rest[n:]
	}
	if len(rest) > 0 {
		return damaged("something follows its end")
	}
	r := &Run{}
	err := json.Unmarshal(parts[0], &r.Args)
	if err != nil {
		return damaged(err)
	}
	if r.Program, err = vm.DecodeProgram(parts[1]); err != nil {
		return damaged(err)
	}
	if r.Snapshot, err = vm.DecodeSnapshot(r.Program, parts[2]); errors.Is(err, vm.ErrVersion) || errors.Is(err, vm.ErrProgram) {
		return nil, err
	} else if err != nil {
		return damaged(err)
	}
	return r, nil
}
