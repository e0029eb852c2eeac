// Ways in which a program can end, one of them chosen by the first argument; without any it prints their names.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"math"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/template"
	"time"
	"unsafe"
)

type (
	boolean bool
	integer int
	small   int8
	medium  int16
	int32s  int32
	long    int64
	uns     uint
	byted   byte
	word    uint16
	dword   uint32
	qword   uint64
	pointer uintptr
	single  float32
	double  float64
	cplx    complex64
	dcplx   complex128
	text    string
	bytes   []byte
	list    []int
	record  struct {
		a int
		b string
	}
	one            struct{ p *int }
	array          [2]int
	dict           map[string]int
	channel        chan int
	fun            func()
	iface          interface{ M() }
	generic[T any] struct{ v T }
	gstr[T any]    string
)

type failing struct{ code int }

func (f failing) Error() string { return "failing with " + strconv.Itoa(f.code) }

type failingPtr struct{ code int }

func (f *failingPtr) Error() string { return "failing at " + strconv.Itoa(f.code) }

type told struct{ s string }

func (t told) String() string { return "told " + t.s }

type toldInt int

func (t toldInt) String() string { return "int told" }

type both struct{}

func (both) Error() string  { return "as error" }
func (both) String() string { return "as string" }

type worse struct{}

func (worse) Error() string { panic("in Error") }

type worseStr struct{}

func (worseStr) String() string { panic(errors.New("in String")) }

type worseAgain struct{}

func (w worseAgain) Error() string { panic(w) }

type nilErr struct{ s string }

func (n *nilErr) Error() string { return n.s }

type exits struct{}

func (exits) Error() string { os.Exit(7); return "" }

type goexits struct{}

func (goexits) Error() string { runtime.Goexit(); return "" }

type recovers struct{}

func (recovers) Error() string {
	defer func() { recover() }()
	panic("inside")
}

type multi struct{}

func (multi) Error() string { return "line one\nline two\n\nline four" }

type runtimeErr struct{}

func (runtimeErr) Error() string { return "mine as runtime error" }
func (runtimeErr) RuntimeError() {}

type embedded struct{ error }

type node struct {
	next *node
	v    int
}

type key struct{ f any }

func again(f, g func()) {
	defer func() { recover(); g() }()
	f()
}

type wide interface {
	iface
	N()
}

type promoted struct{ wide }

//go:noinline
func asError(f *failing) error { return f }

func methodOf[T iface](x T) func() { return x.M }

//go:noinline
func zero() int { return 0 }

//go:noinline
func minus() int { return -1 }

//go:noinline
func anys(v any) any { return v }

//go:noinline
func ints(n int) []int { return make([]int, n, n+1) }

