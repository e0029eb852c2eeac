package changes

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func somePath(r *rand.Rand) Path {
	p := VarPath(pick(r, "", "main.A", "main.A\x00", "main.AB", "x/y.Z", "..", ".", "é"))
	for range r.IntN(4) {
		switch r.IntN(3) {
		case 0:
			p = p.Field(pick(r, "", "F", "FG", "\x00"))
		case 1:
			p = p.Key(someValue(r, someKeyType(r, 2)))
		case 2:
			p = p.Index(uint64(r.IntN(300)))
		}
	}
	return p
}

func TestPathEncodingIsPrefixFree(t *testing.T) {
	r := source(t)
	for range 5000 {
		p, q := somePath(r), somePath(r)
		ep, eq := p.Encode(), q.Encode()
		back, err := DecodePath(ep)
		if err != nil || !back.Equal(p) || back.String() != p.String() {
			t.Fatalf("%v decodes to %v, %v", p, back, err)
		}
		if !bytes.Equal(ep, eq) && bytes.HasPrefix(ep, eq) {
			t.Fatalf("the encoding of %v begins that of %v", q, p)
		}
		if below := p.Key(IntValue(Int, 1)).Encode(); bytes.Compare(ep, below) >= 0 {
			t.Fatalf("%v sorts after what is below it", p)
		}
	}
}

func TestPathString(t *testing.T) {
	p := VarPath("main.Counts").Key(StringValue("wo\"rd")).Field("Port").Index(3).Key(ArrayValue(IntValue(Int, 1), IntValue(Int, 2)))
	if got, want := p.String(), `main.Counts["wo\"rd"].Port[3][[1, 2]]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPathsDoNotShareTheirEnds(t *testing.T) {
	base := VarPath("v").Field("a").Field("b")
	x, y := base.Field("x"), base.Field("y")
	if x.String() != "v.a.b.x" || y.String() != "v.a.b.y" {
		t.Errorf("%v %v", x, y)
	}
}

func TestCellKeyIsReversibleAndFlat(t *testing.T) {
	r := source(t)
	keys := map[string]bool{}
	for range 3000 {
		p, e := somePath(r), Epoch{r.Uint64() >> r.IntN(64), someText(r)}
		var run RunID
		run[r.IntN(16)] = byte(r.Uint32())
		key := CellKey(p, run, e)
		q, gotRun, gotEpoch, err := ParseCellKey(key)
		if err != nil || !q.Equal(p) || gotRun != run || gotEpoch != e {
			t.Fatalf("%s: %v %v %v %v; put in %v %v %v", key, q, gotRun, gotEpoch, err, p, run, e)
		}
		if !strings.HasPrefix(key, CellKeyPrefix(p.Var)) || strings.Contains(key, "//") || strings.Contains(key, "/./") || strings.Contains(key, "/../") {
			t.Fatalf("key %s of %v", key, p)
		}
		keys[key] = true
	}
	for key := range keys {
		for i := range key {
			if i > 0 && key[i] == '/' && keys[key[:i]] {
				t.Fatalf("%s is a path prefix of %s", key[:i], key)
			}
		}
	}
}

func TestParseCellKeyRefuses(t *testing.T) {
	good := CellKey(VarPath("main.Hits"), RunID{1}, Epoch{1, "me"})
	for _, key := range []string{"", "/", "/c", good[1:], good + "/", "/d" + good[2:], strings.Replace(good, "main", "=6Dain", 1),
		strings.Replace(good, "Hits", "Hits=", 1), strings.ToUpper(good), strings.Replace(good, "-", "", 1), good + "1"} {
		if _, _, _, err := ParseCellKey(key); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add(VarPath("main.Counts").Key(StringValue("word")).Field("Port").Index(3).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := DecodePath(b); err == nil && !bytes.Equal(p.Encode(), b) {
			t.Fatalf("%x decodes to %v", b, p)
		}
	})
}

func FuzzCellKey(f *testing.F) {
	f.Add(CellKey(VarPath("main.Hits").Key(IntValue(Int, 1)), RunID{1}, Epoch{1, "me"}))
	f.Fuzz(func(t *testing.T, key string) {
		if p, run, e, err := ParseCellKey(key); err == nil && CellKey(p, run, e) != key {
			t.Fatalf("%q is read as %v %v %v", key, p, run, e)
		}
	})
}
