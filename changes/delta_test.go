package changes

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/changes/merkle"
)

// memory is the plainest PageWriter.
type memory struct {
	size  uint64
	pages map[uint64][PageBytes]byte
}

func (m *memory) Resize(n uint64) error {
	m.size = n
	for i := range m.pages {
		if i >= merkle.PageCount(n) {
			delete(m.pages, i)
		}
	}
	return nil
}

func (m *memory) SetPage(i uint64, p *[PageBytes]byte) error {
	if i >= merkle.PageCount(m.size) {
		return errors.New("page beyond memory")
	}
	m.pages[i] = *p
	return nil
}

func (m *memory) ZeroPages(first, count uint64) error {
	for i := range m.pages {
		if i >= first && i < first+count {
			delete(m.pages, i)
		}
	}
	return nil
}

// Page makes memory a PageReader.
func (m *memory) Page(i uint64) *[PageBytes]byte {
	if p, ok := m.pages[i]; ok {
		return &p
	}
	return nil
}

func (m *memory) clone() *memory {
	c := &memory{m.size, map[uint64][PageBytes]byte{}}
	for i, p := range m.pages {
		c.pages[i] = p
	}
	return c
}

func (m *memory) tree() *Tree {
	t := NewTree(m.size)
	for i, p := range m.pages {
		t.Set(i, PageHash(&p))
	}
	return t
}

// deltaOf is the delta from a to b as the vm would make it: it compares all pages.
func deltaOf(a, b *memory, turn uint64) *Delta {
	d := &Delta{Header: Header{Program: Hash{1}, VM: "tandem-vm 1", Run: RunID{2}, Epoch: Epoch{3, "owner"},
		FirstTurn: turn, LastTurn: turn, Instructions: turn * 100, MemoryBytes: b.size, Result: b.tree().Root()}}
	if a != nil {
		d.Base, d.BaseMemoryBytes = a.tree().Root(), a.size
	}
	for i := range merkle.PageCount(b.size) {
		p, old := b.pages[i], [PageBytes]byte{}
		if a != nil && i < merkle.PageCount(a.size) {
			old = a.pages[i]
		}
		if p != old {
			d.AddPage(i, &p)
		}
	}
	return d
}

func (m *memory) scribble(r *rand.Rand) {
	if r.IntN(3) == 0 {
		m.Resize(uint64(1+r.IntN(24)) * PageBytes)
	}
	if r.IntN(3) == 0 {
		m.ZeroPages(r.Uint64N(12), 12)
	}
	for range r.IntN(6) {
		i := r.Uint64N(merkle.PageCount(m.size))
		var p [PageBytes]byte
		p[r.IntN(PageBytes)] = byte(r.IntN(3))
		m.pages[i] = p
	}
}

func TestComposeCutsZerosThatALaterTurnCutsOff(t *testing.T) {
	full := &memory{8 * PageBytes, map[uint64][PageBytes]byte{}}
	for i := range uint64(8) {
		full.pages[i] = [PageBytes]byte{1}
	}
	blank := full.clone()
	blank.ZeroPages(2, 6)
	short := blank.clone()
	short.Resize(4 * PageBytes)
	d, err := Compose(deltaOf(full, blank, 1), deltaOf(blank, short, 2))
	if err != nil {
		t.Fatal(err)
	}
	if tree := full.tree(); d.ApplyTo(tree, full) != nil || !sameMemory(full, short) {
		t.Errorf("%v leads elsewhere", d.Zeros)
	}
}

func sameMemory(a, b *memory) bool { return a.size == b.size && a.tree().Root() == b.tree().Root() }

