// Package examples holds the sources of the example programs that the demo runs, so that `peer demo` has them wherever it runs. They are
// ordinary Go programs: `go run ./examples/primes 3` runs one without any peer. The package runs nothing.
package examples

import "embed"

// Files are the programs, each in the directory of its name.
//
//go:embed primes/*.go wordcount/*.go
var Files embed.FS
