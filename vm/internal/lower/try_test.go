package lower

import (
	"os"
	"testing"
	"time"

	"github.com/tandemvm/tandem/vm/internal/load"
)

func TestTry(t *testing.T) {
	f := os.Getenv("TRY")
	if f == "" {
		t.Skip()
	}
	t0 := time.Now()
	p, err := load.Load(load.Config{Paths: []string{f}})
	if err != nil {
		t.Fatal(err)
	}
	t1 := time.Now()
	m, err := Build(p, Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("load %v lower %v: %d funcs, %d words, %d data, %d ro, %d natives %q", t1.Sub(t0), time.Since(t1), len(m.Funcs), len(m.Code), len(m.Data), m.ROBytes, len(m.Natives), m.Natives)
	if os.Getenv("DIS") != "" {
		os.Stdout.WriteString(disasm(m))
	}
}
