package changes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// nested is an encoded value of as many levels as decoders follow, each of which says that it holds as much as the input could.
func nested(sizeBytes int, level func(b []byte, count int) []byte) []byte {
	b := []byte{ValueVersion}
	for range DepthMax {
		b = level(b, (sizeBytes-len(b))/8)
	}
	return append(b, make([]byte, sizeBytes-len(b))...)
}

// What decoders allocate follows what is there and not what is said to be there, at each of the levels.
func TestDecodersAllocateByWhatIsThere(t *testing.T) {
	const size = 1 << 19
	for what, level := range map[string]func(b []byte, count int) []byte{
		"slices": func(b []byte, n int) []byte {
			return binary.BigEndian.AppendUint32(append(b, byte(Slice), 1), uint32(n))
		},
		"arrays": func(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(append(b, byte(Array)), uint32(n)) },
		"structs": func(b []byte, n int) []byte {
			return append(binary.BigEndian.AppendUint16(append(b, byte(Struct)), uint16(min(n, 1<<16-1))), "f\x00\x01"...)
		},
		"maps": func(b []byte, n int) []byte {
			return append(binary.BigEndian.AppendUint32(append(b, byte(Map), 1), uint32(n)), byte(Bool), 1)
		},
	} {
		b := nested(size, level)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeValue(b)
		runtime.ReadMemStats(&after)
		if made := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrFormat) || made > 4*size {
			t.Errorf("%s: %d bytes made of %d: %v", what, made, size, err)
		}
	}
}

// A member that forges the last time there is cannot make the others' edits panic: they are refused.
func TestForgedTimesRefuseEdits(t *testing.T) {
	for _, kind := range []string{"text", "list", "log"} {
		s := seqSpec(t, kind)
		w := NewView()
		if err := w.Declare("v", s, Value{}); err != nil {
			t.Fatal(err)
		}
		at := VarPath("v").Index(0)
		leaf, err := s.Leaf(at)
		if err != nil {
			t.Fatal(err)
		}
		element := []byte{1, 'a'}
		one, two := StringValue("a"), StringValue("ab")
		if kind != "text" {
			x := s.Type.Elem.Zero()
			element, one, two = x.appendNode(nil), SliceValue([]Value{x}), SliceValue([]Value{x, x})
		}
		const last = 1<<62 - 1
		segment := []byte{2, 0, 1, 0, 1} // next, runs, spans; flags, seq
		segment = append(binary.AppendUvarint(segment, last), 1, 0, 0)
		segment = append(append(segment, element...), 0)
		forged := Cell{Kind: leaf.Kind, Stamp: Stamp{Time: 5, Run: RunID{1}, Turn: 1}, Dot: 1, Value: BytesValue(segment)}
		if _, err := w.Put(at, forged); err != nil {
			t.Fatalf("%s: the test forges what would be refused anyway: %v", kind, err)
		}
		if v, _, err := w.Value("v"); err != nil || !v.Equal(one) {
			t.Fatalf("%s: %v, %v", kind, v, err)
		}
		cells, err := w.Fold([]Change{{at, leaf.Kind, one, two}}, Stamp{Time: 6, Run: RunID{2}, Turn: 1}, Epoch{})
		if !errors.Is(err, ErrCell) || cells != nil {
			t.Errorf("%s: %v, %v", kind, cells, err)
		}
		w.Drop(RunID{1})
		if _, err := w.Fold([]Change{{at, leaf.Kind, Value{}, two}}, Stamp{Time: 6, Run: RunID{2}, Turn: 1}, Epoch{}); err != nil {
			t.Errorf("%s, after they were voided: %v", kind, err)
		}
	}
}

// A file that follows another cannot lead back in instructions, by counting beyond what can be counted.
func TestInstructionsDoNotWrap(t *testing.T) {
	d := sample()
	prev := d.Header
	prev.Result, prev.MemoryBytes, prev.LastTurn, prev.Instructions = d.Base, d.BaseMemoryBytes, d.FirstTurn-1, d.Instructions+1
	e := encoder{d: d, patch: true, prev: &prev}
	b, err := e.file(flagPatched | flagNext)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := UnpackNext(b, &prev, nil, 1<<20); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

func TestTypesOfManyPartsAreRefused(t *testing.T) {
	wide := &Type{Form: Bool}
	for range 3 {
		s := &Type{Form: Struct}
		for i := range 50 {
			s.Fields = append(s.Fields, Field{Name: fmt.Sprint("f", i), Type: wide})
		}
		wide = s
	}
	if err := wide.Validate(); !errors.Is(err, ErrType) || !strings.Contains(err.Error(), "65536 parts") {
		t.Error(err)
	}
}

func TestPagesOutOfOrderAreRefused(t *testing.T) {
	page := &[PageBytes]byte{1}
	for _, d := range []*Delta{
		{Pages: []Page{{Index: 1, Data: page}, {Index: 0, Data: page}}},
		{Zeros: []PageRange{{2, 1}, {0, 1}}},
	} {
		d.Header = Header{Base: Hash{1}, Result: Hash{2}, MemoryBytes: 4 * PageBytes, BaseMemoryBytes: 4 * PageBytes}
		if _, err := d.Encode(); !errors.Is(err, ErrFormat) {
			t.Error(err)
		}
	}
}
