package layout

import (
	"bytes"
	"encoding/binary"
	"errors"
	"go/types"
	"slices"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Funcs is what the Builder needs of the lowered program at Finish.
type Funcs struct {
	// Method gives the function indexes of a method of the descriptor of recv: ifn takes the interface's data word as
	// receiver, tfn the receiver's own slots; 0 for a method that cannot be called.
	Method func(recv types.Type, sel *types.Selection) (ifn, tfn int32)
	// TypeEqual and TypeHash are the functions "runtime.typeEqual" and "runtime.typeHash", whose closures capture
	// a type's address.
	TypeEqual, TypeHash int32
}

// Data is the finished data segment, ready for code.Image.
type Data struct {
	Bytes     []byte
	ROBytes   uint64 // a multiple of the page size
	Globals   []code.Global
	TypeLinks []uint64 // sorted by type string
	Itabs     []uint64
	shift     uint64 // provisional minus final address of a global
}

// Final is the final address of a guest address that may be provisional.
func (d *Data) Final(addr uint64) uint64 {
	if addr >= GlobalsBase && addr < GlobalsBase+1<<31 {
		return addr - d.shift
	}
	return addr
}

// FinalOffset is Final for the imm32 operand of LdG and StG ops: an offset from code.Base.
func (d *Data) FinalOffset(imm32 int32) int32 {
	return int32(uint32(d.Final(code.Base+uint64(uint32(imm32))) - code.Base))
}

// ErrTooLarge is returned for data that does not fit 31-bit offsets.
var ErrTooLarge = errors.New("layout: read-only data or globals exceed 1 GiB")

const pageBytes = 4096

// Finish completes the data. The Builder cannot be used afterwards.
func (b *Builder) Finish(f Funcs) (*Data, error) {
	b.fill()
	b.linkPointers()
	for _, m := range b.methods {
		ifn, tfn := f.Method(m.recv, m.sel)
		switch m.kind {
		case slotIfn:
			b.put32(m.off, uint32(ifn))
		case slotTfn:
			b.put32(m.off, uint32(tfn))
		case slotItab:
			b.put64(m.off, uint64(uint32(ifn)))
		}
	}
	for _, c := range b.equals {
		b.put64(c.off, uint64(uint32(f.TypeEqual)))
	}
	for _, c := range b.hashes {
		b.put64(c.off, uint64(uint32(f.TypeHash)))
	}
	ro := uint64(b.alloc(0, pageBytes))
	b.finished = true
	if ro > 1<<30 || len(b.rw) > 1<<30 {
		return nil, ErrTooLarge
	}
	d := &Data{ROBytes: ro, shift: GlobalsBase - roAddr(ro), Itabs: b.itabs, TypeLinks: b.typeLinks()}
	d.patch(b.ro, b.roRefs)
	d.patch(b.rw, b.rwRefs)
	d.Bytes = append(b.ro, b.rw...)
	d.Globals = b.globals
	for i := range d.Globals {
		d.Globals[i].Addr = d.Final(d.Globals[i].Addr)
	}
	return d, nil
}

func (d *Data) patch(data []byte, refs []uint64) {
	for _, off := range refs {
		w := data[off:]
		binary.LittleEndian.PutUint64(w, d.Final(binary.LittleEndian.Uint64(w)))
	}
}

// typeLinks are the descriptors of unnamed composite types and of named types, sorted by type string, then link string.
func (b *Builder) typeLinks() []uint64 {
	type link struct {
		name, unique string
		addr         uint64
	}
	var links []link
	for _, t := range b.types.Keys() {
		addr, _ := b.types.Get(t)
		links = append(links, link{TypeString(t), LinkString(t), addr})
	}
	slices.SortFunc(links, func(x, y link) int {
		return cmpChain(strings.Compare(x.name, y.name), strings.Compare(x.unique, y.unique), bytes.Compare(be(x.addr), be(y.addr)))
	})
	out := make([]uint64, len(links))
	for i, l := range links {
		out[i] = l.addr
	}
	return out
}

func be(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func cmpChain(rs ...int) int {
	for _, r := range rs {
		if r != 0 {
			return r
		}
	}
	return 0
}
