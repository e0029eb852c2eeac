package vm

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	controlSeed  = flag.Uint64("controlseed", 1, "seed of the functions that TestControlFlow makes")
	controlCases = flag.Int("controlcases", 60, "number of them")
)

// controlHead declares what the generated functions call: iterators of all manners, generic types, methods promoted through
// pointers and interfaces. t notes what happens, and tick ends a case that goes on too long.
const controlHead = `package main

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
)

var fuel int

func tick() {
	if fuel--; fuel < 0 { if fuel < -400 { runtime.Goexit() }; panic("fuel") }
}

func t(at int, a ...any) {
	tick()
	fmt.Print(at)
	for _, x := range a { show(x) }
	fmt.Println()
}

func show(x any) {
	switch v := x.(type) {
	case error:
		fmt.Printf(" %T(%s)", v, v.Error())
	case float64:
		if v != v { fmt.Print(" nan") } else { fmt.Print(" ", v, math.Signbit(v)) }
	case func() int:
		fmt.Print(" func")
	case *Deep:
		fmt.Print(" *Deep", v != nil)
	case nil:
		fmt.Print(" nil")
	default:
		fmt.Printf(" %T:%v", x, x)
	}
}

//go:noinline
func n[T any](x T) T { return x }
func m[T any](x T) T { return x }

type Small int8
func (s Small) Size() int { return int(s) * 2 }
func (s *Small) Grow(by int) int { *s += Small(by); return int(*s) }
type Word string
func (w Word) Size() int { return len(w) }
func (w Word) String() string { return "<" + string(w) + ">" }
type Sizer interface{ Size() int }
type Number interface{ ~int | ~int8 | ~uint8 | ~float64 }
type SizedNumber interface { Number; Sizer }
type Point struct { x, y int }
func (p Point) Size() int { return p.x*3 + p.y }
func (p *Point) Move(d int) int { p.x += d; p.y -= d; return p.x - p.y }
type Base struct { Point; tag string }
type Mid struct { *Base; Sizer2 }
type Sizer2 interface{ Size2(int) int }
type Deep struct { Mid; more map[Point]int; list []any }
func (b Base) Size2(x int) int { return x + len(b.tag) }
func (p *Point) Size2(x int) int { return x - p.x }
type Fault struct{ code int }
func (f Fault) Error() string { return fmt.Sprint("fault ", f.code) }
type Pair[K comparable, V any] struct { key K; val V }
func (p Pair[K, V]) Swap(v V) Pair[K, V] { p.val = v; return p }
func (p *Pair[K, V]) Set(v V) *Pair[K, V] { p.val = v; return p }
func (p Pair[K, V]) Key() K { return p.key }
type Vec[T any] = []T
type Bag[T any] struct { Vec[T]; *Pair[string, T] }
type List[T any] struct { head T; tail *List[T] }
func (l *List[T]) Push(x T) *List[T] { return &List[T]{x, l} }
func (l *List[T]) All() iter.Seq[T] { return func(yield func(T) bool) { for ; l != nil; l = l.tail { if !yield(l.head) { return } } } }
func (l *List[T]) Len() int { if l == nil { return 0 }; return 1 + l.tail.Len() }
type Tree[T cmp.Ordered] struct { left, right *Tree[T]; val T }
func (r *Tree[T]) Put(x T) *Tree[T] {
	if r == nil { return &Tree[T]{val: x} }
	switch { case x < r.val: r.left = r.left.Put(x); case x > r.val: r.right = r.right.Put(x) }
	return r
}
func (r *Tree[T]) Walk(yield func(T) bool) bool { return r == nil || r.left.Walk(yield) && yield(r.val) && r.right.Walk(yield) }
func (r *Tree[T]) All() iter.Seq[T] { return func(yield func(T) bool) { r.Walk(yield) } }
func sum[T Number](xs ...T) (s T) { for _, x := range xs { s += x }; return }
func sized[T SizedNumber](x T) int { return x.Size() + int(x) }
func each[S ~[]E, E, R any](s S, f func(E) R) []R { var out []R; for _, x := range s { out = append(out, f(x)) }; return out }
func kind[T any](x T) string {
	switch any(x).(type) { case int: return "int"; case Small: return "small"; case []T: return "list"; case Sizer: return "sizer"; case error: return "error" }
	return fmt.Sprintf("%T", *new(T))
}
func grow[T interface{ *P; Grow(int) int }, P any](p P, by int) int { return T(&p).Grow(by) }
func zero[T any]() (z T) { return }
func isZero[T comparable](x T) bool { return x == zero[T]() }
func nested[T any](x T, depth int) string { if depth <= 0 { return fmt.Sprintf("%T", x) }; return nested(x, depth-1) }

func upto(k int) iter.Seq[int] { return func(yield func(int) bool) { for i := range k { if !yield(i) { return } } } }
func loud(k int) iter.Seq[int] { return func(yield func(int) bool) { defer t(900, k); for i := 0; i < k && yield(i); i++ { } } }
func pairs(k int) iter.Seq2[int, string] { return func(yield func(int, string) bool) { for i := range k { if !yield(i, strings.Repeat("p", i)) { t(901); return } } } }
func twice(s iter.Seq[int]) iter.Seq[int] { return func(yield func(int) bool) { for x := range s { if !yield(x) || !yield(x*10) { return } } } }
func seen(s iter.Seq[int]) iter.Seq[int] { return func(yield func(int) bool) { defer func() { if r := recover(); r != nil { t(902, r); panic(r) } }(); s(yield) } }
func pulled(s iter.Seq[int]) iter.Seq[int] {
	return func(yield func(int) bool) {
		next, stop := iter.Pull(s)
		defer stop()
		for x, ok := next(); ok && yield(x); x, ok = next() { }
	}
}
func times(k int) iter.Seq[struct{}] { return func(yield func(struct{}) bool) { for range k { if !yield(struct{}{}) { break } } } }
func bare(k int) func(func() bool) { return func(yield func() bool) { for range k { if !yield() { return } } } }
func again(yield func(int) bool) { yield(1); yield(2) }

var (
	closed = func() chan int { c := make(chan int, 2); c <- 7; close(c); return c }()
	never chan int
	nan = math.NaN()
	bad = "a\xffz\xed\xa0\x80€"
	errTest = errors.New("test")
	_ = maps.Keys[map[int]int]
	_ = slices.Sort[[]int]
)

func deep() *Deep { p := &Deep{Mid: Mid{Base: &Base{Point{1, 2}, "tag"}}, more: map[Point]int{{1, 2}: 3}, list: []any{1, "x", nil}}; p.Sizer2 = p.Base; return p }
`

