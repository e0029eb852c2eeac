// Package paths of types that have none, conversions that ask for them, and where the text of debug.Stack begins.
package main

import (
	"crypto/x509"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
)

type text string
type runes []rune

func main() {
	for _, t := range []reflect.Type{reflect.TypeFor[uint8](), reflect.TypeFor[error](), reflect.TypeFor[[]int](), reflect.TypeFor[text](), reflect.TypeFor[reflect.Value]()} {
		fmt.Printf("%q %q\n", t.PkgPath(), t.Name())
	}
	fmt.Println(reflect.ValueOf([]byte("abc")).Convert(reflect.TypeFor[text]()), reflect.ValueOf([]rune("abc")).Convert(reflect.TypeFor[text]()))
	fmt.Println(reflect.ValueOf(text("abc")).Convert(reflect.TypeFor[[]byte]()), reflect.ValueOf(text("abc")).Convert(reflect.TypeFor[runes]()))
	fmt.Println(x509.ParseOID("2.5.29.17"))
	lines := strings.Split(string(debug.Stack()), "\n")
	fmt.Println(lines[0], lines[1], lines[3])
}
