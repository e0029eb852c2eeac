package changes

import (
	"fmt"
	"reflect"
)

// To stores v into the Go variable that target points to. Shapes are those of Go: a number goes into any number of its kind that holds it
// exactly, structs into structs by the names of exported fields, sequences into slices, or arrays of their length, maps into maps, anything
// into a Value, an absent value makes the zero value. A map or slice is made anew; on an error (ErrType, naming the path) the variable is unchanged.
// Cost: what v holds, by reflection.
func (v Value) To(target any) error {
	p := reflect.ValueOf(target)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("%w: To needs a pointer to a variable, not %T", ErrType, target)
	}
	out := reflect.New(p.Type().Elem()).Elem()
	if err := v.to(out, ""); err != nil {
		return err
	}
	p.Elem().Set(out)
	return nil
}

var valueType = reflect.TypeFor[Value]()

// to stores v into out, which is zero; path is where that is, for errors.
func (v Value) to(out reflect.Value, path string) error {
	switch {
	case out.Type() == valueType:
		out.Set(reflect.ValueOf(v))
		return nil
	case v.form == Absent:
		return nil
	case v.null && (out.Kind() == reflect.Slice || out.Kind() == reflect.Map):
		return nil
	case out.Kind() == reflect.Pointer:
		out.Set(reflect.New(out.Type().Elem()))
		return v.to(out.Elem(), path)
	}
	switch {
	case v.form == Bool && out.Kind() == reflect.Bool:
		out.SetBool(v.Bool())
	case v.form.isInt() && out.CanInt() && !out.OverflowInt(v.Int()):
		out.SetInt(v.Int())
	case v.form.isUint() && out.CanUint() && !out.OverflowUint(v.Uint()):
		out.SetUint(v.Uint())
	case v.form == Float64 && out.Kind() == reflect.Float64, v.form == Float32 && out.CanFloat():
		out.SetFloat(v.Float())
	case v.form == Complex128 && out.Kind() == reflect.Complex128, v.form == Complex64 && out.CanComplex():
		out.SetComplex(v.Complex())
	case v.form == String && out.Kind() == reflect.String:
		out.SetString(v.text)
	case v.form == Bytes && out.Kind() == reflect.Slice && out.Type().Elem().Kind() == reflect.Uint8:
		out.SetBytes([]byte(v.text))
	case v.form == Array && out.Kind() == reflect.Array && out.Len() == v.Len():
		return v.itemsTo(out, path)
	case (v.form == Slice || v.form == Array) && out.Kind() == reflect.Slice:
		out.Set(reflect.MakeSlice(out.Type(), v.Len(), v.Len()))
		return v.itemsTo(out, path)
	case v.form == Struct && out.Kind() == reflect.Struct:
		return v.fieldsTo(out, path)
	case v.form == Map && out.Kind() == reflect.Map:
		return v.entriesTo(out, path)
	default:
		if path == "" {
			path = "the value"
		}
		return fmt.Errorf("%w: %s is %s, which no %v holds exactly", ErrType, path, v.form, out.Type())
	}
	return nil
}

func (v Value) itemsTo(out reflect.Value, path string) error {
	for i := range v.Len() {
		if err := v.Item(i).to(out.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

func (v Value) fieldsTo(out reflect.Value, path string) error {
	for i := range v.Len() {
		name := v.FieldName(i)
		f, ok := out.Type().FieldByName(name)
		if !ok || !f.IsExported() || len(f.Index) != 1 {
			continue
		}
		if err := v.Item(i).to(out.FieldByIndex(f.Index), path+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func (v Value) entriesTo(out reflect.Value, path string) error {
	out.Set(reflect.MakeMapWithSize(out.Type(), v.Len()))
	for i := range v.Len() {
		e := v.Entry(i)
		at := fmt.Sprintf("%s[%v]", path, e.Key)
		key := reflect.New(out.Type().Key()).Elem()
		if err := e.Key.to(key, "the key "+at); err != nil {
			return err
		}
		value := reflect.New(out.Type().Elem()).Elem()
		if err := e.Value.to(value, at); err != nil {
			return err
		}
		out.SetMapIndex(key, value)
	}
	return nil
}
