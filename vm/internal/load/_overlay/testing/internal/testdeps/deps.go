// What package testing asks of its surroundings, without what a sandbox has not: profiles go nowhere, and there is no engine
// that makes up fuzz inputs; seeds are run as tests.

package testdeps

import (
	"errors"
	"io"
	"reflect"
	"time"
)

// entry is internal/fuzz.CorpusEntry, without the import that only packages with fuzz tests need.
type entry = struct {
	Parent     string
	Path       string
	Data       []byte
	Values     []any
	Generation int
	IsSeed     bool
}

// Corpus and Check are set by a main with fuzz tests.
var (
	Corpus func(dir string, types []reflect.Type) ([]entry, error)
	Check  func(vals []any, types []reflect.Type) error
)

var (
	errProfile = errors.New("tandem: there are no profiles in the VM")
	errFuzz    = errors.New("tandem: peer test runs the seeds of fuzz tests; to look for more inputs use go test -fuzz")
)

func (TestDeps) StartCPUProfile(w io.Writer) error                        { return errProfile }
func (TestDeps) StopCPUProfile()                                          {}
func (TestDeps) WriteProfileTo(name string, w io.Writer, debug int) error { return errProfile }
func (TestDeps) RunFuzzWorker(fn func(entry) error) error                 { return errFuzz }
func (TestDeps) ReadCorpus(dir string, types []reflect.Type) ([]entry, error) {
	return Corpus(dir, types)
}
func (TestDeps) CheckCorpus(vals []any, types []reflect.Type) error { return Check(vals, types) }
func (TestDeps) ResetCoverage()                                     {}
func (TestDeps) SnapshotCoverage()                                  {}

func (TestDeps) CoordinateFuzzing(timeout time.Duration, limit int64, minimizeTimeout time.Duration, minimizeLimit int64, parallel int,
	seed []entry, types []reflect.Type, corpusDir, cacheDir string) error {
	return errFuzz
}
