package main

import "fmt"

type Point struct {
	X, Y int16
	_    int8
	Name string
}

type Tree struct {
	Left, Right *Tree
	Label       any
	Do          func(int) int
	Sizes       [3]uint8
	F           float32
	C           complex128
	C64         complex64
}

type Namer interface{ Named() string }

func (p Point) Named() string  { return "value " + p.Name }
func (t *Tree) Named() string  { return fmt.Sprint("tree ", t.Label) }
func (k kind) Named() string   { return fmt.Sprint("kind ", int(k)) }
func (w wide) Named() string   { return fmt.Sprint("wide ", w.a, w.b, w.c, w.s) }
func (e empty) Named() string  { return "empty" }
func twice(n int) int          { return 2 * n }
func note(s string, n int) int { order = append(order, s); return n }

type kind uint8
type empty struct{}
type wide struct {
	a, b, c int
	s       []string
}

var order []string

var (
	table = []Point{{X: 1, Name: "one"}, {2, -2, 0, "two"}, {Name: "three"}}
	grid  = [2][3]int8{{1, 2, 3}, {4, -5}}
	tree  = &Tree{
		Left:  &Tree{Label: "left", Do: twice, Sizes: [3]uint8{7, 8, 9}},
		Right: &Tree{Label: 5, F: 1.5, C: 2 + 3i, C64: -1i},
		Label: Point{Name: "inner"},
	}
	whole   any = table
	namers      = []Namer{Point{Name: "p"}, &Tree{Label: "t"}, kind(3), wide{1, 2, 3, []string{"x"}}, empty{}, tree}
	pointer     = &grid[1][0]
	field       = &table3.Name
	table3      = Point{Name: "by address"}
	alias       = table
	mixed       = [4]int{1, note("mixed", 2), 3, note("again", 4)}
	nested      = struct {
		a int
		b []int
		c map[string]*Point
	}{note("nested", 9), []int{1, note("in slice", 2)}, map[string]*Point{"k": {X: 4}}}
	later   = early + 1
	early   = note("early", 41)
	choice  = early > 3 && len(table) == 3 || note("never", 1) == 0
	picked  = map[bool][]string{true: {"yes"}, false: {"no"}}[choice]
	funcs   = []func(int) int{twice, nil, func(n int) int { return n + early }}
	method  = table3.Named
	size    = len(text)
	text    = "const" + "ant"
	bytes   = []byte("bytes")
	runes   = [...]rune{5: 'x', 2: 'ü'}
	nothing []int
	empties = [5]struct{}{}
	maxima  = [...]uint64{1<<64 - 1, 0, 1 << 63}
	minima  = [...]int64{-1 << 63, -1}
	floats  = []float64{0.1, -0.0, 1e300}
	truths  = [3]bool{1: true}
	self    = &loop{}
	ring    = loop{next: self}
)

type loop struct{ next *loop }

func init() {
	table[0].X = 100
	self.next = &ring
}

func main() {
	fmt.Printf("%v %v %+v\n", table, grid, *tree.Left.Do2())
	fmt.Println(tree.Left.Label, tree.Left.Do(4), tree.Left.Sizes, tree.Right.Label, tree.Right.F, tree.Right.C, tree.Right.C64, tree.Label)
	fmt.Println(whole.([]Point)[0].X, alias[0].X, len(alias), cap(alias))
	for _, n := range namers {
		fmt.Printf("%s %T\n", n.Named(), n)
	}
	*pointer = 77
	fmt.Println(grid, *field, mixed, nested.a, nested.b, *nested.c["k"], later, choice, picked)
	fmt.Println(funcs[0](1), funcs[1] == nil, funcs[2](1), method(), size, string(bytes), runes, nothing == nil, empties, maxima, minima, floats, truths)
	fmt.Println(ring.next.next == &ring, order)
	table = append(table, Point{Name: "four"})
	alias[1].Name = "changed"
	fmt.Println(len(table), table[1].Name, alias[1].Name)
	bytes[0] = 'B'
	fmt.Println(string(bytes), namers[0] == Namer(Point{Name: "p"}), namers[2] == Namer(kind(3)))
}

// Do2 hides what cannot be printed the same everywhere.
func (t *Tree) Do2() *Tree { return &Tree{Label: t.Label, Sizes: t.Sizes} }
