// Files that are open and half written while the run goes on elsewhere.

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// fill writes one line at a time through a buffer, while reader follows behind in the same file.
func fill(name string, lines int) {
	f, err := os.Create(name)
	check(err)
	reader, err := os.Open(name)
	check(err)
	unlinked, err := os.OpenFile(name+".gone", os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	check(err)
	check(os.Remove(unlinked.Name()))
	w := bufio.NewWriterSize(f, 1000)
	sum, held := 0, make([]byte, 700)
	for i := range lines {
		fmt.Fprintf(w, "line %d of a file that is half written\n", i)
		if i%50 == 0 {
			_, err := fmt.Fprintln(unlinked, i)
			check(err)
			n, err := io.ReadFull(reader, held)
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				check(err)
			}
			for _, b := range held[:n] {
				sum = sum*31 + int(b)
			}
			fmt.Println(i, n, sum)
		}
	}
	check(w.Flush())
	check(f.Close())
	rest, err := io.ReadAll(reader)
	fmt.Println(len(rest), err)
	_, err = unlinked.Seek(0, io.SeekStart)
	check(err)
	kept, err := io.ReadAll(unlinked)
	fmt.Printf("%q %v\n", kept, err)
}

func main() {
	dir, err := os.MkdirTemp("", "open")
	check(err)
	fill(filepath.Join(dir, "log"), 600)
	list, err := os.Open(dir)
	check(err)
	for i := range 20 {
		check(os.WriteFile(filepath.Join(dir, fmt.Sprint("n", i)), make([]byte, i), 0o600))
	}
	total := int64(0)
	for {
		infos, err := list.Readdir(3)
		for _, info := range infos {
			total += info.Size()
		}
		if err == io.EOF {
			break
		}
		check(err)
	}
	fmt.Println(total)
	check(list.Close())
	check(os.RemoveAll(dir))
}
