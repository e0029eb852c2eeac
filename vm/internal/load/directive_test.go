package load

import "testing"

func TestVariables(t *testing.T) {
	p, err := loadText(t, `package main

//tandem:shared
var Title string

// Hits counts.
//
//tandem:shared counter
var Hits, Misses int64

var (
	//tandem:shared map counter
	Words map[string]int

	plain int

	//tandem:local
	cache map[string]*int
)

type config struct {
	Port int      `+"`tandem:\"max\"`"+`
	Seen struct{ X [2]float32 }
}

//tandem:shared fields
var Config config

//tandem:shared set
var Tags map[string]bool

func main() { _ = plain }
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name, spec string
		local      bool
		line       int
	}{
		{"Title", "lww", false, 3}, {"Hits", "counter", false, 8}, {"Misses", "counter", false, 8}, {"Words", "map counter", false, 12},
		{"cache", "", true, 17}, {"Config", "fields", false, 26}, {"Tags", "set", false, 29},
	}
	if len(p.Variables) != len(want) {
		t.Fatalf("%d variables, want %d", len(p.Variables), len(want))
	}
	for i, w := range want {
		v := p.Variables[i]
		spec := ""
		if v.Spec != nil {
			spec = v.Spec.String()
		}
		if v.Global.Name() != w.name || spec != w.spec || v.Local != w.local || v.Position.Line != w.line {
			t.Errorf("%s %q local %v line %d, want %+v", v.Global.Name(), spec, v.Local, v.Position.Line, w)
		}
	}
}
