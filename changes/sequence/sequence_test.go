package sequence

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0 draws one")

// source is a random source whose seed a failing test prints.
func source(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again with: go test -run '^%s$' -seed %d", t.Name(), seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 1))
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// kinds are sequences of each sort, with numbers as items.
func kinds() map[string]*Kind[int] {
	items := Kind[int]{
		Equal:  func(a, b int) bool { return a == b },
		Append: func(b []byte, v int) []byte { return binary.AppendVarint(b, int64(v)) },
		Next: func(b []byte) (int, []byte, error) {
			v, n := binary.Varint(b)
			if n <= 0 {
				return 0, nil, fmt.Errorf("%w: no number", ErrFormat)
			}
			return int(v), b[n:], nil
		},
	}
	log := items
	log.Log = true
	return map[string]*Kind[int]{"list": &items, "log": &log, "text": {Unit: Runes}, "bytes": {Unit: Bytes}}
}

// listed is the bytes of s as items.
func listed(s string) Content[int] {
	c := Content[int]{Items: []int{}}
	for _, b := range []byte(s) {
		c.Items = append(c.Items, int(b))
	}
	return c
}

func (k *Kind[T]) len(c Content[T]) int {
	if k.Unit == Items {
		return len(c.Items)
	}
	return len(c.Text)
}

// part is the units of c in from..to, to be compared.
func (k *Kind[T]) part(c Content[T], from, to int) string {
	if k.Unit == Items {
		var b []byte
		for _, it := range c.Items[from:to] {
			b = k.Append(b, it)
		}
		return string(b)
	}
	return c.Text[from:to]
}

func (k *Kind[T]) whole(c Content[T]) string { return k.part(c, 0, k.len(c)) }

func someText(r *rand.Rand) string {
	b := make([]byte, r.IntN(12))
	for i := range b {
		b[i] = pick[byte](r, 'a', 'b', 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 'c')
	}
	return string(b)
}

// edited is a with a part replaced, or another text.
func edited(r *rand.Rand, a string) string {
	if r.IntN(2) == 0 || len(a) == 0 {
		return someText(r)
	}
	i := r.IntN(len(a))
	return a[:i] + pick(r, "", "x", "é", "\xa9") + a[min(len(a), i+r.IntN(3)):]
}

func TestSplices(t *testing.T) {
	r := source(t)
	apply := func(k *Kind[int], old, new Content[int]) {
		out, at := "", 0
		for _, s := range k.splices(old, new) {
			if s.at < at || s.del == 0 && s.from == s.to {
				t.Fatalf("splices %v of %v to %v", k.splices(old, new), old, new)
			}
			out += k.part(old, at, s.at) + k.part(new, s.from, s.to)
			at = s.at + s.del
		}
		if out += k.part(old, at, k.len(old)); out != k.whole(new) {
			t.Fatalf("%v to %v gives %q by %v", old, new, out, k.splices(old, new))
		}
	}
	ks := kinds()
	for range 20000 {
		a := someText(r)
		b := edited(r, a)
		apply(ks["text"], Content[int]{Text: a}, Content[int]{Text: b})
		apply(ks["bytes"], Content[int]{Text: a}, Content[int]{Text: b})
		apply(ks["list"], listed(a), listed(b))
	}
	texts := func(a, b string) []splice { return ks["text"].splices(Content[int]{Text: a}, Content[int]{Text: b}) }
	if got := texts("the cat sat", "the bat sat down"); len(got) != 2 || got[0] != (splice{4, 1, 4, 5}) || got[1] != (splice{11, 0, 11, 16}) {
		t.Errorf("%v", got)
	}
	// Beyond the bound all is replaced, in time that does not explode.
	if got := texts("x"+strings.Repeat("ab", 50000)+"y", "x"+strings.Repeat("cd", 50000)+"y"); len(got) != 1 || got[0] != (splice{1, 100000, 1, 100001}) {
		t.Errorf("%v", got)
	}
}

// What a turn of one of some runs leaves behind is what everybody reads, from segments that went through their encoding.
func TestEditsReadBack(t *testing.T) {
	r := source(t)
	for name, k := range kinds() {
		if k.Log {
			continue // merges order, and an entry inserted before others goes to the end
		}
		segments := map[Key]*Segment[int]{}
		old := Content[int]{}
		text := ""
		for turn := range 300 {
			run := Run{15: byte(1 + r.IntN(3))}
			text = edited(r, text)
			new := Content[int]{Text: text}
			if k.Unit == Items {
				new = listed(text)
			}
			own, sizes := map[uint64]*Segment[int]{}, map[uint64]int{}
			for key, s := range segments {
				if key.Run == run {
					own[key.Index], sizes[key.Index] = s, len(s.Encode(run, k))
				}
			}
			written, err := New(k, segments).Edit(run, own, sizes, old, new)
			if err != nil {
				t.Fatal(err)
			}
			for index, s := range written {
				back, err := Decode(s.Encode(run, k), run, k)
				if err != nil {
					t.Fatalf("%s: turn %d: %v", name, turn, err)
				}
				segments[Key{run, index}] = back
			}
			q := New(k, segments)
			if k.whole(q.Content()) != k.whole(new) || q.Empty() != (text == "") {
				t.Fatalf("%s: turn %d: reads %v, wrote %v", name, turn, q.Content(), new)
			}
			old = new
		}
	}
}

// Whatever a member writes as segments, readers neither fail nor disagree.
func TestForgedSegments(t *testing.T) {
	r := source(t)
	for name, k := range kinds() {
		for range 300 {
			segments := map[Key]*Segment[int]{}
			for range 1 + r.IntN(4) {
				key := Key{Run{15: byte(r.IntN(3))}, r.Uint64N(2)}
				segments[key] = forged(r, key.Run, k)
			}
			checked := map[Key]*Segment[int]{}
			for key, seg := range segments {
				b := seg.Encode(key.Run, k)
				if back, err := Decode(b, key.Run, k); err == nil {
					checked[key] = back
					if !bytes.Equal(back.Encode(key.Run, k), b) {
						t.Fatal("another encoding")
					}
				}
			}
			a, b := New(k, checked), New(k, checked)
			if k.whole(a.Content()) != k.whole(b.Content()) {
				t.Fatalf("%s: %v and %v", name, a.Content(), b.Content())
			}
			for i := range a.order { // the order is one: no two elements stand on both sides of each other
				if i > 0 && !k.Log && a.before(place[int]{a.order[i].node, a.order[i].from}, place[int]{a.order[i-1].node, a.order[i-1].to - 1}) {
					t.Fatalf("%s: chunk %d before its predecessor", name, i)
				}
			}
		}
	}
}

func forged(r *rand.Rand, run Run, k *Kind[int]) *Segment[int] {
	id := func() ID {
		if r.IntN(4) == 0 {
			return ID{}
		}
		return ID{Run{15: byte(r.IntN(4))}, 1 + r.Uint64N(8)}
	}
	seg := &Segment[int]{next: 12}
	for seq := 1 + r.Uint64N(3); seq < 10; seq += r.Uint64N(2) {
		p := span[int]{seq: seq, time: 1 + r.Uint64N(12), n: 1 + r.Uint64N(3), gone: r.IntN(4) == 0}
		if !k.Log {
			p.up, p.right, p.left = id(), id(), r.IntN(3) == 0
			if p.left {
				p.right = p.up
			}
		}
		switch {
		case p.gone:
		case k.Unit == Items:
			for range p.n {
				p.items = append(p.items, r.IntN(9))
			}
		case k.Unit == Runes:
			p.text = strings.Repeat("é", int(p.n))
		default:
			p.text = strings.Repeat("e", int(p.n))
		}
		seq = p.end()
		seg.spans = append(seg.spans, p)
	}
	if r.IntN(2) == 0 {
		if e := id(); e != (ID{}) && e.run != run {
			seg.removed = []ids{{e, 1 + r.Uint64N(4)}}
		}
	}
	return seg
}

func FuzzSegment(f *testing.F) {
	names := []string{"list", "log", "text", "bytes"}
	ks := kinds()
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 40 {
		f.Add(uint8(i%4), forged(r, Run{1}, ks[names[i%4]]).Encode(Run{1}, ks[names[i%4]]))
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		k := ks[names[which%4]]
		seg, err := Decode(b, Run{1}, k)
		if err != nil {
			return
		}
		if !bytes.Equal(seg.Encode(Run{1}, k), b) {
			t.Fatalf("%x decodes to %+v", b, seg)
		}
		New(k, map[Key]*Segment[int]{{Run{1}, 0}: seg, {Run{2}, 0}: seg}).Content()
	})
}

// A number that is too large for what follows is an error before memory is taken for it.
func TestHugeCountsAreRefused(t *testing.T) {
	for name, k := range kinds() {
		for _, n := range []uint64{1 << 20, 1 << 40, 1<<64 - 1} {
			b := binary.AppendUvarint([]byte{1}, n)
			for i := range 8 {
				if _, err := Decode(slices.Concat(b, make([]byte, i)), Run{1}, k); err == nil {
					t.Errorf("%s: %d runs in %d bytes", name, n, i)
				}
			}
		}
	}
}
