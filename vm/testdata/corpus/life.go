package main

import "fmt"

type grid [][]bool

func (g grid) next() grid {
	h := len(g)
	r := make(grid, h)
	for y := range g {
		r[y] = make([]bool, len(g[y]))
		for x := range g[y] {
			n := 0
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					if (dx != 0 || dy != 0) && g[(y+dy+h)%h][(x+dx+len(g[y]))%len(g[y])] {
						n++
					}
				}
			}
			r[y][x] = n == 3 || n == 2 && g[y][x]
		}
	}
	return r
}
func main() {
	g := make(grid, 10)
	for y := range g {
		g[y] = make([]bool, 12)
	}
	for _, p := range [][2]int{{1, 0}, {2, 1}, {0, 2}, {1, 2}, {2, 2}} {
		g[p[1]][p[0]] = true
	}
	for i := 0; i < 24; i++ {
		g = g.next()
	}
	for _, r := range g {
		for _, c := range r {
			if c {
				fmt.Print("#")
			} else {
				fmt.Print(".")
			}
		}
		fmt.Println()
	}
}
