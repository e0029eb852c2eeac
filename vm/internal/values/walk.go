package values

import (
	"fmt"
	"hash/fnv"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// Leaf is one part of a variable that has no parts itself, found by following whatever the variable refers to.
type Leaf struct {
	Path string // as Go would write it: main.list.next.v, main.m["k"][3]
	Type string
	Text string // as Go would write it; what cannot be written is in angle brackets
	Sum  uint64 // of the content of which Text is only the beginning; 0 otherwise
}

// Walker visits variables of any type, pointers and interfaces included. Each object is visited once, by the first path that leads there; a
// second one is named by that path.
type Walker struct {
	h     *heap.Heap
	funcs []code.Func
	fn    func(Leaf) bool
	left  int
	text  uint64 // bytes of text that may still be summed: what does not lie over one another fits
	seen  map[seenAt]string
}

type seenAt struct{ typ, addr uint64 }

// walkDepthMax bounds how deep a path goes: longer lists are cut there.
const walkDepthMax = 1000

// NewWalker calls fn for the leaves of the variables that are walked, until it returns false or leavesMax are found; funcs name function values.
func NewWalker(h *heap.Heap, funcs []code.Func, leavesMax int, fn func(Leaf) bool) *Walker {
	return &Walker{h: h, funcs: funcs, fn: fn, left: leavesMax, text: h.Memory().Size(), seen: map[seenAt]string{}}
}

// Walk visits the value of type t at addr; false: it was ended early.
func (w *Walker) Walk(path string, t, addr uint64) bool { return w.walk(path, t, addr, walkDepthMax) }

func (w *Walker) leaf(path string, t uint64, text string) bool { return w.summed(path, t, text, 0) }

func (w *Walker) summed(path string, t uint64, text string, sum uint64) bool {
	w.left--
	return w.fn(Leaf{path, w.h.TypeString(t), text, sum}) && w.left > 0
}

// sum is the sum of n bytes at ptr, of which only some are shown.
func (w *Walker) sum(ptr, n uint64) uint64 {
	if n <= textMax || n > w.text {
		return 0
	}
	w.text -= n
	f := fnv.New64a()
	f.Write(w.h.Memory().Bytes(ptr, n))
	return f.Sum64()
}

func (w *Walker) walk(path string, t, addr uint64, depth int) bool {
	m, size := w.h.Memory(), w.h.TypeSize(t)
	if depth == 0 || size > 0 && !m.InRange(addr, size) {
		return w.leaf(path, t, "<not shown>")
	}
	switch kind := reflect.Kind(w.h.TypeKind(t)); kind {
	case reflect.Array:
		return w.items(path, t, addr, w.h.TypeLen(t), depth)
	case reflect.Slice:
		if w.h.TypeKind(w.h.TypeElem(t)) == uint8(reflect.Uint8) {
			ptr, n := m.Load64(addr), m.Load64(addr+8)
			return w.summed(path, t, w.bytes(ptr, n), w.sum(ptr, n))
		}
		if m.Load64(addr) == 0 {
			return w.leaf(path, t, "nil")
		}
		return w.items(path, t, m.Load64(addr), m.Load64(addr+8), depth)
	case reflect.Struct:
		for i := range w.h.TypeFields(t) {
			ft, offset, blank := w.h.TypeField(t, i)
			if !blank && !w.walk(path+"."+w.h.TypeFieldName(t, i), ft, addr+offset, depth-1) {
				return false
			}
		}
		return true
	case reflect.Map:
		return w.entries(path, t, m.Load64(addr), depth)
	case reflect.Pointer:
		return w.refer(path, t, w.h.TypeElem(t), m.Load64(addr), depth)
	case reflect.Interface:
		return w.dynamic(path, t, addr, depth)
	case reflect.Func:
		return w.leaf(path, t, w.function(m.Load64(addr)))
	case reflect.Chan:
		if at := m.Load64(addr); at != 0 {
			return w.leaf(path, t, fmt.Sprintf("<chan %#x>", at))
		}
		return w.leaf(path, t, "nil")
	case reflect.UnsafePointer, reflect.Uintptr:
		return w.leaf(path, t, fmt.Sprintf("%#x", m.Load64(addr)))
	case reflect.String:
		ptr, n := m.Load64(addr), m.Load64(addr+8)
		return w.summed(path, t, w.quoted(ptr, n), w.sum(ptr, n))
	default:
		return w.leaf(path, t, w.scalar(t, addr))
	}
}

// quoted is the text of a string, of which no more is read than is shown.
func (w *Walker) quoted(ptr, n uint64) string {
	m := w.h.Memory()
	if n > 0 && !m.InRange(ptr, n) {
		return "<not readable>"
	}
	return clip(strconv.Quote(string(m.Bytes(ptr, min(n, textMax+utf8.UTFMax)))))
}

func (w *Walker) scalar(t, addr uint64) string {
	v, err := Read(w.h, t, addr)
	if err != nil {
		return "<not readable>"
	}
	return v.String()
}

const textMax = 200 // of one string

func clip(s string) string {
	if len(s) > textMax {
		return s[:textMax] + "..."
	}
	return s
}

func (w *Walker) bytes(ptr, n uint64) string {
	b := w.h.Memory().Bytes(ptr, min(n, textMax))
	switch {
	case ptr == 0:
		return "nil"
	case n > 0 && b == nil:
		return "<not readable>"
	case n > textMax:
		return fmt.Sprintf("[]byte(%q...) of %d", b, n)
	}
	return fmt.Sprintf("[]byte(%q)", b)
}

func (w *Walker) items(path string, t, addr, n uint64, depth int) bool {
	elem := w.h.TypeElem(t)
	size := w.h.TypeSize(elem)
	if n > math.MaxInt32 || size > 0 && n > 0 && !w.h.Memory().InRange(addr, n*size) {
		return w.leaf(path, t, "<not readable>")
	}
	switch {
	case n == 0:
		return w.leaf(path, t, "{}")
	case size == 0: // as many as one likes, and nothing in them
		return w.leaf(path, t, fmt.Sprintf("<%d elements without content>", n))
	}
	for i := range n {
		if !w.walk(path+"["+strconv.FormatUint(i, 10)+"]", elem, addr+i*size, depth-1) {
			return false
		}
	}
	return true
}

func (w *Walker) entries(path string, t, m uint64, depth int) bool {
	switch {
	case m == 0:
		return w.leaf(path, t, "nil")
	case w.h.MapLen(m) == 0:
		return w.leaf(path, t, "{}")
	}
	goOn := true
	w.h.MapEntries(m, func(key, value uint64) bool {
		k := fmt.Sprintf("<key at %#x>", key)
		if v, err := Read(w.h, w.h.TypeKey(t), key); err == nil {
			k = clip(v.String())
		}
		goOn = w.walk(path+"["+k+"]", w.h.TypeElem(t), value, depth-1)
		return goOn
	})
	return goOn
}

// refer follows a pointer of type t to a value of type elem.
func (w *Walker) refer(path string, t, elem, to uint64, depth int) bool {
	if to == 0 {
		return w.leaf(path, t, "nil")
	}
	at := seenAt{elem, to}
	if first, again := w.seen[at]; again {
		return w.leaf(path, t, "<as "+first+">")
	}
	w.seen[at] = path
	if w.h.TypeSize(elem) == 0 {
		return w.leaf(path, t, "{}")
	}
	return w.walk(path, elem, to, depth-1)
}

func (w *Walker) dynamic(path string, t, addr uint64, depth int) bool {
	m := w.h.Memory()
	typ := m.Load64(addr)
	if typ == 0 {
		return w.leaf(path, t, "nil")
	}
	if w.h.TypeHasMethods(t) {
		typ = w.h.ItabType(typ)
	}
	path += ".(" + w.h.TypeString(typ) + ")"
	if w.h.TypeDirect(typ) {
		return w.walk(path, typ, addr+8, depth-1)
	}
	return w.refer(path, t, typ, m.Load64(addr+8), depth)
}

func (w *Walker) function(closure uint64) string {
	if closure == 0 {
		return "nil"
	}
	if i := w.h.Memory().Load64(closure); i < uint64(len(w.funcs)) && i > 0 {
		return w.funcs[i].Name
	}
	return "<func>"
}

// Text is the value of type t at addr on one line, cut to about textMax bytes: what can be a value tree as that, else its leaves.
func Text(h *heap.Heap, funcs []code.Func, t, addr uint64) string {
	var b strings.Builder
	n := 0
	w := NewWalker(h, funcs, 64, func(l Leaf) bool {
		if n++; n > 1 {
			b.WriteString(", ")
		}
		if l.Path != "" {
			b.WriteString(strings.TrimPrefix(l.Path, ".") + ": ")
		}
		b.WriteString(l.Text)
		return b.Len() < textMax
	})
	whole := w.Walk("", t, addr)
	text := b.String()
	switch {
	case !whole:
		text += ", ..."
		fallthrough
	case n > 1:
		return "{" + text + "}"
	}
	return text
}
