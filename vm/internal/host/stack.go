package host

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/exec"
)

// stackNatives tell about code and stacks; a code address is code.TextBase plus the code word.
func stackNatives() map[string]exec.Native {
	return map[string]exec.Native{
		// func symbol(pc uintptr) (name, file string, line int, entry uintptr)
		"runtime.symbol": native(1, 6, symbol),
		// func callers(skip int, pcs []uintptr) int
		"runtime.callers": native(4, 1, callers),
		// func version() string
		"runtime.version": native(0, 2, func(t *exec.Thread, w exec.Window) exec.Action {
			return text(t, w, t.Program().Image.GoVersion)
		}),
	}
}

func symbol(t *exec.Thread, w exec.Window) exec.Action {
	for i := range 6 {
		w.Set(i, 0)
	}
	p := t.Program()
	at := w.Arg(0)
	pc := at - code.TextBase
	if at != 0 && at < uint64(len(p.Image.Funcs)) { // what reflect says that a function points to: its number
		pc = uint64(p.Image.Funcs[at].Entry)
	}
	fn := p.FuncAt(pc)
	if fn == 0 {
		return exec.Next
	}
	file, line := p.LineAt(pc)
	if f := &p.Image.Funcs[fn]; pc == uint64(f.Entry) && f.Line != 0 { // nobody stands there: it is the function that is asked for
		file, line = p.Image.Files[f.File], int(f.Line)
	}
	if err := t.SetString(w, 2, file); err != nil {
		return t.Retry(err)
	}
	setInt(w, 4, int64(line))
	if w.Set(5, code.TextBase+uint64(p.Image.Funcs[fn].Entry)); at == uint64(fn) {
		w.Set(5, at)
	}
	if err := t.SetString(w, 0, p.Image.Funcs[fn].Name); err != nil {
		return t.Retry(err)
	}
	return exec.Next
}

// callers writes return addresses. Frame 0 is that of the function that calls the native, usually runtime.Callers.
func callers(t *exec.Thread, w exec.Window) exec.Action {
	if w.Arg(2) > 1<<40 {
		return fault(t)
	}
	skip, room := w.Int(0), w.Arg(2)
	if room > 0 && !t.Mem().InRange(w.Arg(1), room*8) {
		return fault(t)
	}
	funcs := t.Program().Image.Funcs
	n := uint64(0)
	t.Machine().Callers(t.G(), func(f exec.CallerFrame) bool {
		switch {
		case n == room:
			return false
		case f.Func == 0 || funcs[f.Func].Flags&code.FuncWrapper != 0:
			return true
		case skip > 0:
			skip--
			return true
		}
		pc := code.TextBase + f.PC
		if !f.Call {
			pc++ // guest code takes 1 off every return address to find its call
		}
		t.Mem().Store64(w.Arg(1)+n*8, pc)
		n++
		return true
	})
	w.Set(0, n)
	return exec.Next
}
