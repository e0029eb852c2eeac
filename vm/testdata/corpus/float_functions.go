// Functions that rest on fused multiply-add, with variables and constants in each place.
package main

import (
	"fmt"
	"math"
	"math/cmplx"
)

func main() {
	for i := range 24 {
		x := float64(i)*2.625 - 30.0625
		fmt.Println(x, math.Exp(x), math.Exp2(x), math.Sinh(x), math.Gamma(x), math.Erf(x/10), math.Pow(1.5, x), math.Log1p(x*x), math.Cbrt(x))
		fmt.Println(cmplx.Cos(complex(x/8, 7.7)), cmplx.Exp(complex(x/8, x)), math.FMA(x, 3, 0.1), math.FMA(2.5, x, x), math.FMA(0.1, 0.2, x))
	}
	fmt.Println(math.Exp(math.Inf(-1)), math.Exp(709.7), math.Exp(-745), math.Exp(-708.5))
}
