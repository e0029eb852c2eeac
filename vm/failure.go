package vm

import (
	"fmt"
	"strings"
)

// Failure is why a turn failed through the program: a panic that nothing recovered, a fatal error, a limit, a turn that could not end.
// It outlives FailTurn, which takes the turn's output back.
type Failure struct {
	Reason string // one line: "panic: oh no"
	Text   []byte // what Go prints when it ends a program this way; nil where it would not
	Exit   int    // the status the program would have ended with
	Err    error  // the limit or bound; nil for panics and fatal errors
	// Messages are the ids of those that the program received in the turn, in order. They are offered again, unless they are dropped.
	Messages []string
}

// exitFailed is the status of programs that end by a failure, as in Go.
const exitFailed = 2

// Error is the reason.
func (f *Failure) Error() string { return f.Reason }

// Unwrap is the limit or bound that was met, if any.
func (f *Failure) Unwrap() error { return f.Err }

// failure describes the end of a run by a panic or fatal error.
func (m *Machine) failure(s Stop) *Failure {
	f := &Failure{Text: m.out.last(m.mem.Load64(rootDying) != 0), Exit: s.Exit}
	f.Reason = firstLine(string(f.Text))
	return f
}

// firstLine is the first line of a text that says something.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimLeft(text, "\n"), "\n")
	return line
}

// Abort ends the run because of a failure, after FailTurn: by a turn that changes nothing and whose output is the failure's text, with the
// status the program would have ended with.
func (m *Machine) Abort(f *Failure) (*Turn, error) {
	if m.inTurn {
		return nil, fmt.Errorf("%w: take the failed turn back first", ErrTurn)
	}
	if err := m.BeginTurn(); err != nil {
		return nil, err
	}
	text := f.Text
	if len(text) == 0 {
		text = []byte(f.Reason + "\n")
	}
	m.out.write(Stderr, text)
	m.core.End(f.Exit)
	m.stop = Stop{End: EndExit, Exit: f.Exit, Fatal: true}
	return m.EndTurn()
}
