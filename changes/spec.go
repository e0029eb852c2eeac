package changes

import (
	"fmt"
	"reflect"
	"strings"
)

// Kind is a merge rule. Numbers are written into files: append, never renumber.
type Kind uint8

const (
	LWW     Kind = iota + 1 // greatest (logical time, run, turn)
	Counter                 // sum of net changes
	Max                     // greatest value
	Min                     // least value
	Set                     // map[K]struct{} or map[K]bool, add wins
	MapOf                   // "map KIND": keys add-wins, values by the inner kind
	Fields                  // struct, each field by the kind in its tag
	Key                     // no word: the presence of a map key whose value is a map, set, fields, log, list or text
	Log                     // slice: entries appended by all runs, in causal order, then by run
	List                    // slice: elements stay where they were inserted
	Text                    // string: a list of runes
	kindEnd
)

var kindWords = [kindEnd]string{LWW: "lww", Counter: "counter", Max: "max", Min: "min", Set: "set", MapOf: "map", Fields: "fields", Key: "key",
	Log: "log", List: "list", Text: "text"}

// kindList is what messages offer.
const kindList = "lww, counter, max, min, set, map KIND, fields, log, list, text"

// isSequence says whether values of the kind merge element by element.
func (k Kind) isSequence() bool { return k == Log || k == List || k == Text }

// ofLeaf says whether a leaf can be of the kind.
func (k Kind) ofLeaf() bool { return k > 0 && k < kindEnd && k != MapOf && k != Fields }

