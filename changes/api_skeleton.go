package changes

import "io"

// This file lists signatures whose bodies are being written into the files of their concept.

// ---- value.go: constructors

func BoolValue(b bool) Value                  { panic("BUG: body not written yet") }
func IntValue(f Form, n int64) Value          { panic("BUG: body not written yet") } // f: Int..Int64; wraps to the width
func UintValue(f Form, n uint64) Value        { panic("BUG: body not written yet") } // f: Uint..Uintptr; wraps to the width
func FloatValue(f Form, x float64) Value      { panic("BUG: body not written yet") } // f: Float32, Float64
func ComplexValue(f Form, c complex128) Value { panic("BUG: body not written yet") } // f: Complex64, Complex128
func StringValue(s string) Value              { panic("BUG: body not written yet") }
func BytesValue(b []byte) Value               { panic("BUG: body not written yet") } // nil stays nil; b is copied
func ArrayValue(items ...Value) Value         { panic("BUG: body not written yet") } // takes ownership of items
func SliceValue(items []Value) Value          { panic("BUG: body not written yet") } // nil stays nil; elements must not be Uint8
func StructValue(fields ...NamedValue) Value  { panic("BUG: body not written yet") }
func MapValue(entries ...Entry) Value         { panic("BUG: body not written yet") } // any order; later duplicates win; never nil
func NilValue(f Form) Value                   { panic("BUG: body not written yet") } // nil Slice, Bytes or Map

// accessors; each panics with BUG on a Value of another form.
func (v Value) Form() Form                      { panic("BUG: body not written yet") }
func (v Value) Present() bool                   { panic("BUG: body not written yet") } // not the zero Value
func (v Value) IsNil() bool                     { panic("BUG: body not written yet") }
func (v Value) Bool() bool                      { panic("BUG: body not written yet") }
func (v Value) Int() int64                      { panic("BUG: body not written yet") }
func (v Value) Uint() uint64                    { panic("BUG: body not written yet") }
func (v Value) Float() float64                  { panic("BUG: body not written yet") }
func (v Value) Complex() complex128             { panic("BUG: body not written yet") }
func (v Value) Text() string                    { panic("BUG: body not written yet") } // String or Bytes
func (v Value) Len() int                        { panic("BUG: body not written yet") }
func (v Value) Item(i int) Value                { panic("BUG: body not written yet") } // element or i-th field value
func (v Value) FieldName(i int) string          { panic("BUG: body not written yet") }
func (v Value) Field(name string) (Value, bool) { panic("BUG: body not written yet") }
func (v Value) Entry(i int) Entry               { panic("BUG: body not written yet") } // in encoded key order
func (v Value) Lookup(key Value) (Value, bool)  { panic("BUG: body not written yet") }
func (v Value) Equal(w Value) bool              { panic("BUG: body not written yet") } // equal encodings: NaN equals NaN, -0 differs from 0
func (v Value) Compare(w Value) int             { panic("BUG: body not written yet") } // order of the encodings
func (v Value) String() string                  { panic("BUG: body not written yet") }
func (v Value) MarshalJSON() ([]byte, error)    { panic("BUG: body not written yet") }
func (v Value) Encode() []byte                  { panic("BUG: body not written yet") } // version byte + node
func DecodeValue(b []byte) (Value, error)       { panic("BUG: body not written yet") }

// ---- type.go

// Type describes a value-tree type; the vm makes it from its type descriptors.
type Type struct {
	Form   Form
	Name   string  // Go's name for messages, may be empty ("main.Config")
	Elem   *Type   // Array, Slice, Map
	Key    *Type   // Map
	Fields []Field // Struct, in order, without blank fields
	Len    int     // Array
}

// Field is one field of a struct type.
type Field struct {
	Name string
	Tag  string // the raw struct tag; the key "tandem" holds the kind
	Type *Type
}

func (t *Type) Validate() error     { panic("BUG: body not written yet") } // a finite value tree; ErrType with a hint otherwise
func (t *Type) Zero() Value         { panic("BUG: body not written yet") } // Go's zero value
func (t *Type) Check(v Value) error { panic("BUG: body not written yet") } // v is a value of t
func (t *Type) String() string      { panic("BUG: body not written yet") }

// ---- spec.go

// Kind is a merge rule. Numbers are written into files: append, never renumber.
type Kind uint8

const (
	LWW Kind = iota + 1
	Counter
	Max
	Min
	Set
	MapOf  // "map KIND"
	Fields // "fields"
	Key    // not written by programs: the presence of a map key whose value is a map, set or fields
)

