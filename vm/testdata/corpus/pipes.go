// A program that reads its own output through a pipe.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	all := make(chan string)
	go func() {
		b, err := io.ReadAll(r)
		if err != nil {
			panic(err)
		}
		all <- string(b)
	}()
	for i := range 300 {
		fmt.Println("line", i)
	}
	w.Close()
	os.Stdout = stdout
	text := <-all
	fmt.Println(len(text), text[len(text)-9:])
	r.Close()
	_, err = w.Write([]byte("x"))
	fmt.Println(err)
	r, w, _ = os.Pipe()
	r.Close()
	_, err = w.Write([]byte("x"))
	fmt.Println(err)
}
