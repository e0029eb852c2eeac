package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

type slow struct{ r io.Reader }

func (s slow) Read(p []byte) (int, error) {
	if len(p) > 3 {
		p = p[:3]
	}
	return s.r.Read(p)
}
func main() {
	sc := bufio.NewScanner(slow{strings.NewReader("line one\nline two\n\nlast")})
	for n := 0; sc.Scan(); n++ {
		fmt.Printf("%d %q\n", n, sc.Text())
	}
	ws := bufio.NewScanner(strings.NewReader("a bb  ccc"))
	ws.Split(bufio.ScanWords)
	c := 0
	for ws.Scan() {
		c += len(ws.Bytes())
	}
	fmt.Println(c)
	var b bytes.Buffer
	w := bufio.NewWriterSize(&b, 16)
	for i := 0; i < 20; i++ {
		fmt.Fprintf(w, "%d,", i)
	}
	w.Flush()
	fmt.Println(b.String())
	r := bufio.NewReader(strings.NewReader("abc\ndef"))
	l, err := r.ReadString('\n')
	fmt.Printf("%q %v\n", l, err)
	l, err = r.ReadString('\n')
	fmt.Printf("%q %v %v\n", l, err, errors.Is(err, io.EOF))
	pr, pw := io.Pipe()
	go func() {
		for i := 0; i < 5; i++ {
			fmt.Fprintln(pw, "piped", i)
		}
		pw.Close()
	}()
	all, _ := io.ReadAll(pr)
	fmt.Print(string(all))
	n, err := io.Copy(os.Stdout, io.LimitReader(strings.NewReader("limited text"), 7))
	fmt.Println("|", n, err)
	in, err := io.ReadAll(os.Stdin)
	fmt.Println(len(in), err)
	mr := io.MultiReader(strings.NewReader("x"), strings.NewReader("y"))
	tr := io.TeeReader(mr, &b)
	d, _ := io.ReadAll(tr)
	fmt.Println(string(d))
}
