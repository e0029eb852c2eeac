// Package api is what a running daemon and its clients say to each other: paths, requests and answers, as JSON over HTTP on a unix
// socket in the daemon's store. It holds types and no code that does anything; package daemon serves them, package
// client asks for them. Fields are only ever added; Version changes when one changes its meaning.
//
//	GET  /v1/status                          Status
//	POST /v1/sandboxes?settings=             Create, in the query; body: the program's image; Sandbox
//	POST /v1/join                            Join; Sandbox
//	GET  /v1/sandboxes                       []Sandbox
//	GET  /v1/sandboxes/{sandbox}/ticket      Ticket
//	GET  /v1/runs                            []Run
//	POST /v1/sandboxes/{sandbox}/runs        Start; Run
//	GET  /v1/runs/{run}                      Run
//	POST /v1/runs/{run}/pause                Run
//	POST /v1/runs/{run}/end                  Run
//	POST /v1/runs/{run}/resume               Resume; Run
//	POST /v1/runs/{run}/move                 Move; Run
//	POST /v1/sandboxes/{sandbox}/leave       Move; Sandbox
//	GET  /v1/divergences[?peer=]             []Divergence
//	POST /v1/runs/{run}/messages?id=         body: the message; Sent. {run} may be a sandbox with one run that has not ended
//	GET  /v1/runs/{run}/messages             []Message
//	DELETE /v1/runs/{run}/messages?id=       Run: that message is taken away from it
//	GET  /v1/runs/{run}/lines?from=&follow=  stream of Line; a number jumps where lines went that are not kept any more
//	GET  /v1/runs/{run}/snapshot             where it stands, as package saved has it
//	GET  /v1/variables[?sandbox=][&name=]    []Variable
//	GET  /v1/digests                         []Digest
//	GET  /v1/peers                           []Peer
//	GET  /v1/events?from=                    stream of Event
//	POST /v1/converged                       Converged; Digest
//	POST /v1/cut, /v1/heal                   Peers
//	POST /v1/stop                            the answer ends when the daemon has let go of its store
//
// A stream is one JSON object a line: {"value": ...} for each, at its end {"end": true} or {"error": "..."}. {sandbox} and {run} are an id, the
// beginning of one, or a name; the sandbox "-" is the only one there is.
package api

import (
	"encoding/json"
	"time"
)

// Version of this interface, in Status.
const Version = 1

// Files in the store directory that clients look at.
const (
	SocketFile = "peer.sock" // the socket itself
	PlaceFile  = "socket"    // the socket's path, when it is somewhere else because a path here would be too long
)

// Error is the answer to a request that failed.
type Error struct {
	Error string `json:"error"`
}

// Status describes the daemon.
type Status struct {
	API     int      `json:"api"`
	Version string   `json:"version"`
	PID     int      `json:"pid"`
	Peer    string   `json:"peer"`  // id
	Addrs   []string `json:"addrs"` // multiaddrs with /p2p/ID
	Store   string   `json:"store"`
	Metrics string   `json:"metrics,omitempty"` // HOST:PORT
	// Opening is true until every sandbox of the store has been opened, or tried to.
	Opening   bool      `json:"opening"`
	Sandboxes []Sandbox `json:"sandboxes"`
}

// Sandbox as this peer has it.
type Sandbox struct {
	ID      string   `json:"id"` // 64 hex digits; empty while it is being made
	Name    string   `json:"name"`
	Program string   `json:"program"` // hash
	Standby bool     `json:"standby"`
	Members []string `json:"members"` // peer ids
	Digest  string   `json:"digest"`
	Deltas  uint64   `json:"deltas"`  // applied here
	Bytes   uint64   `json:"bytes"`   // of deltas applied since it was opened
	Heads   int      `json:"heads"`   // of the DAG
	Pending int      `json:"pending"` // deltas waiting
	Joining Joining  `json:"joining"`
	Foreign []string `json:"foreign,omitempty"` // a line for each peer in reach that speaks another version of the protocol: which, and what to do
	Notes   []string `json:"notes,omitempty"`   // a line for each thing that somebody has to know of or do something about
	Error   string   `json:"error,omitempty"`
}

