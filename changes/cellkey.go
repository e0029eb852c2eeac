package changes

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Epoch says who may write for a run: its number, then its owner.
type Epoch struct {
	Number uint64
	Owner  string // raw bytes of the owner's peer id, at most OwnerBytesMax
}

// OwnerBytesMax bounds Epoch.Owner.
const OwnerBytesMax = 128

// Compare orders epochs: number, then owner.
func (e Epoch) Compare(f Epoch) int {
	if e.Number != f.Number {
		return order(e.Number, f.Number)
	}
	return strings.Compare(e.Owner, f.Owner)
}

var keyBase32 = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// CellKey is the datastore key of a cell:
//
//	/c/<variable>/<steps>/<run>/<epoch number>-<owner>
//
// The variable's name has bytes other than letters, digits, '-', '_' and inner '.' as =HH; steps and
// owner are lower case base32hex, run and epoch number lower case hex of fixed width. All keys have five
// parts, none empty, so none is a path prefix of another.
func CellKey(p Path, run RunID, e Epoch) string {
	b := append(make([]byte, 0, 256), CellKeyPrefix(p.Var)...)
	b = append(keyBase32.AppendEncode(b, appendSteps(nil, p.Steps)), '/')
	b = append(hex.AppendEncode(b, run[:]), '/')
	b = append(hex.AppendEncode(b, binary.BigEndian.AppendUint64(nil, e.Number)), '-')
	return string(keyBase32.AppendEncode(b, []byte(e.Owner)))
}

// CellKeyPrefix is what the keys of all cells of a variable begin with.
func CellKeyPrefix(varName string) string { return "/c/" + escapeName(varName) + "/" }

// escapeName escapes a leading '.', so that no part of a key is "." or "..", and an empty name as "=".
func escapeName(name string) string {
	if name == "" {
		return "="
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// ParseCellKey takes a key apart again; any string that CellKey does not return is ErrFormat.
func ParseCellKey(key string) (Path, RunID, Epoch, error) {
	p, run, e, err := parseCellKey(key)
	if err == nil && CellKey(p, run, e) != key {
		err = malformed("cell key %q is not canonical", key)
	}
	if err != nil {
		return Path{}, RunID{}, Epoch{}, err
	}
	return p, run, e, nil
}

func parseCellKey(key string) (p Path, run RunID, e Epoch, err error) {
	bad := func() (Path, RunID, Epoch, error) { return p, run, e, malformed("cell key %q", key) }
	parts := strings.Split(key, "/")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "c" {
		return bad()
	}
	name, ok := unescapeName(parts[2])
	steps, err := keyBase32.DecodeString(parts[3])
	number, owner, dash := strings.Cut(parts[5], "-")
	if !ok || err != nil || !dash || len(parts[4]) != 2*len(run) || len(number) != 16 {
		return bad()
	}
	if _, err := hex.Decode(run[:], []byte(parts[4])); err != nil {
		return bad()
	}
	if e.Number, err = strconv.ParseUint(number, 16, 64); err != nil {
		return bad()
	}
	ownerBytes, err := keyBase32.DecodeString(owner)
	if err != nil || len(ownerBytes) > OwnerBytesMax {
		return bad()
	}
	e.Owner = string(ownerBytes)
	s := scan{b: steps}
	p = Path{Var: name, Steps: s.steps()}
	s.end()
	return p, run, e, s.err
}

func unescapeName(text string) (string, bool) {
	if text == "=" {
		return "", true
	}
	var b bytes.Buffer
	for i := 0; i < len(text); i++ {
		if text[i] != '=' {
			b.WriteByte(text[i])
			continue
		}
		if i+3 > len(text) {
			return "", false
		}
		c, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), true
}
