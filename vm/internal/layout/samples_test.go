package layout

import (
	"bytes"
	"errors"
	"fmt"
	"go/token"
	"io"
	"sync"
	"text/template"
	"time"
	"unsafe"
)

// The types of the oracle tests: the test checks this file with go/types and compares what the Builder makes of each element
// of a []any literal (a pointer to the sample type) with what gc made of it.

type (
	myInt    int
	MyString string
	empty    struct{}
	Point    struct{ X, Y int }
	padded   struct {
		A bool
		B int64
		C bool
	}
	tail struct {
		A int32
		Z struct{}
	}
	tagged struct {
		A int    `json:"a,omitempty"`
		b string `x:"\"quoted\""`
		C []byte
	}
	Node struct {
		Next  *Node
		Kids  []*Node
		Index map[string]*Node
		Value any
		f     func(*Node) Node2
	}
	Node2 struct{ n *Node }
	blank struct {
		A int32
		_ int32
		B float32
	}
	Embeds struct {
		Point
		*Node
		fmt.Stringer
		myInt
		io.Reader `tag:"r"`
	}
	onePtr   struct{ p *int }
	oneArr   [1]chan int
	oneIface struct{ e error }
	floats   struct{ F float64 }
	twoFloat [2]float64
	big      [3000]struct {
		a uintptr
		p *int
	}
	zeroFloats [0]float64
	Recursive  []Recursive
	RecFunc    func(RecFunc, ...RecFunc) (RecFunc, error)
	RecMap     map[string]RecMap
	RecChan    chan RecChan
	Shape      interface {
		Area() float64
		Scale(by float64, more ...int) Shape
		hidden() (int, error)
		fmt.Stringer
	}
	Square struct{ side float64 }
	ptrMap map[*int]unsafe.Pointer

	Pair[K comparable, V any] struct {
		Key   K
		Value V
	}
	List[T any] struct {
		head *link[T]
		n    int
	}
	link[T any] struct {
		next *link[T]
		v    T
	}
	Num[T ~int | ~float64] []T
	Setter[T any]          interface{ Set(T) bool }
	aliasOfPoint           = Point
	aliased                struct{ aliasOfPoint }
	Alias[T any]           = map[string]List[T]
)

func (m myInt) Twice() myInt                          { return 2 * m }
func (m *myInt) inc()                                 { *m++ }
func (p Point) Add(q Point) Point                     { return Point{p.X + q.X, p.Y + q.Y} }
func (p *Point) Move(dx, dy int)                      { p.X += dx; p.Y += dy }
func (p Point) private() string                       { return "" }
func (p Point) Áccent()                               {}
func (p Point) Zed()                                  {}
func (p Point) alpha()                                {}
func (s *Square) Area() float64                       { return s.side * s.side }
func (s *Square) Scale(by float64, more ...int) Shape { return &Square{s.side * by} }
func (s *Square) hidden() (int, error)                { return 0, errors.ErrUnsupported }
func (s *Square) String() string                      { return "square" }
func (p Pair[K, V]) Swap() Pair[string, K]            { return Pair[string, K]{Value: p.Key} }
func (l *List[T]) Push(v T)                           { l.head = &link[T]{l.head, v}; l.n++ }
func (l *List[T]) Each(f func(int, T) bool) (n int)   { return l.n }
func (n Num[T]) Sum() (s T)                           { return s }
func (f RecFunc) Call()                               {}
func (o onePtr) Get() int                             { return *o.p }
func (o oneArr) Len() int                             { return 1 }

var samples = []any{
	(*bool)(nil), (*int)(nil), (*int8)(nil), (*int16)(nil), (*int32)(nil), (*int64)(nil), (*uint)(nil), (*byte)(nil),
	(*uint16)(nil), (*rune)(nil), (*uint64)(nil), (*uintptr)(nil), (*float32)(nil), (*float64)(nil), (*complex64)(nil),
	(*complex128)(nil), (*string)(nil), (*unsafe.Pointer)(nil), (*any)(nil), (*error)(nil),
	(*myInt)(nil), (*MyString)(nil), (*empty)(nil), (*Point)(nil), (*padded)(nil), (*tail)(nil), (*tagged)(nil), (*Node)(nil),
	(*blank)(nil), (*Embeds)(nil), (**Embeds)(nil), (*onePtr)(nil), (*oneArr)(nil), (*oneIface)(nil), (*floats)(nil),
	(*twoFloat)(nil), (*big)(nil), (*zeroFloats)(nil), (*Recursive)(nil), (*RecFunc)(nil), (*RecMap)(nil), (*RecChan)(nil),
	(*Shape)(nil), (*Square)(nil), (*ptrMap)(nil), (*aliased)(nil),
	(*[]int)(nil), (*[7]string)(nil), (*[0]func())(nil), (***int)(nil), (*map[string]Point)(nil), (*map[any]float32)(nil), (*map[[2]float64]int)(nil),
	(*chan int)(nil), (*<-chan []string)(nil), (*chan<- chan int)(nil), (*chan (<-chan int))(nil), (*<-chan chan<- int)(nil),
	(*func())(nil), (*func(int, ...string) (bool, error))(nil), (*func(a, b any) *Point)(nil), (*func(...interface{ M() }))(nil),
	(*struct{})(nil), (*struct {
		A int `tag:""`
		b string
	})(nil), (*struct {
		Point
		*Square
	})(nil), (*struct{ x, _, y uint8 })(nil), (*struct {
		a [3]func()
		b complex64
		c struct{ d any }
	})(nil),
	(*interface{ M(int) string })(nil), (*interface {
		z()
		A()
		error
	})(nil), (*interface{ secret() })(nil),
	(*Pair[int, string])(nil), (*Pair[Point, []Node])(nil), (*Pair[struct{ a int }, map[string]fmt.Stringer])(nil), (*Pair[any, func(int, ...byte) error])(nil),
	(*List[Pair[string, *bytes.Buffer]])(nil), (*Num[float64])(nil), (*Setter[List[int]])(nil), (*Alias[rune])(nil),
	(*Pair[interface{ M() }, interface{ m() }])(nil), (*Pair[struct {
		A int `t:"1"`
	}, struct{ Point }])(nil),
	(*time.Time)(nil), (*time.Duration)(nil), (*sync.Mutex)(nil), (*sync.WaitGroup)(nil), (*bytes.Buffer)(nil), (*token.Token)(nil), (*template.FuncMap)(nil), (*io.ReadWriteCloser)(nil),
}

func localSamples() []any {
	type Local struct{ A, b int }
	type other []Local
	if len(samples) > 0 {
		type Local map[string]int
		return []any{(*Local)(nil), (*Pair[string, Local])(nil), (*other)(nil), (*Pair[Pair[string, *Local], other])(nil)}
	}
	return nil
}

func moreLocalSamples() []any {
	type (
		Local int
		fun   func(Local)
	)
	return []any{(*Local)(nil), (*Pair[Local, fun])(nil), (*[]Pair[Local, fun])(nil)}
}
