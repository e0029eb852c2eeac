package trial

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/replication/sim"
	"github.com/tandemvm/tandem/vm"
)

func TestMain(m *testing.M) {
	if sim.IsWorker() {
		if err := Serve(); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// goroot is the Go installation's source.
func goroot(t *testing.T) string {
	if dir := runtime.GOROOT(); dir != "" {
		return dir
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestProgramsOfOthers tries out programs of the Go installation that know nothing of peers, with one directive each. They converge, to what they leave when they
// run one after another.
func TestProgramsOfOthers(t *testing.T) {
	for _, x := range []struct {
		path, declaration, directive string
		finds                        string // properties that they have not, for a reason of their own
	}{
		{"test/ken/cplx5.go", "var m map[complex128]complex128", "//tandem:shared map lww", ""},
		{"test/solitaire.go", "var moves int", "//tandem:shared counter", sameOutput},    // it prints the shared number at its end
		{"test/chan/powser1.go", "var seqno int", "//tandem:shared counter", sameValues}, // it sets it to zero when it begins
	} {
		t.Run(x.path, func(t *testing.T) {
			setup := &Setup{Image: directed(t, x.path, x.declaration, x.directive).Encode(), Name: "other", Args: []string{"other"}}
			c := Config{Setup: setup, Stage: sim.Config{Seed: 1, Peers: 3, Faults: sim.All, Durable: "local"}, Seeds: 2, Most: 30 * time.Second}
			r, err := Try(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range r.Seeds {
				for _, f := range s.Findings {
					if f.Ours || f.Property != x.finds {
						t.Errorf("seed %d: %s: %s", s.Seed, f.Property, f.Text)
					}
				}
				got, want := s.Outcome.Variables[0], r.Serial.Variables[0]
				if len(got.Differing) > 0 || x.finds != sameValues && got.Value != want.Value {
					t.Errorf("seed %d: %+v, want %s", s.Seed, got, want.Value)
				}
				for _, run := range s.Outcome.Runs {
					if !run.Ended || run.Exit != 0 {
						t.Errorf("seed %d: %+v", s.Seed, run)
					}
				}
			}
		})
	}
}

// directed is the program of a file of the Go installation with a directive before one of its declarations.
func directed(t *testing.T, path, declaration, directive string) *vm.Program {
	source, err := os.ReadFile(filepath.Join(goroot(t), path))
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(string(source), "\n"+declaration)
	if !found {
		t.Fatalf("%s has no %q", path, declaration)
	}
	file := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(file, []byte(before+"\n"+directive+"\n"+declaration+after), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := vm.Compile(context.Background(), vm.Source{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSeedReplays tries a seed until it has done the same twice, to the byte of every message.
func TestSeedReplays(t *testing.T) {
	setup := &Setup{Image: directed(t, "test/solitaire.go", "var moves int", "//tandem:shared counter").Encode(), Name: "again", Args: []string{"again"}}
	seen := map[string]bool{}
	for range 5 {
		r, err := Try(t.Context(), Config{Setup: setup, Stage: sim.Config{Seed: 2, Peers: 3, Faults: sim.All, Durable: "majority"}, Seeds: 1, Most: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		trace := r.Seeds[0].Outcome.Report.Trace
		if seen[trace] {
			return
		}
		seen[trace] = true
	}
	t.Errorf("five simulations, all different: %v", seen)
}
