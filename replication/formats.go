package replication

import "github.com/tandemvm/tandem/replication/internal/record"

// The records that callers see; their bytes are package record's.
type (
	// SandboxID names a sandbox: the hash of its genesis record.
	SandboxID = record.SandboxID
	// Genesis is the first record of a sandbox: immutable, its hash is the sandbox id.
	Genesis = record.Genesis
	// Variable is a shared variable of the program.
	Variable = record.Variable
	// Head is the record of a run's newest turn in one epoch.
	Head = record.Head
	// Base is the head that a takeover continued.
	Base = record.Base
)

// Bounds of messages.
const (
	MessageIDMax    = record.MessageIDMax
	MessageBytesMax = record.MessageBytesMax
)
