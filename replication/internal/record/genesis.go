package record

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
)

// SandboxID names a sandbox: the hash of its genesis record.
type SandboxID = changes.Hash

// Genesis is the first record of a sandbox: immutable, its hash is the sandbox id.
type Genesis struct {
	Program    changes.Hash // hash of the image's canonical bytes, as the vm names it
	ImageBytes int64        // filled in by Create
	Image      changes.Hash // blob of the image; filled in by Create
	Variables  []Variable   // shared variables; sorted by name by Create
	Creator    string       // peer id; filled in by Create
	CreatedMs  int64        // ms since 1970; filled in by Create
	Name       string       // for people, at most 128 bytes
	Meta       []byte       // the embedder's, at most 16 KiB
}

// Variable is a shared variable of the program.
type Variable struct {
	Name    string // package path and name: "main.Counts"
	Rule    string // the text after //tandem:shared ("map counter")
	Type    *changes.Type
	Initial changes.Value // value at program start; absent: the type's zero
}

// Spec parses the merge rule and settles the initial value.
func (v Variable) Spec() (*changes.Spec, changes.Value, error) {
	s, err := changes.ParseSpec(v.Rule, v.Type)
	if err != nil {
		return nil, v.Initial, fmt.Errorf("%w: variable %s: %w", ErrGenesis, v.Name, err)
	}
	x := v.Initial
	if !x.Present() {
		x = v.Type.Zero()
	}
	if err := v.Type.Check(x); err != nil {
		return nil, x, fmt.Errorf("%w: variable %s: initial value: %w", ErrGenesis, v.Name, err)
	}
	return s, x, nil
}

type genesisWire struct {
	Program    []byte         `cbor:"1,keyasint"`
	ImageBytes int64          `cbor:"2,keyasint"`
	Image      []byte         `cbor:"3,keyasint"`
	Variables  []variableWire `cbor:"4,keyasint"`
	Creator    string         `cbor:"5,keyasint"`
	CreatedMs  int64          `cbor:"6,keyasint"`
	Name       string         `cbor:"7,keyasint"`
	Meta       []byte         `cbor:"8,keyasint"`
}

type variableWire struct {
	_       struct{} `cbor:",toarray"`
	Name    string
	Rule    string
	Type    *typeWire
	Initial []byte // changes.Value, empty: absent
}

type typeWire struct {
	_      struct{} `cbor:",toarray"`
	Form   uint8
	Name   string
	Len    int
	Elem   *typeWire
	Key    *typeWire
	Fields []fieldWire
}

type fieldWire struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Tag  string
	Type *typeWire
}

func typeToWire(t *changes.Type) *typeWire {
	if t == nil {
		return nil
	}
	w := &typeWire{Form: uint8(t.Form), Name: t.Name, Len: t.Len, Elem: typeToWire(t.Elem), Key: typeToWire(t.Key)}
	for _, f := range t.Fields {
		w.Fields = append(w.Fields, fieldWire{Name: f.Name, Tag: f.Tag, Type: typeToWire(f.Type)})
	}
	return w
}

func (w *typeWire) to() *changes.Type {
	if w == nil {
		return nil
	}
	t := &changes.Type{Form: changes.Form(w.Form), Name: w.Name, Len: w.Len, Elem: w.Elem.to(), Key: w.Key.to()}
	for _, f := range w.Fields {
		t.Fields = append(t.Fields, changes.Field{Name: f.Name, Tag: f.Tag, Type: f.Type.to()})
	}
	return t
}

// Encode gives the canonical bytes, whose hash is the sandbox id.
func (g *Genesis) Encode() []byte {
	w := genesisWire{Program: g.Program[:], ImageBytes: g.ImageBytes, Image: g.Image[:], Creator: g.Creator,
		CreatedMs: g.CreatedMs, Name: g.Name, Meta: g.Meta}
	for _, v := range g.Variables {
		x := variableWire{Name: v.Name, Rule: v.Rule, Type: typeToWire(v.Type)}
		if v.Initial.Present() {
			x.Initial = v.Initial.Encode()
		}
		w.Variables = append(w.Variables, x)
	}
	return Encode(w)
}

// DecodeGenesis reads a record that Validate accepts. ErrFormat, ErrGenesis.
func DecodeGenesis(b []byte) (*Genesis, error) {
	var w genesisWire
	if err := Decode(b, &w); err != nil {
		return nil, err
	}
	g := &Genesis{ImageBytes: w.ImageBytes, Creator: w.Creator, CreatedMs: w.CreatedMs, Name: w.Name, Meta: w.Meta}
	if !Fill(g.Program[:], w.Program) || !Fill(g.Image[:], w.Image) {
		return nil, fmt.Errorf("%w: genesis with a hash of the wrong size", ErrFormat)
	}
	for _, x := range w.Variables {
		v := Variable{Name: x.Name, Rule: x.Rule, Type: x.Type.to()}
		if len(x.Initial) > 0 {
			var err error
			if v.Initial, err = changes.DecodeValue(x.Initial); err != nil {
				return nil, fmt.Errorf("%w: %v", ErrFormat, err)
			}
		}
		g.Variables = append(g.Variables, v)
	}
	return g, g.Validate()
}

// Validate checks sizes, order, types and initial values. ErrGenesis.
func (g *Genesis) Validate() error {
	if len(g.Name) > NameBytesMax || len(g.Meta) > MetaBytesMax {
		return fmt.Errorf("%w: name over %d or meta over %d bytes", ErrGenesis, NameBytesMax, MetaBytesMax)
	}
	if !slices.IsSortedFunc(g.Variables, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) }) {
		return fmt.Errorf("%w: variables are not sorted by name", ErrGenesis)
	}
	for i, v := range g.Variables {
		if i > 0 && g.Variables[i-1].Name == v.Name {
			return fmt.Errorf("%w: variable %s stands twice", ErrGenesis, v.Name)
		}
		if v.Type == nil {
			return fmt.Errorf("%w: variable %s has no type", ErrGenesis, v.Name)
		}
		if err := v.Type.Validate(); err != nil {
			return fmt.Errorf("%w: variable %s: %w", ErrGenesis, v.Name, err)
		}
		if _, _, err := v.Spec(); err != nil {
			return err
		}
	}
	return nil
}

// ID is the sandbox id that the genesis gives.
func (g *Genesis) ID() SandboxID { return block.Tagged("tandem genesis 1", g.Encode()) }

// Member is the record by which an actor enters the sandbox: its first delta holds it.
type Member struct {
	Peer        string `cbor:"1,keyasint"`
	Incarnation uint64 `cbor:"2,keyasint"`
	Proof       []byte `cbor:"3,keyasint"`           // that the author holds the sandbox's key
	Opening     uint64 `cbor:"4,keyasint,omitempty"` // how often the peer had opened the sandbox to write, as far as it knew
}

// MemberProof is what only a holder of the sandbox's key can make for an actor.
func MemberProof(secret []byte, sandbox SandboxID, a Actor) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("tandem member 1\x00"))
	m.Write(sandbox[:])
	m.Write(a[:])
	return m.Sum(nil)
}

func (m *Member) check(secret []byte, sandbox SandboxID, a Actor) bool {
	return MakeActor(m.Peer, m.Incarnation) == a && hmac.Equal(m.Proof, MemberProof(secret, sandbox, a)) && !bytes.Equal(m.Proof, nil)
}
