package code

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sample is an image with something in every section and an instruction of every form.
func sample() *Image {
	data := make([]byte, 4096+64)
	copy(data[8:], "hello\x00world")
	// The descriptor of main.T at 16+48, its name behind it.
	typ := uint64(64)
	binary.LittleEndian.PutUint32(data[typ+16:], 0xfeed)
	data[typ+20] = 1 << 1
	binary.LittleEndian.PutUint32(data[typ+40:], uint32(DataStart+typ+48))
	copy(data[typ+48:], "\x01\x07*main.T")
	itab := uint64(128)
	binary.LittleEndian.PutUint64(data[itab:], Base+DataStart+typ)
	binary.LittleEndian.PutUint64(data[itab+8:], Base+DataStart+typ)
	at := func(off uint64) uint64 { return Base + DataStart + off }
	ext := func(v uint64) Instr { return ExtWord(v) }
	return &Image{
		GoVersion: "go1.26.8",
		Code: []Instr{
			{}, // word 0 belongs to no function
			Instr{Op: LdI, A: 5}.WithImm32(-7),
			{Op: Add, A: 5, B: 5, C: 6},
			{Op: AddI, A: 5, B: 5, C: 0xfffe},
			{Op: LdC, A: 5}, ext(at(8)),
			{Op: LdC, A: 5}, ext(1 << 63),
			{Op: New, A: 5}, ext(at(typ)),
			{Op: MkIP, A: 5, B: 7}, ext(at(itab)),
			Instr{Op: LdG64, A: 5}.WithImm32(DataStart + 4096 + 8),
			{Op: Slice, A: 5, B: 8, C: 0}, ext(11 | NoSlot<<16 | NoSlot<<32), ext(8 | 10<<32),
			{Op: JEqI, A: 5, B: 3, C: 2},
			Instr{Op: Jmp}.WithImm32(-3),
			Instr{Op: Call, A: 12}.WithImm32(2),
			Instr{Op: Native, A: 12}.WithImm32(0),
			{Op: CallC, A: 12, B: 4, C: 1},
			{Op: FmaF64, A: 5, B: 6, C: 7}, ext(8),
			{Op: LdN, A: 5, B: 7, C: 16}, ext(20),
			{Op: Ret},
			{Op: NilChk, A: 4},
			{Op: Trap},
		},
		Funcs: []Func{
			{},
			{Name: "main.main", Entry: 1, End: 26, FrameSlots: 20, ResSlots: 1, ArgSlots: 1, Recover: 25, Flags: FuncDefers, File: 1, Line: 3},
			{Name: "main.(*T).m", Entry: 26, End: 28, FrameSlots: 5, ArgSlots: 1, Flags: FuncWrapper | FuncStd, File: 0, Line: 9},
		},
		Natives: []string{"runtime.nanotime", "os.exit"},
		Files:   []string{"b.go", "a.go"},
		Lines:   []Line{{1, 1, 4, 0}, {5, 0, 2, 1}, {5, 0, 3, 2}, {27, 1, 9, 0}},
		Inlined: []Inlined{{"main.f", 1, 5, 0}, {"main.g", 0, 2, 1}},
		Locals: []Local{{0, 3, "x", Base + 4096, PlaceFrame, 5}, {2, 2, "err", Base + 5000, PlacePointer, 70000},
			{2, 9, "x", Base + 4096, PlaceClosure, 16}, {700, 800, "i", Base + 4096, PlaceData, math.MaxInt32}},
		Data:      data,
		ROBytes:   4096,
		Globals:   []Global{{"main.Hits", at(4096), at(typ), ClassShared, "counter"}, {"main.x", at(4104), at(typ), ClassRun, ""}},
		Entry:     1,
		Known:     map[string]uint64{"runtime.panicIndex": 2, "type:int": at(typ)},
		TypeLinks: []uint64{at(typ)},
		Itabs:     []uint64{at(itab)},
	}
}

func encode(t testing.TB, m *Image) []byte {
	t.Helper()
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestImageRoundTrip(t *testing.T) {
	for _, m := range []*Image{sample(), {Code: []Instr{}, Known: map[string]uint64{}}} {
		data := encode(t, m)
		back, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Data) == 0 {
			back.Data = nil
		}
		if !reflect.DeepEqual(m, back) {
			t.Errorf("decoded image differs:\n%+v\n%+v", m, back)
		}
		if !bytes.Equal(encode(t, back), data) {
			t.Error("encoding again gives other bytes")
		}
	}
}

func TestZeroVariablesTakeNoBytes(t *testing.T) {
	m := sample()
	small := len(encode(t, m))
	m.Data = append(m.Data, make([]byte, 1<<20)...)
	data := encode(t, m)
	if len(data) > small+2 {
		t.Errorf("a zero MiB takes %d bytes", len(data)-small)
	}
	back, err := Decode(data)
	if err != nil || !bytes.Equal(back.Data, m.Data) {
		t.Errorf("zero bytes are lost: %v", err)
	}
	m.Data = append(m.Data, make([]byte, zeroTailMax)...)
	if _, err := m.Encode(); !errors.Is(err, ErrNoEncoding) {
		t.Errorf("too many zero bytes: %v", err)
	}
}

func TestGoldenImage(t *testing.T) {
	got := []byte(hex.Dump(encode(t, sample())))
	golden(t, "testdata/image.hex", got)
}

func TestGoldenDisassembly(t *testing.T) {
	m := sample()
	golden(t, "testdata/disasm.txt", []byte(Disasm(m, 1)+Disasm(m, 2)+Disasm(m, 0)+Disasm(m, 3)))
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (a changed format needs a new FormatVersion; then run with -update):\n%s", path, got)
	}
}

