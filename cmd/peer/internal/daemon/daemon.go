// Package daemon is a peer as a process: one identity and one place on the network, any number of sandboxes in one store
// directory, and the local API to them. It is not the command line (that is a client of it) and holds nothing that the library in the
// root package does not do: it opens, lists, and tells.
//
//	STORE/identity, listen   of the peer (package tandem)
//	STORE/lock               held while a daemon has the store
//	STORE/peer.sock, socket  where the API is (package api)
//	STORE/sandboxes/NAME/    settings.json, and a sandbox's own files
//
// A daemon costs a libp2p host and, for each sandbox, an open store.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

var (
	// ErrInUse: another daemon has the store.
	ErrInUse = errors.New("the store is in use by another peer process")
	// ErrNoStore: the directory is no store.
	ErrNoStore = errors.New("there is no store here")
)

// Config of a daemon. Only Dir is needed.
type Config struct {
	Dir      string
	Listen   []string // multiaddrs
	Announce []string // multiaddrs that others are told instead
	MDNS     bool
	Init     bool   // make a store if there is none
	Metrics  string // loopback address to serve Prometheus metrics and pprof on; empty: none
	Version  string

	Lease       time.Duration
	DiskFreeMin int64
	Logger      *slog.Logger
}

// Daemon is a running peer.
type Daemon struct {
	cfg      Config
	log      *slog.Logger
	lock     *os.File
	registry *prometheus.Registry
	peer     *tandem.Peer
	events   *hub
	http     []*http.Server
	socket   string
	metrics  string // address

	ctx    context.Context
	cancel context.CancelFunc
	stop   chan struct{} // closed when a client asks to stop
	once   sync.Once
	work   sync.WaitGroup

	starting sync.Mutex // one Start with Once at a time

	mu      sync.Mutex
	boxes   []*box // in the order of opening
	closing bool
	waiting []net.Conn // of clients that wait for the end of the daemon
}

const (
	lockFile     = "lock"
	sandboxesDir = "sandboxes"
)

// IsStore reports whether dir is the store of a peer.
func IsStore(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, lockFile))
	return err == nil
}

// Open starts a daemon on the store: when it returns, the API answers. The sandboxes of the store are opened in the background.
func Open(cfg Config) (_ *Daemon, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if !IsStore(cfg.Dir) {
		if !cfg.Init {
			return nil, fmt.Errorf("%w: %s: start one with `peer run` or `peer join`", ErrNoStore, cfg.Dir)
		}
		if err := os.MkdirAll(filepath.Join(cfg.Dir, sandboxesDir), 0o700); err != nil {
			return nil, fmt.Errorf("the store cannot be made: %w: give another --store", err)
		}
	}
	d := &Daemon{cfg: cfg, log: cfg.Logger, registry: prometheus.NewRegistry(), events: newHub(), stop: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if d.lock, err = lockStore(cfg.Dir); err != nil {
		return nil, err
	}
	d.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	d.peer, err = tandem.Listen(tandem.PeerConfig{Dir: cfg.Dir, Listen: cfg.Listen, Announce: cfg.Announce, MDNS: cfg.MDNS, Logger: cfg.Logger, Metrics: d.registry})
	if err != nil {
		return nil, err
	}
	if err = d.openAll(); err != nil {
		return nil, err
	}
	if cfg.Metrics != "" {
		if err = d.serveMetrics(cfg.Metrics); err != nil {
			return nil, err
		}
	}
	return d, d.serve()
}

// lockStore keeps every other daemon away for as long as the process lives.
func lockStore(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		f.Close()
		return nil, fmt.Errorf("%w: %s: ask it with `peer ps --store %s`, stop it with `peer stop --store %s`, or give another --store", ErrInUse, dir, dir, dir)
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// socketPathMax is what fits in a socket address on every Unix.
const socketPathMax = 100

// serve begins to answer on the socket.
func (d *Daemon) serve() error {
	path := filepath.Join(d.cfg.Dir, api.SocketFile)
	place := filepath.Join(d.cfg.Dir, api.PlaceFile)
	if err := os.Remove(place); err != nil && !os.IsNotExist(err) {
		return err
	}
	if abs, err := filepath.Abs(path); err != nil || len(abs) > socketPathMax {
		dir, err := os.MkdirTemp("", "tandem-")
		if err != nil {
			return err
		}
		path = filepath.Join(dir, api.SocketFile)
		if err := os.WriteFile(place, []byte(path+"\n"), 0o600); err != nil {
			return err
		}
	} else {
		path = abs
	}
	// The lock is held, so whoever left a socket here is dead.
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	l, err := listenUnix(path)
	if err != nil {
		return fmt.Errorf("the API's socket: %w", err)
	}
	d.socket = path
	d.serveOn(l, d.routes())
	return nil
}

// listenUnix listens on a socket that only its owner can connect to, from the first moment.
func listenUnix(path string) (net.Listener, error) {
	old := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	return l, err
}

func (d *Daemon) serveOn(l net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return d.ctx }}
	d.http = append(d.http, s)
	d.work.Go(func() { s.Serve(l) })
}

// Stopped is closed when a client asked the daemon to stop.
func (d *Daemon) Stopped() <-chan struct{} { return d.stop }

// Peer is the daemon's peer id.
func (d *Daemon) Peer() string { return d.peer.ID() }

// Close stops answering, closes the sandboxes and leaves the network. Of no daemon (nil) there is nothing to close.
func (d *Daemon) Close() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	if d.closing {
		d.mu.Unlock()
		return nil
	}
	d.closing = true
	boxes := d.boxes
	d.mu.Unlock()
	d.cancel()
	for _, s := range d.http {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
		cancel()
	}
	var errs []error
	for _, b := range boxes {
		errs = append(errs, b.close())
	}
	d.work.Wait()
	if d.peer != nil {
		errs = append(errs, d.peer.Close())
	}
	if d.socket != "" {
		os.Remove(d.socket)
		if filepath.Dir(d.socket) != d.cfg.Dir {
			os.Remove(filepath.Join(d.cfg.Dir, api.PlaceFile))
			os.Remove(filepath.Dir(d.socket)) // the directory made for it; others are not empty
		}
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.waiting {
		c.Close()
	}
	return errors.Join(errs...)
}
