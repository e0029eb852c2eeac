package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// asPeer makes the test binary be peer, also when peer starts itself.
const asPeer = "TANDEM_TEST_AS_PEER"

func TestMain(m *testing.M) {
	if os.Getenv(asPeer) != "" {
		os.Exit(Main())
	}
	// A shell has its background commands ignore Ctrl-C, and they pass that on to what they start, unless they handle it: the tests interrupt
	// commands that have only begun.
	if signal.Ignored(os.Interrupt) {
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	testscript.Main(ownCache{m}, map[string]func(){"peer": func() { os.Exit(Main()) }})
}

// ownCache runs tests with a cache of their own.
type ownCache struct{ *testing.M }

func (o ownCache) Run() int {
	dir, err := os.MkdirTemp("", "tandem-cache")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv("TANDEM_CACHE", dir)
	return o.M.Run()
}

// TestScripts drives the binary as a user does. Besides testscript's own commands there are
//
//	until PATTERN CMD args...        runs the command until its output matches
//	ends STATUS CMD args...          runs the command, which has to end with that status
//	damage VAR                       changes one character of an environment variable
//	flip FILE                        flips a bit in the middle of a file
//	grab VAR PATTERN FILE            sets a variable to what the pattern's first group matches in a file, waiting for it
//
// the variable EXAMPLES, their directory, and the condition tmpfs: a process may mount one in a namespace of its own.
func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv(asPeer, "1")
			e.Setenv(storeVariable, e.WorkDir+"/store")
			e.Setenv("TANDEM_CACHE", e.WorkDir+"/cache")
			e.Setenv("EXAMPLES", examples)
			if root := os.Getenv("GOROOT"); root != "" {
				e.Setenv("GOROOT", root)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "tmpfs" {
				return false, fmt.Errorf("unknown condition %s", cond)
			}
			return exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt").Run() == nil, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"until":  until,
			"ends":   ends,
			"damage": damage,
			"flip":   flip,
			"grab":   grab,
		},
	})
}

// patience bounds every wait of a test; it is long because machines that test are busy.
const patience = 60 * time.Second

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN CMD args...")
	}
	re := regexp.MustCompile(args[0])
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		if re.MatchString(out) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("no %q in %v within %v; last:\n%s%v", args[0], args[1:], patience, out, err)
		}
	}
}

func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: ends STATUS CMD args...")
	}
	status := 0
	var bad *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &bad) {
		status = bad.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("status %d, want %s; stderr:\n%s", status, args[0], ts.ReadFile("stderr"))
	}
}

func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage VAR")
	}
	text := []byte(ts.Getenv(args[0]))
	at := len(text) / 2
	if text[at]++; text[at] == 'z'+1 || text[at] == '7'+1 {
		text[at] = 'b'
	}
	ts.Setenv(args[0], string(text))
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(name, b, 0o600))
}

func grab(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: grab VAR PATTERN FILE")
	}
	re := regexp.MustCompile(args[1])
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		b, _ := os.ReadFile(ts.MkAbs(args[2]))
		if m := re.FindStringSubmatch(string(b)); m != nil {
			ts.Setenv(args[0], strings.TrimSpace(m[1]))
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("no %q in %s within %v:\n%s", args[1], args[2], patience, b)
		}
	}
}
