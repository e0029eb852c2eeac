package changes

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
)

// String is the value as Go would write it, without type names: {Port: 80}, ["a", "b"], map{"a": 1}.
func (v Value) String() string { return string(v.appendString(nil)) }

func (v Value) appendString(b []byte) []byte {
	switch f := v.form; {
	case f == Absent:
		return append(b, "absent"...)
	case v.null:
		return append(b, "nil"...)
	case f == Bytes:
		return append(strconv.AppendQuote(append(b, "[]byte("...), v.text), ')')
	case f == Array || f == Slice:
		b = append(b, '[')
		for i, it := range v.tree.items {
			b = it.appendString(appendComma(b, i))
		}
		return append(b, ']')
	case f == Struct:
		b = append(b, '{')
		for i, it := range v.tree.items {
			b = append(append(appendComma(b, i), v.tree.names[i]...), ": "...)
			b = it.appendString(b)
		}
		return append(b, '}')
	case f == Map:
		b = append(b, "map{"...)
		for i, e := range v.tree.entries {
			b = append(e.Key.appendString(appendComma(b, i)), ": "...)
			b = e.Value.appendString(b)
		}
		return append(b, '}')
	}
	return v.appendScalar(b)
}

func appendComma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ", "...)
	}
	return b
}

func (v Value) appendScalar(b []byte) []byte {
	switch f := v.form; {
	case f == Bool:
		return strconv.AppendBool(b, v.bits == 1)
	case f.isInt():
		return strconv.AppendInt(b, int64(v.bits), 10)
	case f.isUint():
		return strconv.AppendUint(b, v.bits, 10)
	case f == Float32:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 32)
	case f == Float64:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
	case f.isComplex():
		size := 128
		if f == Complex64 {
			size = 64
		}
		return append(b, strconv.FormatComplex(v.Complex(), 'g', -1, size)...)
	}
	return strconv.AppendQuote(b, v.text)
}

// MarshalJSON writes v as encoding/json writes the Go value: bytes in base64, nil as null, structs and
// maps as objects. Where that has no answer this one has: NaN, infinities and complex numbers are
// strings, a map key that is no string is the text of String, an absent value is null.
func (v Value) MarshalJSON() ([]byte, error) { return v.appendJSON(nil), nil }

func (v Value) appendJSON(b []byte) []byte {
	switch f := v.form; {
	case f == Absent || v.null:
		return append(b, "null"...)
	case f == String:
		return appendQuotedJSON(b, v.text)
	case f == Bytes:
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), []byte(v.text)), '"')
	case f.isComplex(), f.isFloat() && (math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0)):
		return append(v.appendScalar(append(b, '"')), '"')
	case f == Array || f == Slice:
		b = append(b, '[')
		for i, it := range v.tree.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = it.appendJSON(b)
		}
		return append(b, ']')
	case f == Struct:
		b = append(b, '{')
		for i, it := range v.tree.items {
			b = it.appendJSON(appendNameJSON(b, i, v.tree.names[i]))
		}
		return append(b, '}')
	case f == Map:
		b = append(b, '{')
		for i, e := range v.tree.entries {
			name := e.Key.text
			if e.Key.form != String {
				name = e.Key.String()
			}
			b = e.Value.appendJSON(appendNameJSON(b, i, name))
		}
		return append(b, '}')
	}
	return v.appendScalar(b)
}

func appendNameJSON(b []byte, i int, name string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return append(appendQuotedJSON(b, name), ':')
}

func appendQuotedJSON(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil {
		panic("BUG: changes: a string has no JSON: " + err.Error())
	}
	return append(b, q...)
}