func TestDeltasApplyAndCompose(t *testing.T) {
	r := source(t)
	for range 150 {
		states := []*memory{{0, map[uint64][PageBytes]byte{}}}
		states[0].Resize(uint64(1+r.IntN(20)) * PageBytes)
		states[0].scribble(r)
		var deltas []*Delta
		for turn := range uint64(6) {
			last := states[len(states)-1]
			next := last.clone()
			next.scribble(r)
			d := deltaOf(last, next, turn+1)
			d.Lines = []Line{{turn + 7, 1, []byte("line")}}
			d.Limits = []Limit{{"gas", 1000, turn}}
			deltas, states = append(deltas, d), append(states, next)
		}
		m, tree := states[0].clone(), states[0].tree()
		for i, d := range deltas {
			b, err := d.Encode()
			if err != nil {
				t.Fatal(err)
			}
			back, err := DecodeDelta(b)
			if err != nil {
				t.Fatal(err)
			}
			if err := back.ApplyTo(tree, m); err != nil {
				t.Fatal(err)
			}
			if !sameMemory(m, states[i+1]) || tree.Root() != d.Result {
				t.Fatalf("delta %d leads elsewhere", i)
			}
		}
		from := r.IntN(len(deltas))
		to := from + r.IntN(len(deltas)-from)
		whole := deltas[from]
		var snap *Delta
		var err error
		if r.IntN(2) == 0 {
			whole = deltaOf(nil, states[from+1], uint64(from+1))
		}
		for i := from + 1; i <= to; i++ {
			if whole, err = Compose(whole, deltas[i]); err != nil {
				t.Fatal(err)
			}
		}
		b, err := whole.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if snap, err = DecodeDelta(b); err != nil {
			t.Fatal(err)
		}
		m, tree = states[from].clone(), states[from].tree()
		if err := snap.ApplyTo(tree, m); err != nil || !sameMemory(m, states[to+1]) {
			t.Fatalf("deltas %d to %d composed (snapshot %v): %v", from, to, snap.IsSnapshot(), err)
		}
		if snap.IsSnapshot() { // composing from nothing gives the very snapshot of the later state
			direct := deltaOf(nil, states[to+1], uint64(to+1))
			direct.Lines, direct.Limits = snap.Lines, snap.Limits
			if db, err := direct.Encode(); err != nil || !bytes.Equal(db, b) {
				t.Fatalf("a composed snapshot is not the snapshot: %v", err)
			}
		}
	}
}

func TestComposeNetsChanges(t *testing.T) {
	n := func(i int64) Value { return IntValue(Int, i) }
	hits, name, gone, best := VarPath("v.Hits"), VarPath("v.Name"), VarPath("v.S").Key(n(1)), VarPath("v.Best")
	a := sortChanges([]Change{{hits, Counter, n(0), n(2)}, {name, LWW, n(1), n(2)}, {gone, Set, Value{}, StructValue()}})
	b := sortChanges([]Change{{hits, Counter, n(12), n(15)}, {name, LWW, n(5), n(6)}, {gone, Set, StructValue(), Value{}}, {best, Max, n(1), n(9)}})
	got, err := composeChanges(a, b)
	want := sortChanges([]Change{{hits, Counter, n(0), n(5)}, {name, LWW, n(1), n(6)}, {best, Max, n(1), n(9)}})
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range got {
		if got[i].String() != want[i].String() {
			t.Errorf("%v, want %v", got[i], want[i])
		}
	}
	if _, err := composeChanges(a, []Change{{hits, LWW, n(1), n(2)}}); !errors.Is(err, ErrFormat) {
		t.Errorf("a counter that turns lww: %v", err)
	}
}

// sample uses every kind of record.
func sample() *Delta {
	base := &memory{3 * PageBytes, map[uint64][PageBytes]byte{0: {9}, 1: {1, 2}}}
	after := &memory{20*PageBytes + 5, map[uint64][PageBytes]byte{1: {1, 3}, 20: {4: 7}}}
	d := deltaOf(base, after, 41)
	d.FirstTurn = 40
	v, _ := config()
	key := VarPath("main.Counts").Key(StringValue("word"))
	d.Changes = sortChanges([]Change{{key, Counter, IntValue(Int, 1), IntValue(Int, 5)}, {key.Field("x"), LWW, Value{}, v}, {VarPath("main.A"), Max, FloatValue(Float64, 1), FloatValue(Float64, 2)}})
	d.Lines = []Line{{17, 1, []byte("hello")}, {18, 2, nil}}
	d.Limits = []Limit{{"gas", 1 << 40, 12345}, {"memory", 1 << 20, 81925}}
	return d
}

func sampleSnapshot() *Delta {
	return deltaOf(nil, &memory{5 * PageBytes, map[uint64][PageBytes]byte{0: {1}, 4: {2}}}, 3)
}

