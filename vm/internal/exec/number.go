package exec

import (
	"math"
	"math/bits"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/loop"
)

// slowNumber does the moves and number ops the loop has not, and the panics of those it has.
func (m *Machine) slowNumber(in code.Instr) error {
	a := m.reg(in.A)
	switch in.Op {
	case code.MovN:
		m.work(uint64(in.C) * 8)
		copy(m.host8(m.slotAddr(in.A), uint64(in.C)*8), m.host8(m.slotAddr(in.B), uint64(in.C)*8))
	case code.Zero:
		m.work(uint64(in.Imm32()) * 8)
		clear(m.host8(m.slotAddr(in.A), uint64(in.Imm32())*8))
	case code.DivS, code.DivU, code.RemS, code.RemU:
		return raiseBy(code.KnownPanicDivide)
	case code.ShChk:
		return raiseBy(code.KnownPanicShift)
	case code.Div128:
		hi, lo, y := *m.reg(in.B), *m.reg(in.C), *m.reg(uint16(m.extAt(0)))
		if y == 0 {
			return raiseBy(code.KnownPanicDivide)
		}
		if y <= hi {
			return raiseBy(code.KnownPanicOverflow)
		}
		q, r := bits.Div64(hi, lo, y)
		*a, *m.regN(in.A, 1) = q, r
	case code.Pop64:
		*a = uint64(bits.OnesCount64(*m.reg(in.B)))
	case code.FloorF64:
		*a = u64(math.Floor(f64(*m.reg(in.B))))
	case code.CeilF64:
		*a = u64(math.Ceil(f64(*m.reg(in.B))))
	case code.TruncF64:
		*a = u64(math.Trunc(f64(*m.reg(in.B))))
	case code.FmaF64:
		*a = u64(math.FMA(f64(*m.reg(in.B)), f64(*m.reg(in.C)), f64(*m.reg(uint16(m.extAt(0))))))
	case code.MinF64:
		*a = u64(min(f64(*m.reg(in.B)), f64(*m.reg(in.C))))
	case code.MaxF64:
		*a = u64(max(f64(*m.reg(in.B)), f64(*m.reg(in.C))))
	case code.MinF32:
		*a = u32(min(f32(*m.reg(in.B)), f32(*m.reg(in.C))))
	case code.MaxF32:
		*a = u32(max(f32(*m.reg(in.B)), f32(*m.reg(in.C))))
	case code.F64ToS64:
		*a = loop.FloatToS64(f64(*m.reg(in.B)))
	case code.F64ToU64:
		*a = loop.FloatToU64(f64(*m.reg(in.B)))
	case code.F32ToS64:
		*a = loop.FloatToS64(float64(f32(*m.reg(in.B))))
	case code.F32ToU64:
		*a = loop.FloatToU64(float64(f32(*m.reg(in.B))))
	default:
		return m.damaged("code word")
	}
	m.advance(code.Table[in.Op].Form.Words())
	return nil
}

// complexOp is arithmetic on complex numbers in two slots each.
func (m *Machine) complexOp(in code.Instr) {
	x := complex(f64(*m.reg(in.B)), f64(*m.regN(in.B, 1)))
	switch in.Op {
	case code.C64ToC128:
		v := *m.reg(in.B)
		x = complex(float64(f32(v)), float64(f32(v>>32)))
	case code.C128ToC64:
		*m.reg(in.A) = u32(float32(real(x))) | u32(float32(imag(x)))<<32
		m.advance(1)
		return
	default:
		y := complex(f64(*m.reg(in.C)), f64(*m.regN(in.C, 1)))
		switch in.Op {
		case code.AddC:
			x += y
		case code.SubC:
			x -= y
		case code.MulC:
			x *= y
		case code.DivC:
			x /= y
		}
	}
	*m.reg(in.A), *m.regN(in.A, 1) = u64(real(x)), u64(imag(x))
	m.advance(1)
}

func f64(v uint64) float64 { return math.Float64frombits(v) }
func f32(v uint64) float32 { return math.Float32frombits(uint32(v)) }
func u64(f float64) uint64 { return math.Float64bits(f) }
func u32(f float32) uint64 { return uint64(math.Float32bits(f)) }
