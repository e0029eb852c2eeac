package main

type point struct{ x, y, z int }

func (p point) sub(q point) point { return point{p.x - q.x, p.y - q.y, p.z - q.z} }

func (p point) norm() int { return p.x*p.x + p.y*p.y + p.z*p.z }

// distance needs no copy of a struct: parameters of inlined methods stand where the arguments do, results are made in place.
func distance(p, q *point) int { return p.sub(*q).norm() }

// swapped keeps the clearing: z is not written before it is read.
func swapped(p *point) point {
	var q point
	q.x, q.y = p.y, p.x
	return q
}

// last keeps the copy: it is read in the turn after.
func last(ps []point) int {
	n, before := 0, point{}
	for _, p := range ps {
		n += before.x - p.y
		before = p
	}
	return n
}

func main() {
	p, q := &point{1, 2, 3}, &point{6, 5, 4}
	println(distance(p, q), swapped(p).z, last([]point{*p, *q, *p}))
}
