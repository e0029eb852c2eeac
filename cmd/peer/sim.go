package main

import (
	"fmt"
	"maps"
	"slices"
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
	other   string // flags given that are neither above nor about what is shown, each after a space
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
	c.formatted(cmd)
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

// config reads the flags.
func (r *simRun) config(cmd *cobra.Command) (trial.Config, error) {
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
	}
	if _, err := replication.ParseLevel(r.durable); err != nil {
		return t, fmt.Errorf("--durable: %w", err)
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains([]string{"peers", "seed", "seeds", "faults", "durable", "events", "output", "verbose"}, f.Name) {
			for _, v := range flagValues(f) {
				r.other += fmt.Sprintf(" --%s %s", f.Name, v)
			}
		}
	})
	t.Stage = sim.Config{Seed: r.seed, Peers: r.peers, Faults: faults, Durable: r.durable}
	return t, nil
}

// flagValues are what a flag was given, one or, if it is repeatable, several.
func flagValues(f *pflag.Flag) []string {
	if many, ok := f.Value.(pflag.SliceValue); ok {
		return many.GetSlice()
	}
	return []string{f.Value.String()}
}

func (c *command) tryOut(cmd *cobra.Command, args []string, r *simRun) error {
	t, err := r.config(cmd)
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
		Grants: vm.Grants{Read: settings.Read, Env: settings.Env}, Limits: limitsOf(settings)}
	seed := func(n uint64) func() { return c.busy(fmt.Sprintf("simulating seed %d", n)) }
	done := seed(r.seed)
	t.Done = func(s trial.Seed) {
		done()
		if c.format == "text" {
			c.saySeed(s, r, args)
		}
		if s.Seed+1 < r.seed+uint64(r.seeds) {
			done = seed(s.Seed + 1)
		}
	}
	defer func() { done() }()
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

// saySeed prints what one seed showed.
func (c *command) saySeed(s trial.Seed, r *simRun, args []string) {
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
		fmt.Fprintf(c.stdout, "  again, as small as it fails: peer sim --peers %d --seed %d --faults %v --durable %s%s -- %s\n", s.Shrunk.Peers, s.Seed, s.Shrunk.Faults, r.durable,
			r.other, strings.Join(args, " "))
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
				for _, peer := range slices.Sorted(maps.Keys(v.Differing)) {
					row("", "", "", peer+": "+brief(v.Differing[peer]))
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
