package replication

import (
	"errors"

	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// Errors that callers branch on. The errors returned wrap one of these and say what to do.
var (
	// ErrLocked: another process has the store open.
	ErrLocked = errors.New("replication: store is in use by another process")
	// ErrOtherSandbox: the store belongs to another sandbox or another peer.
	ErrOtherSandbox = errors.New("replication: store belongs to another sandbox")
	// ErrNoStore: Open without a sandbox id on a directory without a store.
	ErrNoStore = errors.New("replication: no store here")
	// ErrExists: Create on a directory that already holds a store.
	ErrExists = errors.New("replication: a store is already here")
	// ErrDiskFull: there is no room to write; nothing of the refused write was made durable.
	ErrDiskFull = errors.New("replication: disk is full")
	// ErrCorrupt: the store holds bytes that do not decode or do not hash to their name.
	ErrCorrupt = block.ErrCorrupt
	// ErrFailed: an earlier write failed, the replica takes no more turns; close it and open it again.
	ErrFailed = errors.New("replication: replica stopped after a failed write")
	// ErrSuperseded: a higher epoch of the run exists; the caller must stop executing it.
	ErrSuperseded = errors.New("replication: run was taken over")
	// ErrNotOwner: the run is not owned here in that epoch.
	ErrNotOwner = errors.New("replication: run is not owned here")
	// ErrOwner: this peer owns runs.
	ErrOwner = errors.New("replication: runs are owned here")
	// ErrUnknownRun: no head of that run is known here.
	ErrUnknownRun = errors.New("replication: unknown run")
	// ErrNotWarm: no head of the run is completely here and no connected peer could supply the rest.
	ErrNotWarm = errors.New("replication: state of the run is not here")
	// ErrNoMajority: too few members are reachable to take the run over.
	ErrNoMajority = errors.New("replication: no majority of members is reachable")
	// ErrUnknownPeer: no such member.
	ErrUnknownPeer = errors.New("replication: unknown peer")
	// ErrLinesGone: lines that were asked for are not kept any more (Config.RetainOutput).
	ErrLinesGone = errors.New("replication: lines are not kept any more")
	// ErrDone: the run has ended.
	ErrDone = errors.New("replication: run has ended")
	// ErrUnknownMessage: the run has no such message that it has not received.
	ErrUnknownMessage = errors.New("replication: no such message waits for the run")
	// ErrTurn: a turn breaks the rules (number, line numbers, page index, size).
	ErrTurn = errors.New("replication: turn is not acceptable")
	// ErrGenesis: a genesis record is not acceptable.
	ErrGenesis = record.ErrGenesis
	// ErrFormat: bytes from the store or a peer are not a record of this version.
	ErrFormat = record.ErrFormat
	// ErrCopied: another process writes with this peer's identity; the replica takes no more turns.
	ErrCopied = errors.New("replication: this peer's store or identity is in use elsewhere too")
	// ErrClosed: the replica was closed.
	ErrClosed = errors.New("replication: replica is closed")
)
