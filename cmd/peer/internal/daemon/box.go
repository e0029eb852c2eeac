package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/vm"
)

const settingsFile = "settings.json"

// box is one sandbox of the store.
type box struct {
	dir      string
	settings api.Settings
	id       changes.Hash  // zero while it is being created
	ready    chan struct{} // closed when opening has ended, well or not

	// Written before ready is closed.
	sandbox *tandem.Sandbox
	err     error

	mu      sync.Mutex
	young   *tandem.Sandbox               // while it is joined: its status can be asked for
	started map[changes.RunID]*tandem.Run // started here; the sandbox lists them from their first turn on
	failed  map[changes.RunID]string      // runs that execute no more here, and why
	broken  error
}

// opens notes the sandbox before its program is here.
func (b *box) opens(s *tandem.Sandbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.young = s
}

// opened waits until the box is open.
func (b *box) opened(ctx context.Context) (*tandem.Sandbox, error) {
	select {
	case <-b.ready:
		return b.sandbox, b.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// now is the sandbox, nil while it is not open.
func (b *box) now() *tandem.Sandbox {
	select {
	case <-b.ready:
		return b.sandbox
	default:
		return nil
	}
}

func (b *box) close() error {
	<-b.ready
	if b.sandbox == nil {
		return nil
	}
	return b.sandbox.Close()
}

// openAll opens every sandbox of the store in the background.
func (d *Daemon) openAll() error {
	entries, err := os.ReadDir(filepath.Join(d.cfg.Dir, sandboxesDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		dir := filepath.Join(d.cfg.Dir, sandboxesDir, e.Name())
		id, err := tandem.Held(dir)
		if errors.Is(err, tandem.ErrStore) {
			d.log.Info("removing a sandbox that was never finished", "dir", dir)
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		b := newBox(dir, id)
		if b.settings, err = readSettings(filepath.Join(dir, settingsFile)); err != nil {
			return err
		}
		d.boxes = append(d.boxes, b)
		d.work.Go(func() {
			d.fill(b, func(c tandem.Config) (*tandem.Sandbox, error) { return tandem.Open(d.ctx, c) })
			if b.err != nil && d.ctx.Err() == nil {
				d.log.Error("a sandbox could not be opened", "dir", b.dir, "err", b.err)
			}
		})
	}
	return nil
}

func newBox(dir string, id changes.Hash) *box {
	return &box{dir: dir, id: id, ready: make(chan struct{}), started: map[changes.RunID]*tandem.Run{}, failed: map[changes.RunID]string{}}
}

// fill opens the sandbox of b by open.
func (d *Daemon) fill(b *box, open func(tandem.Config) (*tandem.Sandbox, error)) {
	b.sandbox, b.err = open(d.config(b))
	if b.err != nil {
		b.sandbox = nil
	}
	close(b.ready)
}

func (d *Daemon) config(b *box) tandem.Config {
	return tandem.Config{Dir: b.dir, Peer: d.peer, Standby: b.settings.Standby, Work: b.settings.Dir,
		Grants: vm.Grants{Read: b.settings.Read, Env: b.settings.Env},
		Limits: vm.Limits{Gas: b.settings.Gas, MemoryBytes: b.settings.MemoryBytes, Goroutines: b.settings.Goroutines, StackBytes: b.settings.StackBytes},
		Lease:  d.cfg.Lease, DiskFreeMin: d.cfg.DiskFreeMin, Logger: d.log, Metrics: d.registry,
		Notify: func(e tandem.Event) { d.heard(b, e) }, Opened: b.opens}
}

// heard passes an event of a sandbox on.
func (d *Daemon) heard(b *box, e tandem.Event) {
	b.mu.Lock()
	switch e.Kind {
	case tandem.RunStuck:
		b.failed[e.Run] = oneLine(e.Err)
	case tandem.RunTaken:
		delete(b.failed, e.Run)
	case tandem.Broken:
		b.broken = e.Err
	}
	b.mu.Unlock()
	x := api.Event{Kind: string(e.Kind), Name: e.Name, Epoch: e.Epoch, Turn: e.Turn, Took: e.Took, Text: string(e.Text)}
	if s := b.now(); s != nil {
		x.Sandbox = s.ID().String()
	}
	if e.Run != (changes.RunID{}) {
		x.Run = e.Run.String()
	}
	if e.Err != nil {
		x.Error = oneLine(e.Err)
	}
	d.events.publish(x)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// create makes a new sandbox of a program.
func (d *Daemon) create(ctx context.Context, o api.Create, image []byte) (*box, error) {
	program, err := vm.DecodeProgram(image)
	if err != nil {
		return nil, err
	}
	return d.add(changes.Hash{}, o.Settings, func(c tandem.Config) (*tandem.Sandbox, error) {
		return tandem.Create(ctx, c, program, o.Name)
	})
}

// join joins the sandbox of a ticket, or gives the one that is here already.
func (d *Daemon) join(ctx context.Context, o api.Join) (*box, error) {
	id, err := tandem.Invited(o.Ticket)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	boxes := d.boxes
	d.mu.Unlock()
	for _, b := range boxes {
		if s := b.now(); b.id == id || s != nil && s.ID() == id {
			_, err := b.opened(ctx)
			return b, err
		}
	}
	return d.add(id, o.Settings, func(c tandem.Config) (*tandem.Sandbox, error) { return tandem.Join(ctx, c, o.Ticket) })
}

// add opens a new box. If that fails, nothing of it stays: no other peer knows of a sandbox that was not made, and of one
// that was not joined nothing is here.
func (d *Daemon) add(id changes.Hash, settings api.Settings, open func(tandem.Config) (*tandem.Sandbox, error)) (*box, error) {
	var name [6]byte
	rand.Read(name[:])
	b := newBox(filepath.Join(d.cfg.Dir, sandboxesDir, hex.EncodeToString(name[:])), id)
	b.settings = settings
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return nil, err
	}
	if err := writeSettings(filepath.Join(b.dir, settingsFile), settings); err != nil {
		return nil, err
	}
	d.mu.Lock()
	if d.closing {
		d.mu.Unlock()
		return nil, context.Canceled
	}
	d.boxes = append(d.boxes[:len(d.boxes):len(d.boxes)], b)
	d.mu.Unlock()
	d.fill(b, open)
	if b.err == nil {
		return b, nil
	}
	d.mu.Lock()
	var rest []*box
	for _, o := range d.boxes {
		if o != b {
			rest = append(rest, o)
		}
	}
	d.boxes = rest
	d.mu.Unlock()
	return nil, errors.Join(b.err, os.RemoveAll(b.dir))
}
