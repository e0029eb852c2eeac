package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// progressEvery is how often a peer that joins says how far it is.
const progressEvery = time.Second

// busy says what is under way if it takes longer than a moment and somebody sits at a terminal. The caller calls done when it is over.
func (c *command) busy(what string) (done func()) {
	if !c.terminal {
		return func() {}
	}
	t := time.AfterFunc(progressEvery, func() { fmt.Fprintf(c.stderr, "peer: %s\n", what) })
	return func() { t.Stop() }
}

// isTerminal reports whether somebody reads what is written to f while it is written.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// showJoin says on stderr how far joining the sandbox is, until all is here: nothing in the first moment, and no line twice. The caller calls the
// function that it returns when enough was said, which then is over.
func (c *command) showJoin(ctx context.Context, sandbox string, ask func(context.Context) ([]api.Sandbox, error)) (enough func()) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		told := map[string]bool{}
		for said := ""; ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			boxes, err := ask(ctx)
			i := slices.IndexFunc(boxes, func(b api.Sandbox) bool { return b.ID == sandbox })
			if err != nil || i < 0 || ctx.Err() != nil {
				continue
			}
			j := boxes[i].Joining
			for _, line := range boxes[i].Foreign {
				if !told[line] {
					fmt.Fprintln(c.stderr, "peer: "+line)
				}
				told[line] = true
			}
			line := "joining: " + joinText(j)
			if j.Done {
				j.Behind = 0 // what was made since comes as to everybody else
				line = "everything is here: " + joinText(j)
			}
			if line != said {
				fmt.Fprintln(c.stderr, "peer: "+line)
			}
			if said = line; j.Done {
				return
			}
		}
	}()
	return func() {
		cancel()
		<-over
	}
}

// joinText says how far a join is.
func joinText(j api.Joining) string {
	if !j.Done && j.Peers == 0 && j.Deltas == 0 {
		return "no member has answered yet"
	}
	text := fmt.Sprintf("%d of %d deltas, %d of %d blocks, %s", j.Deltas, j.DeltasWanted, j.Blocks, j.BlocksWanted, sizeText(j.Bytes))
	if j.Behind > 0 {
		text += fmt.Sprintf("; %d deltas behind", j.Behind)
	}
	return text
}

func (c *command) statusOf() *cobra.Command {
	return c.listing(&cobra.Command{
		Use: "status", Short: "List the sandboxes, and how far this peer is in fetching them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := c.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			defer c.sayNotes(st)
			return c.show(st, "SANDBOX NAME MEMBERS REACHED COMPLETE BEHIND DELTAS BLOCKS BYTES REASON", func(row func(...any)) {
				for _, b := range st.Sandboxes {
					j := b.Joining
					why := b.Error
					if why == "" && len(b.Members) > 0 && !slices.Contains(b.Members, st.Peer) {
						why = "this peer left; opened again it is a member again"
					}
					row(short(b.ID), b.Name, len(b.Members), j.Peers, yes(j.Done), j.Behind, fmt.Sprintf("%d/%d", j.Deltas, j.DeltasWanted), fmt.Sprintf("%d/%d", j.Blocks, j.BlocksWanted), sizeText(j.Bytes), why)
				}
			})
		},
	})
}

// sayNotes says on stderr which peers speak another version, and what else somebody has to know of, with what to do.
func (c *command) sayNotes(st api.Status) {
	for _, b := range st.Sandboxes {
		for _, line := range slices.Concat(b.Foreign, b.Notes) {
			fmt.Fprintf(c.stderr, "peer: %s\n", line)
		}
	}
}
