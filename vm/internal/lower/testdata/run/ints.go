package main

import "fmt"

type num interface {
	~int8 | ~uint8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64
}

func ops[T num](xs []T) {
	for _, a := range xs {
		for _, b := range xs {
			fmt.Println(a+b, a-b, a*b, a&b, a|b, a^b, a&^b, -a, ^a, a < b, a <= b, a == b)
			if b != 0 {
				fmt.Println(a/b, a%b)
			}
			for _, n := range []uint{0, 1, 3, 7, 8, 15, 31, 32, 63, 64, 100} {
				fmt.Print(a<<n, " ", a>>n, " ")
			}
			fmt.Println(a<<3, a>>3, a<<9, a>>9, a<<40, a>>40, a+1, a-1, a*3)
			fmt.Println(int8(a), uint8(a), int16(a), uint16(a), int32(a), uint32(a), int64(a), uint64(a), float32(a), float64(a))
			a += b
			a <<= 1
			a++
		}
	}
}

func floats(fs []float64) {
	for _, f := range fs {
		fmt.Println(int8(f), int16(f), int32(f), int64(f), uint8(f), uint16(f), uint32(f), uint64(f), float32(f))
		g := float32(f)
		fmt.Println(int8(g), int16(g), int32(g), int64(g), uint8(g), uint16(g), uint32(g), uint64(g), -g, g*g, g < 2, g == 2, g != g)
		fmt.Println(min(f, 1), max(f, -1), f < 1, f <= 1, f > 1, f >= 1, f == f, f != f)
	}
	c := complex(fs[0], 2)
	d := complex64(complex(1, float32(fs[1])))
	fmt.Println(c*c, c/complex(1, 1), -c, real(c), imag(c), d*d, d/d, -d, real(d), imag(d), c == c, d != d, complex128(d))
}

func main() {
	ops([]int8{0, 1, -1, 127, -128, 55})
	ops([]uint8{0, 1, 255, 128, 55})
	ops([]int16{0, 1, -1, 32767, -32768})
	ops([]uint16{0, 1, 65535, 300})
	ops([]int32{0, 1, -1, 1<<31 - 1, -1 << 31, 12345})
	ops([]uint32{0, 1, 1<<32 - 1, 12345})
	ops([]int64{0, 1, -1, 1<<63 - 1, -1 << 63, 12345678901})
	ops([]uint64{0, 1, 1<<64 - 1, 12345678901})
	floats([]float64{0, 1.5, -2.75, 100, -100, 127.9, 255, 2})
	var s string
	for _, r := range []rune{65, 233, 0x20AC, 0x1F600, -1, 0xD800} {
		s += string(r)
	}
	fmt.Printf("%q %v %v %d\n", s, []rune(s), []byte(s), len(s))
	for i, r := range s {
		fmt.Print(i, ":", r, " ")
	}
	fmt.Println(s < "B", s >= "A", s == "", s != "x"+s[1:], min(s, "0", "a"), max("b", s))
}
