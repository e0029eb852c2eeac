// Package check verifies images before they are run, wherever they came from: every operand is a slot of its function's
// frame, jumps land on instructions of the same function, code does not run off its end, calls leave room for what the callee's
// frame header, results and arguments take, functions, natives, types and itabs exist, and type descriptors are well-formed. An
// image that passes cannot make the interpreter leave its memory. What a program computes, and what it writes into its own memory,
// is not checked: the interpreter tests function indexes and addresses that it takes from memory.
//
// Cost: linear in the size of the image, some 20 ns a code word.
package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// ErrImage is wrapped by every error of Image.
var ErrImage = errors.New("check: image is not valid")

// Signature is what a call of a native needs in its window.
type Signature struct {
	Res, Args int // slots
}

// frameSlotsMax bounds a frame: operands are 16-bit slot numbers, the slots behind the last addressable one can hold the end of a wide value.
const frameSlotsMax = 1 << 16

// Image verifies img. natives gives the signature of a native by symbol. The error wraps ErrImage and names function and word.
func Image(img *code.Image, natives func(symbol string) (Signature, bool)) error {
	c := &checker{img: img}
	for _, step := range []func() error{
		func() error { return c.natives(natives) },
		c.functions, c.lines, c.descriptors, c.itabs, c.globals, c.locals, c.known, c.bodies,
	} {
		if err := step(); err != nil {
			return fmt.Errorf("%w: %w", ErrImage, err)
		}
	}
	return nil
}

// checker holds an image and what was learned of it by the steps already done.
type checker struct {
	img   *code.Image
	sigs  []Signature
	types map[uint64]*descriptor
	tabs  map[uint64]*descriptor // concrete type by itab address
}

func (c *checker) natives(lookup func(string) (Signature, bool)) error {
	for _, symbol := range c.img.Natives {
		sig, ok := lookup(symbol)
		if !ok {
			return fmt.Errorf("it needs the native function %s, which this machine does not have: use a newer peer", symbol)
		}
		c.sigs = append(c.sigs, sig)
	}
	return nil
}

// functions verifies the function table: code ranges that do not overlap and frames that hold what they must.
func (c *checker) functions() error {
	funcs := c.img.Funcs
	if len(funcs) < 2 {
		return errors.New("it has no functions")
	}
	if funcs[0] != (code.Func{}) {
		return errors.New("function 0 is not empty")
	}
	if c.img.Entry < 1 || int(c.img.Entry) >= len(funcs) {
		return fmt.Errorf("entry function %d does not exist", c.img.Entry)
	}
	if f := funcs[c.img.Entry]; f.ArgSlots != 0 || f.ResSlots != 0 {
		return errors.New("the entry function has arguments or results")
	}
	order := make([]int, 0, len(funcs))
	for i, f := range funcs[1:] {
		if f.Entry < 0 || f.End <= f.Entry || int(f.End) > len(c.img.Code) {
			return fmt.Errorf("function %s: code [%d, %d) is outside the image", f.Name, f.Entry, f.End)
		}
		if f.ResSlots < 0 || f.ArgSlots < 0 || f.FrameSlots > frameSlotsMax ||
			int64(f.FrameSlots) < code.FrameHeader+int64(f.ResSlots)+int64(f.ArgSlots) {
			return fmt.Errorf("function %s: a frame of %d slots cannot hold %d results and %d arguments", f.Name, f.FrameSlots, f.ResSlots, f.ArgSlots)
		}
		if f.Flags&^(code.FuncWrapper|code.FuncDefers|code.FuncStd|code.FuncAnySignature) != 0 {
			return fmt.Errorf("function %s: unknown flags %#x", f.Name, f.Flags)
		}
		if f.Line < 0 || f.File < 0 || int(f.File) >= max(len(c.img.Files), 1) {
			return fmt.Errorf("function %s: file %d does not exist", f.Name, f.File)
		}
		order = append(order, i+1)
	}
	slices.SortFunc(order, func(a, b int) int { return int(funcs[a].Entry) - int(funcs[b].Entry) })
	for k := 1; k < len(order); k++ {
		if a, b := funcs[order[k-1]], funcs[order[k]]; a.End > b.Entry {
			return fmt.Errorf("functions %s and %s share code", a.Name, b.Name)
		}
	}
	return nil
}

