package main

import (
	"strings"
	"testing"

	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// TestDivergenceIsSaid: who follows a run is told once that its sandbox has come to differ between peers, and not of other sandboxes.
func TestDivergenceIsSaid(t *testing.T) {
	var out strings.Builder
	c := &command{stderr: &out, store: "dir"}
	tell := c.teller(api.Run{ID: "run", Sandbox: "box"}, true)
	for _, box := range []string{"other", "box", "box"} {
		if err := tell(api.Event{Kind: string(tandem.Diverged), Sandbox: box, Error: "this replica and " + box + " differ in var main.Hits"}); err != nil {
			t.Fatal(err)
		}
	}
	want := "peer: this replica and box differ in var main.Hits: the program or the machine, or the memory or the disk of one of the two, is at fault; `peer diverge --store dir` says what differs now\n"
	if out.String() != want {
		t.Errorf("said %q, want %q", out.String(), want)
	}
}