// Joining is how far this peer is since it opened the sandbox. What is wanted is what is known to be, so it grows while it comes.
type Joining struct {
	Done         bool   `json:"done"`   // what members had when they were asked is here
	Peers        int    `json:"peers"`  // members in reach now
	Deltas       uint64 `json:"deltas"` // fetched
	DeltasWanted uint64 `json:"deltas_wanted"`
	Behind       int    `json:"behind"` // deltas not applied yet
	Blocks       uint64 `json:"blocks"` // fetched: pages, and what lists them
	BlocksWanted uint64 `json:"blocks_wanted"`
	Bytes        uint64 `json:"bytes"` // of both
}

// Settings of a sandbox at this peer; they are kept in the store.
type Settings struct {
	Standby     bool     `json:"standby"`
	Read        []string `json:"read,omitempty"`         // paths that runs executed here may read
	Dir         string   `json:"dir,omitempty"`          // where they look up relative paths; default /
	Env         []string `json:"env,omitempty"`          // KEY=VALUE
	Gas         uint64   `json:"gas,omitempty"`          // instruction words of a run; 0: unlimited
	MemoryBytes uint64   `json:"memory_bytes,omitempty"` // of a run
	Goroutines  uint64   `json:"goroutines,omitempty"`   // of a run, living at once; 0: about a million
	StackBytes  uint64   `json:"stack_bytes,omitempty"`  // of one goroutine; 0: 1000000000
}

// Create asks for a new sandbox.
type Create struct {
	Name string `json:"name"`
	Settings
}

// Join asks to join the sandbox of a ticket.
type Join struct {
	Ticket string `json:"ticket"`
	Settings
}

// Ticket invites to a sandbox. It is a secret.
type Ticket struct {
	Ticket string `json:"ticket"`
}

// Start asks for a new run.
type Start struct {
	Name string   `json:"name"`
	Args []string `json:"args"` // os.Args, the program's name first
	// OnFailure is what becomes of the run when a turn fails: pause (or nothing), retry, stop.
	OnFailure string `json:"on_failure,omitempty"`
	// Durable is when a turn's output may be shown: local (or nothing), majority, or how many peers must hold the turn.
	Durable string `json:"durable,omitempty"`
	// Once: if a run of that name is known here, it is the answer and none is started. Then a request whose answer was lost may be
	// made again.
	Once bool `json:"once"`
}

// Run as this peer sees it.
type Run struct {
	ID           string `json:"id"` // 32 hex digits
	Sandbox      string `json:"sandbox"`
	Name         string `json:"name"`
	Owner        string `json:"owner"` // peer id
	Owned        bool   `json:"owned"` // by this peer
	Alive        bool   `json:"alive"` // its owner was heard lately
	Warm         bool   `json:"warm"`  // it can be continued here
	Epoch        uint64 `json:"epoch"`
	Turn         uint64 `json:"turn"`
	Instructions uint64 `json:"instructions"`
	MemoryBytes  uint64 `json:"memory_bytes"`
	Lines        uint64 `json:"lines"` // pieces of output
	Done         bool   `json:"done"`
	Exit         int    `json:"exit"`
	Forks        int    `json:"forks"`             // lost epochs that are kept
	Paused       bool   `json:"paused"`            // it waits for resume
	Error        string `json:"error,omitempty"`   // why it is paused, or does not execute here
	Waits        string `json:"waits,omitempty"`   // what it waits for before its newest turn is durable, if that is out of reach
	Failure      string `json:"failure,omitempty"` // when a failed turn paused it: what Go prints of such a failure
	// Messages are, when a failed turn paused it, the ids of those that it had received in the turn: it goes on when one of them is dropped.
	Messages []string `json:"messages,omitempty"`
}

// Resume asks for a paused run to go on. Fields that are not zero are limits that it has from then on, wherever it executes; the greatest number is none.
type Resume struct {
	Gas         uint64 `json:"gas,omitempty"`          // instruction words in all
	MemoryBytes uint64 `json:"memory_bytes,omitempty"` // of the run
	Goroutines  uint64 `json:"goroutines,omitempty"`   // living at once
	StackBytes  uint64 `json:"stack_bytes,omitempty"`  // of one goroutine
}

// Sent is a message that is on its way.
type Sent struct {
	Run string `json:"run"`
	ID  string `json:"id"`
}

