package vm

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	orderSeed  = flag.Uint64("orderseed", 1, "seed of the statements that TestOrderOfEvaluation makes")
	orderCases = flag.Int("ordercases", 400, "number of them")
)

// orderHead declares what the generated statements are made of. What changes a variable has a result that tells.
const orderHead = `package main

import "fmt"

type S struct { n int; s string }
type P struct { n, k int; s string; a [3]int; q *P }
type I interface{ get(int) int }
type B int8

func (s S) val(x int) int { return s.n*10 + x }
func (s *S) inc(x int) int { s.n += x; return s.n }
func (p *P) get(x int) int { p.n += x; return p.n + p.k }
func (p P) sum(x int) int { return p.n + p.k + x }

//go:noinline
func f(p *int) int { *p = (*p + 1) % 3; return *p }
func g(p *int) int { *p = (*p + 2) % 3; return *p + 1 }
//go:noinline
func h(a, b int) int { return a*3 + b }
func k(a, b int) int { return a*5 - b }
//go:noinline
func fs(p *string) string { *p += "+"; return *p }
//go:noinline
func fb(p *bool) bool { *p = !*p; return *p }
//go:noinline
func f8(p *B) B { *p += 3; return *p }
//go:noinline
func fst(p *S) S { p.n++; p.s += "!"; return *p }
//go:noinline
func fsl(p *[]int) []int { *p = append([]int{9, 8, 7}, (*p)...); return (*p)[1:] }
//go:noinline
func fel(s []int) int { s[0] = (s[0] + 1) % 3; return s[0] }
//go:noinline
func fm(m map[int]int) int { m[0]++; m[1] += 2; return m[0] % 3 }
//go:noinline
func fp(p **P) *P { *p = &P{n: (*p).n + 1, k: 1, s: "p", q: *p}; return *p }
//go:noinline
func fi(p *any) any { *p = fmt.Sprint(*p, "i"); return len(fmt.Sprint(*p)) }
//go:noinline
func fby(b []byte) string { b[0]++; return string(b) }
//go:noinline
func ff(p *func(int) int) int { *p = func(x int) int { return -x }; return 1 }
//go:noinline
func fI(p *I) int { *p = &P{n: 70}; return 2 }
//go:noinline
func two(p *int) (int, string) { *p = (*p + 1) % 3; return *p, fmt.Sprint("two", *p) }
//go:noinline
func show(a ...any) string { return fmt.Sprintln(a...) }
func id[T any](x T) T { return x }
//go:noinline
func far(p *int) [3]int { *p = (*p + 1) % 3; return [3]int{*p, 4, 5} }
//go:noinline
func fpa(p **[3]int) *[3]int { *p = &[3]int{(**p)[1], (**p)[2], 6}; return *p }

var gv, gw, gk = 1, 2, 2
var gs = "g"
var gsl = []int{1, 2, 0, 1}
`

const orderSetup = `	v, w, l, s, b, b8, st := 1, 2, 1, "s", true, B(5), S{1, "st"}
	sl, ar, m, by, e := []int{1, 2, 0, 1}, [3]int{2, 1, 0}, map[int]int{0: 1, 1: 2, 2: 0}, []byte("xyz"), any(1)
	sm, c := map[S]int{{1, "st"}: 4}, make(chan int, 99)
	ml := map[int][]int{1: {1}, 2: {2, 3}}
	p, pa := &P{n: 1, k: 2, s: "p", a: [3]int{1, 2, 0}, q: &P{n: 3}}, &[3]int{1, 0, 2}
	fv, iv, pv, psl, pst := func(x int) int { return x + 100 }, I(p), &v, &sl, &st
	cl := func() int { w = (w + 1) % 3; s += "c"; return w }
	for i := range 9 { c <- i % 3 }
	gv, gw, gs, gsl = 1, 2, "g", []int{1, 2, 0, 1}
	keep(&v, &w, &s, &b, &b8, &st, &sl, &ar, &e, &p, &pa, &fv, &iv)
	_, _, _, _, _, _, _, _, _ = ml, l, m, by, sm, pv, psl, pst, cl
	defer func() {
		if r := recover(); r != nil { fmt.Println("panic:", r) }
		fmt.Println(v, w, l, s, b, b8, st, sl, ar, m, ml, string(by), e, sm, p.n, p.k, p.s, p.a, *pa, gv, gw, gs, gsl, len(c))
	}()
`

