package vm

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/host"
)

// world is what a machine may ask of the outside: the clock, output, and what the Config grants.
type world struct {
	m      *Machine
	folder *host.Folder
}

var (
	_ exec.Host     = (*world)(nil)
	_ host.Output   = (*world)(nil)
	_ host.Input    = (*world)(nil)
	_ host.Settings = (*world)(nil)
	_ host.Place    = (*world)(nil)
	_ host.Files    = (*world)(nil)
	_ host.Zones    = (*world)(nil)
)

// newWorld opens what c grants.
func newWorld(m *Machine, c Config) (*world, error) {
	var grants []host.Grant
	for _, p := range c.Grants.Read {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("vm: grant of %s: %w", p, err)
		}
		grants = append(grants, host.Grant{Guest: filepath.ToSlash(abs), Path: abs})
	}
	f, err := host.NewFolder(grants...)
	if err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	return &world{m, f}, nil
}

// Walltime is nanoseconds since 1970.
func (w *world) Walltime() int64 { return w.m.cfg.Clock.Now().UnixNano() }

// Nanotime is the run's monotonic time; it travels with the run.
func (w *world) Nanotime() int64 { return w.m.clock.monotonic() }

// Stderr takes the text of fatal errors.
func (w *world) Stderr(p []byte) error { return w.Output(Stderr, p) }

// Output takes what the program writes: all of it or, when that would exceed the limit, nothing.
func (w *world) Output(fd int, p []byte) error {
	m := w.m
	if n := uint64(len(p)); m.outputMax != 0 && (m.outputUsed > m.outputMax || n > m.outputMax-m.outputUsed) {
		return &exec.LimitError{Limit: "output", Max: m.outputMax}
	}
	m.outputUsed += uint64(len(p))
	m.mem.Store64(rootOutputUsed, m.outputUsed)
	m.out.write(uint8(fd), p)
	return nil
}

// Input gives standard input. What was written before is shown first, so that a prompt precedes its answer.
func (w *world) Input(p []byte) (int, error) {
	if w.m.cfg.Stdin == nil {
		return 0, nil
	}
	w.m.mem.BringAll() // so that this is not taken back
	if !w.m.inTurn && w.m.cfg.Output != nil {
		if err := w.m.flush(); err != nil {
			return 0, err
		}
	}
	n, err := w.m.cfg.Stdin.Read(p)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// Args are the program's arguments, Environ its environment.
func (w *world) Args() []string    { return w.m.cfg.Args }
func (w *world) Environ() []string { return w.m.cfg.Grants.Env }

// Dir is the working directory the program sees.
func (w *world) Dir() string {
	if w.m.cfg.Dir == "" {
		return "/"
	}
	return w.m.cfg.Dir
}

// Stat, ReadAt and ReadDir look at granted files.
func (w *world) Stat(path string) (host.FileInfo, error) { return w.folder.Stat(path) }
func (w *world) ReadAt(path string, p []byte, off int64) (int, error) {
	return w.folder.ReadAt(path, p, off)
}
func (w *world) ReadDir(path string) ([]host.FileInfo, error) { return w.folder.ReadDir(path) }

// Zone reads this machine's database of time zones.
func (w *world) Zone(name string) ([]byte, error) { return host.Zone(name) }