// controls makes functions at random. What a break, a continue or a goto may name is what it is within.
type controls struct {
	*rand.Rand
	labels int
	notes  int
}

// place is where a statement stands: the integer variables there, the labels around it with whether they are of loops, and what it may leave.
type place struct {
	vars       []string
	funcs      bool // fs, the list of closures, is there
	labels     []mark
	loop, stop bool // continue, break may stand here
	depth      int
	results    string // how return names them: "" for none
}

type mark struct {
	name string
	loop bool
	used *bool
}

func (c *controls) pick(list ...string) string { return list[c.IntN(len(list))] }

// fill replaces %i, %s, %f, %b, %a, %x, %p in a text by expressions: integers, strings, floating-point and Boolean values, anything that prints the same each time, complex, anything at all (%p).
func (c *controls) fill(text string, p place, depth int) string {
	parts := strings.Split(text, "%")
	out := parts[0]
	for _, s := range parts[1:] {
		out += c.expr(s[0], p, depth-1) + s[1:]
	}
	return strings.ReplaceAll(out, " mod ", " % ")
}

func (c *controls) expr(kind byte, p place, depth int) string {
	var list []string
	switch kind {
	case 'i':
		list = []string{"VAR", "VAR", "n(1)", "n(2)", "-n(3)", "m(0)"}
		if depth > 0 {
			list = []string{"VAR", "VAR", "%i + %i", "%i - VAR", "%i * %i", "%i / %i", "%i mod %i", "%i << (%i & 7)", "%i >> n(1)", "1 << %i", "%i &^ %i", "^%i", "-%i", "int(int8(%i * 50))", "int(uint8(%i))", "int(uint16(%i) >> 3)", "int(int32(%i) << 20)",
				"[]int{%i, %i, 5}[%i]", "[4]int{1: %i}[%i & 3]", "(&[2]int{%i, 4})[%i]", "len(%s)", "int((%s)[%i])", "min(%i, %i, 3)", "max(%i, VAR)", "int(%f)", "int(real(%x))", "sum(%i, %i, VAR)", "int(sum(Small(%i), 100, 100))", "sized(Small(%i))",
				"Small(%i).Size()", "(&Point{%i, 2}).Move(%i)", "Point.Size(Point{%i, 1})", "(*Point).Move(&Point{1, %i}, 2)", "deep().Size()", "deep().Move(%i)", "deep().Base.Size2(%i)", "deep().Sizer2.Size2(%i)", "(*Deep).Move(deep(), %i)", "Deep.Size(*deep())",
				"func(a int) int { a += VAR; return a }(%i)", "func() (r int) { defer func() { r += VAR }(); return %i }()", "(%a).(int)", "deep().more[Point{%i, 2}]", "map[any]int{%a: 1, 2: 3}[%p]", "map[[2]any]int{{1, nan}: 4}[[2]any{%i, %f}]",
				"(*List[int])(nil).Push(%i).Push(2).Len()", "len(slices.Collect(new(Tree[int]).Put(%i).Put(%i).All()))", "len([]rune(%s))", "copy(make([]int, 2), []int{%i, 2, 3})", "cap([]int{1, 2, 3}[%i:])", "len(append([]int{%i}, make([]int, 2)...))", "Pair[string, int]{\"k\", %i}.Swap(%i).val",
				"(&Pair[int, int]{val: 3}).Set(%i).val", "Bag[int]{Vec[int]{1, %i}, &Pair[string, int]{}}.Vec[1]", "each([]int{%i}, func(x int) int { return x * x })[0]", "grow(Small(3), %i)", "func() int { x, ok := <-closed; _ = ok; return x }()", "([2]int)([]int{%i, 2, 3})[1]", "(*[2]int)([]int{1, %i})[1]", "strings.Count(%s, \"a\")",
				"int(math.Float64bits(%f) >> 60)", "func(xs ...int) int { return len(xs) + xs[0] }(%i, 4)", "func() int { for i := range 5 { if i > %i { return i } }; return -1 }()"}
		}
	case 's':
		list = []string{"n(\"ab\")", "n(\"é\")", "bad", "string(n(Word(\"w\")))"}
		if depth > 0 {
			list = []string{"%s + %s", "string(rune(%i))", "string([]rune(%s))", "string([]byte(%s))", "(%s)[%i:]", "(%s)[:%i]", "kind(%a)", "kind(%i)", "kind([]int{%i})", "fmt.Sprint(%a)", "string([]rune{rune(%i), 0x10ffff + 1, 0xd800})", "nested(%i, 2)", "nested(Pair[int, string]{}, %i)",
				"Word(%s).String()", "min(%s, \"b\")", "fmt.Sprintf(\"%%T\", each([]string{%s}, func(s string) any { return len(s) }))", "strings.ToUpper(%s)", "Pair[string, int]{key: %s}.Key()", "fmt.Sprint([]byte(%s))", "fmt.Sprint(strings.Fields(%s))", "fmt.Sprintf(\"%%q %%x\", %s, %s)"}
		}
	case 'f':
		list = []string{"n(1.5)", "nan", "n(-0.0)", "math.Inf(1)", "-n(2.0)"}
		if depth > 0 {
			list = []string{"%f + %f", "%f / %f", "float64(%i)", "min(%f, %f)", "max(%f, math.Copysign(0, -1))", "float64(float32(%f) / 3)", "imag(%x)", "float64(uint8(%i))", "%f * %f", "-(%f)", "sum(%f, %f)"}
		}
	case 'x':
		list = []string{"complex(%f, %f)", "complex(%f, 1) * complex(2, %f)", "complex(1, 2) / complex(%f, float64(%i))", "-complex(%f, 0)", "complex128(complex64(complex(%f, 2)))"}
	case 'b':
		list = []string{"VAR > 0", "VAR mod 2 == 0", "true", "VAR < 2"}
		if depth > 0 {
			list = []string{"%i > %i", "%i == %i", "%s < %s", "%f == %f", "%f < %f", "!(%b)", "%b && %b", "%b || %b", "%p == %p", "(Point{%i, 1} == Point{1, 1})", "([2]any{%p, 1} == [2]any{%p, 1})", "%x == %x", "isZero(%i)", "isZero(%s)", "isZero(Pair[int, any]{1, %p})", "(struct{ a any; b int }{%a, 1} == struct{ a any; b int }{%a, 2})",
				"func() bool { _, ok := (%a).(int); return ok }()", "func() bool { _, ok := (%a).(Sizer); return ok }()", "errors.Is(fmt.Errorf(\"w: %%w\", errTest), errTest)"}
		}
	case 'a':
		list = []string{"any(%i)", "any(%s)", "any(nil)", "any(Fault{%i})"}
		if depth > 0 {
			list = []string{"any(%i)", "any(%s)", "any(Small(%i))", "any(Word(%s))", "any(Point{%i, %i})", "any([]int{%i})", "any([2]any{%a, %i})", "any(%f)", "any(map[string]int{%s: %i})", "any(struct{ a any }{%a})", "any(Pair[string, int]{%s, %i})", "any(errTest)", "any(uint8(%i))", "any(complex64(%x))", "any(%b)", "any(List[any]{head: %a})", "any(Sizer(Point{1, %i}))", "any(float32(%f))"}
		}
	}
	if kind == 'p' {
		list = []string{"%a", "%a", "any(func() int { return 1 })", "any(deep())", "[2]any{%a, func() int { return 1 }}"}
	}
	text := list[c.IntN(len(list))]
	text = strings.ReplaceAll(text, "%%", "\x00")
	text = c.fill(text, p, depth)
	for strings.Contains(text, "VAR") {
		text = strings.Replace(text, "VAR", p.vars[c.IntN(len(p.vars))], 1)
	}
	return "(" + strings.ReplaceAll(text, "\x00", "%") + ")"
}