func TestGoldenFiles(t *testing.T) {
	v, _ := config()
	cell, err := Cell{}.Fold(Change{VarPath("main.Hits"), LWW, Value{}, v}, Stamp{77 << counterBits, RunID{5}, 9}, 0, []Cell{
		{Kind: LWW, Stamp: Stamp{1, RunID{4}, 2}, Dot: 2, Value: v}, {Kind: LWW, Stamp: Stamp{1, RunID{6}, 3}, Dot: 3, Value: v}})
	if err != nil {
		t.Fatal(err)
	}
	counted, err := sampleCounter()
	if err != nil {
		t.Fatal(err)
	}
	bound, err := sampleBound()
	if err != nil {
		t.Fatal(err)
	}
	delta, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := sampleSnapshot().Encode()
	if err != nil {
		t.Fatal(err)
	}
	indexed, err := sampleSnapshot().EncodeIndexed()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := sample().Pack(nil)
	if err != nil {
		t.Fatal(err)
	}
	before := sample().Header
	before.LastTurn, before.Result, before.MemoryBytes, before.Instructions = before.FirstTurn-1, before.Base, before.BaseMemoryBytes, 7
	next, err := sample().PackNext(&before, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := CellKey(VarPath("main.Counts").Key(StringValue("word")).Field("Port"), RunID{5}, Epoch{3, "owner"})
	digest := Digest(map[string]Value{"main.A": v, "main.B": IntValue(Int, 1)})
	for name, b := range map[string][]byte{"value.v1": v.Encode(), "cell.v1": cell.Encode(), "cell.v2": counted.Encode(), "cell.v3": bound.Encode(), "segment.v1": sampleSegment(t), "cellkey.v1": []byte(key), "digest.v1": []byte(digest.String()), "delta.v2": delta, "snapshot.v2": snapshot, "indexed.v2": indexed, "packed.v2": packed, "next.v2": next} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch name { // compressed, and another release of Go may compress otherwise
		case "packed.v2":
			if d, err := Unpack(want, nil, 1<<20); err != nil || !sameDelta(d, sample()) {
				t.Errorf("%s is another delta: %v", name, err)
			}
			continue
		case "next.v2":
			if d, err := UnpackNext(want, &before, nil, 1<<20); err != nil || !sameDelta(d, sample()) {
				t.Errorf("%s is another delta: %v", name, err)
			}
			continue
		}
		if !bytes.Equal(b, want) {
			t.Errorf("%s is written in another way than the golden file; a new format needs a new version (and then -update)", name)
		}
	}
}

// sampleCounter is the counter of a run that was taken over, and then removed what it and another run had counted.
func sampleCounter() (c Cell, err error) {
	p := VarPath("main.Counts").Key(StringValue("word"))
	n := func(i int64) Value { return IntValue(Int, i) }
	other := Cell{Kind: Counter, Stamp: Stamp{1, RunID{6}, 3}, Dot: 3, Value: n(2), Epoch: Epoch{1, "other"}.Name()}
	for i, ch := range []Change{{p, Counter, Value{}, n(3)}, {p, Counter, n(3), n(4)}, {p, Counter, n(6), Value{}}} {
		e := Epoch{uint64(i + 1), "owner"}
		if c, err = c.Fold(ch, Stamp{77 << counterBits, RunID{5}, e.Number<<40 | 9}, e.Name(), []Cell{other}); err != nil {
			return c, err
		}
	}
	return c, nil
}

// sampleBound is the max of a run after another run removed what it had contributed.
func sampleBound() (c Cell, err error) {
	p := VarPath("main.Best").Key(StringValue("word"))
	removed := Cell{Kind: Max, Stamp: Stamp{1, RunID{6}, 3}, Seen: []Seen{{Run: RunID{5}, Dot: 9}}}
	for i, ch := range []Change{{p, Max, Value{}, IntValue(Int, 30)}, {p, Max, Value{}, IntValue(Int, 4)}} {
		if c, err = c.Fold(ch, Stamp{77 << counterBits, RunID{5}, uint64(9 + i)}, 0, []Cell{removed}); err != nil {
			return c, err
		}
	}
	return c, nil
}

// sampleSegment is the cell of a run that wrote into a text beside another run, and removed what both had written.
func sampleSegment(t *testing.T) []byte {
	w := NewView()
	if err := w.Declare("v", seqSpec(t, "text"), StringValue("abc")); err != nil {
		t.Fatal(err)
	}
	p, old := VarPath("v").Index(0), "abc"
	for i, new := range []string{"a日bc", "aXX日bc", "aXX日b, more", "XX日 more"} {
		run := RunID{5}
		if i == 1 {
			run = RunID{6}
		}
		if _, err := w.Fold([]Change{{p, Text, StringValue(old), StringValue(new)}}, Stamp{77 << counterBits, run, uint64(i + 1)}, Epoch{}); err != nil {
			t.Fatal(err)
		}
		old = new
	}
	c, _ := w.Cell(p, RunID{5})
	return c.Encode()
}