// Message to a run: one that it has not received, or one that was taken away.
type Message struct {
	ID        string    `json:"id"`
	From      string    `json:"from"` // peer id
	Sent      time.Time `json:"sent"` // by that peer's clock, as is Dropped
	Body      []byte    `json:"body"`
	DroppedBy string    `json:"dropped_by,omitempty"` // peer id; empty: it waits
	Dropped   time.Time `json:"dropped,omitzero"`
}

// Line is a piece of a run's output: a line with its newline, or what a turn wrote of one.
type Line struct {
	Number uint64 `json:"number"` // from 1, over both streams
	Stream uint8  `json:"stream"` // 1 stdout, 2 stderr
	Text   []byte `json:"text"`
}

// Variable is a shared variable.
type Variable struct {
	Sandbox   string          `json:"sandbox"`
	Name      string          `json:"name"`
	Rule      string          `json:"rule"`
	Type      string          `json:"type"`
	Value     json.RawMessage `json:"value"`
	Text      string          `json:"text"`      // as Go would write it
	Conflicts int             `json:"conflicts"` // concurrent lww values that lost and stand beside the winner now
	// Overwritten are those that lost and were overwritten since; the two together only grow.
	Overwritten uint64 `json:"overwritten"`
}

// Digest of a sandbox here and as the peers said theirs.
type Digest struct {
	Sandbox   string       `json:"sandbox"`
	Name      string       `json:"name"`
	Digest    string       `json:"digest"`
	Converged bool         `json:"converged"` // all peers in reach say the same, and nothing is waiting
	Peers     []PeerDigest `json:"peers"`
}

// PeerDigest is what a peer last said.
type PeerDigest struct {
	Peer      string `json:"peer"`
	Digest    string `json:"digest"`
	InSync    bool   `json:"in_sync"`
	Reachable bool   `json:"reachable"`
}

// Peer is another member of a sandbox, or was one.
type Peer struct {
	Peer      string        `json:"peer"`
	Sandbox   string        `json:"sandbox"`
	Name      string        `json:"name"`   // of the sandbox
	Member    bool          `json:"member"` // false: it left, or was taken out
	Connected bool          `json:"connected"`
	Reachable bool          `json:"reachable"` // heard within the lease
	Ago       time.Duration `json:"ago_ns"`    // since it was heard
	Digest    string        `json:"digest"`
	InSync    bool          `json:"in_sync"`
	Standby   bool          `json:"standby"`
	Deltas    uint64        `json:"deltas"`
}

// Event is one thing that happened at this peer; Kind is a tandem.EventKind.
type Event struct {
	Number  uint64        `json:"number"` // from 1 since the daemon started
	Time    time.Time     `json:"time"`
	Kind    string        `json:"kind"`
	Sandbox string        `json:"sandbox"`
	Run     string        `json:"run,omitempty"`
	Name    string        `json:"name,omitempty"`
	Epoch   uint64        `json:"epoch,omitempty"`
	Turn    uint64        `json:"turn,omitempty"`
	Took    time.Duration `json:"took_ns,omitempty"`
	Error   string        `json:"error,omitempty"`
	Text    string        `json:"text,omitempty"` // what Go prints of the failure
}

// Converged asks to wait until at least PeersMin peers, and all in reach, have this peer's digest.
type Converged struct {
	Sandbox  string        `json:"sandbox"`
	PeersMin int           `json:"peers_min"`
	Timeout  time.Duration `json:"timeout_ns"`
}

// Peers names peers by id.
type Peers struct {
	Peers []string `json:"peers"`
}

// Move asks for a run to go on at another peer; for a sandbox: for that peer to be no member any more, this one if empty.
type Move struct {
	Peer   string `json:"peer"`
	Remove bool   `json:"remove,omitempty"` // with a sandbox, and no peer: what is here of it is removed from the store
}

// Divergence is a difference between this peer and another: a variable or run, whose contribution differs, and from which of its turns on.
type Divergence struct {
	Sandbox string `json:"sandbox"`
	Peer    string `json:"peer"`
	Name    string `json:"name"`
	Run     string `json:"run"`
	Turn    uint64 `json:"turn"`
}
