package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
)

func main() {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.Create("../x")
	w.Close()
	try := func() {
		_, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
		fmt.Println(os.Getenv("GODEBUG"), err)
	}
	try()
	for _, s := range []string{"zipinsecurepath=0", "zipinsecurepath=0,x=1,zipinsecurepath=1", "a=b,zipinsecurepath=0#12", ""} {
		os.Setenv("GODEBUG", s)
		try()
	}
	os.Setenv("GODEBUG", "zipinsecurepath=0")
	os.Unsetenv("GODEBUG")
	try()
	os.Setenv("GODEBUG", "zipinsecurepath=0")
	os.Clearenv()
	try()
}
