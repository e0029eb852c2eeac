package changes

import (
	"bytes"
	"errors"
	"testing"
)

func TestIndexReadsWhatDecodeReads(t *testing.T) {
	d := sampleSnapshot()
	b, err := d.EncodeIndexed()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := DecodeDelta(b); err != nil || !sameDelta(back, d) {
		t.Fatalf("decoded whole: %v", err)
	}
	x, err := OpenIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if tree := x.Tree(); x.Header != d.Header || len(x.Pages) != len(d.Pages) || tree.Root() != d.Result {
		t.Fatalf("index %+v of %+v", x, d)
	}
	for i, p := range d.Pages {
		var got [PageBytes]byte
		if err := x.ReadPage(i, &got); err != nil || x.Pages[i] != p.Index || got != *p.Data {
			t.Errorf("page %d: %v", p.Index, err)
		}
	}
	plain, _ := d.Encode()
	if _, err := OpenIndex(bytes.NewReader(plain), int64(len(plain))); !errors.Is(err, ErrIndex) {
		t.Errorf("a file without an index: %v", err)
	}
	delta, _ := sample().EncodeIndexed()
	if _, err := OpenIndex(bytes.NewReader(delta), int64(len(delta))); !errors.Is(err, ErrIndex) {
		t.Errorf("a delta: %v", err)
	}
}

// TestIndexMeetsEveryDamage flips each bit of a file in turn: either it does not open, or the page in which the bit is cannot be read.
func TestIndexMeetsEveryDamage(t *testing.T) {
	good, err := sampleSnapshot().EncodeIndexed()
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		x, err := OpenIndex(bytes.NewReader(bad), int64(len(bad)))
		met := err != nil
		for k := range 2 {
			var page [PageBytes]byte
			if !met && x.ReadPage(k, &page) != nil {
				met = true
			}
		}
		if _, err := DecodeDelta(bad); err == nil || !met {
			t.Fatalf("bit %d of byte %d is not missed (decoded whole: %v)", i%8, i, err)
		}
	}
	for n := range good {
		if _, err := OpenIndex(bytes.NewReader(good[:n]), int64(n)); err == nil {
			t.Fatalf("the first %d bytes open", n)
		}
		if _, err := OpenIndex(bytes.NewReader(good[:n]), int64(len(good))); n < len(good)-sha256Bytes-2*PageBytes && err == nil {
			t.Fatalf("a file of %d bytes that ends after %d opens", len(good), n)
		}
	}
}

const sha256Bytes = 32
