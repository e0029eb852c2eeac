// Exp as gc's amd64 assembly computes it on processors with fused multiply-add, so that results agree to the last bit;
// the portable version rounds differently. The other functions that have assembly on amd64 agree with the portable ones.

package math

const haveArchExp = true

func archExp(x float64) float64 {
	const (
		ln2Upper = 0.69314718055966295651160180568695068359375
		ln2Lower = 0.28235290563031577122588448175013436025525412068e-12
		overflow = 7.09782712893384e+02
	)
	switch {
	case IsNaN(x) || IsInf(x, 1):
		return x
	case IsInf(x, -1):
		return 0
	case x > overflow:
		return Inf(1)
	case x < -1e6:
		return 0
	}
	k := RoundToEven(Log2E * x)
	r := FMA(-k, ln2Lower, FMA(-k, ln2Upper, x)) * 0.0625
	t := 2.4801587301587301587e-5
	t = FMA(t, r, 1.9841269841269841270e-4)
	t = FMA(t, r, 1.3888888888888888889e-3)
	t = FMA(t, r, 8.3333333333333333333e-3)
	t = FMA(t, r, 4.1666666666666666667e-2)
	t = FMA(t, r, 1.6666666666666666667e-1)
	t = FMA(t, r, 0.5)
	t = FMA(t, r, 1.0)
	// e**r - 1, and four times (1+y)**2 - 1 = y*(y+2).
	y := r * t
	y *= y + 2
	y *= y + 2
	y *= y + 2
	y = FMA(y, y+2, 1)

	e := int(k) + 1023
	switch {
	case e >= 2047:
		return Inf(1)
	case e > 0:
		return y * Float64frombits(uint64(e)<<52)
	case e < -52:
		return 0
	}
	return y * Float64frombits(uint64(e+1022)<<52) * Float64frombits(1<<52)
}
