package load

import (
	"context"
	"os"
	"testing"
)

func TestAll(t *testing.T) {
	root, _ := FindGOROOT("", os.Getenv)
	l := newLoader(context.Background(), Config{Paths: []string{os.Getenv("TRY")}, Dir: "/tmp", Env: os.Getenv}, root)
	l.readCommand()
	l.whole = map[string]bool{os.Getenv("WHOLE"): true}
	l.readImports()
	l.prune()
	o, err := l.order()
	t.Log(err)
	us, err := l.check(o)
	t.Log(err, len(us))
	for _, s := range o {
		for _, e := range s.errs {
			t.Log(e)
		}
	}
}
