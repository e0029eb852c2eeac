// Packages whose initialisers do more than make values: encoding/gob numbers its types there.
package main

import (
	"bytes"
	"encoding/gob"
	"fmt"
)

type Shape interface{ Area() int }

type Rect struct{ W, H int }

func (r Rect) Area() int { return r.W * r.H }

type Drawing struct {
	Name   string
	Shapes []Shape
	Tags   map[string]bool
}

func main() {
	gob.Register(Rect{})
	var b bytes.Buffer
	in := Drawing{"plan", []Shape{Rect{2, 3}, Rect{4, 5}}, map[string]bool{"new": true}}
	if err := gob.NewEncoder(&b).Encode(in); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d bytes, %x\n", b.Len(), b.Bytes()[:16])
	var out Drawing
	err := gob.NewDecoder(&b).Decode(&out)
	fmt.Printf("%+v %v %d\n", out, err, out.Shapes[1].Area())
}
