package changes

import (
	"fmt"
	"strings"
)

// Type describes a value-tree type; the vm makes it from its type descriptors.
type Type struct {
	Form   Form
	Name   string  // Go's name for messages ("main.Config"); may be empty
	Elem   *Type   // Array, Slice, Map
	Key    *Type   // Map
	Fields []Field // Struct, in order, without blank fields
	Len    int     // Array
}

// Field is one field of a struct type.
type Field struct {
	Name string
	Tag  string // the raw struct tag; the key "tandem" in it holds the kind
	Type *Type
}

// typeNodesMax bounds what one shared variable's type may unfold to: a few nested structs already
// describe trees no turn could carry.
const typeNodesMax = 1 << 16

// arrayLenMax bounds the zero value of an array.
const arrayLenMax = 1 << 24

// Validate says why t is not the type of a value tree (ErrType), or nil: every part is described, map
// keys are comparable without pointers, and the nesting ends within DepthMax (so t is not recursive).
func (t *Type) Validate() error {
	nodes := 0
	return t.validate(DepthMax, &nodes)
}

func (t *Type) validate(depth int, nodes *int) error {
	if t == nil || t.Form == Absent || t.Form >= formEnd {
		return fmt.Errorf("%w: a part of the type is not a value (channels, functions, interfaces and pointers cannot be shared)", ErrType)
	}
	if depth == 0 {
		return fmt.Errorf("%w: %v is recursive or nested deeper than %d; share a flat form of it, such as a map by id", ErrType, t.Name, DepthMax)
	}
	if *nodes++; *nodes > typeNodesMax {
		return fmt.Errorf("%w: the type has more than %d parts within one another; share a smaller one, or a map of it", ErrType, typeNodesMax)
	}
	switch t.Form {
	case Array, Slice:
		if t.Form == Slice && t.Elem != nil && t.Elem.Form == Uint8 {
			return fmt.Errorf("%w: []uint8 is described by form Bytes", ErrType)
		}
		if t.Len < 0 || t.Len > arrayLenMax {
			return fmt.Errorf("%w: array of length %d, at most %d can be shared", ErrType, t.Len, arrayLenMax)
		}
		return t.Elem.validate(depth-1, nodes)
	case Map:
		if err := t.Key.validate(depth-1, nodes); err != nil {
			return err
		}
		if !t.Key.comparable() {
			return fmt.Errorf("%w: map key %v is not comparable", ErrType, t.Key)
		}
		return t.Elem.validate(depth-1, nodes)
	case Struct:
		for i, f := range t.Fields {
			if f.Name == "" || f.Name == "_" {
				return fmt.Errorf("%w: field %d of %v has no name; blank fields are left out of the description", ErrType, i, t.Name)
			}
			if err := f.Type.validate(depth-1, nodes); err != nil {
				return err
			}
		}
		if len(t.Fields) > 1<<16-1 {
			return fmt.Errorf("%w: %d fields in %v, at most 65535 can be shared", ErrType, len(t.Fields), t.Name)
		}
	}
	return nil
}

func (t *Type) comparable() bool {
	if t.Form == Array {
		return t.Elem.comparable()
	}
	for _, f := range t.Fields {
		if !f.Type.comparable() {
			return false
		}
	}
	return canKey(t.Form)
}

// Zero is Go's zero value of t.
func (t *Type) Zero() Value {
	switch f := t.Form; {
	case f == Slice || f == Bytes || f == Map:
		return NilValue(f)
	case f == Array:
		items := make([]Value, t.Len)
		for i := range items {
			items[i] = t.Elem.Zero()
		}
		return ArrayValue(items...)
	case f == Struct:
		fields := make([]NamedValue, len(t.Fields))
		for i, g := range t.Fields {
			fields[i] = NamedValue{g.Name, g.Type.Zero()}
		}
		return StructValue(fields...)
	}
	return Value{form: t.Form}
}

// Check says why v is not a value of t (ErrType, naming the part), or nil.
func (t *Type) Check(v Value) error {
	if v.form != t.Form {
		return fmt.Errorf("%w: %v where %v belongs", ErrType, v.form, t)
	}
	if v.null {
		return nil
	}
	switch t.Form {
	case Array, Slice:
		if t.Form == Array && v.Len() != t.Len {
			return fmt.Errorf("%w: %d elements where %v belongs", ErrType, v.Len(), t)
		}
		for i, it := range v.tree.items {
			if err := t.Elem.Check(it); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
	case Struct:
		if v.Len() != len(t.Fields) {
			return fmt.Errorf("%w: %d fields where %v belongs", ErrType, v.Len(), t)
		}
		for i, f := range t.Fields {
			if v.FieldName(i) != f.Name {
				return fmt.Errorf("%w: field %s where %s belongs", ErrType, v.FieldName(i), f.Name)
			}
			if err := f.Type.Check(v.Item(i)); err != nil {
				return fmt.Errorf(".%s: %w", f.Name, err)
			}
		}
	case Map:
		for _, e := range v.entries() {
			if err := t.Key.Check(e.Key); err != nil {
				return fmt.Errorf("key: %w", err)
			}
			if err := t.Elem.Check(e.Value); err != nil {
				return fmt.Errorf("[%v]: %w", e.Key, err)
			}
		}
	}
	return nil
}

// String is the type as Go writes it.
func (t *Type) String() string {
	switch {
	case t == nil:
		return "nothing"
	case t.Name != "":
		return t.Name
	case t.Form == Array:
		return fmt.Sprintf("[%d]%v", t.Len, t.Elem)
	case t.Form == Slice:
		return fmt.Sprintf("[]%v", t.Elem)
	case t.Form == Map:
		return fmt.Sprintf("map[%v]%v", t.Key, t.Elem)
	case t.Form == Struct:
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			parts[i] = f.Name + " " + f.Type.String()
		}
		return "struct{" + strings.Join(parts, "; ") + "}"
	}
	return t.Form.String()
}
