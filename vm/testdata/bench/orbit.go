package main

import "math"

// Floats in structs behind pointers, and square roots.

type point struct{ x, y, z float64 }

type body struct {
	at, v point
	mass  float64
}

func (p *point) add(q point, k float64) { p.x += q.x * k; p.y += q.y * k; p.z += q.z * k }

func (p point) sub(q point) point { return point{p.x - q.x, p.y - q.y, p.z - q.z} }

func (p point) norm2() float64 { return p.x*p.x + p.y*p.y + p.z*p.z }

func main() {
	bodies := []*body{{mass: 100}}
	for i := 1; i < 6; i++ {
		f := float64(i)
		bodies = append(bodies, &body{point{f, 2 * f, 0}, point{3 / f, 0, 1 / f}, f / 10})
	}
	const dt = 0.001
	for range 12000 {
		for i, a := range bodies {
			for _, b := range bodies[i+1:] {
				d := a.at.sub(b.at)
				r2 := d.norm2()
				f := dt / (r2*math.Sqrt(r2) + 0.01)
				a.v.add(d, -b.mass*f)
				b.v.add(d, a.mass*f)
			}
		}
		for _, a := range bodies {
			a.at.add(a.v, dt)
		}
	}
	e := 0.0
	for _, b := range bodies {
		e += b.mass * b.v.norm2() / 2
	}
	println(int(e * 1e6))
}
