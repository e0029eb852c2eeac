// The machine is little-endian; GOROOT decides by architecture.

package binary

//tandem:from native_endian_little.go
