package host

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/exec"
)

// printNatives are the parts of the print and println builtins, gc's names; they write to standard error.
func printNatives() map[string]exec.Native {
	show := func(args int, f func(t *exec.Thread, w exec.Window) string) exec.Native {
		return native(args, 0, func(t *exec.Thread, w exec.Window) exec.Action { return write(t, f(t, w)) })
	}
	pair := func(t *exec.Thread, w exec.Window) string { return "(" + hex(w.Arg(0)) + "," + hex(w.Arg(1)) + ")" }
	nothing := native(0, 0, func(t *exec.Thread, w exec.Window) exec.Action { return exec.Next })
	return map[string]exec.Native{
		"runtime.printlock":    nothing,
		"runtime.printunlock":  nothing,
		"runtime.printnl":      show(0, func(t *exec.Thread, w exec.Window) string { return "\n" }),
		"runtime.printsp":      show(0, func(t *exec.Thread, w exec.Window) string { return " " }),
		"runtime.printbool":    show(1, func(t *exec.Thread, w exec.Window) string { return strconv.FormatBool(w.Arg(0) != 0) }),
		"runtime.printint":     show(1, func(t *exec.Thread, w exec.Window) string { return strconv.FormatInt(w.Int(0), 10) }),
		"runtime.printuint":    show(1, func(t *exec.Thread, w exec.Window) string { return strconv.FormatUint(w.Arg(0), 10) }),
		"runtime.printhex":     show(1, func(t *exec.Thread, w exec.Window) string { return hex(w.Arg(0)) }),
		"runtime.printpointer": show(1, func(t *exec.Thread, w exec.Window) string { return hex(w.Arg(0)) }),
		"runtime.printfloat":   show(1, func(t *exec.Thread, w exec.Window) string { return float(f64(w, 0), 64) }),
		"runtime.printfloat32": show(1, func(t *exec.Thread, w exec.Window) string { return float(f32(w.Arg(0)), 32) }),
		"runtime.printcomplex": show(2, func(t *exec.Thread, w exec.Window) string {
			return strconv.FormatComplex(complex(f64(w, 0), f64(w, 1)), 'g', -1, 128)
		}),
		"runtime.printcomplex64": show(1, func(t *exec.Thread, w exec.Window) string {
			return strconv.FormatComplex(complex(f32(w.Arg(0)), f32(w.Arg(0)>>32)), 'g', -1, 64)
		}),
		"runtime.printslice": show(3, func(t *exec.Thread, w exec.Window) string {
			return fmt.Sprintf("[%d/%d]%s", w.Int(1), w.Int(2), hex(w.Arg(0)))
		}),
		"runtime.printeface":  show(2, pair),
		"runtime.printstring": printString(func(b []byte) string { return string(b) }),
		// of package runtime's type quoted, which a panic's text has
		"runtime.printquoted": printString(quoted),
	}
}

func printString(show func(b []byte) string) exec.Native {
	return native(2, 0, func(t *exec.Thread, w exec.Window) exec.Action {
		b, ok := bytesArg(t, w, 0)
		if !ok {
			return fault(t)
		}
		t.Work(uint64(len(b)))
		return write(t, show(b))
	})
}

// quoted is text between quotes as runtime.printquoted has it: newline, tab and carriage return, quotes and backslashes escaped
// by letter, other control characters and all beyond ASCII by number.
func quoted(b []byte) string {
	var s strings.Builder
	s.WriteByte('"')
	for _, r := range string(b) {
		switch {
		case r == '\n':
			s.WriteString(`\n`)
		case r == '\r':
			s.WriteString(`\r`)
		case r == '\t':
			s.WriteString(`\t`)
		case r == '"' || r == '\\':
			s.WriteByte('\\')
			s.WriteRune(r)
		case r >= ' ' && r < 127:
			s.WriteRune(r)
		case r < 127:
			fmt.Fprintf(&s, `\x%02x`, r)
		case r < 0x1_0000:
			fmt.Fprintf(&s, `\u%04x`, r)
		default:
			fmt.Fprintf(&s, `\U%08x`, r)
		}
	}
	s.WriteByte('"')
	return s.String()
}

// write sends text to standard error; a host that takes no more ends the run.
func write(t *exec.Thread, s string) exec.Action {
	if s == "" {
		return exec.Next
	}
	if err := t.Host().Stderr([]byte(s)); err != nil {
		return t.Fail(err)
	}
	return exec.Next
}

func hex(v uint64) string { return "0x" + strconv.FormatUint(v, 16) }

func f64(w exec.Window, i int) float64 { return math.Float64frombits(w.Arg(i)) }

func f32(bits uint64) float64 { return float64(math.Float32frombits(uint32(bits))) }

// float is a number of so many bits as print writes it since Go 1.26: the shortest text that reads back as the number.
func float(v float64, bits int) string { return strconv.FormatFloat(v, 'g', -1, bits) }
