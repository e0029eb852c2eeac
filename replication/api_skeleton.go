package replication

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tandemvm/tandem/changes"
)

// This file lists the public surface whose bodies are being written into the files of their concept.

// SandboxID names a sandbox: the hash of its genesis record.
type SandboxID = changes.Hash

// Clock is the injected wall clock; nil in Config means the real one.
type Clock interface {
	Now() time.Time
	// NewTicker calls for time to pass: a channel that receives about every d, and its stop.
	NewTicker(d time.Duration) (c <-chan time.Time, stop func())
}

// Config is what a replica is opened with; not changed afterwards. Zero values are useful except Dir and Transport.
type Config struct {
	Dir       string    // directory of the store, made if missing (0700)
	Transport Transport // not closed by the replica
	Sandbox   SandboxID // the sandbox to open or join; zero: the one in the store
	Secret    []byte    // the sandbox's key (from the ticket): proves membership of delta authors
	Standby   bool      // keep pages of other peers' runs warm and emit OwnerGone when one must be taken over
	Clock     Clock
	Logger    *slog.Logger          // nil: discard
	Metrics   prometheus.Registerer // nil: not registered

	FlushInterval time.Duration // turns within it share a delta; default 10 ms
	BeatInterval  time.Duration // default 200 ms
	Lease         time.Duration // an owner silent for longer is gone; default 1 s
	DiskFreeMin   int64         // bytes that must stay free on the disk; default 32 MiB
}

// Genesis is the first record of a sandbox: immutable, its hash is the sandbox id.
type Genesis struct {
	Program    changes.Hash // hash of the image's canonical bytes, as the vm names it
	ImageBytes int64        // filled in by Create
	Image      changes.Hash // blob of the image; filled in by Create
	Variables  []Variable   // shared variables, sorted by name
	Creator    string       // peer id; filled in by Create
	CreatedMs  int64        // ms since 1970; filled in by Create
	Name       string       // for people
	Meta       []byte       // the embedder's, at most 64 KiB
}

// Variable is a shared variable of the program.
type Variable struct {
	Name    string // package path and name: "main.Counts"
	Rule    string // text after //tandem:shared ("map counter")
	Type    *changes.Type
	Initial changes.Value // value at program start; absent: the type's zero
}

// Create makes a new sandbox: a store in cfg.Dir (ErrExists if there is one) holding the genesis and
// the program image, and opens it. cfg.Sandbox is ignored; the new id is Replica.Sandbox.
func Create(ctx context.Context, cfg Config, g Genesis, image []byte) (*Replica, error) {
	panic("BUG: body not written yet")
}

// Open opens the store in cfg.Dir, or, with cfg.Sandbox given and no store there, makes an empty one
// that joins the sandbox. It does not wait for peers: see Genesis and Program.
func Open(ctx context.Context, cfg Config) (*Replica, error) { panic("BUG: body not written yet") }

// Replica is this peer's copy of one sandbox. Safe for concurrent use.
type Replica struct{}

// Close flushes pending turns, marks the store clean and closes it.
func (r *Replica) Close() error { panic("BUG: body not written yet") }

func (r *Replica) Sandbox() SandboxID { panic("BUG: body not written yet") }
func (r *Replica) Self() string       { panic("BUG: body not written yet") }

// Genesis waits until the genesis record is here. Program waits for the image's bytes (the caller
// checks them against Genesis.Program).
func (r *Replica) Genesis(ctx context.Context) (Genesis, error) { panic("BUG: body not written yet") }
func (r *Replica) Program(ctx context.Context) ([]byte, error)  { panic("BUG: body not written yet") }

// RunStart describes a new run. Everything in it travels in each head, so a taker-over can go on.
type RunStart struct {
	Name string // for people, at most 128 bytes
	Meta []byte // the embedder's (arguments, grants), at most 16 KiB
}

// StartRun opens epoch 1 of a new run owned here. Others see the run when its first turn is committed.
func (r *Replica) StartRun(ctx context.Context, s RunStart) (changes.RunID, changes.Epoch, error) {
	panic("BUG: body not written yet")
}

// Turn is what a run did between two commit points. Pages, Changes and Lines are not modified by the
// caller afterwards.
type Turn struct {
	Run          changes.RunID
	Epoch        changes.Epoch       // from StartRun or TakeOver
	Number       uint64              // previous turn's + 1; the first turn of a run is 1
	Instructions uint64              // executed by the run so far, all epochs
	Root         changes.Hash        // state hash after the turn; zero: not given, replication computes it
	MemoryBytes  uint64              // size of memory after the turn
	Pages        []changes.Page      // pages written by the turn, whole; turn 1: every page that is not all zero
	Zeros        []changes.PageRange // pages that are all zero afterwards
	Changes      []changes.Change    // net changes of shared variables, from what the run last saw (Pull)
	Lines        []changes.Line      // numbers go on from the head's Lines count without gap
	Limits       []changes.Limit
	Done         bool  // the run ended with this turn
	Exit         int32 // exit status when Done
}

// CommitTurn hands in a turn and returns when it is durable here (ErrSuperseded, ErrNotOwner, ErrTurn,
// ErrDiskFull, ErrFailed otherwise). Output of the turn may be released after it returns nil.
func (r *Replica) CommitTurn(ctx context.Context, t Turn) error { panic("BUG: body not written yet") }

// SubmitTurn hands in a turn without waiting; the channel receives one error or nil when it is durable.
// Rule violations are found at once. It blocks only when too much is waiting to be written.
func (r *Replica) SubmitTurn(t Turn) (<-chan error, error) { panic("BUG: body not written yet") }

