// Package tandem runs ordinary Go programs that outlive the machine they run on: it puts the machine (package vm), the
// merge between peers (package replication) and the network (packages below net) together into sandboxes that a Go program can embed.
//
//	prog, err := vm.Compile(ctx, vm.Source{Paths: []string{"counter.go"}})
//	box, err := tandem.Create(ctx, tandem.Config{Dir: dir}, prog, "counter")
//	run, err := box.Start(ctx, tandem.RunOptions{Args: []string{"counter"}})
//	fmt.Println(box.Ticket()) // another peer joins with tandem.Join(ctx, config, ticket)
//
// A sandbox is one program, its shared variables and its runs; a run has one owner at a time and works in turns. It is not a
// daemon and has no command line: cmd/peer is that. A sandbox costs a libp2p host, an open store and a goroutine for each run owned here.
package tandem

import (
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm"
)

// Errors that callers branch on; the errors returned wrap them and say what to do.
var (
	// ErrStore: the directory holds no sandbox, or another one.
	ErrStore = errors.New("tandem: no sandbox here")
	// ErrProgram: the sandbox runs another program.
	ErrProgram = errors.New("tandem: another program")
	// ErrClosed: the sandbox was closed.
	ErrClosed = errors.New("tandem: sandbox is closed")
	// ErrPaused: the run is paused.
	ErrPaused = errors.New("tandem: run is paused")
	// ErrUnderWay: the caller did not wait to the end for what it asked of a run, which is being done and is not taken back.
	ErrUnderWay = errors.New("tandem: it is under way and is not taken back")
	// ErrMoved: the run was taken over by another peer, which goes on with it.
	ErrMoved = errors.New("tandem: run goes on at another peer")
)

// Config is how a peer takes part in a sandbox; it is not changed after use. Only Dir is needed.
type Config struct {
	Dir     string // holds ticket and store (and identity, without Peer); made if missing, readable by its owner only
	Peer    *Peer  // shared with the other sandboxes of this process; nil: one for this sandbox alone, made with the next two
	Listen  []string
	MDNS    bool
	Standby bool // keep other peers' runs warm and take them over when their owner is gone

	Grants vm.Grants // what runs executed here may use of this machine
	Limits vm.Limits // bounds of runs started here
	Work   string    // directory that runs executed here look up relative paths in, as vm.Config.Dir; default /

	TurnWords uint64        // instruction words of a turn that does not end by itself; default 4 million (some 20 ms)
	Lease     time.Duration // an owner silent for longer is gone; default 1 s
	Beat      time.Duration // default 200 ms

	// RetainOutput is how many bytes of the newest output of each run owned here all peers keep; default 16 MiB. Readers of older lines get
	// replication.ErrLinesGone.
	RetainOutput int64
	DiskFreeMin  int64 // bytes of the disk that the store leaves free; default 32 MiB

	// Notify is called for what happens to runs and peers, on one goroutine; it must return soon, and cannot Close the sandbox, which waits for it.
	// nil: nothing is told.
	Notify func(Event)

	// Opened is called as soon as Sandbox.Status can be asked how far joining is: before Join or Open return, which wait for the program. nil: not.
	Opened func(*Sandbox)

	Logger  *slog.Logger          // default: discard
	Metrics prometheus.Registerer // default: none
}

// EventKind says what happened.
type EventKind string

const (
	RunStarted   EventKind = "started"    // a run began here
	RunTaken     EventKind = "taken over" // this peer continues a run whose owner was gone
	RunMoved     EventKind = "moved"      // another peer continues a run that was owned here
	RunEnded     EventKind = "ended"      // a run owned here ended
	RunPaused    EventKind = "paused"     // a run owned here waits for Resume: it was asked to, or a turn failed and was taken back
	RunResumed   EventKind = "resumed"    // a run that was paused goes on here
	RunRetries   EventKind = "retries"    // a turn failed and was taken back, and is tried again
	RunStuck     EventKind = "stuck"      // a run owned here executes no more because of an error that is not its own
	RunWaits     EventKind = "waits"      // the members that must hold the turns of a run owned here are out of reach (Err says who is not)
	RunHeld      EventKind = "held"       // they are in reach again
	Doubled      EventKind = "doubled"    // a member met another process with this peer's identity: a copy of the directory is in use
	Diverged     EventKind = "diverged"   // a peer that applied the same deltas has other values: Err names the peer, the variables and the runs and turns that differ
	PeersChanged EventKind = "peers"      // a peer came, went, or changed its digest
	Broken       EventKind = "broken"     // the store failed; nothing is lost that was acknowledged, but no turn is taken any more
)

// Event is one thing that happened.
type Event struct {
	Kind  EventKind
	Run   changes.RunID
	Name  string        // of the run
	Epoch uint64        // of the run, now
	Turn  uint64        // last turn ended
	Took  time.Duration // RunTaken: from noticing that the owner was gone to executing
	Err   error         // RunPaused (nil: by request), RunRetries, RunStuck, RunWaits, Diverged, Broken
	Text  []byte        // RunPaused, RunRetries: what Go prints of such a failure; nil for limits and requests
}

const turnWordsDefault = 4 << 20