func TestEveryFlippedByteIsAnError(t *testing.T) {
	r := source(t)
	good, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Clone(good)
	for i := range b {
		b[i] ^= 1 << r.IntN(8)
		if d, err := DecodeDelta(b); err == nil {
			t.Fatalf("byte %d of %d flipped: %v", i, len(b), d.Header)
		} else if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrChecksum) {
			t.Fatalf("byte %d flipped: %v wraps no sentinel", i, err)
		}
		b[i] = good[i]
	}
	for _, cut := range []int{0, 1, 7, 12, 100, len(good) - 33, len(good) - 1} {
		if _, err := DecodeDelta(good[:cut]); !errors.Is(err, ErrFormat) {
			t.Errorf("cut to %d bytes: %v", cut, err)
		}
	}
	if _, err := DecodeDelta(append(bytes.Clone(good), 0)); !errors.Is(err, ErrFormat) {
		t.Errorf("a byte after the end: %v", err)
	}
}

func TestWriterRefuses(t *testing.T) {
	page := &[PageBytes]byte{1}
	for name, spoil := range map[string]func(d *Delta){
		"no result":             func(d *Delta) { d.Result = Hash{} },
		"turns backwards":       func(d *Delta) { d.FirstTurn = 50 },
		"long owner":            func(d *Delta) { d.Epoch.Owner = strings.Repeat("x", OwnerBytesMax+1) },
		"page beyond memory":    func(d *Delta) { d.Pages = append(d.Pages, Page{Index: 21, Data: page}) },
		"page twice":            func(d *Delta) { d.Pages = append(d.Pages, d.Pages[1]) },
		"zero page":             func(d *Delta) { d.Pages[0].Data = new([PageBytes]byte) },
		"page in a zero range":  func(d *Delta) { d.Zeros = []PageRange{{0, 2}} },
		"range of none":         func(d *Delta) { d.Zeros = append(d.Zeros, PageRange{5, 0}) },
		"ranges that touch":     func(d *Delta) { d.Zeros = append(d.Zeros, PageRange{5, 1}, PageRange{6, 1}) },
		"range that wraps":      func(d *Delta) { d.Zeros = append(d.Zeros, PageRange{5, 1<<64 - 1}) },
		"changes out of order":  func(d *Delta) { d.Changes[0], d.Changes[1] = d.Changes[1], d.Changes[0] },
		"change twice":          func(d *Delta) { d.Changes[1] = d.Changes[0] },
		"change of nothing":     func(d *Delta) { d.Changes[0].Old, d.Changes[0].New = Value{}, Value{} },
		"change of no leaf":     func(d *Delta) { d.Changes[0].Kind = MapOf },
		"gap in the lines":      func(d *Delta) { d.Lines[1].Number = 20 },
		"no such stream":        func(d *Delta) { d.Lines[0].Stream = 3 },
		"limits out of order":   func(d *Delta) { d.Limits[0].Name = "zzz" },
		"snapshot with a base":  func(d *Delta) { d.Base = Hash{} },
		"snapshot of two turns": func(d *Delta) { d.Base, d.BaseMemoryBytes, d.Zeros = Hash{}, 0, nil },
		"snapshot with zeros":   func(d *Delta) { d.Base, d.BaseMemoryBytes, d.FirstTurn = Hash{}, 0, d.LastTurn },
	} {
		d := sample()
		spoil(d)
		if _, err := d.Encode(); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: written, %v", name, err)
		}
	}
}

func TestFlagsAndVersionsOfTheFutureAreRefused(t *testing.T) {
	good, _ := sample().Encode()
	for _, c := range []struct {
		at    int
		value byte
		want  error
	}{{9, DeltaVersion + 1, ErrVersion}, {10, 1 << 4, ErrVersion}, {10, flagIndexed | flagPatched, ErrFormat}, {10, 1 << 7, ErrVersion}, {10, flagCompressed, ErrFormat}, {10, flagPatched | flagCompressed, ErrFormat}, {10, flagNext, ErrFormat}} {
		b := bytes.Clone(good)
		b[c.at] = c.value
		if _, err := DecodeDelta(b); !errors.Is(err, c.want) {
			t.Errorf("byte %d as %#x: %v", c.at, c.value, err)
		}
	}
	for _, name := range []string{"delta.v1", "snapshot.v1"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeDelta(b); !errors.Is(err, ErrVersion) {
			t.Errorf("%s, of an older release: %v", name, err)
		}
	}
}

