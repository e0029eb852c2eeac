package runtime

// symbol finds the function and line of a code address; name is empty when there is none.
func symbol(pc uintptr) (name, file string, line int, entry uintptr)

// callers writes the return addresses of the running goroutine's frames, skip 0: from the one that called callers, and
// returns how many. Wrappers are left out.
func callers(skip int, pcs []uintptr) int

func Callers(skip int, pc []uintptr) int {
	if len(pc) == 0 {
		return 0
	}
	return callers(skip, pc)
}

func Caller(skip int) (pc uintptr, file string, line int, ok bool) {
	var pcs [1]uintptr
	if callers(skip+1, pcs[:]) < 1 {
		return 0, "", 0, false
	}
	_, file, line, _ = symbol(pcs[0] - 1)
	return pcs[0], file, line, true
}

func Stack(buf []byte, all bool) int {
	text := ""
	if all {
		text = tracebackAll()
	} else {
		text = traceback()
	}
	for len(text) > 0 && text[0] == '\n' {
		text = text[1:]
	}
	return copy(buf, withoutStack(text))
}

// withoutStack is a traceback without the two lines of Stack itself.
func withoutStack(text string) string {
	const own = "runtime.Stack("
	line := func(from int) int { // after the line that begins there
		for from < len(text) && text[from] != '\n' {
			from++
		}
		return min(from+1, len(text))
	}
	head := line(0)
	if rest := text[head:]; len(rest) < len(own) || rest[:len(own)] != own {
		return text
	}
	return text[:head] + text[line(line(head)):]
}

type Func struct {
	name  string
	entry uintptr
}

func FuncForPC(pc uintptr) *Func {
	name, _, _, entry := symbol(pc)
	if name == "" {
		return nil
	}
	return &Func{name, entry}
}

func (f *Func) Name() string {
	if f == nil {
		return ""
	}
	return f.name
}

func (f *Func) Entry() uintptr { return f.entry }

func (f *Func) FileLine(pc uintptr) (file string, line int) {
	_, file, line, _ = symbol(pc)
	return file, line
}

type Frame struct {
	PC       uintptr
	Func     *Func
	Function string
	File     string
	Line     int
	Entry    uintptr
}

type Frames struct{ pcs []uintptr }

func CallersFrames(callers []uintptr) *Frames { return &Frames{callers} }

func (f *Frames) Next() (frame Frame, more bool) {
	for len(f.pcs) > 0 {
		pc := f.pcs[0] - 1
		f.pcs = f.pcs[1:]
		name, file, line, entry := symbol(pc)
		if name != "" {
			return Frame{PC: pc, Func: &Func{name, entry}, Function: name, File: file, Line: line, Entry: entry}, len(f.pcs) > 0
		}
	}
	return Frame{}, false
}

type StackRecord struct{ Stack0 [32]uintptr }

func (r *StackRecord) Stack() []uintptr {
	for i, v := range r.Stack0 {
		if v == 0 {
			return r.Stack0[:i]
		}
	}
	return r.Stack0[:]
}
