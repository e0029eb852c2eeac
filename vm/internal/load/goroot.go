package load

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// ErrGOROOT says that no Go installation's source was found.
var ErrGOROOT = errors.New("load: no Go standard library source found")

// FindGOROOT is the directory of a Go installation with its source: given, $GOROOT, what the go command says, the one
// this program was built with, or a usual place. The error is an ErrGOROOT or ErrRelease that says what to do when none will do.
func FindGOROOT(given string, env func(string) string) (string, error) {
	if given == "" {
		given = env("GOROOT")
	}
	if given != "" {
		if isGOROOT(given) {
			return given, checkRelease(given)
		}
		return "", fmt.Errorf("%w in GOROOT=%s: set GOROOT to a Go installation that has src/fmt, or unset it", ErrGOROOT, given)
	}
	places := []string{runtime.GOROOT(), "/usr/local/go", "/usr/lib/go", "/usr/lib/golang", "/opt/homebrew/opt/go/libexec", "/usr/local/opt/go/libexec"}
	if home := env("HOME"); home != "" {
		places = append(places, filepath.Join(home, "go"), filepath.Join(home, "sdk", "go"))
	}
	if bin, err := exec.LookPath("go"); err == nil {
		if real, err := filepath.EvalSymlinks(bin); err == nil {
			places = append([]string{filepath.Dir(filepath.Dir(real))}, places...)
		}
	}
	var unfit error
	fits := func(dir string) bool {
		if dir == "" || !isGOROOT(dir) {
			return false
		}
		err := checkRelease(dir)
		if unfit == nil {
			unfit = err
		}
		return err == nil
	}
	for _, dir := range places {
		if fits(dir) {
			return dir, nil
		}
	}
	if out, err := exec.Command("go", "env", "GOROOT").Output(); err == nil {
		if dir := strings.TrimSpace(string(out)); fits(dir) {
			return dir, nil
		}
	}
	if unfit != nil {
		return "", unfit
	}
	return "", fmt.Errorf("%w: install Go from https://go.dev/dl, or set GOROOT to where it is; running a compiled image needs none", ErrGOROOT)
}

func isGOROOT(dir string) bool {
	fi, err := os.Stat(filepath.Join(dir, "src", "fmt", "print.go"))
	return err == nil && fi.Mode().IsRegular()
}