// note is a call of t with values.
func (c *controls) note(p place, values string) string {
	c.notes++
	return fmt.Sprintf("t(%d%s)", c.notes, c.fill(values, p, 2))
}

// block is some statements in braces.
func (c *controls) block(p place) string {
	p.depth--
	p.vars = p.vars[:len(p.vars):len(p.vars)]
	p.labels = p.labels[:len(p.labels):len(p.labels)]
	var b strings.Builder
	b.WriteString("{\ntick()\n")
	for range 1 + c.IntN(4) {
		b.WriteString(c.statement(&p) + "\n")
	}
	return b.String() + "}"
}

// labelled is a statement around a body, with a label if what is within names it.
func (c *controls) labelled(p place, loop bool, head, vars string) string {
	c.labels++
	l := mark{fmt.Sprintf("L%d", c.labels), loop, new(bool)}
	p.labels = append(p.labels[:len(p.labels):len(p.labels)], l)
	p.stop, p.loop = true, p.loop || loop
	use := ""
	if vars != "" {
		p.vars = append(p.vars[:len(p.vars):len(p.vars)], vars)
		use = "_ = " + vars + "\n"
	}
	text := head + " {\n" + use + strings.TrimPrefix(c.block(p), "{\n")
	if *l.used {
		text = l.name + ":\n" + text
	}
	return text
}

