package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandemvm/tandem/cmd/peer/internal/saved"
	"github.com/tandemvm/tandem/vm"
)

// saveRun writes the run of m, which stands at a safe point, to a file.
func saveRun(m *vm.Machine, args []string, file string) error {
	s, err := m.Take(context.Background())
	if err == nil {
		err = writeWhole(file, func(w io.Writer) error {
			b, err := (&saved.Run{Args: args, Program: m.Program(), Snapshot: s}).Encode()
			if err == nil {
				_, err = w.Write(b)
			}
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("the run cannot be saved: %w", err)
	}
	return nil
}

// writeWhole makes a file of what write writes: whole or not at all.
func writeWhole(file string, write func(w io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// readSaved is the content of a file, of standard input when it is named -.
func (c *command) readSaved(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(c.stdin)
	}
	return os.ReadFile(file)
}

// loadRun reads a saved run. The error says what to do.
func (c *command) loadRun(file string) (*saved.Run, error) {
	b, err := c.readSaved(file)
	if err != nil {
		var bad *fs.PathError
		if errors.As(err, &bad) {
			err = bad.Err
		}
		return nil, fmt.Errorf("no saved run %s: %w: give a file that --save or `peer snapshot save` wrote", file, err)
	}
	r, err := saved.Decode(b)
	switch {
	case errors.Is(err, saved.ErrFormat):
		return nil, fmt.Errorf("%s is not a saved run: give a file that --save or `peer snapshot save` of this release wrote", file)
	case errors.Is(err, saved.ErrDamaged):
		return nil, fmt.Errorf("the saved run %s is %s: use another copy of it", file, strings.TrimPrefix(err.Error(), "saved: "))
	}
	return r, err
}
