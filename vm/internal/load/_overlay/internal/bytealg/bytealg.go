// The loops over bytes are natives; they search needles of any length, so callers need no other strategy.

package bytealg

const MaxBruteForce = 1 << 62

var MaxLen int = 1 << 62

func Cutover(n int) int { return n }

func Compare(a, b []byte) int
func CompareString(a, b string) int
func Count(b []byte, c byte) int
func CountString(s string, c byte) int
func Index(a, b []byte) int
func IndexString(a, b string) int
func IndexByte(b []byte, c byte) int
func IndexByteString(s string, c byte) int
func LastIndexByte(s []byte, c byte) int
func LastIndexByteString(s string, c byte) int

func MakeNoZero(n int) []byte {
	if n < 0 {
		panicLen()
	}
	return make([]byte, n)
}

func panicLen() { panic("makeslice: len out of range") }

//tandem:remove runtime_cmpstring abigen_runtime_memequal abigen_runtime_memequal_varlen
