package main

// Methods through an interface, a type switch and assertions.

type expr interface{ eval(x int) int }

type (
	lit  int
	arg  struct{}
	sum  struct{ l, r expr }
	mul  struct{ l, r expr }
	when struct{ cond, yes, no expr }
)

func (e lit) eval(int) int    { return int(e) }
func (arg) eval(x int) int    { return x }
func (e *sum) eval(x int) int { return e.l.eval(x) + e.r.eval(x) }
func (e *mul) eval(x int) int { return e.l.eval(x) * e.r.eval(x) % 65521 }
func (e when) eval(x int) int {
	if e.cond.eval(x)&1 != 0 {
		return e.yes.eval(x)
	}
	return e.no.eval(x)
}

func depth(e expr) int {
	switch e := e.(type) {
	case lit, arg:
		return 1
	case *sum:
		return 1 + max(depth(e.l), depth(e.r))
	case *mul:
		return 1 + max(depth(e.l), depth(e.r))
	case when:
		return 1 + max(depth(e.cond), depth(e.yes), depth(e.no))
	}
	return 0
}

func main() {
	var e expr = arg{}
	for i := range 6 {
		e = &sum{&mul{e, lit(i + 3)}, when{arg{}, lit(i), e}}
	}
	s := 0
	for x := range 4000 {
		s += e.eval(x)
		if x%16 == 0 {
			s += depth(e)
		}
	}
	println(s)
}
