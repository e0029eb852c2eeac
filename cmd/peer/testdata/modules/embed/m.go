// Command embed has files in its image.
package main

import (
	"embed"
	"fmt"
	"io/fs"

	"example.com/modules/embed/lib"
)

type S string

//go:embed a.txt
var a string

var (
	//go:embed a.txt
	b []byte
	//go:embed *.txt
	//go:embed dir
	f embed.FS
	//go:embed dir
	g embed.FS
	//go:embed a.txt
	s S
)

func main() {
	fmt.Printf("%q %q %q %q\n", a, b, s, lib.L)
	for _, x := range []embed.FS{f, g} {
		fs.WalkDir(x, ".", func(p string, d fs.DirEntry, err error) error {
			i, _ := d.Info()
			t, _ := x.ReadFile(p)
			fmt.Println(p, d.IsDir(), err, i.Size(), i.Mode(), string(t))
			return nil
		})
	}
	_, err := f.Open("nope")
	fmt.Println(err)
}