// Pull returns the merged values of the leaf paths that changed since the last Pull of this run
// owned here (remote turns, and its own), to be written into the run between turns. What Pull has
// returned is what the run has seen: later changes are folded against it. The first Pull after
// StartRun or TakeOver returns every path that differs from the initial values.
func (r *Replica) Pull(run changes.RunID) ([]changes.Assignment, error) {
	panic("BUG: body not written yet")
}

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
	Limits       []changes.Limit
	Done         bool
	Exit         int32
	Program      changes.Hash
	Prev         changes.Hash // hash of the head before this one in the chain; zero for the first
	Base         *Base        // the head this epoch continued; nil for a run's first epoch
	Signature    []byte       // of Owner over everything above
}

// Base is the head that a takeover continued.
type Base struct {
	Epoch changes.Epoch
	Turn  uint64
	Lines uint64
	Head  changes.Hash
}

// RunStatus is a run as this peer sees it.
type RunStatus struct {
	Head  Head   // the winner
	Owned bool   // owned here, now
	Alive bool   // its owner was heard within the lease
	Warm  bool   // the head's state is completely here
	Forks []Head // heads of other epochs that are not ancestors of the winner: kept, void
}

// Runs lists all runs known here, sorted by id. Head gives the winning head of one (ErrUnknownRun).
func (r *Replica) Runs() []RunStatus                    { panic("BUG: body not written yet") }
func (r *Replica) Head(run changes.RunID) (Head, error) { panic("BUG: body not written yet") }

// State is the memory of a run at a head.
type State struct {
	Head Head
}

// Page returns page i (of changes.PageBytes), nil when it is all zero. Each visits the pages that
// are not all zero in order of index. Hashes are checked.
func (s *State) Page(i uint64) (*[changes.PageBytes]byte, error) { panic("BUG: body not written yet") }
func (s *State) Each(f func(index uint64, page *[changes.PageBytes]byte) error) error {
	panic("BUG: body not written yet")
}

// LoadState gives the newest state of the run that can be had: missing blocks of the winning head
// are fetched from peers first, an older complete head is the second choice, ErrNotWarm the last.
func (r *Replica) LoadState(ctx context.Context, run changes.RunID) (*State, error) {
	panic("BUG: body not written yet")
}

// TakeOver opens the next epoch of a run for this peer (also: of its own run after a restart), re-issues
// the run's cells under it, and returns the state to continue from, durable and published. The next turn
// is Head.Turn+1. ErrNoMajority, ErrDone, ErrNotWarm, ErrUnknownRun. It does not ask whether the
// owner is gone: OwnerGone events do.
func (r *Replica) TakeOver(ctx context.Context, run changes.RunID) (*State, error) {
	panic("BUG: body not written yet")
}

// Release ends this peer's ownership of a run without ending the run: heartbeats stop, a standby may take it over.
func (r *Replica) Release(run changes.RunID) { panic("BUG: body not written yet") }

// Merged is the merged value of a shared variable over the winning epochs of all runs; conflicts counts
// its concurrent lww values that lost.
func (r *Replica) Merged(name string) (v changes.Value, conflicts int, err error) {
	panic("BUG: body not written yet")
}

// Digest is the Merkle root over all merged leaf values and winning heads.
func (r *Replica) Digest() changes.Hash { panic("BUG: body not written yet") }

// Lines calls f for each line of a run, numbered from `from` (1: the first), each number once and in
// order, and goes on as new lines arrive until the run is done, ctx ends or f returns an error.
func (r *Replica) Lines(ctx context.Context, run changes.RunID, from uint64, f func(changes.Line) error) error {
	panic("BUG: body not written yet")
}

// EventKind says what happened.
type EventKind uint8

const (
	TouchedPaths EventKind = iota + 1 // merged values changed: Pull the owned runs
	HeadAdvanced                      // Run has a new winning head
	OwnerGone                         // Run's owner is gone and it is this peer's turn to TakeOver
	LeaseLost                         // Run is owned here but a majority of members has not been heard for a lease
	LeaseHeld                         // ... is heard again
	Superseded                        // Run was owned here and a higher epoch won: stop executing it
	PeersChanged                      // a peer came, went, or changed its digest
	Failed                            // a write failed (Err): the replica takes no more turns
)

// Event is sent on Events. Events of one kind and run are coalesced while nobody reads.
type Event struct {
	Kind  EventKind
	Run   changes.RunID
	Paths []changes.Path // TouchedPaths
	Head  Head           // HeadAdvanced, OwnerGone, Superseded: the winner
	Err   error          // Failed
}

// Events is closed by Close.
func (r *Replica) Events() <-chan Event { panic("BUG: body not written yet") }

// PeerStatus is what a peer said in its last beat.
type PeerStatus struct {
	Peer      string
	Connected bool
	Reachable bool          // heard within the lease
	Ago       time.Duration // since the last beat
	Digest    changes.Hash
	InSync    bool // its digest and DAG heads equal ours
	Standby   bool
	Deltas    uint64 // applied there
}

// Status is this replica and its peers at one moment.
type Status struct {
	Sandbox SandboxID
	Self    string
	Members []string // peer ids of all known members, sorted
	Digest  changes.Hash
	Deltas  uint64 // applied here
	Bytes   uint64 // of deltas applied here
	Heads   int    // heads of the DAG
	Pending int    // deltas waiting for ancestors or blobs
	Peers   []PeerStatus
	Failed  error
}

func (r *Replica) Status() Status { panic("BUG: body not written yet") }

// Converged waits until every reachable peer (at least peersMin of them) has said the same digest and
// DAG heads as ours.
func (r *Replica) Converged(ctx context.Context, peersMin int) error {
	panic("BUG: body not written yet")
}