// orders makes statements at random.
type orders struct{ *rand.Rand }

// one is one of list with the verbs %i int, %s string, %b bool, %8 int8, %t struct, %l slice, %a any, %p pointer replaced by
// expressions of that type; the first three of list need none.
func (o orders) one(depth int, list ...string) string {
	if depth <= 0 {
		list = list[:3]
	}
	parts := strings.Split(list[o.IntN(len(list))], "%")
	out := parts[0]
	for _, p := range parts[1:] {
		out += o.expr(p[0], depth-1) + p[1:]
	}
	return out
}

func (o orders) expr(kind byte, depth int) string {
	switch kind {
	case 'i':
		return o.one(depth, "v", "w", "f(&v)", "l", "gv", "gk", "f(&w)", "g(&v)", "g(&gv)", "f(&gw)", "gw", "p.n", "p.k", "p.q.n", "*pv", "f(&p.n)", "f(&st.n)", "st.n", "pst.n", "cl()", "cl()",
			"fel(sl)", "fel(gsl)", "fm(m)", "ff(&fv)", "fI(&iv)", "<-c", "f(&sl[1])", "f(&ar[1])",
			"(%i + %i)", "(%i - %i)", "(%i * %i)", "-(%i)", "(%i / %i)", "(%i mod 5)", "(%i << %i)", "int(%8)", "len(%s)", "len(%l)", "sl[%i]", "gsl[%i]", "ar[%i]", "p.a[%i]", "(*psl)[%i]", "%l[%i]", "ar[1]",
			"m[%i]", "sm[%t]", "min(%i, %i)", "max(%i, w)", "h(%i, %i)", "k(%i, %i)", "h(v, %i)", "k(w, %i)", "fv(%i)", "iv.get(%i)", "st.val(%i)", "st.inc(%i)", "pst.val(%i)", "(%p).get(%i)", "p.get(%i)", "p.sum(%i)",
			"(%t).n", "(%p).n", "*&v", "int((%s)[0])", "int((%s)[%i])", "far(&v)[%i]", "far(&(%p).n)[v]", "(*fpa(&pa))[%i]", "pa[%i]", "id(%i)", "id(%i)", "func(x int) int { return x + v }(%i)", "[]int{%i, %i, %i}[%i]", "[3]int{%i, %i, 1}[%i]", "map[int]int{%i: %i, 7: v}[%i]", "cap(%l)",
			"any(%i).(int)", "len(append(%l, %i, %i))", "copy(sl, %l)", "int(real(complex(float64(%i), 1)))", "id(S.val)(%t, %i)")
	case 's':
		return o.one(depth, "s", "fs(&s)", "gs", "fs(&gs)", "id(\"k\")", "st.s", "p.s", "fby(by)", "string(by)", "(%s + %s)", "(%s + %s + %s)", "(%t).s", "(%p).s", "show(%a, %a)", "show(%i, %s)", "show(%8, %b)", "show(%t, %l)", "id(%s)",
			"fmt.Sprint(%a, %i)", "string(rune(65 + %i))", "string(append([]byte(%s), by...))", "(%s)[%i:]", "fmt.Sprint([]any{%i, %8, %t})", "fmt.Sprint(map[string]any{%s: %i})", "string([]byte(%s)[%i:])")
	case 'b':
		return o.one(depth, "b", "fb(&b)", "true", "!%b", "(%i == %i)", "(%i < %i)", "(%s == %s)", "(%b && %b)", "(%b || %b)", "(%t == %t)", "(any(%a) == any(%a))", "(%b == %b)", "(any(%a) == %i)", "(%s < %s)", "(any(%8) == %a)", "(%i > v && %i < w)",
			"([2]int{%i, %i} == [2]int{%i, v})", "id(%b)")
	case '8':
		return o.one(depth, "b8", "f8(&b8)", "id(B(3))", "(%8 + %8)", "-(%8)", "B(%i)", "id(%8)")
	case 't':
		return o.one(depth, "st", "fst(&st)", "*pst", "S{%i, %s}", "S{s: %s, n: %i}", "id(%t)", "[]S{%t, %t}[1]")
	case 'l':
		return o.one(depth, "sl", "gsl", "fsl(&sl)", "(*psl)", "sl[%i:]", "%l[1:]", "[]int{%i, %i, %i}", "append(%l, %i)", "append(sl[:1], %i, v)", "ar[:]", "ar[%i:]", "p.a[:]", "id(%l)", "append([]int(nil), %l...)")
	case 'a':
		return o.one(depth, "e", "fi(&e)", "any(v)", "%i", "%s", "%8", "%t", "%b", "any(%t)", "any(%8)", "any(&S{%i, %s}).(*S).n", "p.q.a", "p.a", "ar", "any([2]B{%8, 1})")
	case 'p':
		return o.one(depth, "p", "fp(&p)", "p.q", "&P{n: %i, s: %s, q: p}", "any(%p).(*P)", "id(%p)")
	}
	return "%"
}