// function is the body of a function literal whose result is named.
func (c *controls) function(p place) string {
	p.labels, p.loop, p.stop, p.results = nil, false, false, "r"
	p.vars = append(p.vars[:len(p.vars):len(p.vars)], "r")
	return "func() (r int) " + strings.TrimSuffix(c.block(p), "}") + "return\n}"
}

// statement is a statement at random; one that declares a variable adds it to p.
func (c *controls) statement(p *place) string {
	v := p.vars[c.IntN(len(p.vars))]
	if p.depth <= 0 || c.IntN(3) == 0 {
		return c.simple(p, v)
	}
	c.labels++
	name := fmt.Sprintf("v%d", c.labels)
	switch c.IntN(17) {
	case 0:
		return "if " + c.fill("%b", *p, 2) + " " + c.block(*p) + " else " + c.block(*p)
	case 1:
		return c.labelled(*p, true, c.fill("for "+name+" := 0; "+name+" < "+c.pick("3", "2", "n(4)")+"; "+name+"++", *p, 1), name)
	case 2:
		over := c.pick("3", "n(4)", "upto(3)", "loud(3)", "twice(upto(2))", "seen(upto(3))", "pulled(loud(3))", "new(List[int]).Push(%i).All()", "new(Tree[int]).Put(3).Put(%i).All()", "slices.Values([]int{%i, 4})", "twice(seen(loud(2)))", "maps.Keys(map[int]int{%i: 1})", "again")
		return c.labelled(*p, true, c.fill("for "+name+" := range "+over, *p, 2), name)
	case 3:
		over := c.pick("[]int{%i, %i, 3}", "[3]int{1, %i}", "&[2]int{%i, 5}", "map[int]int{1: %i}", "slices.All([]int{%i, 2})", "slices.Backward([]int{1, %i})", "maps.All(map[int]int{%i: 3})")
		return c.labelled(*p, true, c.fill("for _, "+name+" := range "+over, *p, 2), name)
	case 4:
		over := c.pick("for "+name+", s := range pairs(n(3))", "for "+name+", s := range %s", "for "+name+", s := range []any{%a, %i}")
		return strings.Replace(c.labelled(*p, true, c.fill(over, *p, 2), name), "_ = "+name+"\n", "_, _ = "+name+", s\n", 1)
	case 5:
		return c.labelled(*p, true, c.fill(c.pick("for range n(2)", "for range times(2)", "for range bare(3)", "for "+v+" = range upto(3)", "for "+v+" = range []int{4, %i}", "for "+v+", _ = range pairs(2)"), *p, 1), "")
	case 6:
		return c.switches(*p)
	case 7:
		return c.typeSwitch(*p, name)
	case 8:
		head := c.pick("select { case x, ok := <-closed: t(1, x, ok); case <-never: default:", "select { case never <- %i: t(3); default:", "select { case x := <-func() chan int { c := make(chan int, 1); c <- %i; return c }(): t(4, x);", "select { case make(chan int, 1) <- %i:")
		c.labels++
		q := *p
		q.stop = true
		return c.fill(head, *p, 2) + strings.TrimPrefix(c.block(q), "{")
	case 9:
		q := *p
		q.labels, q.loop, q.stop, q.results = nil, false, false, ""
		end := c.pick("if x := recover(); x != nil { "+c.note(*p, ", x")+" }", "", "t(5, recover())", "if x := recover(); x != nil { panic(fmt.Sprint(\"re\", x)) }", v+" += 5")
		body := strings.TrimSuffix(c.block(q), "}")
		if c.IntN(2) == 0 {
			return "defer func() {\n" + end + "\n" + strings.TrimPrefix(body, "{") + "}()"
		}
		return "defer func() " + body + end + "\n}()"
	case 10:
		return v + " = " + c.function(*p) + "()"
	case 11:
		if !p.funcs {
			return c.simple(p, v)
		}
		return "fs = append(fs, " + c.function(*p) + ")"
	case 12:
		c.labels++
		l := fmt.Sprintf("G%d", c.labels)
		return "if " + c.fill("%b", *p, 1) + " { goto " + l + " }\n" + c.block(*p) + "\n" + l + ":\n" + c.note(*p, ", %i")
	case 13:
		q := *p
		q.labels, q.loop, q.stop, q.results = nil, false, false, ""
		return "func() {\ndone := make(chan int)\ngo func() {\ndefer close(done)\ndefer func() { show(recover()) }()\n" + strings.TrimSuffix(strings.TrimPrefix(c.block(q), "{"), "}") + c.pick("runtime.Goexit()\n", "") + "}()\n<-done\n}()"
	case 14:
		return "func() {\ndefer func() { if x := recover(); x != nil { " + c.note(*p, ", x") + " } }()\n" + c.function(*p) + "()\n}()"
	case 15:
		value := c.fill("%i", *p, 3)
		p.vars = append(p.vars, name)
		return "var " + name + " = " + value + "\n_ = " + name
	default:
		return c.block(*p)
	}
}

