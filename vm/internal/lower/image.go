package lower

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// finish puts the pieces together.
func (u *unit) finish(entry int32) (*code.Image, error) {
	m := &code.Image{GoVersion: u.Prog.GoVersion, Entry: entry, Known: u.Known, Natives: u.Natives}
	m.Funcs = make([]code.Func, len(u.Funcs))
	files := fileTable{index: map[string]int32{}}
	files.add("")
	for i := range u.made {
		u.placeFunc(m, i+1, &files)
	}
	m.Files = files.names
	data, err := u.Data.Finish(layout.Funcs{
		Method:    u.method,
		TypeEqual: int32(u.Known["runtime.typeEqual"]),
		TypeHash:  int32(u.Known["runtime.typeHash"]),
	})
	if err != nil {
		return nil, err
	}
	for i, x := range u.made {
		words := m.Code[m.Funcs[i+1].Entry:]
		for _, w := range x.chunk.Refs {
			words[w] = words[w].WithImm32(data.FinalOffset(words[w].Imm32()))
		}
		for _, w := range x.chunk.Exts {
			words[w] = code.ExtWord(data.Final(words[w].Ext()))
		}
	}
	for i := range m.Locals {
		l := &m.Locals[i]
		if l.Type = data.Final(l.Type); l.Place == code.PlaceData {
			l.At = int32(data.Final(code.Base+uint64(uint32(l.At))) - code.Base)
		}
	}
	m.Data, m.ROBytes, m.Globals, m.TypeLinks, m.Itabs = data.Bytes, data.ROBytes, data.Globals, data.TypeLinks, data.Itabs
	return m, nil
}

// placeFunc appends the code of function i.
func (u *unit) placeFunc(m *code.Image, i int, files *fileTable) {
	x, made := u.Funcs[i], u.made[i-1]
	at := int32(len(m.Code))
	c := made.chunk
	m.Code = append(m.Code, c.Words...)
	f := &m.Funcs[i]
	*f = code.Func{
		Name: x.Name, Entry: at, End: int32(len(m.Code)), FrameSlots: c.Frame,
		ResSlots: int32(sum(x.Shape.Res)), ArgSlots: int32(sum(x.Shape.Args)),
		Flags: x.Flags, File: files.add(x.File), Line: x.Line,
	}
	if c.Recover >= 0 {
		f.Recover = at + c.Recover
	}
	if len(c.Words) > 0 && (len(c.Lines) == 0 || c.Lines[0].Word > 0) {
		m.Lines = append(m.Lines, code.Line{PC: at, File: f.File, Line: f.Line})
	}
	u.placeLocals(m, at, made)
	first := int32(len(m.Inlined))
	in := func(n int32) int32 {
		if n == 0 {
			return 0
		}
		return first + n
	}
	for _, i := range made.inlined {
		m.Inlined = append(m.Inlined, code.Inlined{Name: i.Name, File: files.add(i.From.File), Line: i.From.Line, In: in(i.From.In)})
	}
	for _, l := range c.Lines {
		p := made.lines[l.Pos]
		m.Lines = append(m.Lines, code.Line{PC: at + l.Word, File: files.add(p.File), Line: p.Line, In: in(p.In)})
	}
}

// fileTable numbers file names in order of first use.
type fileTable struct {
	names []string
	index map[string]int32
}

func (t *fileTable) add(name string) int32 {
	if i, ok := t.index[name]; ok {
		return i
	}
	i := int32(len(t.names))
	t.names = append(t.names, name)
	t.index[name] = i
	return i
}
