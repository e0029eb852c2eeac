package main

import (
	"fmt"
	"math"
	"math/bits"
)

func main() {
	var i8 int8 = 127
	i8++
	var u8 uint8 = 3
	u8 -= 5
	var i16 int16 = math.MinInt16
	i16 = -i16
	var i32 int32 = math.MaxInt32
	i32 *= 3
	var u32 uint32 = 1 << 31
	u32 <<= 1
	var i64 int64 = math.MinInt64
	i64 /= -1
	fmt.Println(i8, u8, i16, i32, u32, i64, i64%-1)
	s := uint(70)
	x := 1
	fmt.Println(x<<s, -8>>s, uint8(200)>>1, int8(-128)>>7, -7/2, -7%3, 7&^5, ^6)
	f := 1e100
	fmt.Println(int64(f/3e99), uint8(int(f/1e98)), float32(0.1), 0.1+0.2, math.Inf(-1), -0.0, math.Copysign(0, -1), math.NaN())
	fmt.Println(math.Sqrt(2), math.Floor(-1.5), math.Pow(2, 0.5), math.Sin(1), math.Log(10), math.Mod(7, -3), math.MaxUint64/3.0)
	c := complex(1, 2)
	c = c * c / (1 - 2i)
	fmt.Println(c, real(c), imag(c), c == complex(-2.2, -0.4))
	fmt.Println(bits.LeadingZeros32(1), bits.TrailingZeros(8), bits.OnesCount(255), bits.Reverse8(3), bits.RotateLeft32(1, 31), bits.Len(1023))
	hi, lo := bits.Mul64(math.MaxUint64, 3)
	q, r := bits.Div64(1, 0, 3)
	fmt.Println(hi, lo, q, r)
	fmt.Printf("%08b %x %X %o %q %U %e %g %8.3f|%-8d|%+d|%t|%v\n", 37, 255, 255, 8, 'x', 0x1F600, 12345.678, 1e21, math.Pi, 42, 7, true, [3]bool{true})
	h := uint32(2166136261)
	for _, b := range []byte("hash me") {
		h ^= uint32(b)
		h *= 16777619
	}
	fmt.Println(h)
}
