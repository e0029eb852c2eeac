package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// supported are the packages that programs may import.
var supported = strings.Fields(`
fmt errors strings bytes strconv sort slices maps math math/bits math/cmplx math/rand math/rand/v2 unicode unicode/utf8 unicode/utf16
container/heap container/list container/ring bufio io io/fs io/ioutil os sync sync/atomic time context
path path/filepath log flag regexp regexp/syntax encoding encoding/json encoding/hex encoding/base64 encoding/base32 encoding/binary encoding/csv
encoding/gob encoding/xml encoding/ascii85 encoding/pem text/tabwriter text/template text/template/parse text/scanner html html/template
hash hash/crc32 hash/crc64 hash/adler32 hash/fnv hash/maphash crypto crypto/sha256 crypto/sha512 crypto/sha1 crypto/md5 crypto/hmac crypto/subtle
math/big iter unique weak runtime runtime/debug runtime/trace reflect cmp embed index/suffixarray
compress/flate compress/gzip compress/zlib compress/bzip2 compress/lzw archive/tar archive/zip
go/ast go/token go/scanner go/parser go/printer go/format go/constant image image/color image/png image/draw image/gif image/jpeg
log/slog mime net/url net/netip structs testing testing/fstest testing/iotest testing/quick unicode/utf8 time/tzdata github.com/tandemvm/tandem/vm/turn database/sql/driver
crypto/aes crypto/cipher crypto/des crypto/dsa crypto/ecdh crypto/ecdsa crypto/ed25519 crypto/elliptic crypto/hkdf crypto/pbkdf2 crypto/rand
crypto/rc4 crypto/rsa crypto/sha3 crypto/tls crypto/x509 database/sql debug/buildinfo debug/dwarf debug/elf encoding/asn1 expvar
go/build go/build/constraint go/doc go/doc/comment go/importer go/types go/version image/color/palette log/syslog mime/multipart mime/quotedprintable
net net/http net/http/cookiejar net/http/httptest net/http/httputil net/mail net/rpc net/smtp net/textproto os/exec os/signal os/user runtime/metrics syscall
`)

// loadWhole loads a program that imports pkg with every declaration of it.
func loadWhole(t *testing.T, pkgs ...string) (*Program, error) {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("package main\n")
	for _, p := range pkgs {
		fmt.Fprintf(&b, "import _ %q\n", p)
	}
	b.WriteString("func main() {}\n")
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Paths: []string{file}, Dir: dir, Env: os.Getenv}
	root, err := FindGOROOT("", os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	l := newLoader(context.Background(), cfg, root)
	l.whole = map[string]bool{}
	for _, p := range pkgs {
		l.whole[p] = true
	}
	return l.load(true)
}

// TestSupported holds that the packages with overlays and those every program needs compile each by itself, whole (TestSymbols
// compiles all supported ones together).
func TestSupported(t *testing.T) {
	alone := strings.Fields("fmt errors strings strconv sort slices maps math math/rand unicode container/heap bufio io os sync sync/atomic time context reflect runtime/debug unique hash/maphash encoding/json encoding/binary text/template " + guestPath)
	for _, p := range alone {
		t.Run(p, func(t *testing.T) {
			if _, err := loadWhole(t, p); err != nil {
				t.Error(err)
			}
		})
	}
}