func TestApplyToRefusesAndLeavesMemoryAlone(t *testing.T) {
	base := &memory{3 * PageBytes, map[uint64][PageBytes]byte{0: {9}, 1: {1, 2}}}
	for name, c := range map[string]struct {
		spoil func(d *Delta, m *memory)
		want  error
	}{
		"another base":   {func(d *Delta, m *memory) { m.pages[2] = [PageBytes]byte{1} }, ErrBase},
		"another result": {func(d *Delta, m *memory) { d.Result[0]++ }, ErrResult},
		"another page":   {func(d *Delta, m *memory) { d.Pages[0].Data = &[PageBytes]byte{5} }, ErrResult},
		"another size":   {func(d *Delta, m *memory) { d.MemoryBytes++ }, ErrResult},
	} {
		d, m := sample(), base.clone()
		c.spoil(d, m)
		before, tree := m.clone(), m.tree()
		if err := d.ApplyTo(tree, m); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if !sameMemory(m, before) || tree.Root() != before.tree().Root() {
			t.Errorf("%s: memory was touched", name)
		}
	}
	d := sample()
	if err := d.CheckProgram(Hash{2}, d.VM); !errors.Is(err, ErrProgram) {
		t.Errorf("another program: %v", err)
	}
	if err := d.CheckProgram(d.Program, "other"); !errors.Is(err, ErrVM) {
		t.Errorf("another VM: %v", err)
	}
	if _, err := Compose(d, d); !errors.Is(err, ErrBase) {
		t.Errorf("composed with itself: %v", err)
	}
}

// resealed is b with the checksum that its content should have, so that a fuzzer gets past it; b when it has none.
func resealed(b []byte, prev *Header, base PageReader) []byte {
	if len(b) < frontBytes {
		return b
	}
	d := decoder{base: base, prev: prev, flags: b[frontBytes-1], roomBytes: 1 << 24}
	return append(bytes.Clone(b), d.read(b)...)
}

func FuzzDelta(f *testing.F) {
	base := &memory{3 * PageBytes, map[uint64][PageBytes]byte{0: {9}, 1: {1, 2}}}
	prev := sample().Header
	prev.LastTurn, prev.Result, prev.MemoryBytes, prev.Instructions = prev.FirstTurn-1, prev.Base, prev.BaseMemoryBytes, 7
	for _, d := range []*Delta{sample(), sampleSnapshot()} {
		b, err := d.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:len(b)-32], uint8(0))
		f.Add(b, uint8(3))
		if b, err = d.EncodeIndexed(); err != nil {
			f.Fatal(err)
		}
		f.Add(b[:len(b)-32], uint8(0))
		if b, err = d.Pack(base); err != nil {
			f.Fatal(err)
		}
		f.Add(b[:len(b)-32], uint8(1))
	}
	b, err := sample().PackNext(&prev, base)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:len(b)-nextSumBytes], uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, form uint8) {
		var d *Delta
		var err error
		switch form % 4 {
		case 0:
			b = resealed(b, nil, nil)
			d, err = DecodeDelta(b)
		case 1:
			d, err = Unpack(resealed(b, nil, base), base, 1<<24)
		case 2:
			d, err = UnpackNext(resealed(b, &prev, base), &prev, base, 1<<24)
		default:
			d, err = DecodeDelta(b)
		}
		if err != nil {
			return
		}
		again, err := d.Encode()
		if form%4 == 0 && b[frontBytes-1] == flagIndexed {
			again, err = d.EncodeIndexed()
		}
		if err != nil || form%4 == 0 && !bytes.Equal(again, b) {
			t.Fatalf("%x decodes, but is written as %x, %v", b, again, err)
		}
		if form%4 == 1 {
			small, err := d.Pack(base)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := Unpack(small, base, 1<<25); err != nil || !sameDelta(back, d) {
				t.Fatalf("packed again: %v", err)
			}
		}
		tree := NewTree(0)
		_ = d.ApplyTo(tree, &memory{0, map[uint64][PageBytes]byte{}})
	})
}
