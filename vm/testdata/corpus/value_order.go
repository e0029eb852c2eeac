// Lists of expressions with calls in them: gc calls first, then reads variables.
package main

import (
	"encoding/json"
	"fmt"
)

type T struct {
	b []byte
	n int
}

func (t *T) set(s string) error { t.b = append(t.b, s...); t.n = len(s); return nil }

func a(s string) (T, error)       { var t T; return t, t.set(s) }
func b(s string) (T, error)       { var t T; return t, (&t).set(s) }
func c(s string) (t T, err error) { var u T; return u, u.set(s) }
func d(s string) (m map[string]int, err error) {
	var v map[string]int
	return v, json.Unmarshal([]byte(s), &v)
}
func e(s string) (int, error) { var v int; return v, json.Unmarshal([]byte(s), &v) }
func f(s string) (int, error) { var v struct{ X int }; return v.X, json.Unmarshal([]byte(s), &v) }
func inc(p *int) int          { *p++; return *p }
func g() (int, int)           { var v int; return v, inc(&v) }
func h() (int, int, int)      { var v int; return v + 1, inc(&v), v }
func i() [3]int               { var v int; return [3]int{v, inc(&v), v} }
func j() string               { var v int; return fmt.Sprint(v, inc(&v), v) }
func k() (x, y int)           { v := 1; x, y = v, inc(&v); return }

func main() {
	fmt.Println(a("x"))
	fmt.Println(b("x"))
	fmt.Println(c("x"))
	fmt.Println(d(`{"a":1}`))
	fmt.Println(e(`3`))
	fmt.Println(f(`{"X":4}`))
	fmt.Println(g())
	fmt.Println(h())
	fmt.Println(i(), j())
	fmt.Println(k())

}
