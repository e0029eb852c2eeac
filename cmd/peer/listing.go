package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// ticketSandbox is the id of the sandbox that a ticket invites to.
func ticketSandbox(ticket string) (string, error) {
	id, err := tandem.Invited(ticket)
	return id.String(), err
}

// listing adds --store and -o.
func (c *command) listing(cmd *cobra.Command) *cobra.Command {
	c.storeFlag(cmd)
	return c.formatted(cmd)
}

// formatted adds -o.
func (c *command) formatted(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&c.format, "output", "o", "text", "text or json")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if c.format != "text" && c.format != "json" {
			return fmt.Errorf("-o %s: give text or json", c.format)
		}
		return nil
	}
	return cmd
}

// show prints v as JSON, or the rows that text makes of it, aligned below their heading.
func (c *command) show(v any, heading string, text func(row func(cells ...any))) error {
	if c.format == "json" {
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	if heading != "" {
		fmt.Fprintln(w, strings.ReplaceAll(heading, " ", "\t"))
	}
	text(func(cells ...any) {
		for i, x := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, x)
		}
		fmt.Fprintln(w)
	})
	return w.Flush()
}

// short is the beginning of an id or hash; of a peer id, whose beginnings are all alike, its end.
func short(id string) string {
	switch {
	case len(id) <= 12:
		return id
	case strings.HasPrefix(id, "12D3"):
		return id[len(id)-8:]
	}
	return id[:12]
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (c *command) ps() *cobra.Command {
	return c.listing(&cobra.Command{
		Use: "ps", Short: "List the runs of the sandboxes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runs, err := c.client().Runs(cmd.Context())
			if err != nil {
				return err
			}
			st, err := c.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			c.sayUnopened(st)
			defer c.sayNotes(st)
			slices.SortStableFunc(runs, func(a, b api.Run) int { // what has not ended comes first
				if a.Done == b.Done {
					return strings.Compare(a.Name, b.Name)
				}
				if b.Done {
					return -1
				}
				return 1
			})
			return c.show(runs, "RUN NAME STATUS OWNER EPOCH TURN LINES MEMORY WARM FORKS REASON", func(row func(...any)) {
				for _, r := range runs {
					owner := short(r.Owner)
					if r.Owner == st.Peer {
						owner = "here"
					}
					row(short(r.ID), r.Name, runStatus(r), owner, r.Epoch, r.Turn, r.Lines, sizeText(r.MemoryBytes), yes(r.Warm || r.Owned), r.Forks, reason(r))
				}
			})
		},
	})
}

// sayUnopened says on stderr of which sandboxes a listing shows nothing.
func (c *command) sayUnopened(st api.Status) {
	for _, b := range st.Sandboxes {
		switch {
		case b.ID == "" || b.Program != "":
		case b.Error != "":
			fmt.Fprintf(c.stderr, "peer: sandbox %s could not be opened: %s\n", short(b.ID), b.Error)
		default:
			fmt.Fprintf(c.stderr, "peer: sandbox %s is still being opened: %s\n", short(b.ID), joinText(b.Joining))
		}
	}
}

// reason is why a run does not go on, or its output does not, with what to do about a message that may be to blame.
func reason(r api.Run) string {
	if n := len(r.Messages); n > 0 {
		return fmt.Sprintf("%s (after message %s: `peer drop %s %s` takes it away)", r.Error, r.Messages[n-1], short(r.ID), quoted(r.Messages[n-1]))
	}
	return cmp.Or(r.Error, r.Waits)
}

// quoted is an id as a shell takes it.
func quoted(id string) string {
	if strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:-") == "" {
		return id
	}
	return "'" + strings.ReplaceAll(id, "'", `'\''`) + "'"
}

func runStatus(r api.Run) string {
	switch {
	case r.Done:
		return "exit " + strconv.Itoa(r.Exit)
	case r.Paused:
		return "paused"
	case r.Error != "":
		return "stuck"
	case !r.Alive:
		return "owner gone"
	case r.Waits != "":
		return "waiting"
	}
	return "running"
}

func sizeText(bytes uint64) string {
	switch {
	case bytes < 10<<10:
		return strconv.FormatUint(bytes, 10)
	case bytes < 10<<20:
		return strconv.FormatUint(bytes>>10, 10) + "K"
	}
	return strconv.FormatUint(bytes>>20, 10) + "M"
}