func (c *checker) lines() error {
	for i, x := range c.img.Inlined {
		if x.Line < 0 || x.File < 0 || int(x.File) >= len(c.img.Files) || x.In < 0 || int(x.In) > i {
			return fmt.Errorf("inlined call %d is out of order or range: file %d of %d, line %d, in %d", i, x.File, len(c.img.Files), x.Line, x.In)
		}
	}
	last := int32(0)
	for i, l := range c.img.Lines {
		if l.PC < last || int(l.PC) >= len(c.img.Code) || l.Line < 0 || l.File < 0 || int(l.File) >= len(c.img.Files) || l.In < 0 || int(l.In) > len(c.img.Inlined) {
			return fmt.Errorf("line entry %d is out of order or range: word %d after %d of %d, file %d of %d, line %d", i, l.PC, last, len(c.img.Code), l.File, len(c.img.Files), l.Line)
		}
		last = l.PC
	}
	return nil
}

// globals verifies that each variable lies in the writable data, has a type and overlaps no other.
func (c *checker) globals() error {
	type span struct {
		lo, hi uint64
		name   string
	}
	spans := make([]span, 0, len(c.img.Globals))
	for _, g := range c.img.Globals {
		t := c.types[g.Type]
		if t == nil {
			return fmt.Errorf("variable %s has no type", g.Name)
		}
		off := g.Addr - code.Base - code.DataStart
		end := uint64(len(c.img.Data))
		if off < c.img.ROBytes || off > end || t.size > end-off || off%uint64(t.align) != 0 {
			return fmt.Errorf("variable %s is outside the writable data", g.Name)
		}
		if g.Class > code.ClassLocal {
			return fmt.Errorf("variable %s has class %d", g.Name, g.Class)
		}
		spans = append(spans, span{off, off + t.size, g.Name})
	}
	slices.SortFunc(spans, func(a, b span) int { return int(int64(a.lo) - int64(b.lo)) })
	for i := 1; i < len(spans); i++ {
		if spans[i-1].hi > spans[i].lo {
			return fmt.Errorf("variables %s and %s share memory", spans[i-1].name, spans[i].name)
		}
	}
	return nil
}

// locals verifies that each place of a local variable is one of the function whose code it is about, so that whoever looks at a frame reads
// nothing else.
func (c *checker) locals() error {
	order := slices.Clone(c.img.Funcs[1:])
	slices.SortFunc(order, func(a, b code.Func) int { return int(a.Entry) - int(b.Entry) })
	last := int32(0)
	for i, l := range c.img.Locals {
		for len(order) > 1 && order[0].End <= l.From {
			order = order[1:]
		}
		f, t := order[0], c.types[l.Type]
		if l.From < last || l.To <= l.From || l.From < f.Entry || l.To > f.End || t == nil || l.Name == "" {
			return fmt.Errorf("local variable %d is out of order or range: %s at words [%d, %d) of function %s", i, l.Name, l.From, l.To, f.Name)
		}
		ok := false
		switch l.Place {
		case code.PlaceFrame:
			ok = l.At >= code.FrameHeader && int64(l.At)+int64(t.slots()) <= int64(f.FrameSlots)
		case code.PlacePointer:
			ok = l.At >= code.FrameHeader && l.At < f.FrameSlots
		case code.PlaceClosure:
			ok = l.At >= 8 && l.At%8 == 0
		case code.PlaceData:
			off := uint64(l.At) - code.DataStart
			ok = l.At >= code.DataStart && off <= c.img.ROBytes && t.size <= c.img.ROBytes-off
		}
		if !ok {
			return fmt.Errorf("local variable %s of function %s stands nowhere: place %d, %d", l.Name, f.Name, l.Place, l.At)
		}
		last = l.From
	}
	return nil
}

// known verifies that each known symbol is a function, or a type ("type:") or a code word ("pc:").
func (c *checker) known() error {
	for name, v := range c.img.Known {
		var ok bool
		switch kind, _, _ := strings.Cut(name, ":"); kind {
		case "type":
			ok = c.types[v] != nil
		case "pc":
			ok = v < uint64(len(c.img.Code))
		default:
			ok = v > 0 && v < uint64(len(c.img.Funcs))
		}
		if !ok {
			return fmt.Errorf("known symbol %s has value %#x", name, v)
		}
	}
	return nil
}
