package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/tandemvm/tandem/cmd/peer/internal/trial"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/replication/sim"
	"github.com/tandemvm/tandem/vm"
)

// simRun is a trial as it is asked for.
type simRun struct {
	allow   allowance
	peers   int
	seed    uint64
	seeds   int
	faults  string
	durable string
	most    time.Duration
	events  string
	worker  bool
}

const peersMax = 16

func (c *command) sim() *cobra.Command {
	r := &simRun{}
	cmd := &cobra.Command{
		Use: "sim PROGRAM [-- ARGS...]", Short: "Try a program out on simulated peers that fail, and say whether it converges",
		Long: `Try a program out on simulated peers, each with a run of its own, in virtual time. Their network splits, loses, repeats and reorders
messages, they crash and come back, their clocks are wrong: what of this happens when is drawn from the seed, and the same seed means
the same again. Runs whose owner is gone are taken over. In the end all is mended, and it is checked that all peers say the same, that no
line was lost or repeated, and so on; and the values of shared variables and the output of each run are compared with those of the same
runs when nothing goes wrong, and when they go one after another. What differs depends on the schedule: as where a value is read, changed
and written back while the last writer wins. Runs that never end are paused when their time is over.

Flags may stand after PROGRAM; those of the program follow --. In ARGS, {peer} stands for the number of the peer, from 1, and {peers}
for how many there are. The status is 1 if anything was found.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !r.worker {
				return fmt.Errorf("no program: give a .go file or a package directory")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.worker {
				return trial.Serve()
			}
			return c.tryOut(cmd, args, r)
		},
	}
	c.listingFormat(cmd)
	f := cmd.Flags()
	f.IntVar(&r.peers, "peers", 5, fmt.Sprintf("number of peers, 2 to %d", peersMax))
	f.Uint64Var(&r.seed, "seed", 1, "what goes wrong when, and the fate of every message")
	f.IntVar(&r.seeds, "seeds", 1, "how many seeds, --seed the first")
	f.StringVar(&r.faults, "faults", "all", "what may go wrong: `KINDS` of partition, crash, loss, reorder, duplicate, skew with commas between them, all, or none")
	durableFlag(cmd, &r.durable)
	f.DurationVar(&r.most, "for", 30*time.Second, "virtual time that the runs may take")
	f.StringVar(&r.events, "events", "", "write everything that happens with the first seed to `FILE`, a line for each event")
	f.BoolVar(&r.worker, "worker", false, "simulate what is read from standard input")
	f.MarkHidden("worker")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "durability" {
			name = "durable"
		}
		return pflag.NormalizedName(name)
	})
	r.allow.flags(cmd)
	return cmd
}

// listingFormat adds -o.
func (c *command) listingFormat(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.format, "output", "o", "text", "text or json")
}

// config reads the flags.
func (r *simRun) config(c *command) (trial.Config, error) {
	t := trial.Config{Seeds: r.seeds, Shrink: true, Most: r.most, Events: r.events, Worker: []string{"sim", "--worker"}}
	faults, err := sim.ParseFaults(r.faults)
	switch {
	case err != nil:
		return t, fmt.Errorf("--faults: %w", err)
	case r.peers < 2 || r.peers > peersMax:
		return t, fmt.Errorf("--peers %d: give 2 to %d", r.peers, peersMax)
	case r.seeds < 1:
		return t, fmt.Errorf("--seeds %d: give at least 1", r.seeds)
	case r.most < time.Second:
		return t, fmt.Errorf("--for %v: give at least 1s", r.most)
	case c.format != "text" && c.format != "json":
		return t, fmt.Errorf("-o %s: give text or json", c.format)
	}
	if _, err := replication.ParseLevel(r.durable); err != nil {
		return t, fmt.Errorf("--durable: %w", err)
	}
	t.Stage = sim.Config{Seed: r.seed, Peers: r.peers, Faults: faults, Durable: r.durable}
	return t, nil
}

func (c *command) tryOut(cmd *cobra.Command, args []string, r *simRun) error {
	t, err := r.config(c)
	if err != nil {
		return err
	}
	settings, err := r.allow.check()
	if err != nil {
		return err
	}
	p, err := c.compile(cmd.Context(), args[0])
	if err != nil {
		return err
	}
	name := programName(args[0])
	t.Setup = &trial.Setup{Image: p.Encode(), Name: name, Args: append([]string{name}, args[1:]...),
		Grants: vm.Grants{Read: settings.Read, Env: settings.Env}, Limits: vm.Limits{Gas: r.allow.gas, MemoryBytes: settings.MemoryBytes}}
	if c.format == "text" {
		t.Done = func(s trial.Seed) { c.sayseed(s, r, args) }
	}
	res, err := trial.Try(cmd.Context(), t)
	if err != nil {
		return err
	}
	bad := 0
	for _, s := range res.Seeds {
		if len(s.Findings) > 0 {
			bad++
		}
	}
	if c.format == "json" {
		err = c.show(res, "", nil)
	} else {
		err = c.sayResult(res, bad)
	}
	if err == nil && bad > 0 {
		err = found
	}
	return err
}

// sayseed prints what one seed showed.
func (c *command) sayseed(s trial.Seed, r *simRun, args []string) {
	o := s.Outcome
	turns, ended := uint64(0), 0
	for _, run := range o.Runs {
		turns += run.Turns
		if run.Ended {
			ended++
		}
	}
	fmt.Fprintf(c.stdout, "seed %d: %d faults, %d takeovers, %d turns in %v; %d of %d runs ended; events %.16s\n", s.Seed, len(o.Report.Plan), o.Report.Takeovers,
		turns, o.Report.Virtual.Round(time.Millisecond), ended, len(o.Runs), o.Report.Trace)
	for _, f := range s.Findings {
		ours := ""
		if f.Ours {
			ours = " (a fault of Tandem: no program may cause this)"
		}
		fmt.Fprintf(c.stdout, "  %s: %s%s\n", f.Property, f.Text, ours)
	}
	if s.Shrunk != nil {
		fmt.Fprintf(c.stdout, "  again, as small as it fails: peer sim --peers %d --seed %d --faults %v --durable %s -- %s\n", s.Shrunk.Peers, s.Seed, s.Shrunk.Faults, r.durable,
			strings.Join(args, " "))
	}
}

// sayResult prints the shared variables as they were at the end of the first seed with findings, else of the first, and the sum.
func (c *command) sayResult(res *trial.Result, bad int) error {
	s := res.Seeds[0]
	for _, x := range res.Seeds {
		if len(x.Findings) > 0 {
			s = x
			break
		}
	}
	if len(s.Outcome.Variables) > 0 {
		fmt.Fprintf(c.stdout, "\nAt the end of seed %d:\n", s.Seed)
		err := c.show(nil, "VARIABLE KIND LOST VALUE", func(row func(cells ...any)) {
			for _, v := range s.Outcome.Variables {
				row(v.Name, v.Rule, v.Lost, brief(v.Value))
				for peer, x := range v.Differing {
					row("", "", "", peer+": "+brief(x))
				}
			}
		})
		if err != nil {
			return err
		}
	} else {
		fmt.Fprintln(c.stdout, "\nThe program shares nothing: mark variables with //tandem:shared KIND")
	}
	fmt.Fprintf(c.stdout, "\n%d of %d seeds without findings\n", len(res.Seeds)-bad, len(res.Seeds))
	return nil
}

// brief is the beginning of a long value.
func brief(text string) string {
	const most = 100
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
