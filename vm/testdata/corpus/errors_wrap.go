package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
)

type notFound struct{ name string }

func (n *notFound) Error() string   { return n.name + " not found" }
func (n *notFound) Is(t error) bool { return t == fs.ErrNotExist }
func find(s string) error {
	if s == "" {
		return nil
	}
	return fmt.Errorf("find %q: %w", s, &notFound{s})
}
func main() {
	err := find("x")
	var nf *notFound
	fmt.Println(err, errors.As(err, &nf), nf.name, errors.Is(err, fs.ErrNotExist), errors.Is(err, os.ErrExist), errors.Unwrap(err) == error(nf), find("") == nil)
	_, err = strconv.Atoi("q")
	var ne *strconv.NumError
	fmt.Println(errors.As(err, &ne), ne.Func, ne.Num, ne.Err)
	j := errors.Join(err, nil, find("y"))
	fmt.Println(j, errors.Is(j, strconv.ErrSyntax))
	_, err = os.Open("/no/such/file/anywhere")
	var pe *fs.PathError
	fmt.Println(err != nil, errors.As(err, &pe))
}