func (k Kind) String() string             { panic("BUG: body not written yet") }
func ParseKind(word string) (Kind, error) { panic("BUG: body not written yet") }

// Spec says how a variable, or a part of one, merges.
type Spec struct {
	Kind   Kind
	Type   *Type
	Elem   *Spec   // MapOf: how the values merge
	Fields []*Spec // Fields: beside Type.Fields
}

// ParseSpec reads the text after //tandem:shared ("", "counter", "map counter", "map map max").
// Empty means lww. Errors are *SpecError and wrap ErrSpec.
func ParseSpec(text string, t *Type) (*Spec, error) { panic("BUG: body not written yet") }

// Leaf returns the spec at a leaf path below the variable; Kind is one of LWW, Counter, Max, Min,
// Set (an element), Key.
func (s *Spec) Leaf(p Path) (*Spec, error) { panic("BUG: body not written yet") }

// Normal is v as merges see it: map and set are never nil, a false entry of a map[K]bool set is no entry.
func (s *Spec) Normal(v Value) Value { panic("BUG: body not written yet") }

type SpecError struct{ Text, Type, Problem, Hint string }

func (e *SpecError) Error() string { panic("BUG: body not written yet") }

// ---- path.go

// Path names a variable or a part of one.
type Path struct {
	Var   string // package path and name: "main.Counts"
	Steps []Step
}

type StepKind uint8

const (
	FieldStep StepKind = iota + 1
	KeyStep
	IndexStep
)

type Step struct {
	Kind  StepKind
	Name  string // FieldStep
	Key   Value  // KeyStep
	Index uint64 // IndexStep
}

func VarPath(name string) Path          { panic("BUG: body not written yet") }
func (p Path) Field(name string) Path   { panic("BUG: body not written yet") } // a copy one step longer
func (p Path) Key(key Value) Path       { panic("BUG: body not written yet") }
func (p Path) Index(i uint64) Path      { panic("BUG: body not written yet") }
func (p Path) Encode() []byte           { panic("BUG: body not written yet") } // no path's encoding is a prefix of another's
func DecodePath(b []byte) (Path, error) { panic("BUG: body not written yet") }
func (p Path) String() string           { panic("BUG: body not written yet") } // main.Counts["word"].Port

// ---- change.go

// Change is the net change of one turn (or several composed) at one leaf path. An absent Old: the
// key or element was added. An absent New: it was removed.
type Change struct {
	Path     Path
	Kind     Kind // of the leaf
	Old, New Value
}

// Diff lists the net changes from old to new of the variable or part at path p, whose spec is s,
// sorted by encoded path.
func Diff(s *Spec, p Path, old, new Value) []Change { panic("BUG: body not written yet") }

// Apply returns the variable's value root after one change; ApplyAll after several, in one pass over maps.
// s and root are those of the whole variable c.Path.Var.
func Apply(s *Spec, root Value, c Change) (Value, error)       { panic("BUG: body not written yet") }
func ApplyAll(s *Spec, root Value, cs []Change) (Value, error) { panic("BUG: body not written yet") }

// Assign returns root with the merged value v at the leaf path p (absent: key or element removed, field zero).
func Assign(s *Spec, root Value, p Path, v Value) (Value, error) { panic("BUG: body not written yet") }

// ---- stamp.go

// RunID names a run. The zero RunID is the genesis pseudo-run that holds initial values.
type RunID [16]byte

// Stamp orders writes: by logical time, then run, then turn.
type Stamp struct {
	Time uint64 // hybrid logical clock: milliseconds since 1970 << 16 | counter
	Run  RunID
	Turn uint64 // counts from 1
}

func (s Stamp) Compare(t Stamp) int       { panic("BUG: body not written yet") }
func (s Stamp) Append(b []byte) []byte    { panic("BUG: body not written yet") } // 32 bytes, big endian, bytes.Compare agrees with Compare
func DecodeStamp(b []byte) (Stamp, error) { panic("BUG: body not written yet") }

// Clock is a hybrid logical clock that never reads a clock: the owner passes wall milliseconds.
type Clock struct{ last uint64 }

func (c *Clock) Next(wallMs uint64) uint64                       { panic("BUG: body not written yet") } // strictly greater than all before
func (c *Clock) Observe(remote, wallMs, driftMaxMs uint64) error { panic("BUG: body not written yet") } // ErrSkew when too far ahead
func (c *Clock) Last() uint64                                    { panic("BUG: body not written yet") }

// ---- cell.go

// Epoch says who may write for a run: its number, then its owner.
type Epoch struct {
	Number uint64
	Owner  string // raw bytes of the owner's peer id, at most OwnerBytesMax
}

