package values

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// Differ finds the net changes of variables between an earlier content of memory and the present one, at a cost that follows what was
// written and not what is stored. It compares bytes on pages that were touched and decodes what differs there; nothing is kept between
// turns, because the earlier content is still known to memory.
type Differ struct {
	h       *heap.Heap
	m       *mem.Memory
	base    *mem.Pages
	touched []mem.Former // ascending
	reused  bool         // the collector ran: an address may hold another string than it did
	parts   []part
}

// part is a leaf or map whose bytes differ.
type part struct {
	spec     *changes.Spec
	path     changes.Path
	typ      uint64
	addr     uint64
	entries  []uint64 // of a map: those to read; nil and whole: all
	whole    bool
	old, now changes.Value
}

// NewDiffer compares with base, which was taken of the heap's memory.
func NewDiffer(h *heap.Heap, base *mem.Pages) (*Differ, error) {
	d := &Differ{h: h, m: h.Memory(), base: base}
	var err error
	if d.touched, err = d.m.Since(base); err != nil || len(d.touched) == 0 {
		return d, err
	}
	now := h.Stats().Collections
	err = d.m.Past(base, d.formerly(nil, code.Base, mem.PageBytes), func() error {
		d.reused = h.Stats().Collections != now
		return nil
	})
	return d, err
}

// Add looks at the variable name of type t at addr, which merges by spec.
func (d *Differ) Add(name string, spec *changes.Spec, t, addr uint64) error {
	return d.add(spec, changes.VarPath(name), t, addr)
}

func (d *Differ) add(s *changes.Spec, p changes.Path, t, addr uint64) error {
	switch {
	case len(d.touched) == 0:
	case s.Kind == changes.Fields:
		next := 0
		for i := range d.h.TypeFields(t) {
			ft, offset, blank := d.h.TypeField(t, i)
			if blank {
				continue
			}
			if next >= len(s.Fields) {
				return fmt.Errorf("%w: %s", ErrType, d.h.TypeString(t))
			}
			f := s.Fields[next]
			if err := d.add(f, p.Field(s.Type.Fields[next].Name), ft, addr+offset); err != nil {
				return err
			}
			next++
		}
	case s.Kind == changes.MapOf || s.Kind == changes.Set:
		d.addMap(s, p, t, addr)
	default:
		if d.changed(t, addr, changes.DepthMax) {
			d.parts = append(d.parts, part{spec: s, path: p, typ: t, addr: addr})
		}
	}
	return nil
}

// addMap adds the entries that differ, by number, when the map still has the table it had; else all.
func (d *Differ) addMap(s *changes.Spec, p changes.Path, t, addr uint64) {
	x := part{spec: s, path: p, typ: t, addr: addr}
	m := d.m.Load64(addr)
	table, ok := d.h.MapTable(m)
	before, had := heap.MapTable{}, false
	if d.former(addr) == m {
		_ = d.m.Past(d.base, d.formerly(nil, m, heapWordsMax), func() error {
			before, had = d.h.MapTable(m)
			return nil
		})
	}
	switch {
	case ok && had && before.First == table.First && before.Capacity == table.Capacity && before.Stride == table.Stride:
		x.entries = d.entries(t, &table)
	case d.former(addr) != m || ok || had:
		x.whole = true
	}
	if x.whole || len(x.entries) > 0 {
		d.parts = append(d.parts, x)
	}
}

const heapWordsMax = 256 // bytes of a map's header and what leads to its entries, at most

