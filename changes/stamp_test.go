package changes

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestStampBytesOrderAsStamps(t *testing.T) {
	r := source(t)
	some := func() Stamp {
		return Stamp{r.Uint64N(3) << r.IntN(62), RunID{byte(r.IntN(2)), 15: byte(r.IntN(2))}, r.Uint64N(3) << r.IntN(62)}
	}
	for range 2000 {
		a, b := some(), some()
		ea, eb := a.Append(nil), b.Append(nil)
		if got, err := DecodeStamp(ea); err != nil || got != a || len(ea) != StampBytes {
			t.Fatalf("%v decodes to %v, %v from %d bytes", a, got, err, len(ea))
		}
		if a.Compare(b) != bytes.Compare(ea, eb) || a.Compare(b) != -b.Compare(a) {
			t.Fatalf("%v and %v: %d, bytes %d", a, b, a.Compare(b), bytes.Compare(ea, eb))
		}
	}
	if _, err := DecodeStamp(make([]byte, StampBytes-1)); !errors.Is(err, ErrFormat) {
		t.Errorf("a short stamp: %v", err)
	}
}

func TestClockNeverGoesBack(t *testing.T) {
	r := source(t)
	var c Clock
	var given []uint64
	for range 1000 {
		wall := 1000 + r.Uint64N(10)
		if r.IntN(4) == 0 {
			remote := r.Uint64N(1020) << counterBits
			before := c.Last()
			err := c.Observe(remote, wall, 5)
			if tooFar := remote>>counterBits > wall+5; tooFar != errors.Is(err, ErrSkew) || tooFar && c.Last() != before || !tooFar && c.Last() < remote {
				t.Fatalf("observing %d ms at %d ms: %v", remote>>counterBits, wall, err)
			}
			continue
		}
		given = append(given, c.Next(wall))
		if c.Last()>>counterBits < wall {
			t.Fatalf("the clock lags the wall")
		}
	}
	if !slices.IsSorted(given) || len(slices.Compact(given)) != len(given) {
		t.Error("a time was given twice or went back")
	}
}
