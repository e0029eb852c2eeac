// Command cbor encodes and decodes with a module of the cache.
package main

import (
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// P is what is encoded.
type P struct {
	Name string         `cbor:"1,keyasint"`
	Tags map[string]int `cbor:"t,omitempty"`
	When time.Time
	Sub  *P `cbor:",omitempty"`
	F    float64
	Any  any
}

func main() {
	mode, err := cbor.CanonicalEncOptions().EncMode()
	fmt.Println(err)
	in := P{"a", map[string]int{"x": 1, "aa": -2}, time.Unix(1e9, 0).UTC(), &P{Name: "b"}, 1.5, []any{1, "two", nil, 3.25}}
	b, err := mode.Marshal(in)
	fmt.Printf("%x %v\n", b, err)
	var out P
	fmt.Println(cbor.Unmarshal(b, &out), out.Name, out.Tags, out.When, out.F, out.Any, *out.Sub)
	var v any
	fmt.Println(cbor.Unmarshal(b, &v))
	s, err := cbor.Diagnose(b)
	fmt.Println(s, err)
	fmt.Println(cbor.Unmarshal(b[:10], &v))
}
