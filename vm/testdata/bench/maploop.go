package main

func main() {
	m := map[int]int{}
	x := uint32(1)
	for i := 0; i < 3000000; i++ {
		x = x*1664525 + 1013904223
		m[int(x>>14)] += i
	}
	s := 0
	for k, v := range m {
		s += k ^ v
	}
	println(len(m), s)
}
