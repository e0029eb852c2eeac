package changes

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
)

// Path names a variable or a part of one. Steps are shared between paths and never written.
type Path struct {
	Var   string // package path and name: "main.Counts"
	Steps []Step
}

// StepKind says how a step goes down. Numbers are written into files: append, never renumber.
type StepKind uint8

const (
	FieldStep StepKind = iota + 1
	KeyStep
	IndexStep
)

// Step goes from a value to one of its parts.
type Step struct {
	Kind  StepKind
	Name  string // FieldStep
	Key   Value  // KeyStep
	Index uint64 // IndexStep
}

// VarPath is the path of a whole variable.
func VarPath(name string) Path { return Path{Var: name} }

// Field is the path of a field of the struct at p.
func (p Path) Field(name string) Path { return p.with(Step{Kind: FieldStep, Name: name}) }

// Key is the path of the value at a key of the map at p.
func (p Path) Key(key Value) Path { return p.with(Step{Kind: KeyStep, Key: keyOf(key)}) }

// Index is the path of an element of the array or slice at p.
func (p Path) Index(i uint64) Path { return p.with(Step{Kind: IndexStep, Index: i}) }

func (p Path) with(s Step) Path {
	n := len(p.Steps)
	return Path{p.Var, append(p.Steps[:n:n], s)}
}

// keyed says whether a key of a map is on the way to p, whose removal would remove what is there.
func (p Path) keyed() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Kind == KeyStep })
}

// Equal reports the same variable and steps.
func (p Path) Equal(q Path) bool { return bytes.Equal(p.Encode(), q.Encode()) }

// Encode is the canonical encoding. No path's encoding is a prefix of another's, and a path sorts
// right before the paths below it.
func (p Path) Encode() []byte { return p.append(nil) }

func (p Path) append(b []byte) []byte { return appendSteps(appendText(b, p.Var), p.Steps) }

func appendSteps(b []byte, steps []Step) []byte {
	for _, s := range steps {
		b = append(b, byte(s.Kind))
		switch s.Kind {
		case FieldStep:
			b = appendText(b, s.Name)
		case KeyStep:
			b = s.Key.appendNode(b)
		case IndexStep:
			b = binary.BigEndian.AppendUint64(b, s.Index)
		default:
			panic("BUG: changes: path step of kind " + strconv.Itoa(int(s.Kind)))
		}
	}
	return append(b, 0)
}

// DecodePath reads what Encode wrote; anything else is ErrFormat.
func DecodePath(b []byte) (Path, error) {
	s := scan{b: b}
	p := s.path()
	s.end()
	return p, s.err
}

func (s *scan) path() Path { return Path{Var: s.text(), Steps: s.steps()} }

func (s *scan) steps() []Step {
	var steps []Step
	for s.err == nil {
		switch k := StepKind(s.u8()); k {
		case 0:
			return steps
		case FieldStep:
			steps = append(steps, Step{Kind: k, Name: s.text()})
		case KeyStep:
			steps = append(steps, Step{Kind: k, Key: s.key(DepthMax)})
		case IndexStep:
			steps = append(steps, Step{Kind: k, Index: s.u64()})
		default:
			s.fail("path step of kind %d at offset %d", k, s.off-1)
		}
		if len(steps) > DepthMax {
			s.fail("path of more than %d steps", DepthMax)
		}
	}
	return nil
}

// String is the path as Go reads it: main.Counts["word"].Port.
func (p Path) String() string {
	b := []byte(p.Var)
	for _, s := range p.Steps {
		switch s.Kind {
		case FieldStep:
			b = append(append(b, '.'), s.Name...)
		case KeyStep:
			b = append(s.Key.appendString(append(b, '[')), ']')
		case IndexStep:
			b = append(strconv.AppendUint(append(b, '['), s.Index, 10), ']')
		}
	}
	return string(b)
}
