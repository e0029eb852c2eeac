package main

import "fmt"

func main() {
	const n = 24
	var a, b [n][n]float64
	c := make([][]float32, n)
	for i := range a {
		c[i] = make([]float32, n)
		for j := range a[i] {
			a[i][j] = float64(i*j%7) / 3
			b[i][j] = float64(i-j) * 0.5
		}
	}
	for i := 0; i < n; i++ {
		for j := 0; j < n; j++ {
			s := 0.0
			for k := 0; k < n; k++ {
				s += a[i][k] * b[k][j]
			}
			c[i][j] = float32(s)
		}
	}
	fmt.Println(c[3][4], c[23][22], c[10][0])
	t := float32(0)
	for _, r := range c {
		for _, v := range r {
			t += v
		}
	}
	fmt.Println(t)
}
