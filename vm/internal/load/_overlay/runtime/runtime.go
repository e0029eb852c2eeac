// Package runtime is the guest side of the machine: the facts it shows, the errors it raises, and what other packages
// of the standard library take from it by name. Body-less functions are natives (NATIVES.md).

package runtime

import (
	"internal/abi"
	"internal/goarch"
	"internal/runtime/sys"
	"unsafe"
)

//tandem:replace
//tandem:from error.go
//tandem:remove panicwrap

const (
	Compiler        = "gc"
	GOOS     string = "linux"
	GOARCH   string = goarch.GOARCH

	// base is the guest address that offsets in type descriptors count from: code.Base.
	base = 0xc000000000
)

type _type = abi.Type
type itab = abi.ITab
type interfacetype = abi.InterfaceType

type eface struct {
	_type *_type
	data  unsafe.Pointer
}

type iface struct {
	tab  *itab
	data unsafe.Pointer
}

func efaceOf(p *any) *eface { return (*eface)(unsafe.Pointer(p)) }

func add(p unsafe.Pointer, n uintptr) unsafe.Pointer { return unsafe.Pointer(uintptr(p) + n) }

// at is the address at an offset of a type descriptor.
func at(off int32) unsafe.Pointer { return unsafe.Pointer(uintptr(base) + uintptr(uint32(off))) }

type rtype struct{ *abi.Type }

func toRType(t *abi.Type) rtype { return rtype{t} }

func nameAt(off abi.NameOff) abi.Name { return abi.Name{Bytes: (*byte)(at(int32(off)))} }

func (t rtype) string() string {
	s := nameAt(t.Str).Name()
	if t.TFlag&abi.TFlagExtraStar != 0 {
		return s[1:]
	}
	return s
}

func (t rtype) pkgpath() string {
	if u := t.Uncommon(); u != nil {
		return packagePath(u.PkgPath)
	}
	switch t.Kind_ {
	case abi.Struct:
		return (*abi.StructType)(unsafe.Pointer(t.Type)).PkgPath.Name()
	case abi.Interface:
		return (*abi.InterfaceType)(unsafe.Pointer(t.Type)).PkgPath.Name()
	}
	return ""
}

func packagePath(off abi.NameOff) string {
	if off == 0 {
		return ""
	}
	return nameAt(off).Name()
}

// missingMethod is the name of the first method of inter that typ lacks.
func missingMethod(inter *interfacetype, typ *_type) string {
	var have []abi.Method
	var pkg string
	if u := typ.Uncommon(); u != nil {
		have, pkg = u.Methods(), packagePath(u.PkgPath)
	}
	for i := range inter.Methods {
		want := &inter.Methods[i]
		name := nameAt(want.Name)
		found := false
		for j := range have {
			m := &have[j]
			if m.Mtyp != want.Typ || nameAt(m.Name).Name() != name.Name() {
				continue
			}
			if name.IsExported() || pkg == inter.PkgPath.Name() {
				found = true
				break
			}
		}
		if !found {
			return name.Name()
		}
	}
	return ""
}

func Version() string   { return version() }
func GOROOT() string    { return "" }
func NumCPU() int       { return 1 }
func NumCgoCall() int64 { return 0 }
func LockOSThread()     {}
func UnlockOSThread()   {}
func Breakpoint()       {}

// GOMAXPROCS: a run uses one processor whatever is asked for.
func GOMAXPROCS(n int) int { return 1 }

func SetDefaultGOMAXPROCS() {}

func version() string
func NumGoroutine() int
func Gosched()
func Goexit()

// exit ends the run.
func exit(status int32)

// throw and fatal end the run with a fatal error, which nothing recovers.
func throw(s string)
func fatal(s string)

// traceback is the running goroutine's, as Go prints it after a panic; tracebackAll is every goroutine's.
func traceback() string
func tracebackAll() string

// typeEqual is what Equal of every type descriptor calls, as a closure whose one captured word is the type.
func typeEqual(a, b unsafe.Pointer) bool { return valuesEqual(captured(sys.GetClosurePtr()), a, b) }

// typeHash is what Hasher of every map type calls, as a closure whose one captured word is the key type.
func typeHash(p unsafe.Pointer, seed uintptr) uintptr {
	return valueHash(captured(sys.GetClosurePtr()), p, seed)
}

func captured(closure uintptr) *_type { return *(**_type)(unsafe.Pointer(closure + 8)) }

func valuesEqual(t *_type, a, b unsafe.Pointer) bool
func valueHash(t *_type, p unsafe.Pointer, seed uintptr) uintptr