func (c *controls) switches(p place) string {
	c.labels++
	l := mark{fmt.Sprintf("S%d", c.labels), false, new(bool)}
	q := p
	q.labels = append(p.labels[:len(p.labels):len(p.labels)], l)
	q.stop = true
	var b strings.Builder
	b.WriteString(c.fill(c.pick("switch %i", "switch x := %i; x + 1", "switch any(%p)", "switch"), p, 2))
	none := strings.HasSuffix(b.String(), "switch")
	b.WriteString(" {\n")
	count := 1 + c.IntN(3)
	for i := range count {
		what := "case %i, %i:\n"
		if none {
			what = "case %b:\n"
		}
		if i == 1 {
			what = "default:\n"
		}
		b.WriteString(c.fill(what, p, 1) + c.block(q) + "\n")
		if i+1 < count && c.IntN(3) == 0 {
			b.WriteString("fallthrough\n")
		}
	}
	text := b.String() + "}"
	if *l.used {
		text = l.name + ":\n" + text
	}
	return text
}

func (c *controls) typeSwitch(p place, name string) string {
	q := p
	q.stop = true
	var b strings.Builder
	b.WriteString(c.fill("switch "+name+" := any(%p).(type) {\n", p, 3))
	for _, k := range []string{"int", "string", "Small, Word", "Sizer", "error, fmt.Stringer", "[]int", "nil", "Pair[string, int]", "interface{ Size() int; String() string }", "default", "float64", "func() int"} {
		if c.IntN(2) == 0 {
			continue
		}
		if k != "default" {
			k = "case " + k
		}
		b.WriteString(k + ":\n" + strings.Replace(c.note(p, ", "), ", )", ", "+name+")", 1) + "\n" + c.block(q) + "\n")
	}
	return b.String() + "case *Fault: t(7, " + name + ")\n}"
}

