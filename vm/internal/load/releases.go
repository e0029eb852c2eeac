package load

import (
	"errors"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"strings"
)

// What is tied to a Go release is here and in the files of _overlay, nowhere else: the releases whose standard library the overlays fit, and the
// build tags that the release's toolchain would set. Overlay files for some releases only say so in a //go:build line. When
// a release comes out, TestReleases says what to look at.

// release is a Go release that programs can be compiled with.
type release struct {
	lang        string   // go1.26
	tags        []string // experiments that are on in it, by which its files are chosen
	directKinds bool     // Program.DirectKinds
}

// releases are those the Go project supports, the last one last.
var releases = []release{
	{"go1.25", []string{"goexperiment.swissmap", "goexperiment.synchashtriemap", "goexperiment.aliastypeparams"}, true},
	{"go1.26", nil, false},
}

// ErrRelease says that a Go installation is of a release that programs cannot be compiled with.
var ErrRelease = errors.New("load: unsupported Go release")

// releaseOf finds the release of a version such as go1.26.1.
func releaseOf(v string) (release, bool) {
	for _, r := range releases {
		if version.Lang(v) == r.lang {
			return r, true
		}
	}
	return release{}, false
}

// checkRelease reads root's VERSION file.
func checkRelease(root string) error {
	v, err := readVersion(os.ReadFile, root)
	if err != nil {
		return fmt.Errorf("%w: %w: set GOROOT to an installed Go, %s", ErrRelease, err, supportedReleases())
	}
	if _, ok := releaseOf(v); !ok {
		return fmt.Errorf("%w: %s is %s: set GOROOT to one of %s", ErrRelease, root, v, supportedReleases())
	}
	return nil
}

// supportedReleases is "go1.25 or go1.26".
func supportedReleases() string {
	var names []string
	for _, r := range releases {
		names = append(names, r.lang)
	}
	return strings.Join(names, " or ")
}

// readVersion is the first line of root's VERSION file.
func readVersion(read func(string) ([]byte, error), root string) (string, error) {
	text, err := read(filepath.Join(root, "VERSION"))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line), nil
}