var ends = map[string]func(){
	"value bool":          func() { panic(true) },
	"value int":           func() { panic(-5) },
	"value int8":          func() { panic(int8(-128)) },
	"value int16":         func() { panic(int16(7)) },
	"value int32":         func() { panic('x') },
	"value int64":         func() { panic(int64(math.MinInt64)) },
	"value uint":          func() { panic(uint(5)) },
	"value uint8":         func() { panic(byte(5)) },
	"value uint16":        func() { panic(uint16(5)) },
	"value uint32":        func() { panic(uint32(5)) },
	"value uint64":        func() { panic(uint64(math.MaxUint64)) },
	"value uintptr":       func() { panic(uintptr(5)) },
	"value float32":       func() { panic(float32(1.5)) },
	"value float64":       func() { panic(-2.25e-9) },
	"value nan":           func() { panic(math.NaN()) },
	"value inf":           func() { panic(math.Inf(-1)) },
	"value neg zero":      func() { panic(math.Copysign(0, -1)) },
	"value complex64":     func() { panic(complex64(1 + 2i)) },
	"value complex128":    func() { panic(-1 - 2i) },
	"value complex nan":   func() { panic(complex(math.NaN(), math.Inf(1))) },
	"value string":        func() { panic("a string") },
	"value empty":         func() { panic("") },
	"value lines":         func() { panic("one\ntwo\r\n\tthree\x00\xff") },
	"value nil":           func() { panic(nil) },
	"value nil error":     func() { panic(error(nil)) },
	"value slice":         func() { panic([]int{1}) },
	"value array":         func() { panic([2]int{1, 2}) },
	"value struct":        func() { panic(struct{ a int }{1}) },
	"value map":           func() { panic(map[string]int{}) },
	"value chan":          func() { panic(make(chan int)) },
	"value func":          func() { panic(zero) },
	"value pointer":       func() { panic(new(int)) },
	"value nil pointer":   func() { panic((*int)(nil)) },
	"value unsafe":        func() { panic(unsafe.Pointer(new(int))) },
	"value type":          func() { panic(reflect.TypeOf(1)) },
	"named bool":          func() { panic(boolean(true)) },
	"named int":           func() { panic(integer(-5)) },
	"named int8":          func() { panic(small(-5)) },
	"named int16":         func() { panic(medium(-5)) },
	"named int32":         func() { panic(int32s(-5)) },
	"named int64":         func() { panic(long(-5)) },
	"named uint":          func() { panic(uns(5)) },
	"named uint8":         func() { panic(byted(5)) },
	"named uint16":        func() { panic(word(5)) },
	"named uint32":        func() { panic(dword(5)) },
	"named uint64":        func() { panic(qword(5)) },
	"named uintptr":       func() { panic(pointer(5)) },
	"named float32":       func() { panic(single(1.5)) },
	"named float64":       func() { panic(double(1e100)) },
	"named complex64":     func() { panic(cplx(1)) },
	"named complex128":    func() { panic(dcplx(1i)) },
	"named string":        func() { panic(text("quoted \"text\"\nline")) },
	"named bytes":         func() { panic(bytes("b")) },
	"named slice":         func() { panic(list{1}) },
	"named struct":        func() { panic(record{1, "b"}) },
	"named one":           func() { panic(one{}) },
	"named array":         func() { panic(array{}) },
	"named map":           func() { panic(dict{}) },
	"named chan":          func() { panic(channel(nil)) },
	"named func":          func() { panic(fun(nil)) },
	"pointer struct":      func() { panic(&record{}) },
	"generic struct":      func() { panic(generic[map[string]int]{}) },
	"generic string":      func() { panic(gstr[int]("g")) },
	"local type":          func() { type local struct{}; panic(local{}) },
	"local string":        func() { type local string; panic(local("l")) },
	"error":               func() { panic(errors.New("an error")) },
	"error empty":         func() { panic(errors.New("")) },
	"error wrapped":       func() { panic(fmt.Errorf("outer: %w", failing{3})) },
	"error joined":        func() { panic(errors.Join(failing{1}, failing{2})) },
	"error value":         func() { panic(failing{3}) },
	"error pointer":       func() { panic(&failingPtr{4}) },
	"error to value":      func() { panic(&failing{3}) },
	"error nil ptr":       func() { panic((*nilErr)(nil)) },
	"error nil to value":  func() { panic((*failing)(nil)) },
	"error embedded":      func() { panic(embedded{errors.New("within")}) },
	"error embedded nil":  func() { panic(embedded{}) },
	"error lines":         func() { panic(multi{}) },
	"error runtime":       func() { panic(runtimeErr{}) },
	"error both":          func() { panic(both{}) },
	"error panics":        func() { panic(worse{}) },
	"error panics itself": func() { panic(worseAgain{}) },
	"error exits":         func() { panic(exits{}) },
	"error goexits":       func() { panic(goexits{}) },
	"error recovers":      func() { panic(recovers{}) },
	"error path":          func() { panic(&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}) },
	"error deadline":      func() { panic(context.DeadlineExceeded) },
	"error num":           func() { _, err := strconv.Atoi("x1"); panic(err) },
	"stringer":            func() { panic(told{"it"}) },
	"stringer int":        func() { panic(toldInt(3)) },
	"stringer pointer":    func() { panic(&told{"it"}) },
	"stringer panics":     func() { panic(worseStr{}) },
	"re error again":      func() { defer func() { panic(recover()) }(); panic(failing{3}) },
	"re int again":        func() { defer func() { panic(recover()) }(); panic(3) },
	"re struct again":     func() { defer func() { panic(recover()) }(); panic(record{1, "x"}) },
	"re pointer again":    func() { defer func() { panic(recover()) }(); panic(&record{1, "x"}) },
	"re slice again":      func() { defer func() { panic(recover()) }(); panic([]int{1}) },
	"re equal string":     func() { defer func() { recover(); panic("same") }(); panic("same") },
	"re other string":     func() { defer func() { recover(); panic("other") }(); panic("same") },
	"re nil again":        func() { defer func() { panic(recover()) }(); panic(nil) },
	"re runtime again":    func() { defer func() { panic(recover()) }(); _ = ints(3)[zero()+3] },
	"re thrice":           func() { defer func() { panic(recover()) }(); defer func() { panic(recover()) }(); panic("thrice") },
	"re thrice two": func() {
		defer func() { panic(recover()) }()
		defer func() { recover(); panic("second") }()
		panic("first")
	},
	"re thrice then": func() { defer func() { panic("third") }(); defer func() { panic(recover()) }(); panic("first") },
	"re wrapped":     func() { defer func() { panic(fmt.Errorf("w: %v", recover())) }(); panic("first") },
	"re lines":       func() { defer func() { panic(fmt.Sprintf("%v\nmore", recover())) }(); panic("first\nline") },
	"nest two":       func() { defer func() { panic("second") }(); panic("first") },
	"nest three":     func() { defer func() { panic("third") }(); defer func() { panic("second") }(); panic("first") },
	"nest error":     func() { defer func() { panic(failing{2}) }(); panic(failing{1}) },
	"nest inner recovered": func() {
		defer func() {
			again(func() { panic("inner") }, func() {})
			panic("second")
		}()
		panic("first")
	},
	"nest recovered middle": func() {
		defer func() { panic("last") }()
		defer func() { recover() }()
		panic("gone")
	},
	"nest recovered outer": func() {
		defer func() { defer func() { panic("deep") }(); recover(); panic("mid") }()
		panic("out")
	},
	"nest in called":         func() { again(func() { panic("a") }, func() { panic("b") }) },
	"nest print":             func() { defer fmt.Println("deferred one"); defer println("deferred two"); panic("p") },
	"nest goexit":            func() { go func() {}(); defer func() { panic("in goexit") }(); runtime.Goexit() },
	"nest goexit recovered":  func() { defer func() { recover() }(); defer func() { panic("in goexit") }(); runtime.Goexit() },
	"nest goexit over panic": func() { defer func() { runtime.Goexit() }(); panic("lost") },
	"nest runtime":           func() { defer func() { var m map[string]int; m["x"] = 1 }(); panic("p") },
	"nest runtime two":       func() { defer func() { _ = 1 / zero() }(); _ = ints(1)[zero()+5] },
	"goroutine":              func() { go func() { panic("in a goroutine") }(); select {} },
	"goroutine named":        func() { go func() { panic(text("t")) }(); <-make(chan int) },
	"goroutine once": func() {
		var o sync.Once
		defer func() { recover(); o.Do(func() {}); panic("after once") }()
		o.Do(func() { panic("once") })
	},
	"goroutine value":               func() { f := sync.OnceValue(func() int { panic("oncevalue") }); defer func() { recover(); f() }(); f() },
	"goroutine waitgroup":           func() { var wg sync.WaitGroup; wg.Go(func() { panic("in Go") }); wg.Wait() },
	"run index":                     func() { _ = ints(3)[zero()+3] },
	"run index neg":                 func() { _ = ints(3)[minus()] },
	"run index big":                 func() { _ = ints(3)[uint64(minus())] },
	"run index int8":                func() { _ = ints(3)[int8(minus())] },
	"run index empty":               func() { _ = ints(0)[zero()] },
	"run index array":               func() { var a [4]int; _ = a[zero()+4] },
	"run index string":              func() { _ = "abc"[zero()+9] },
	"run index ptr":                 func() { a := new([4]int); a[zero()+4] = 1 },
	"run slice b":                   func() { _ = ints(3)[:zero()+9] },
	"run slice alen":                func() { s := "abc"; _ = s[:zero()+9] },
	"run slice ab":                  func() { _ = ints(3)[zero()+2 : zero()+1] },
	"run slice str ab":              func() { _ = "abc"[zero()+2 : zero()+1] },
	"run slice str a":               func() { _ = "abc"[zero()+4:] },
	"run slice a":                   func() { _ = ints(3)[zero()+4:] },
	"run slice neg":                 func() { _ = ints(3)[minus():] },
	"run slice neg b":               func() { _ = ints(3)[:minus()] },
	"run slice3 c":                  func() { _ = ints(3)[: 1 : zero()+9] },
	"run slice3 bc":                 func() { _ = ints(3)[: zero()+3 : zero()+2] },
	"run slice3 ab":                 func() { _ = ints(3)[zero()+2 : zero()+1 : 3] },
	"run slice3 neg":                func() { _ = ints(3)[:1:minus()] },
	"run slice array":               func() { var a [4]int; _ = a[:zero()+5] },
	"run slice3 array":              func() { a := new([4]int); _ = a[: 1 : zero()+5] },
	"run slice nil array":           func() { var a *[4]int; _ = a[:] },
	"run to array":                  func() { _ = [4]int(ints(3)) },
	"run to array ptr":              func() { _ = (*[4]int)(ints(3)) },
	"run to array nil":              func() { _ = [1]int([]int(nil)) },
	"run divide":                    func() { _ = 5 / zero() },
	"run modulo":                    func() { _ = 5 % int8(zero()) },
	"run unsigned divide":           func() { _ = uint32(5) / uint32(zero()) },
	"run shift":                     func() { _ = 1 << minus() },
	"run shift right":               func() { _ = 1 >> int8(minus()) },
	"run nil deref":                 func() { var p *int; *p = 1 },
	"run nil field":                 func() { var p *node; p.v = 1 },
	"run nil chain":                 func() { p := &node{}; p.next.next = nil },
	"run nil func":                  func() { var f func(int) int; f(1) },
	"run nil iface":                 func() { var i iface; i.M() },
	"run nil method value":          func() { var i iface; f := i.M; f() },
	"run nil method ptr":            func() { var p *failing; _ = p.Error() },
	"run nil method value generic":  func() { methodOf(iface(nil)) },
	"run nil method value promoted": func() { _ = promoted{}.M },
	"wrap known":                    func() { var e error = (*failing)(nil); _ = e.Error() },
	"wrap converted":                func() { _ = error((*failing)(nil)).Error() },
	"wrap branches": func() {
		var e error
		if zero() == 0 {
			e = (*failing)(nil)
		} else {
			e = &failing{1}
		}
		_ = e.Error()
	},
	"wrap other branch": func() {
		var e error
		if zero() == 0 {
			e = (*failing)(nil)
		} else {
			e = &failingPtr{1}
		}
		_ = e.Error()
	},
	"wrap captured": func() {
		var e error = (*failing)(nil)
		func() { _ = e.Error() }()
	},
	"wrap captured set": func() {
		var e error = (*failing)(nil)
		func() { e = failing{1}; e = (*failing)(nil) }()
		_ = e.Error()
	},
	"wrap asserted": func() {
		var v any = (*failing)(nil)
		if e, ok := v.(error); ok {
			_ = e.Error()
		}
	},
	"wrap unknown": func() { _ = asError(nil).Error() },
	"wrap list": func() {
		for _, e := range []error{(*failing)(nil)} {
			_ = e.Error()
		}
	},
	"wrap value":          func() { var e error = (*failing)(nil); f := e.Error; _ = f() },
	"run nil assert same": func() { var i iface; _ = i.(iface) },
	"run grow neg":        func() { s := ints(1); s = append(s, make([]int, minus())...) },
	"run grow big":        func() { s := ints(1); s = append(s, make([]int, math.MaxInt+minus())...) },
	"run grow nothing": func() {
		s := append(make([]struct{}, 1), make([]struct{}, math.MaxInt+minus())...)
		println(len(s))
	},
	"run grow nothing neg":  func() { s := append([]struct{}{}, make([]struct{}, minus())...); println(len(s)) },
	"run grow nothing over": func() { s := append(make([]struct{}, 1), make([]struct{}, math.MaxInt)...); println(len(s)) },
	"run make nothing":      func() { s := make([]struct{}, zero()+3, 1<<62); println(len(s), cap(s)) },
	"run make const":        func() { s := make([]int, 1<<62); s[0] = 1 },
	"run make const cap":    func() { s := make([]int, zero(), 1<<62); s[0] = 1 },
	"run make const neg":    func() { s := make([]int, minus(), 1<<62); s[0] = 1 },
	"run nil error":         func() { var e error; _ = e.Error() },
	"run nil map":           func() { var m map[string]int; m["a"]++ },
	"run nil map struct":    func() { var m map[record]bool; m[record{}] = true },
	"run nil defer":         func() { var f func(); defer f() },
	"run nil go":            func() { var f func(); go f(); select {} },
	"run range nil func": func() {
		var f func(func() bool)
		for range f {
		}
	},
	"run range nil array": func() {
		var a *[3]int
		for _, x := range a {
			_ = x
		}
	},
	"run close nil":    func() { var c chan int; close(c) },
	"run close closed": func() { c := make(chan int); close(c); close(c) },
	"run send closed":  func() { c := make(chan int, 1); close(c); c <- 1 },
	"run send closed select": func() {
		c := make(chan int, 1)
		close(c)
		select {
		case c <- 1:
		default:
		}
	},
	"run send closing":               func() { c := make(chan int); go func() { time.Sleep(time.Millisecond); close(c) }(); c <- 1 },
	"run makeslice":                  func() { _ = make([]int, minus()) },
	"run makeslice cap":              func() { _ = make([]int, 0, minus()) },
	"run makeslice less":             func() { _ = make([]int, zero()+2, zero()+1) },
	"run makeslice big":              func() { _ = make([]int, math.MaxInt-zero()) },
	"run makeslice cap big":          func() { _ = make([]int, 0, math.MaxInt-zero()) },
	"run makechan":                   func() { _ = make(chan int, minus()) },
	"run makechan big":               func() { _ = make(chan [100]int, math.MaxInt-zero()) },
	"run grow":                       func() { s := ints(1); s = append(s, make([]int, math.MaxInt/8-2)...) },
	"run assert concrete":            func() { _ = anys(1).(string) },
	"run assert named":               func() { _ = anys(text("x")).(string) },
	"run assert nil":                 func() { _ = anys(nil).(string) },
	"run assert iface":               func() { _ = anys(1).(iface) },
	"run assert iface nil":           func() { _ = anys(nil).(iface) },
	"run assert iface pointer":       func() { _ = anys(failingPtr{}).(error) },
	"run assert from iface":          func() { var e error = failing{1}; _ = e.(*failingPtr) },
	"run assert from iface nil":      func() { var e error; _ = e.(failing) },
	"run assert from iface to iface": func() { var e error = failing{1}; _ = e.(fmt.Stringer) },
	"run assert generic":             func() { _ = anys(generic[int]{}).(generic[string]) },
	"run assert struct":              func() { _ = anys(struct{ a int }{}).(struct{ b int }) },
	"run assert func":                func() { _ = anys(func(int, ...string) error { return nil }).(func()) },
	"run assert local":               func() { type T int; f := func() any { type T int; return T(1) }; _ = f().(T) },
	"run compare slice":              func() { _ = anys([]int{}) == anys([]int{}) },
	"run compare map":                func() { _ = anys(map[int]int{}) == anys(map[int]int{}) },
	"run compare func":               func() { _ = anys(zero) == anys(zero) },
	"run compare struct":             func() { _ = anys(key{[]int{}}) == anys(key{[]int{}}) },
	"run compare array":              func() { _ = anys([1]any{zero}) == anys([1]any{zero}) },
	"run compare named":              func() { _ = anys(struct{ l list }{}) == anys(struct{ l list }{}) },
	"run hash slice":                 func() { m := map[any]int{}; m[list{}] = 1 },
	"run hash read":                  func() { m := map[any]int{1: 1}; _ = m[[]string{}] },
	"run hash nil map":               func() { var m map[any]int; _ = m[[]string{}] },
	"run hash delete":                func() { m := map[any]int{}; delete(m, any(dict{})) },
	"run hash nested":                func() { m := map[key]int{}; m[key{key{zero}}] = 1 },
	"run hash array":                 func() { m := map[[2]any]int{}; m[[2]any{1, zero}] = 1 },
	"run hash struct":                func() { m := map[any]int{}; m[struct{ x []int }{}] = 1 },
	"run unsafe slice":               func() { _ = unsafe.Slice((*int)(nil), zero()+1) },
	"run unsafe slice neg":           func() { _ = unsafe.Slice(new(int), minus()) },
	"run unsafe slice big":           func() { _ = unsafe.Slice(new(int), math.MaxInt-zero()) },
	"run unsafe string":              func() { _ = unsafe.String(new(byte), minus()) },
	"run unsafe string nil":          func() { _ = unsafe.String((*byte)(nil), zero()+1) },
	"lib repeat":                     func() { _ = strings.Repeat("x", minus()) },
	"lib repeat big":                 func() { _ = strings.Repeat("xxxx", math.MaxInt-zero()) },
	"lib builder":                    func() { var b strings.Builder; b.WriteString("x"); c := b; c.WriteString("y") },
	"lib regexp":                     func() { regexp.MustCompile("a(b") },
	"lib template":                   func() { template.Must(template.New("t").Parse("{{.x")) },
	"lib reflect zero":               func() { reflect.ValueOf(nil).Type() },
	"lib reflect set":                func() { reflect.ValueOf(1).SetInt(2) },
	"lib reflect kind":               func() { _ = reflect.ValueOf("x").Int() },
	"lib reflect call":               func() { reflect.ValueOf(zero).Call([]reflect.Value{reflect.ValueOf(1)}) },
	"lib reflect field":              func() { reflect.ValueOf(&record{}).Elem().Field(0).SetInt(1) },
	"lib reflect elem":               func() { reflect.TypeOf(1).Elem() },
	"lib reflect index":              func() { reflect.ValueOf([]int{1}).Index(1) },
	"lib reflect convert":            func() { reflect.ValueOf("x").Convert(reflect.TypeOf(1)) },
	"lib reflect nil method":         func() { reflect.ValueOf((*iface)(nil)).Elem().Method(0).Call(nil) },
	"lib reflect inner":              func() { reflect.ValueOf(func() { panic("through Call") }).Call(nil) },
	"lib reflect made": func() {
		reflect.MakeFunc(reflect.TypeOf(zero), func([]reflect.Value) []reflect.Value { return nil }).Interface().(func() int)()
	},
	"lib slices insert": func() { slices.Insert([]int{1}, 2, 3) },
	"lib slices delete": func() { slices.Delete([]int{1}, 1, 3) },
	"lib slices chunk":  func() { slices.Chunk([]int{1}, zero()) },
	"lib slices max":    func() { slices.Max([]int{}) },
	"lib slices grow":   func() { slices.Grow([]int{}, minus()) },
	"lib maps":          func() { var m map[int]int; maps.Insert(m, maps.All(map[int]int{1: 1})) },
	"lib mutex":         func() { var m sync.Mutex; m.Unlock() },
	"lib rwmutex":       func() { var m sync.RWMutex; m.RUnlock() },
	"lib rwmutex w":     func() { var m sync.RWMutex; m.Unlock() },
	"lib waitgroup":     func() { var w sync.WaitGroup; w.Done() },
	"lib atomic":        func() { var v atomic.Value; v.Store(1); v.Store("x") },
	"lib atomic nil":    func() { var v atomic.Value; v.Store(nil) },
	"lib ticker":        func() { time.NewTicker(0) },
	"lib ticker reset":  func() { t := time.NewTicker(time.Hour); t.Reset(-1) },
	"lib timer zero":    func() { var t time.Timer; t.Stop() },
	"lib context nil":   func() { context.WithCancel(nil) },
	"lib context key":   func() { context.WithValue(context.Background(), []int{}, 1) },
	"lib log panic":     func() { log.SetFlags(0); log.Panicf("logged %d", 1) },
	"lib log fatal":     func() { log.SetFlags(0); defer println("not run"); log.Fatalln("fatal", 2) },
	"lib exit":          func() { defer println("not run"); os.Exit(3) },
	"lib exit 300":      func() { os.Exit(300) },
	"lib exit neg":      func() { os.Exit(-1) },
	"lib exit in defer": func() { defer os.Exit(4); panic("not told") },
	"lib strconv base":  func() { _ = strconv.FormatInt(1, 37) },
	"lib float verb": func() {
		fmt.Printf("%d %!\n", worse{})
		panic(fmt.Sprintf("%v|%s|%d", worse{}, (*nilErr)(nil), worseStr{}))
	},
	"lib panicon":      func() { debug.SetPanicOnFault(true); var p *int; _ = *p },
	"dead main":        func() { <-make(chan int) },
	"dead select":      func() { select {} },
	"dead nil chan":    func() { var c chan int; c <- 1 },
	"dead nil receive": func() { var c chan int; <-c },
	"dead range": func() {
		for range make(chan int) {
		}
	},
	"dead two":             func() { c := make(chan int); go func() { c <- 1 }(); select {} },
	"dead mutex":           func() { var m sync.Mutex; m.Lock(); m.Lock() },
	"dead rwmutex":         func() { var m sync.RWMutex; m.RLock(); m.Lock() },
	"dead waitgroup":       func() { var w sync.WaitGroup; w.Add(1); w.Wait() },
	"dead cond":            func() { c := sync.NewCond(new(sync.Mutex)); c.L.Lock(); c.Wait() },
	"dead once":            func() { var o sync.Once; o.Do(func() { o.Do(func() {}) }) },
	"dead goexit":          func() { runtime.Goexit() },
	"dead goexit deferred": func() { defer fmt.Println("deferred"); runtime.Goexit() },
	"dead goexit others":   func() { go func() { time.Sleep(time.Millisecond); println("other ends") }(); runtime.Goexit() },
	"dead goexit blocked":  func() { go func() { select {} }(); runtime.Goexit() },
	"dead select cases": func() {
		var a, b chan int
		select {
		case <-a:
		case b <- 1:
		}
	},
	"dead in defer": func() { defer func() { select {} }(); panic("waits") },
	"runs out":      func() {},
	"prints":        func() { println(1, -2.5, "s", true, 'x', 3i, uint8(4), int64(math.MinInt64)); print("a", 1, 2, "\n") },
	"prints types":  func() { println(text("t"), integer(3), double(2), boolean(false), cplx(1i), math.NaN(), math.Inf(1)) },
}

func main() {
	if len(os.Args) < 2 {
		for _, k := range slices.Sorted(maps.Keys(ends)) {
			fmt.Println(k)
		}
		return
	}
	ends[os.Args[1]]()
}
