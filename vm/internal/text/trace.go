package text

import (
	"fmt"
	"strings"
)

// FrameText is what Go prints for a frame of function fn that stands at code word pc: two lines, and two more for each call inlined there. Its source line is that
// of word at. Function 0 is a panic that runs deferred calls.
func (p *Program) FrameText(fn int32, pc, at uint64) string {
	if fn == 0 {
		return "panic({...})\n\truntime/panic.go:0\n"
	}
	f := &p.Image.Funcs[fn]
	args := ""
	if f.ArgSlots > 0 {
		args = "..."
	}
	file, line, in := p.LineIn(at)
	inner := ""
	for in != 0 {
		c := &p.Image.Inlined[in-1]
		if !Hidden(c.Name) {
			inner += fmt.Sprintf("%s(...)\n\t%s:%d\n", c.Name, file, line)
		}
		file, line, in = p.Image.Files[c.File], int(c.Line), c.In
	}
	return inner + fmt.Sprintf("%s(%s)\n\t%s:%d +%#x\n", f.Name, args, file, line, pc-uint64(f.Entry))
}

// CreatorText is what Go prints of the go statement at code word pc, carried out by a goroutine.
func (p *Program) CreatorText(pc, goroutine uint64) string {
	file, line := p.LineAt(pc)
	f := p.Image.Funcs[p.FuncAt(pc)]
	return fmt.Sprintf("created by %s in goroutine %d\n\t%s:%d +%#x\n", f.Name, goroutine, file, line, pc+1-uint64(f.Entry))
}

// Hidden reports whether a function is one of the runtime that tracebacks leave out.
func Hidden(name string) bool {
	rest, ok := strings.CutPrefix(name, "runtime.")
	return ok && (rest == "" || rest[0] < 'A' || rest[0] > 'Z')
}