func TestEveryFlippedByteIsAnError(t *testing.T) {
	data := encode(t, sample())
	for i := range data {
		data[i] ^= 0x10
		m, err := Decode(data)
		if err == nil || m != nil {
			t.Fatalf("byte %d flipped: no error", i)
		}
		want := ErrChecksum
		switch {
		case i < 8:
			want = ErrFormat
		case i < 12:
			want = ErrVersion
		}
		if !errors.Is(err, want) {
			t.Errorf("byte %d flipped: %v, want %v", i, err, want)
		}
		data[i] ^= 0x10
	}
	for i := range data {
		if _, err := Decode(data[:i]); err == nil {
			t.Fatalf("cut to %d bytes: no error", i)
		}
	}
}

// seal gives damaged bytes a valid checksum, so that what is behind it is tested.
func seal(data []byte) []byte {
	if len(data) < HashBytes {
		return data
	}
	sum := sha256.Sum256(data[:len(data)-HashBytes])
	copy(data[len(data)-HashBytes:], sum[:])
	return data
}

func TestSealedDamageIsAnErrorOrCanonical(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	valid := encode(t, sample())
	for range 3000 {
		data := bytes.Clone(valid)
		for range 1 + rng.IntN(3) {
			data[rng.IntN(len(data))] = byte(rng.Uint32())
		}
		checkDecode(t, seal(data))
	}
}

// TestImagesOfShorterTables: an image made when the table had fewer ops is read, and stays the program it was.
func TestImagesOfShorterTables(t *testing.T) {
	for ops := Op(1); ops < OpCount; ops++ {
		m := sample()
		m.Ops = ops
		data := encode(t, m)
		got, err := Decode(data)
		if err != nil || got.Ops != ops || !bytes.Equal(encode(t, got), data) {
			t.Fatalf("%d ops: %v", ops, err)
		}
	}
	m := sample()
	whole := encode(t, m)
	if m.Ops = OpCount; !bytes.Equal(encode(t, m), whole) {
		t.Error("the whole table has two encodings")
	}
}

// checkDecode checks that data is refused or is the one encoding of an image, which can be printed.
func checkDecode(t *testing.T, data []byte) {
	m, err := Decode(data)
	if err != nil {
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrChecksum) {
			t.Fatalf("unexpected error %v", err)
		}
		return
	}
	if !bytes.Equal(encode(t, m), data) {
		t.Fatal("a second encoding of one image was accepted")
	}
	for i := range min(len(m.Funcs), 50) {
		if len(m.Code) < 10000 {
			Disasm(m, i)
		}
	}
}

func TestEncodeRefusesNumbersOutOfRange(t *testing.T) {
	for name, damage := range map[string]func(*Image){
		"ops":         func(m *Image) { m.Ops = OpCount + 1 },
		"entry":       func(m *Image) { m.Entry = -1 },
		"function":    func(m *Image) { m.Funcs[1].End = 0 },
		"local order": func(m *Image) { m.Locals[0].From = 100 },
		"local name":  func(m *Image) { m.Locals[1].To = 1 },
		"local place": func(m *Image) { m.Locals[1].Place = placeCount },
		"local at":    func(m *Image) { m.Locals[1].At = -1 },
		"line order":  func(m *Image) { m.Lines[0].PC = 100 },
		"line":        func(m *Image) { m.Lines[1].Line = -1 },
		"address":     func(m *Image) { m.Globals[0].Addr = 5 },
		"type":        func(m *Image) { m.Globals[0].Type = Base + 1<<31 },
		"read-only":   func(m *Image) { m.ROBytes = 1 << 20 },
		"itab":        func(m *Image) { m.Itabs[0] = 0 },
		"frame slots": func(m *Image) { m.Funcs[2].FrameSlots = -4 },
	} {
		m := sample()
		damage(m)
		if _, err := m.Encode(); !errors.Is(err, ErrNoEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var extWord = regexp.MustCompile(`\bext\b`)

func TestEveryOpHasNameFormAndEffect(t *testing.T) {
	seen := map[string]bool{}
	for op := Op(1); op < OpCount; op++ {
		info := Table[op]
		if info.Name == "" || info.Effect == "" || seen[info.Name] {
			t.Errorf("op %d: %+v", op, info)
		}
		seen[info.Name] = true
		hasExt := info.Form.Words() == 2
		if (ExtMeaning(op) != ExtNone) != hasExt {
			t.Errorf("%s: ext word without meaning or the other way round", info.Name)
		}
		if hasExt != extWord.MatchString(info.Effect) && info.Form != FormSlice && !strings.HasPrefix(info.Name, "Map") {
			t.Errorf("%s: form and effect disagree about an ext word", info.Name)
		}
	}
	if ExtMeaning(0) != ExtNone || ExtMeaning(OpCount) != ExtNone || ExtMeaning(0xffff) != ExtNone {
		t.Error("what is no op has an ext word")
	}
}

func TestOperandWords(t *testing.T) {
	for _, v := range []int32{0, 1, -1, 1 << 30, -1 << 31, 0x12345678} {
		i := Instr{Op: Jmp, A: 3}.WithImm32(v)
		if i.Imm32() != v || i.A != 3 || ExtWord(i.Ext()) != i {
			t.Errorf("%d: %+v", v, i)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, sample()))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkDecode(t, bytes.Clone(data))
		checkDecode(t, seal(bytes.Clone(data)))
	})
}
