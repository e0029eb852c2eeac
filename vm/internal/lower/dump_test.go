package lower

import (
	"fmt"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// String prints f's blocks and instructions in the machine form.
func (f *fn) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", f.name)
	for _, x := range f.blocks {
		fmt.Fprintf(&b, "b%d (depth %d):\n", x.id, x.depth)
		for k := range x.insts {
			fmt.Fprintf(&b, "\t%s\n", x.insts[k].String())
		}
		for _, s := range x.succs {
			fmt.Fprintf(&b, "\t-> b%d\n", s.id)
		}
	}
	return b.String()
}

func (l loc) String() string {
	if l.r == noReg {
		return "-"
	}
	if l.off == 0 {
		return fmt.Sprintf("v%d", l.r)
	}
	return fmt.Sprintf("v%d.%d", l.r, l.off)
}

// String prints i: op, width, operands, immediate, ext, further registers.
func (i *inst) String() string {
	name := "copy"
	switch i.op {
	case opCopy:
	case opJump:
		name = "jump"
	case opUse:
		name = "use"
	case opBranch:
		name = "branch " + i.br.String()
	case opParallel:
		s := "parallel"
		for _, c := range i.copies {
			s += fmt.Sprintf(" %v=%v:%d", c.dst, c.src, c.n)
			if c.src.r == noReg {
				s += fmt.Sprintf("(%d)", int64(c.val))
			}
		}
		return s
	default:
		name = code.Op(i.op).String()
	}
	s := fmt.Sprintf("%s:%d %v %v %v", name, i.n, i.a, i.b, i.c)
	if i.imm != 0 || i.ext != 0 {
		s += fmt.Sprintf(" %d %#x", i.imm, i.ext)
	}
	if len(i.reads) > 0 || len(i.writes) > 0 {
		s += fmt.Sprintf(" reads %v writes %v", i.reads, i.writes)
	}
	return s
}
