package trial

import (
	"fmt"
	"strings"
)

// Properties that a program has or has not; those of package sim are ours.
const (
	sameValues = "same values" // what is shared is in the end what it is when nothing goes wrong and when nothing is concurrent
	sameOutput = "same output" // a run writes what it writes when nothing goes wrong
	runsEnd    = "runs end"    // runs that end when nothing goes wrong end as they do then
)

// compare says in what an outcome differs from the one without faults, and from that of the runs one after another.
func compare(got, calm, serial *Outcome) (fs []Finding) {
	for i, r := range got.Runs {
		if i >= len(calm.Runs) {
			break
		}
		fs = append(fs, compareRun(r, calm.Runs[i])...)
	}
	for i, v := range got.Variables {
		if i >= len(calm.Variables) || i >= len(serial.Variables) {
			break
		}
		reference := &serial.Variables[i]
		for _, r := range serial.Runs {
			if !r.Ended {
				reference = nil // a run waits for others, or never ends
				break
			}
		}
		fs = append(fs, compareVariable(v, calm.Variables[i], reference)...)
	}
	return fs
}

func compareRun(r, calm Run) (fs []Finding) {
	find := func(property, format string, a ...any) {
		fs = append(fs, Finding{Property: property, Text: fmt.Sprintf(format, a...)})
	}
	switch {
	case r.Failure != "":
		find(runsEnd, "%s is paused after turn %d: %s", r.Name, r.Turns, r.Failure)
	case calm.Ended && !r.Ended:
		find(runsEnd, "%s has not ended, it stands at turn %d; when nothing goes wrong it ends after %d turns", r.Name, r.Turns, calm.Turns)
	case calm.Ended && r.Exit != calm.Exit:
		find(runsEnd, "%s ends with status %d, and with %d when nothing goes wrong", r.Name, r.Exit, calm.Exit)
	}
	if r.Output == calm.Output || r.Ended != calm.Ended || !r.Ended && (strings.HasPrefix(r.Output, calm.Output) || strings.HasPrefix(calm.Output, r.Output)) {
		return fs
	}
	a, b := strings.Split(r.Output, "\n"), strings.Split(calm.Output, "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			find(sameOutput, "line %d of %s is %s, and %s when nothing goes wrong", i+1, r.Name, quoteLine(a, i), quoteLine(b, i))
			break
		}
	}
	return fs
}

func quoteLine(lines []string, i int) string {
	if i >= len(lines) {
		return "not there"
	}
	return fmt.Sprintf("%q", short(lines[i]))
}

func compareVariable(v, calm Variable, serial *Variable) []Finding {
	if len(v.Differing) > 0 {
		return nil // the peers did not converge, which was found
	}
	var others []string
	if v.Sorted != calm.Sorted {
		others = append(others, short(calm.Value)+" when nothing goes wrong")
	}
	if serial != nil && v.Sorted != serial.Sorted {
		others = append(others, short(serial.Value)+" when the runs go one after another")
	}
	if len(others) == 0 {
		return nil
	}
	text := fmt.Sprintf("%s (%s) is %s at all peers, and %s", v.Name, v.Rule, short(v.Value), strings.Join(others, ", and "))
	if v.Lost > 0 {
		text += fmt.Sprintf("; values written were replaced by concurrent ones at least %d times", v.Lost)
	}
	return []Finding{{Property: sameValues, Text: text}}
}

// short is the beginning of a long text.
func short(text string) string {
	const most = 120
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