const OwnerBytesMax = 128

// Cell is what one run has contributed to one leaf path so far (cumulative).
type Cell struct {
	Kind  Kind
	Stamp Stamp  // of the last turn folded in; Stamp.Run is the contributing run
	Dot   uint64 // turn of the run's last contribution; 0: none
	Value Value  // Counter: running sum; LWW: the value; Max, Min: the bound; Set, Key: absent
	Seen  []Seen // contributions this run observed and superseded, sorted by run
}

// Seen says: what run had contributed up to its turn Dot is superseded.
type Seen struct {
	Run RunID
	Dot uint64
	Sum Value // Counter: the run's running sum at Dot; absent otherwise
}

// Fold returns the run's cell after one more turn. view: the cells of all runs at this path as the
// program saw them at the start of the turn (its own may be among them and is ignored). A turn at or
// below c.Stamp.Turn is already inside and changes nothing. Start from Cell{} for a first change.
func (c Cell) Fold(ch Change, at Stamp, view []Cell) (Cell, error) {
	panic("BUG: body not written yet")
}
func (c Cell) IsZero() bool                { panic("BUG: body not written yet") } // nothing contributed: do not publish
func (c Cell) Equal(d Cell) bool           { panic("BUG: body not written yet") }
func (c Cell) Check(s *Spec, p Path) error { panic("BUG: body not written yet") } // suits the leaf at p
func (c Cell) Encode() []byte              { panic("BUG: body not written yet") } // never empty
func DecodeCell(b []byte) (Cell, error)    { panic("BUG: body not written yet") }

// CellKey is the datastore key of a cell: "/c/<var>/<steps>/<run>/<epoch>". No key is a path prefix of another.
func CellKey(p Path, run RunID, e Epoch) string           { panic("BUG: body not written yet") }
func ParseCellKey(key string) (Path, RunID, Epoch, error) { panic("BUG: body not written yet") }
func CellKeyPrefix(varName string) string                 { panic("BUG: body not written yet") } // "/c/<var>/": all cells of a variable

// Genesis returns the cells of the genesis run for a variable's initial value; every reader adds
// them itself, nobody publishes them.
func Genesis(s *Spec, varName string, initial Value) []PathCell { panic("BUG: body not written yet") }

// PathCell is a cell at its path.
type PathCell struct {
	Path Path
	Cell Cell
}

// ---- merge.go

// Merge is what readers do with the cells of one leaf path: a pure fold, independent of order and
// repetition. Only cells of each run's winning epoch belong in it; cells that do not suit the leaf
// are left out. present false: nothing is there (a top level leaf keeps its zero value).
// conflicts counts concurrent lww values that lost.
func Merge(s *Spec, p Path, cells []Cell) (v Value, present bool, conflicts int) {
	panic("BUG: body not written yet")
}

// View is a table of cells, the merged picture of all variables that one reader has.
// It is not safe for concurrent use.
type View struct{}

func NewView() *View { panic("BUG: body not written yet") }

// Declare adds a variable with its spec and initial value.
func (w *View) Declare(name string, s *Spec, initial Value) error { panic("BUG: body not written yet") }

// Put replaces the cell of c.Stamp.Run at p; it reports whether anything changed.
func (w *View) Put(p Path, c Cell) (bool, error) { panic("BUG: body not written yet") }

// Drop removes every cell of a run (its epoch was voided; Put the winning ones afterwards).
func (w *View) Drop(run RunID) { panic("BUG: body not written yet") }

// Cells are the cells at p, sorted by run; pass them to Fold.
func (w *View) Cells(p Path) []Cell { panic("BUG: body not written yet") }

// Cell is the cell of one run at p.
func (w *View) Cell(p Path, run RunID) (Cell, bool) { panic("BUG: body not written yet") }

// Assignments drains what changed since the last call: the merged value of every touched leaf path,
// parents before children on creation, ready for Assign or the vm. An absent Value removes.
func (w *View) Assignments() []Assignment { panic("BUG: body not written yet") }

// Assignment is a merged value to be written at a leaf path.
type Assignment struct {
	Path  Path
	Value Value
}

// Value is the merged value of a variable; conflicts counts its lost concurrent lww values.
func (w *View) Value(name string) (v Value, conflicts int, err error) {
	panic("BUG: body not written yet")
}

// ---- tree.go

const PageBytes = 4096

type Hash [32]byte

func PageHash(page *[PageBytes]byte) Hash        { panic("BUG: body not written yet") } // all zero page: the zero Hash
func Root(memoryBytes uint64, pages []Hash) Hash { panic("BUG: body not written yet") }