// String is the word programs write for the kind.
func (k Kind) String() string {
	if k > 0 && k < kindEnd {
		return kindWords[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ParseKind reads one kind word; its error wraps ErrSpec and says which kinds exist.
func ParseKind(word string) (Kind, error) {
	for k := LWW; k < kindEnd; k++ {
		if kindWords[k] == word && k != Key {
			return k, nil
		}
	}
	return 0, &SpecError{Text: word, Problem: fmt.Sprintf("no merge kind %q", word), Hint: "the kinds are " + kindList}
}

// Spec says how a variable, or a part of one, merges. Make it with ParseSpec; it is not written afterwards.
type Spec struct {
	Kind   Kind
	Type   *Type
	Elem   *Spec   // MapOf: how the values merge; Set: the element, of kind Set and the map's element type; Log, List, Text: the leaf
	Fields []*Spec // Fields: beside Type.Fields
}

// SpecError is a //tandem:shared directive or tandem tag that does not suit its type; it wraps ErrSpec.
type SpecError struct {
	Text    string // what was written
	Type    string // the Go type it was written for
	Problem string
	Hint    string // what to write instead
}

// Error is one line: what is wrong and what to write instead.
func (e *SpecError) Error() string { return "tandem:shared: " + e.Problem + "; " + e.Hint }

// Unwrap is ErrSpec.
func (e *SpecError) Unwrap() error { return ErrSpec }

// ParseSpec reads the text after //tandem:shared ("", "counter", "map counter", "map map max") for a
// variable of type t. Empty means lww. Errors are *SpecError and wrap ErrSpec.
func ParseSpec(text string, t *Type) (*Spec, error) {
	if err := t.Validate(); err != nil {
		return nil, &SpecError{Text: text, Type: t.String(), Problem: err.Error(), Hint: "shared variables are numbers, strings, bools, and arrays, structs, slices and maps of those"}
	}
	return parseSpec(text, strings.Fields(text), t)
}

func parseSpec(text string, words []string, t *Type) (*Spec, error) {
	bad := func(problem, hint string) (*Spec, error) {
		return nil, &SpecError{Text: text, Type: t.String(), Problem: problem, Hint: hint}
	}
	s := &Spec{Kind: LWW, Type: t}
	if len(words) == 0 {
		return s, nil
	}
	var err error
	if s.Kind, err = ParseKind(words[0]); err != nil {
		return nil, err
	}
	if len(words) > 1 && s.Kind != MapOf {
		return bad(fmt.Sprintf("%q after %q", strings.Join(words[1:], " "), words[0]), "only map is followed by another kind")
	}
	switch s.Kind {
	case Counter:
		if !t.Form.isNumber() {
			return bad(fmt.Sprintf("counter needs a number, not %v", t), "make it an integer or float, or use lww, or map counter for a map of numbers")
		}
	case Max, Min:
		if !t.Form.isOrdered() {
			return bad(fmt.Sprintf("%v needs an ordered type, not %v", s.Kind, t), "make it an integer, float or string, or use lww")
		}
	case Set:
		if t.Form != Map || t.Elem.Form != Bool && (t.Elem.Form != Struct || len(t.Elem.Fields) > 0) {
			return bad(fmt.Sprintf("set needs map[K]struct{} or map[K]bool, not %v", t), "change the type, or use map lww")
		}
		s.Elem = &Spec{Kind: Set, Type: t.Elem}
	case MapOf:
		if t.Form != Map {
			return bad(fmt.Sprintf("map needs a map, not %v", t), "drop the word map, or make it a map")
		}
		s.Elem, err = parseSpec(text, words[1:], t.Elem)
	case Log, List:
		if t.Form != Slice && t.Form != Bytes {
			return bad(fmt.Sprintf("%v needs a slice, not %v", s.Kind, t), "make it a slice, or use text for a string")
		}
		s.Elem = &Spec{Kind: s.Kind, Type: t}
	case Text:
		if t.Form != String {
			return bad(fmt.Sprintf("text needs a string, not %v", t), "make it a string, or use list for a slice")
		}
		s.Elem = &Spec{Kind: s.Kind, Type: t}
	case Fields:
		if t.Form != Struct {
			return bad(fmt.Sprintf("fields needs a struct, not %v", t), "use map fields for a map of structs, or lww")
		}
		err = s.parseFields()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Spec) parseFields() error {
	for _, f := range s.Type.Fields {
		tag := reflect.StructTag(f.Tag).Get("tandem")
		inner, err := parseSpec(tag, strings.Fields(tag), f.Type)
		if err != nil {
			if e, ok := err.(*SpecError); ok {
				e.Problem = "field " + f.Name + ": " + e.Problem
			}
			return err
		}
		s.Fields = append(s.Fields, inner)
	}
	return nil
}

// container says whether the parts of a value of s merge on their own.
func (s *Spec) container() bool {
	return s.Kind == MapOf || s.Kind == Fields || s.Kind == Set && s.Type.Form == Map || s.sequence()
}

// sequence says whether s is a log, list or text, and not the leaf below one.
func (s *Spec) sequence() bool { return s.Kind.isSequence() && s.Elem != nil }

// child is the spec one step below a container; i is the field's number.
func (s *Spec) child(st Step) (c *Spec, i int, ok bool) {
	switch {
	case s.Kind == Fields && st.Kind == FieldStep:
		for i, f := range s.Type.Fields {
			if f.Name == st.Name {
				return s.Fields[i], i, true
			}
		}
	case s.sequence():
		return s.Elem, 0, st.Kind == IndexStep
	case s.container() && s.Kind != Fields && st.Kind == KeyStep:
		return s.Elem, 0, s.Type.Key.Check(st.Key) == nil
	}
	return nil, 0, false
}

// Leaf is the spec of the leaf at p, a path below the variable that s declares. Its Kind is one of
// LWW, Counter, Max, Min, Set (one element), Key, and Log, List and Text: there index 0 stands for the whole value in changes and
// assignments, and any index for a part of what a run contributed in cells. p is anything else: ErrPath.
func (s *Spec) Leaf(p Path) (*Spec, error) {
	at := s
	for _, st := range p.Steps {
		next, _, ok := at.child(st)
		if !ok {
			return nil, fmt.Errorf("%w: %v in a variable shared as %v", ErrPath, p, s)
		}
		at = next
	}
	if !at.container() {
		return at, nil
	}
	if n := len(p.Steps); n > 0 && p.Steps[n-1].Kind == KeyStep {
		return &Spec{Kind: Key, Type: at.Type}, nil
	}
	return nil, fmt.Errorf("%w: %v is merged part by part, as %v", ErrPath, p, at)
}

// String is the text that declares s: "map counter".
func (s *Spec) String() string {
	if s.Kind == MapOf {
		return "map " + s.Elem.String()
	}
	return s.Kind.String()
}

// Normal is v as merges see it: lists and logs, and maps merged key by key are never nil (a merge must not turn a map the
// program made into one it cannot write to), and a false entry of a map[K]bool set is no entry.
func (s *Spec) Normal(v Value) Value {
	switch {
	case !s.container() || v.form == Absent:
		return v
	case s.sequence():
		if v.null {
			return Value{form: v.form, tree: emptyBranch(v.form)}
		}
		return v
	case s.Kind == Fields:
		items := make([]NamedValue, len(s.Fields))
		for i, f := range s.Fields {
			items[i] = NamedValue{s.Type.Fields[i].Name, f.Normal(v.Item(i))}
		}
		return StructValue(items...)
	}
	entries := make([]Entry, 0, len(v.entries()))
	for _, e := range v.entries() {
		if s.Kind == Set && e.Value.isFalse() {
			continue
		}
		e.Value = s.Elem.Normal(e.Value)
		entries = append(entries, e)
	}
	return mapOfSorted(entries)
}

func emptyBranch(f Form) *branch {
	if f != Slice {
		return nil
	}
	return &branch{items: []Value{}, depth: 1}
}

func (v Value) isFalse() bool { return v.form == Bool && v.bits == 0 }

// empty is the value of a container that has just come into being.
func (s *Spec) empty() Value { return s.Normal(s.Type.Zero()) }
