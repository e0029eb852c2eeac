package host

import (
	"fmt"
	"math"
	"strconv"

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
		"runtime.printfloat":   show(1, func(t *exec.Thread, w exec.Window) string { return float(math.Float64frombits(w.Arg(0))) }),
		"runtime.printcomplex": show(2, func(t *exec.Thread, w exec.Window) string {
			return "(" + float(math.Float64frombits(w.Arg(0))) + float(math.Float64frombits(w.Arg(1))) + "i)"
		}),
		"runtime.printslice": show(3, func(t *exec.Thread, w exec.Window) string {
			return fmt.Sprintf("[%d/%d]%s", w.Int(1), w.Int(2), hex(w.Arg(0)))
		}),
		"runtime.printeface": show(2, pair),
		"runtime.printstring": native(2, 0, func(t *exec.Thread, w exec.Window) exec.Action {
			b, ok := bytesArg(t, w, 0)
			if !ok {
				return fault(t)
			}
			return write(t, string(b))
		}),
	}
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

// float is a number as print writes it since Go 1.0: sign, seven digits, a three-digit exponent.
func float(v float64) string {
	switch {
	case v != v:
		return "NaN"
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	mantissa := strconv.FormatFloat(math.Abs(v), 'e', 6, 64) // d.dddddde±xx, two or more exponent digits
	digits, sign, exp := mantissa[:8], mantissa[9:10], mantissa[10:]
	for len(exp) < 3 {
		exp = "0" + exp
	}
	out := "+"
	if math.Signbit(v) {
		out = "-"
	}
	return out + digits + "e" + sign + exp
}
