package load

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestTry(t *testing.T) {
	v := os.Getenv("TRY")
	if v == "" {
		t.Skip("TRY names no file")
	}
	t0 := time.Now()
	p, err := Load(Config{Paths: strings.Fields(v)})
	t.Log(time.Since(t0))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(p.Phases, len(p.Packages))
}