// entries are the numbers of entries of which a byte, or something they refer to, differs.
func (d *Differ) entries(t uint64, table *heap.MapTable) []uint64 {
	var list []uint64
	d.differing(table.Marks, 4*table.Capacity, 4, func(i uint64) { list = append(list, i) })
	d.differing(table.First, table.Stride*table.Capacity, table.Stride, func(i uint64) { list = append(list, i) })
	key, elem := d.h.TypeKey(t), d.h.TypeElem(t)
	if !Flat(d.h, elem) || d.reused && d.h.TypePtrBytes(key)+d.h.TypePtrBytes(elem) > 0 {
		for i := range table.Used {
			k, v, live := d.h.MapEntry(table, i)
			if live && (d.changed(key, k, changes.DepthMax) || d.changed(elem, v, changes.DepthMax)) {
				list = append(list, i)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// touchedIn are the touched pages that hold some of the n bytes at addr.
func (d *Differ) touchedIn(addr, n uint64) []mem.Former {
	if n == 0 || addr < code.Base || addr+n < addr {
		return nil
	}
	from, _ := slices.BinarySearchFunc(d.touched, addr&^(mem.PageBytes-1), func(f mem.Former, at uint64) int { return cmp.Compare(f.Addr, at) })
	to := from
	for to < len(d.touched) && d.touched[to].Addr < addr+n {
		to++
	}
	return d.touched[from:to]
}

// formerly adds to list those of the n bytes at addr that lie on touched pages.
func (d *Differ) formerly(list []mem.Former, addr, n uint64) []mem.Former {
	for _, f := range d.touchedIn(addr, n) {
		list = append(list, f.Within(addr, n))
	}
	return list
}

// former is the word that stood at addr, which is aligned.
func (d *Differ) former(addr uint64) uint64 {
	for _, f := range d.touchedIn(addr, 8) {
		if f.Old == nil {
			return 0
		}
		return binary.LittleEndian.Uint64(f.Old[addr-f.Addr:])
	}
	return d.m.Load64(addr)
}

var zeroPage [mem.PageBytes]byte

// differing calls fn with the number of each of the items of size bytes in the n bytes at addr that has a byte that differs, ascending
// on each page; one that lies in two pages may come twice.
func (d *Differ) differing(addr, n, size uint64, fn func(i uint64)) {
	if size == 0 {
		return
	}
	for _, f := range d.touchedIn(addr, n) {
		f = f.Within(addr, n)
		from, to := f.Addr, f.Addr+f.Bytes
		now, old := d.m.Bytes(from, f.Bytes), f.Old
		if old == nil {
			old = zeroPage[:f.Bytes]
		}
		if now == nil {
			continue
		}
		same := func(at, n uint64) bool {
			return at+n <= to && string(now[at-from:at-from+n]) == string(old[at-from:at-from+n])
		}
		for at := from; at < to; {
			if same(at, stretchBytes) {
				at += stretchBytes
				continue
			}
			for end := min(at+stretchBytes, to); at < end; {
				if same(at, blockBytes) {
					at += blockBytes
					continue
				}
				i := (at - addr) / size
				next := min(addr+(i+1)*size, to)
				if !same(at, next-at) {
					fn(i)
				}
				at = next
			}
		}
	}
}

// Passed over at once where they are the same: most of a page, and most of what stands around a difference.
const stretchBytes, blockBytes = 1024, 64

// changed reports whether a value of type t at addr may have changed, itself or in what it refers to.
func (d *Differ) changed(t, addr uint64, depth int) bool {
	if depth == 0 {
		return true
	}
	size := d.h.TypeSize(t)
	if d.differs(addr, size) {
		return true
	}
	switch kind := reflect.Kind(d.h.TypeKind(t)); {
	case d.h.TypePtrBytes(t) == 0:
		return false
	case kind == reflect.String:
		return d.reused && d.differs(d.m.Load64(addr), d.m.Load64(addr+8))
	case kind == reflect.Array:
		return d.anyChanged(d.h.TypeElem(t), addr, d.h.TypeLen(t), depth)
	case kind == reflect.Slice:
		elem, ptr, n := d.h.TypeElem(t), d.m.Load64(addr), d.m.Load64(addr+8)
		if n > NodesMax {
			return true // reading it says what is wrong
		}
		return d.differs(ptr, n*d.h.TypeSize(elem)) || d.anyChanged(elem, ptr, n, depth)
	case kind == reflect.Struct:
		for i := range d.h.TypeFields(t) {
			if ft, offset, _ := d.h.TypeField(t, i); d.changed(ft, addr+offset, depth-1) {
				return true
			}
		}
		return false
	case kind == reflect.Map:
		return d.mapChanged(t, d.m.Load64(addr), depth)
	}
	return true
}

// anyChanged looks into n elements whose own bytes are the same.
func (d *Differ) anyChanged(elem, addr, n uint64, depth int) bool {
	if d.h.TypePtrBytes(elem) == 0 || !d.reused && Flat(d.h, elem) {
		return false
	}
	size := d.h.TypeSize(elem)
	for i := range n {
		if d.changed(elem, addr+i*size, depth-1) {
			return true
		}
	}
	return false
}

func (d *Differ) mapChanged(t, m uint64, depth int) bool {
	table, ok := d.h.MapTable(m)
	switch {
	case m == 0:
		return false
	case d.differs(m, 16): // count and table
		return true
	case !ok:
		return false
	}
	return d.differs(table.Marks, 4*table.Capacity) || d.differs(table.First, table.Stride*table.Capacity) || d.deepChanged(t, &table, depth)
}

func (d *Differ) deepChanged(t uint64, table *heap.MapTable, depth int) bool {
	key, elem := d.h.TypeKey(t), d.h.TypeElem(t)
	if !d.reused && Flat(d.h, key) && Flat(d.h, elem) {
		return false
	}
	for i := range table.Used {
		if k, v, live := d.h.MapEntry(table, i); live && (d.changed(key, k, depth-1) || d.changed(elem, v, depth-1)) {
			return true
		}
	}
	return false
}

// differs reports whether one of n bytes at addr differs.
func (d *Differ) differs(addr, n uint64) bool {
	for _, f := range d.touchedIn(addr, n) {
		f = f.Within(addr, n)
		old := f.Old
		if old == nil {
			old = zeroPage[:f.Bytes]
		}
		if now := d.m.Bytes(f.Addr, f.Bytes); string(now) != string(old) {
			return true
		}
	}
	return false
}

// Changes are the net changes of all variables that were added, by path.
func (d *Differ) Changes() ([]changes.Change, error) {
	if len(d.parts) == 0 {
		return nil, nil
	}
	slices.SortFunc(d.parts, func(a, b part) int { return bytes.Compare(a.path.Encode(), b.path.Encode()) })
	for i := range d.parts {
		if err := d.read(&d.parts[i], &d.parts[i].now); err != nil {
			return nil, err
		}
	}
	err := d.m.Past(d.base, d.needed(), func() error {
		for i := range d.parts {
			if err := d.read(&d.parts[i], &d.parts[i].old); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []changes.Change
	for _, x := range d.parts {
		for _, v := range []changes.Value{x.old, x.now} {
			if err := x.spec.Type.Check(v); err != nil { // the type's descriptor was damaged since
				return nil, fmt.Errorf("%w: %w", ErrType, err)
			}
		}
		all = append(all, changes.Diff(x.spec, x.path, x.old, x.now)...)
	}
	return all, nil
}

// needed is what reading the past of the parts may look at on touched pages: all of them, unless the parts hold no references.
func (d *Differ) needed() []mem.Former {
	var list []mem.Former
	for _, x := range d.parts {
		key, elem := d.h.TypeKey(x.typ), d.h.TypeElem(x.typ)
		switch {
		case d.h.TypePtrBytes(x.typ) == 0:
			list = d.formerly(list, x.addr, d.h.TypeSize(x.typ))
		case x.entries != nil && d.h.TypePtrBytes(key)+d.h.TypePtrBytes(elem) == 0:
			m := d.m.Load64(x.addr)
			table, _ := d.h.MapTable(m)
			list = d.formerly(d.formerly(list, x.addr, 8), m, heapWordsMax)
			list = d.formerly(list, table.Marks-8, 8)
			for _, i := range x.entries {
				list = d.formerly(d.formerly(list, table.Marks+4*i, 4), table.First+i*table.Stride, table.Stride)
			}
		default:
			return d.touched
		}
	}
	return list
}

// read is what the part holds now, or in the past.
func (d *Differ) read(x *part, into *changes.Value) (err error) {
	if x.entries == nil && !x.whole {
		*into, err = Read(d.h, x.typ, x.addr)
		return err
	}
	var list []changes.Entry
	r := newReader(d.h)
	one := func(key, value uint64) bool {
		var e changes.Entry
		e, err = r.entry(x.typ, key, value, changes.DepthMax)
		list = append(list, e)
		return err == nil
	}
	m := d.m.Load64(x.addr)
	if x.whole {
		d.h.MapEntries(m, one)
	} else if table, ok := d.h.MapTable(m); ok {
		for _, i := range x.entries {
			if key, value, live := d.h.MapEntry(&table, i); live && !one(key, value) {
				break
			}
		}
	}
	if err == nil {
		*into = changes.MapValue(list...)
	}
	return err
}
