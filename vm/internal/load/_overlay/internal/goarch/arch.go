// What GOROOT gives per architecture; the machine's own (GOARCH=tandem selects no file) has amd64's values.

package goarch

//tandem:from zgoarch_amd64.go
//tandem:from goarch_amd64.go
