package main

// Powers of a matrix of floats: slices of slices, three loops deep.

func product(x, y [][]float64) [][]float64 {
	z := make([][]float64, len(x))
	for i := range z {
		z[i] = make([]float64, len(y[0]))
		for j := range z[i] {
			for k := range y {
				z[i][j] += x[i][k] * y[k][j]
			}
		}
	}
	return z
}

func main() {
	const n = 120
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
		for j := range m[i] {
			m[i][j] = 1 / float64(1+i+2*j)
		}
	}
	p := product(product(m, m), product(m, m))
	trace := 0.0
	for i := range p {
		trace += p[i][i]
	}
	println(int(trace * 1e9))
}