// simple is a statement without a block.
func (c *controls) simple(p *place, v string) string {
	list := []string{"NOTE", "NOTE", "NOTE", v + " = %i", v + " += %i", v + "++", "if %b { panic(%a) }", "_ = %a", v + ", " + p.vars[0] + " = " + p.vars[0] + ", %i", "defer t(8, %i, " + v + ")", v + " -= %i"}
	if p.funcs {
		list = append(list, "for _, f := range fs { t(9, f()) }", "fs = append(fs, func() int { "+v+"++; return "+v+" })", "for i := range 3 { fs = append(fs, func() int { tick(); i++; return i }) }", "for i := 0; i < 3; i++ { fs = append(fs, func() int { tick(); i += 10; return i }) }")
	}
	if p.results != "" {
		list = append(list, "if %b { return }", "if %b { return %i }", "if %b { return %i }")
	} else {
		list = append(list, "if %b { return }")
	}
	if p.loop {
		list = append(list, "if %b { continue }")
	}
	if p.stop {
		list = append(list, "if %b { break }")
	}
	for _, l := range p.labels {
		list = append(list, "BREAK "+l.name)
		if l.loop {
			list = append(list, "CONTINUE "+l.name)
		}
	}
	text := list[c.IntN(len(list))]
	if text == "NOTE" {
		return c.note(*p, c.pick(", %i", ", %s", ", %a", ", %f, %x", ", %b, %i", ", %a, %a"))
	}
	for _, l := range p.labels {
		for _, w := range []string{"break", "continue"} {
			if text == strings.ToUpper(w)+" "+l.name {
				*l.used = true
				return c.fill("if %b { "+w+" "+l.name+" }", *p, 1)
			}
		}
	}
	return c.fill(text, *p, 3)
}

// TestControlFlow compares functions made of nested control flow, closures, defers, iterators and generic code with what gc makes of them.
func TestControlFlow(t *testing.T) {
	t.Logf("seed %d", *controlSeed)
	c := controls{Rand: rand.New(rand.NewPCG(*controlSeed, 0))}
	list := make([]string, *controlCases)
	for i := range list {
		body := c.block(place{vars: []string{"a", "b", "r"}, funcs: true, depth: 4, results: "r"})
		list[i] = "a, b := 1, 2\nvar fs []func() int\n_, _, _ = a, b, fs\n" + strings.TrimSuffix(strings.TrimPrefix(body, "{\n"), "}") + "return"
	}
	var text strings.Builder
	text.WriteString(controlHead)
	for i, body := range list {
		fmt.Fprintf(&text, "\nfunc case%d() (r int) {\n%s\n}\n", i, body)
	}
	text.WriteString("\nfunc main() {\n\tfor i, f := range []func() int{")
	for i := range list {
		fmt.Fprintf(&text, "case%d, ", i)
	}
	text.WriteString("} {\n\t\tfmt.Printf(\"\\ncase %d\\n\", i)\n\t\tfuel = 300\n\t\tdone := make(chan int)\n\t\tgo func() {\n\t\t\tdefer close(done)\n\t\t\tdefer func() { fmt.Print(\"end\"); show(recover()) }()\n\t\t\tfmt.Println(f())\n\t\t}()\n\t\t<-done\n\t}\n}\n")
	compareCases(t, text.String(), list)
}
