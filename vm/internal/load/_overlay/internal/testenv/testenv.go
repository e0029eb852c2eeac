// What the tests of the standard library may count on in the VM: no processes, no Go command, no network, one core. A
// test that needs one of them is skipped.

package testenv

import (
	"context"
	"errors"
	"os/exec"
	"testing"
)

//tandem:replace

var errNone = errors.New("tandem: there are no processes in the VM")

const none = "not in the VM: "

func Builder() string          { return "" }
func HasGoBuild() bool         { return false }
func HasGoRun() bool           { return false }
func HasParallelism() bool     { return false }
func HasExternalNetwork() bool { return false }
func HasCGO() bool             { return false }
func HasSymlink() bool         { return true } // below the temporary directory
func HasLink() bool            { return true }
func HasSrc() bool             { return false }
func OptimizationOff() bool    { return true } // what is allocated is not what gc allocates
func CPUIsSlow() bool          { return true }
func CPUProfilingBroken() bool { return true }

func CanInternalLink(withCgo bool) bool    { return false }
func SyscallIsNotSupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }
func GoTool() (string, error)              { return "", errNone }
func CleanCmdEnv(c *exec.Cmd) *exec.Cmd    { return c }

func MustHaveExec(t testing.TB)                   { t.Helper(); t.Skip(none + "processes") }
func MustHaveExecPath(t testing.TB, path string)  { t.Helper(); t.Skip(none + path) }
func MustHaveGoBuild(t testing.TB)                { t.Helper(); t.Skip(none + "go build") }
func MustHaveGoRun(t testing.TB)                  { t.Helper(); t.Skip(none + "go run") }
func MustHaveParallelism(t testing.TB)            { t.Helper(); t.Skip(none + "more than one core") }
func MustHaveSource(t testing.TB)                 { t.Helper(); t.Skip(none + "GOROOT") }
func MustHaveExternalNetwork(t testing.TB)        { t.Helper(); t.Skip(none + "network") }
func MustHaveCGO(t testing.TB)                    { t.Helper(); t.Skip(none + "cgo") }
func MustHaveBuildMode(t testing.TB, mode string) { t.Helper(); t.Skip(none + "go build") }
func MustHaveSymlink(t testing.TB)                {}
func MustHaveLink(t testing.TB)                   {}

func SkipFlaky(t testing.TB, issue int) {
	t.Helper()
	t.Skipf("known to be flaky: golang.org/issue/%d", issue)
}
func SkipFlakyNet(t testing.TB)          { t.Helper(); t.Skip(none + "network") }
func SkipIfOptimizationOff(t testing.TB) { t.Helper(); t.Skip(none + "gc's escape analysis") }
func ParallelOn64Bit(t *testing.T)       { t.Parallel() }

func SkipIfShortAndSlow(t testing.TB) {
	if testing.Short() {
		t.Helper()
		t.Skip("slow in the VM")
	}
}

func Executable(t testing.TB) string { MustHaveExec(t); return "" }
func GoToolPath(t testing.TB) string { MustHaveGoBuild(t); return "" }

// GOROOT is asked for without a test by TestMain functions, which look for files there only later.
func GOROOT(t testing.TB) string {
	if t != nil {
		MustHaveSource(t)
	}
	return ""
}

func Command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	MustHaveExec(t)
	return nil
}

func CommandContext(t testing.TB, ctx context.Context, name string, args ...string) *exec.Cmd {
	t.Helper()
	MustHaveExec(t)
	return nil
}