func (c *command) vars() *cobra.Command {
	return c.listing(&cobra.Command{
		Use: "vars [NAME]", Short: "List the shared variables with their merged values", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := strings.Join(args, "")
			vars, err := c.client().Variables(cmd.Context(), "", name)
			if err != nil {
				return err
			}
			if st, err := c.client().Status(cmd.Context()); err == nil {
				c.sayUnopened(st)
			}
			return c.show(vars, "SANDBOX NAME RULE CONFLICTS VALUE", func(row func(...any)) {
				for _, v := range vars {
					text := v.Text
					if name == "" {
						text = clip(text, 60)
					}
					row(short(v.Sandbox), v.Name, v.Rule, v.Conflicts, text)
				}
			})
		},
	})
}

// clip shortens a long value in a list; asked for by name it is shown whole.
func clip(s string, runesMax int) string {
	r := []rune(s)
	if len(r) <= runesMax {
		return s
	}
	return string(r[:runesMax-1]) + "…"
}

func (c *command) logs() *cobra.Command {
	var follow bool
	var from uint64
	cmd := c.listing(&cobra.Command{
		Use: "logs [-f] RUN", Short: "Print a run's output; RUN is an id, its beginning, or a name", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := streams{c.stdout, c.stderr}
			e := json.NewEncoder(c.stdout)
			return c.client().Lines(cmd.Context(), args[0], from, follow, c.sayGaps(from, func(l api.Line) error {
				if c.format == "json" {
					return e.Encode(struct {
						Number uint64 `json:"number"`
						Stream uint8  `json:"stream"`
						Text   string `json:"text"`
					}{l.Number, l.Stream, string(l.Text)})
				}
				return out.WriteOutput(l.Stream, l.Text)
			}))
		},
	})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	cmd.Flags().Uint64Var(&from, "from", 0, "number of the first line; 0: the first that is kept")
	return cmd
}

// sayGaps is f that says on stderr which lines are missing between those that it is called for, because they were not kept until they were read. The first
// that is expected is next; 0: any.
func (c *command) sayGaps(next uint64, f func(l api.Line) error) func(l api.Line) error {
	return func(l api.Line) error {
		if next != 0 && l.Number > next {
			fmt.Fprintf(c.stderr, "peer: lines %d to %d are not kept any more\n", next, l.Number-1)
		}
		next = l.Number + 1
		return f(l)
	}
}

func (c *command) digest() *cobra.Command {
	return c.listing(&cobra.Command{
		Use: "digest", Short: "Print the digest of each sandbox: equal digests mean equal states", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ds, err := c.client().Digests(cmd.Context())
			if err != nil {
				return err
			}
			return c.show(ds, "SANDBOX NAME PEER DIGEST EQUAL", func(row func(...any)) {
				for _, d := range ds {
					row(short(d.Sandbox), d.Name, "here", short(d.Digest), "")
					for _, p := range d.Peers {
						state := yes(p.InSync)
						if !p.Reachable {
							state = "not heard"
						}
						row(short(d.Sandbox), d.Name, short(p.Peer), short(p.Digest), state)
					}
				}
			})
		},
	})
}

func (c *command) peers() *cobra.Command {
	return c.listing(&cobra.Command{
		Use: "peers", Short: "List the other members of the sandboxes, and who was one", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ps, err := c.client().Peers(cmd.Context())
			if err != nil {
				return err
			}
			st, err := c.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			defer c.sayNotes(st)
			return c.show(ps, "PEER SANDBOX MEMBER CONNECTED HEARD STANDBY DELTAS DIGEST EQUAL", func(row func(...any)) {
				for _, p := range ps {
					row(p.Peer, p.Name, yes(p.Member), yes(p.Connected), p.Ago.Round(time.Millisecond), yes(p.Standby), p.Deltas, short(p.Digest), yes(p.InSync))
				}
			})
		},
	})
}

func (c *command) invite() *cobra.Command {
	return c.listing(&cobra.Command{
		Use: "invite [SANDBOX]", Short: "Print a ticket: who has it can join", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := c.client().Ticket(cmd.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			return c.show(api.Ticket{Ticket: t}, "", func(row func(...any)) { row(t) })
		},
	})
}

func (c *command) stop() *cobra.Command {
	cmd := &cobra.Command{
		Use: "stop", Short: "End the peer that has the store; its runs go on when it is up again, or at a standby", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.client().Stop(cmd.Context()) },
	}
	c.storeFlag(cmd)
	return cmd
}

func (c *command) cut() *cobra.Command {
	cmd := &cobra.Command{
		Use: "cut PEER...", Short: "Refuse all traffic with peers, to try out a partition", Hidden: true, Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.client().Cut(cmd.Context(), args...) },
	}
	c.storeFlag(cmd)
	return cmd
}

func (c *command) heal() *cobra.Command {
	cmd := &cobra.Command{
		Use: "heal [PEER...]", Short: "End cut, for all peers if none is named", Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error { return c.client().Heal(cmd.Context(), args...) },
	}
	c.storeFlag(cmd)
	return cmd
}