// statement is a statement at random; what it finds goes to r.
func (o orders) statement() string {
	d := 2 + o.IntN(2)
	text := o.one(d, "r = show(v, w)", "cl()", "l++",
		"r = %s", "r = show(%i, %i, %i)", "r = show(v, f(&v), v)", "x := %i; r = show(x)", "x, y := %i, %i; r = show(x, y)", "x, y := %i, %a; r = show(x, y)", "var x, y = %s, %8; r = show(x, y)", "var x any = %t; r = show(x)",
		"v = %i", "gv += %i", "v += %i", "s += %s", "p.n = %i", "p.q.n = %i", "p.n += %i", "sl[%i] = %i", "sl[%i] += %i", "gsl[v] = %i", "ar[%i] = %i", "p.a[%i] += %i", "m[%i] = %i", "m[v] = %i", "m[%i] += %i", "sm[%t] = %i", "sm[%t] += %i",
		"*pv = %i", "(%p).n = %i", "sl[%i], ar[%i] = %i, %i", "v, w = w, %i", "w, v = %i, v", "sl[v], w = %i, %i", "v, sl[v] = %i, %i", "sl[v], s = two(&v)", "m[v], s = two(&v)", "p.q.n, s = two(&p.n)", "sl[v], b = m[%i]", "p.k, b = any(%a).(int)", "w, b = <-c",
		"if v+f(&v) > %i { r = show(v) } else { r = show(w) }", "if %b { r = show(1) }", "if x := %i; x == %i { r = show(x) } else if %b { r = show(2) } else if v+g(&v) == 2 { r = show(3) }",
		"for i := 0; i < 3 && %b; i++ { r += show(i) }", "for i := 0; i+v < f(&v) + %i && i < 9; i += 1 + v*0*f(&v) { r += show(i) }", "for i := 0; i < 9; i += 1 + p.n mod 1*f(&p.n) { if i == 3 { continue }; r += show(i) }",
		"L: for i := range 3 + gv*f(&gv) { for j := 0; j+w+f(&w) < 9; j++ { if i > 1 { break L }; if j > 3 { continue L } } ; r += show(i) }", "for i, x := range %l { r += show(i, x) }",
		"switch %i { case gv + 1: r = show(1); case v: r = show(2); default: r = show(3) }", "switch x := any(%a).(type) { case int: r = show(x); case string: r = show(2, x) }", "switch w + f(&w) { case 1, 2: r = show(1); case 3: r = show(2) }",
		"switch %i { case %i, v + f(&v): r = show(1); case %i: r = show(2) }", "switch { case %b: r = show(1); case %b, v+f(&v) == 2: r = show(2); default: r = show(3) }", "switch any(%a) { case %a: r = show(1); case %t: r = show(2) }",
		"sl[sl[%i]] = gsl[%i]", "sl[%l[%i]] = ar[%i]", "ar[gsl[%i]] = %i / %i", "gsl[ar[%i]], p.a[sl[%i]] = sl[%i], %i", "[]*P{p, nil}[%i].n = %l[%i]", "(*psl)[p.q.a[%i]] = p.q.q.n", "p.q.q.n = sl[%i]", "[]*P{p, nil}[gsl[%i]].q.q.k = sl[%i]",
		"ml[%i] = append(ml[%i], %i, %i)", "ml[v] = append(ml[v], %i)", "ml[gv] = append(ml[gv], %l...)", "ml[sl[1]] = append(ml[sl[1]], sl[%i])", "m[sl[%i]] += %i", "m[gsl[%i]]++", "m[%i] <<= %i", "sl[sl[%i]], ar[%i] = ar[%i], sl[%i]",
		"for ar[gsl[%i]], sl[%i] = range sl { r += show(sl, ar); if len(r) > 99 { break } }", "for p.n, pa[%i] = range pa { r += show(p.n, *pa); if len(r) > 99 { break } }", "for v, gsl[v] = range gsl { r += show(gsl) }", "for sl[v], v = range sl { r += show(sl, v) }",
		"for gsl[%i], gsl[%i] = range gsl { r += show(gsl) }", "for _, gsl[2] = range gsl { r += show(gsl) }", "for ar[%i], ar[%i] = range &ar { r += show(ar) }", "for ar[%i], ar[%i] = range ar { r += show(ar) }",
		"sl[%i] += sl[%i]", "p.q.q.n += sl[%i]", "(*psl)[%i] /= ar[%i]", "p.a[%i] -= p.q.a[%i] / %i", "sl[%i] <<= %i", "[]*P{p, nil}[%i].n *= []*P{p, nil}[%i].k", "[]string{gs, %s}[%i] += []string{%s, s}[%i]",
		"var ( x = %i; y, z = %i, %a ); r = show(x, y, z)", "for sl[%i], w = range %l { r += show(sl, ar); if len(r) > 99 { break } }", "for m[%i] = range 3 { r += show(m) }", "for p.n, sl[p.n] = range *fpa(&pa) { r += show(p.n, sl) }",
		"for gs, sm[%t] = range map[string]int{%s: %i} { r += show(gs, sm) }", "for e, p.q.n = range %l { r += show(e, p.q.n) }", "for i, x := range *[]*[3]int{&ar, fpa(&pa), pa}[v] { r += show(i, x) }", "for i := range *[]*[3]int{&ar, nil, fpa(&pa)}[v+f(&v)] { r += show(i) }",
		"M: for i := range v + f(&v) { l++; r += show(i, l); if l < 3 { goto M }; if i == 1 { continue M }; if l > 4 { break M } }", "M: for i, x := range []int{v, f(&v), %i} { l++; r += show(i, x); if l == 2 { goto M } }",
		"M: select { case c <- v + f(&v): l++; if l < 3 { goto M }; if l == 3 { break M }; r = show(l) }", "M: for i := v + f(&v); i + w + f(&w) < 7; i++ { l++; if l < 4 { goto M }; r += show(i, l) }",
		"c2 := make(chan any, 1); c2 <- %a; r = show(<-c2)", "c <- %i", "select { case c <- v + %i: default: r = show(%i) }", "select { case x := <-c: r = show(x, %i) }",
		"func() { defer func(a ...any) { r += show(a...) }(%i, %a, %i) }()", "r = show(func() (int, any, int) { return %i, %a, %i }())", "r = show(func() (int, error) { return v, fmt.Errorf(show(%i, f(&v))) }())", "r = show(func() (x int, y S) { x = v; return x + %i, %t }())",
		"func() { w := %i; r = show(w, func() int { w += 2; return w }(), %a) }()", "r = show([]any{%a, %i, %8}...)", "r = show(struct{ a any; b int; c S }{%a, %i, %t})", "r = show(&struct{ a, b int }{%i, %i})", "r = show(map[S]any{%t: %a, {5, %s}: %i})",
		"M: w += %i; if w < 9 && l < 3 { l++; goto M }", "println(%i, %i)", "delete(m, v*0+%i)", "_ = %b")
	return strings.ReplaceAll(text, " mod ", " % ")
}

// TestOrderOfEvaluation compares statements of expressions that change what others of them read with what gc makes of them.
func TestOrderOfEvaluation(t *testing.T) {
	t.Logf("seed %d", *orderSeed)
	o := orders{rand.New(rand.NewPCG(*orderSeed, 0))}
	var text strings.Builder
	text.WriteString(orderHead + "\n//go:noinline\nfunc keep(...any) {}\n")
	list := make([]string, *orderCases)
	for i := range list {
		list[i] = o.statement()
		fmt.Fprintf(&text, "\nfunc case%d() {\n%s\tr := \"\"\n\tdefer func() { fmt.Print(r) }()\n\t%s\n}\n", i, orderSetup, list[i])
	}
	text.WriteString("\nfunc main() {\n\tfor i, f := range []func(){")
	for i := range list {
		fmt.Fprintf(&text, "case%d, ", i)
	}
	text.WriteString("} {\n\t\tfmt.Printf(\"\\ncase %d\\n\", i)\n\t\tf()\n\t}\n}\n")
	compareCases(t, text.String(), list)
}
