package changes

// plus is a+b and minus a-b in the arithmetic of their form: integers wrap, floats round. An absent
// operand is zero; not both may be absent.
func plus(a, b Value) Value  { return combine(a, b, 1) }
func minus(a, b Value) Value { return combine(a, b, -1) }

func combine(a, b Value, sign int) Value {
	f := a.form
	if f == Absent {
		f = b.form
		a = Value{form: f}
	}
	if b.form == Absent {
		b = Value{form: f}
	}
	mustForm(f.isNumber() && a.form == b.form, "arithmetic on "+f.String()+" with a value", b.form)
	switch {
	case f.isInt():
		return IntValue(f, a.Int()+int64(sign)*b.Int())
	case f.isUint():
		return UintValue(f, a.Uint()+uint64(int64(sign))*b.Uint())
	case f.isFloat():
		return FloatValue(f, a.Float()+float64(sign)*b.Float())
	}
	x, y := a.Complex(), b.Complex()
	if sign < 0 {
		y = -y
	}
	return ComplexValue(f, x+y)
}

// join is the Max or Min of two values, absent ones and NaN losing to all others.
func join(k Kind, a, b Value) Value {
	switch {
	case a.form == Absent || a.isNaN():
		if b.form == Absent {
			return a
		}
		return b
	case b.form == Absent || b.isNaN():
		return a
	case (a.Compare(b) < 0) == (k == Max):
		return b
	}
	return a
}

func (v Value) isNaN() bool { return v.form.isFloat() && v.bits == nanBits }
