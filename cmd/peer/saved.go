package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tandemvm/tandem/vm"
)

// A saved run is a program and a snapshot of a run of it in one file, so that the run can go on where there is no Go and no source:
//
//	"tandem saved run 1\n" | length(8) arguments as JSON | length(8) image | length(8) snapshot | SHA-256 of all before
//
// Lengths are big endian. Image and snapshot are verified by their own decoders too. What the run may use is not in the file: who
// loads it grants it anew.
const savedMagic = "tandem saved run 1\n"

// saveRun writes the run of m, which stands at a safe point, to a file: whole or not at all.
func saveRun(m *vm.Machine, args []string, file string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("the run cannot be saved: %w", err)
		}
	}()
	s, err := m.Take(context.Background())
	if err != nil {
		return err
	}
	snapshot, err := s.Encode()
	if err != nil {
		return err
	}
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(savedMagic)
	for _, part := range [][]byte{text, m.Program().Encode(), snapshot} {
		b.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		b.Write(part)
	}
	sum := sha256.Sum256(b.Bytes())
	b.Write(sum[:])
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// readSaved is the content of a file, of standard input when it is named -.
func readSaved(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(file)
}

// loadRun reads a saved run. The error says what to do.
func loadRun(file string) (p *vm.Program, s *vm.Snapshot, args []string, err error) {
	b, err := readSaved(file)
	if err != nil {
		var bad *fs.PathError
		if errors.As(err, &bad) {
			err = bad.Err
		}
		return nil, nil, nil, fmt.Errorf("no saved run %s: %w: give a file that --save wrote", file, err)
	}
	rest, ok := bytes.CutPrefix(b, []byte(savedMagic))
	if !ok {
		return nil, nil, nil, fmt.Errorf("%s is not a saved run: give a file that --save of this release wrote", file)
	}
	damaged := func(why any) error {
		return fmt.Errorf("the saved run %s is damaged (%v): use another copy of it", file, why)
	}
	end := len(b) - sha256.Size
	if end < len(savedMagic) {
		return nil, nil, nil, damaged("it ends too early")
	}
	if sum := sha256.Sum256(b[:end]); !bytes.Equal(sum[:], b[end:]) {
		return nil, nil, nil, damaged("its checksum does not match")
	}
	rest = rest[:end-len(savedMagic)]
	var parts [3][]byte
	for i := range parts {
		if len(rest) < 8 {
			return nil, nil, nil, damaged("it ends too early")
		}
		n := binary.BigEndian.Uint64(rest)
		if rest = rest[8:]; n > uint64(len(rest)) {
			return nil, nil, nil, damaged("it ends too early")
		}
		parts[i], rest = rest[:n], rest[n:]
	}
	if len(rest) > 0 {
		return nil, nil, nil, damaged("something follows its end")
	}
	if err := json.Unmarshal(parts[0], &args); err != nil {
		return nil, nil, nil, damaged(err)
	}
	if p, err = vm.DecodeProgram(parts[1]); err != nil {
		return nil, nil, nil, damaged(err)
	}
	if s, err = vm.DecodeSnapshot(p, parts[2]); errors.Is(err, vm.ErrVersion) || errors.Is(err, vm.ErrProgram) {
		return nil, nil, nil, err
	} else if err != nil {
		return nil, nil, nil, damaged(err)
	}
	return p, s, args, nil
}