// Tree is the Merkle tree over pages, sparse and copy-on-write.
type Tree struct{}

func NewTree(memoryBytes uint64) *Tree    { panic("BUG: body not written yet") }
func (t *Tree) Set(page uint64, h Hash)   { panic("BUG: body not written yet") }
func (t *Tree) Get(page uint64) Hash      { panic("BUG: body not written yet") }
func (t *Tree) Clear(first, count uint64) { panic("BUG: body not written yet") }
func (t *Tree) Resize(memoryBytes uint64) { panic("BUG: body not written yet") } // pages beyond the end are forgotten
func (t *Tree) SizeBytes() uint64         { panic("BUG: body not written yet") }
func (t *Tree) Clone() *Tree              { panic("BUG: body not written yet") } // O(1)
func (t *Tree) Root() Hash                { panic("BUG: body not written yet") } // O(changed * depth)

// ---- delta.go

// Header is the front of a delta or snapshot file.
type Header struct {
	Program         Hash
	VM              string // VM version
	Base            Hash   // state hash before; zero: from nothing (a snapshot)
	Result          Hash   // state hash after
	Run             RunID
	Epoch           Epoch
	FirstTurn       uint64 // snapshot: equal to LastTurn
	LastTurn        uint64
	Instructions    uint64 // executed by the run when the last turn ended
	BaseMemoryBytes uint64 // 0 in a snapshot
	MemoryBytes     uint64
}

type Page struct {
	Index uint64
	Data  *[PageBytes]byte
}

// PageRange is count pages that are all zero afterwards.
type PageRange struct{ First, Count uint64 }

// Line is one line of output; numbers count from 1 in the run and have no gaps.
type Line struct {
	Number uint64
	Stream uint8 // 1 stdout, 2 stderr
	Text   []byte
}

// Limit is a named bound of the run and what is used of it.
type Limit struct {
	Name      string
	Max, Used uint64
}

// Delta is the changes and pages of one or more turns.
type Delta struct {
	Header
	Pages   []Page      // sorted by index, none all zero
	Zeros   []PageRange // sorted, apart, not touching; empty in a snapshot
	Changes []Change    // sorted by encoded path, one a path
	Lines   []Line
	Limits  []Limit // sorted by name
}

// Snapshot is the serialised form of a run: a delta from nothing.
type Snapshot = Delta

func (d *Delta) IsSnapshot() bool                           { panic("BUG: body not written yet") }
func (d *Delta) Validate() error                            { panic("BUG: body not written yet") }
func (d *Delta) Encode() ([]byte, error)                    { panic("BUG: body not written yet") }
func (d *Delta) WriteTo(w io.Writer) (int64, error)         { panic("BUG: body not written yet") }
func DecodeDelta(b []byte) (*Delta, error)                  { panic("BUG: body not written yet") }
func ReadDelta(r io.Reader, bytesMax int64) (*Delta, error) { panic("BUG: body not written yet") }

// Verify says whether the delta continues the state base: ErrBase otherwise.
func (d *Delta) Verify(base Hash) error { panic("BUG: body not written yet") }

// CheckProgram refuses a delta of another program (ErrProgram) or VM version (ErrVM).
func (d *Delta) CheckProgram(program Hash, vm string) error { panic("BUG: body not written yet") }

// Pages is the memory that a delta is applied to.
type PageWriter interface {
	Resize(memoryBytes uint64) error
	SetPage(index uint64, page *[PageBytes]byte) error
	ZeroPages(first, count uint64) error
}

// ApplyTo checks the base and result hash against tree, then writes the pages and advances the tree.
// On a hash error nothing is written.
func (d *Delta) ApplyTo(t *Tree, w PageWriter) error { panic("BUG: body not written yet") }

// Compose returns the delta that does a, then b.
func Compose(a, b *Delta) (*Delta, error) { panic("BUG: body not written yet") }

// ---- digest.go

// Digest is a Merkle root over named decoded values; equal digests mean equal values.
type DigestTree struct{}

func NewDigestTree() *DigestTree                    { panic("BUG: body not written yet") }
func (t *DigestTree) Set(name string, v Value)      { panic("BUG: body not written yet") } // absent removes
func (t *DigestTree) Root() Hash                    { panic("BUG: body not written yet") }
func (t *DigestTree) Differ(u *DigestTree) []string { panic("BUG: body not written yet") } // names, sorted
func Digest(values map[string]Value) Hash           { panic("BUG: body not written yet") }
