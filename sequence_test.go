package tandem

import (
	"slices"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/changes"
)

// notes is a program whose runs write into one text, one list and one log at once.
const notes = `package main

import (
	"os"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared text
var Text = "begin end"

//tandem:shared list
var Items []string

//tandem:shared map log
var Events = map[string][]int{}

func main() {
	me := os.Args[1]
	for i := range 5 {
		at := len("begin ") + i*len(me)
		for j := range Text {
			if Text[j:j+1] == me {
				at = j + i
				break
			}
		}
		Text = Text[:at] + me + Text[at:]
		Items = append(Items, me)
		Events["all"] = append(Events["all"], i)
		turn.Commit()
	}
	for i, x := range Items {
		if x == me {
			Items = append(Items[:i:i], Items[i+1:]...)
			break
		}
	}
}
`

// TestPeersWriteOneText: what two runs at two peers insert into a text, a list and a log is there, of each run in its order and in one
// piece of text.
func TestPeersWriteOneText(t *testing.T) {
	ctx := patient(t)
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback}, compileText(t, notes), "notes"))
	defer end(t, a)
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback}, must[string](t)(a.Ticket())))
	defer end(t, b)
	ra := must[*Run](t)(a.Start(ctx, RunOptions{Name: "A", Args: []string{"notes", "A"}}))
	rb := must[*Run](t)(b.Start(ctx, RunOptions{Name: "B", Args: []string{"notes", "B"}}))
	for _, r := range []*Run{ra, rb} {
		if exit, err := r.Wait(ctx); exit != 0 || err != nil {
			t.Fatalf("%d, %v", exit, err)
		}
	}
	eventually(t, "both runs have ended at both peers", func() bool { return ended(a) == 2 && ended(b) == 2 })
	for _, s := range []*Sandbox{a, b} {
		text, _, err := s.Value("main.Text")
		if err != nil || len(text.Text()) != len("begin end")+10 || strings.Count(text.Text(), "AAAAA") != 1 || strings.Count(text.Text(), "BBBBB") != 1 {
			t.Errorf("text %v, %v", text, err)
		}
		items, _, err := s.Value("main.Items")
		if err != nil || strings.Count(items.String(), "A") != 4 || strings.Count(items.String(), "B") != 4 {
			t.Errorf("items %v, %v", items, err)
		}
		events, _, err := s.Value("main.Events")
		if err != nil {
			t.Fatal(err)
		}
		all, _ := events.Lookup(changes.StringValue("all"))
		var ns []int64
		for i := range all.Len() {
			ns = append(ns, all.Item(i).Int())
		}
		if slices.Sort(ns); !slices.Equal(ns, []int64{0, 0, 1, 1, 2, 2, 3, 3, 4, 4}) {
			t.Errorf("events %v", all)
		}
	}
	if a.Digest() != b.Digest() {
		t.Errorf("digests %v and %v", a.Digest(), b.Digest())
	}
}
