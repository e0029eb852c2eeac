package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/cmd/peer/internal/client"
	"github.com/tandemvm/tandem/cmd/peer/internal/daemon"
	"github.com/tandemvm/tandem/replication"
)

// service is how a command that serves a store does so.
type service struct {
	listen      []string
	announce    []string
	mdns        bool
	metrics     string
	lease       time.Duration
	diskFreeMin int64
	untilEOF    bool
	set         *pflag.FlagSet // those that the user gave
}

// serviceFlags are those that say how a store is served.
var serviceFlags = []string{"listen", "announce", "mdns", "metrics", "lease", "disk-free-min", "until-stdin-closes"}

func (s *service) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	s.set = f
	f.StringArrayVar(&s.listen, "listen", nil, "multiaddr to listen on, such as /ip4/0.0.0.0/udp/4001/quic-v1 (repeatable; default: QUIC and TCP on free ports)")
	f.StringArrayVar(&s.announce, "announce", nil, "multiaddr at which others reach this peer, behind a forwarded port (repeatable; default: what it listens on)")
	f.BoolVar(&s.mdns, "mdns", true, "find members on the local network")
	f.StringVar(&s.metrics, "metrics", "", "loopback `HOST:PORT` for Prometheus metrics and pprof")
	f.DurationVar(&s.lease, "lease", 0, "silence after which a run's owner counts as gone (default 1s)")
	f.Int64Var(&s.diskFreeMin, "disk-free-min", 0, "bytes of the disk to leave free (default 32 MiB)")
	f.BoolVar(&s.untilEOF, "until-stdin-closes", false, "end when standard input ends: for a parent process")
	f.MarkHidden("until-stdin-closes")
}

// leaseMin is the shortest silence that can mean something.
const leaseMin = 400 * time.Millisecond

// open starts a daemon on the store in this process.
func (c *command) open(s *service, init bool) (*daemon.Daemon, error) {
	switch {
	case s.lease != 0 && s.lease < leaseMin:
		return nil, fmt.Errorf("--lease %v: give at least %v, such as 1s: members are heard every 200ms", s.lease, leaseMin)
	case s.diskFreeMin < 0:
		return nil, fmt.Errorf("--disk-free-min %d: give a number of bytes; 0: 32 MiB", s.diskFreeMin)
	}
	return daemon.Open(daemon.Config{Dir: c.store, Listen: s.listen, Announce: s.announce, MDNS: s.mdns, Init: init, Metrics: s.metrics, Version: versionText(),
		Lease: s.lease, DiskFreeMin: s.diskFreeMin, Logger: c.logger()})
}

// reach gives a client of the daemon of the store: of the one that has it, else of one in this process, which the caller closes; nil: it is another's.
func (c *command) reach(ctx context.Context, s *service) (*daemon.Daemon, *client.Client, error) {
	cl := c.client()
	if daemon.IsStore(c.store) {
		asked, cancel := context.WithTimeout(ctx, answerLimit)
		defer cancel()
		_, err := cl.Status(asked)
		switch {
		case err == nil:
			for _, name := range serviceFlags {
				if s.set.Changed(name) {
					return nil, nil, fmt.Errorf("a peer is up on the store %s: --%s is for starting one: leave it out, or give another --store", c.store, name)
				}
			}
			return nil, cl, nil
		case ctx.Err() == nil && asked.Err() != nil:
			return nil, nil, fmt.Errorf("the peer that has the store %s does not answer: end it, or give another --store", c.store)
		case !errors.Is(err, client.ErrNoDaemon):
			return nil, nil, err
		}
	}
	d, err := c.open(s, true)
	return d, cl, err
}

// answerLimit is how long a daemon may take to say that it is there.
const answerLimit = 10 * time.Second

// serve keeps the daemon until ctx ends, a client asks it to stop, or its parent is gone.
func (c *command) serve(ctx context.Context, d *daemon.Daemon, s *service) error {
	eof := make(chan struct{})
	if s.untilEOF {
		go func() {
			io.Copy(io.Discard, c.stdin)
			close(eof)
		}()
	}
	select {
	case <-ctx.Done():
	case <-d.Stopped():
	case <-eof:
	}
	return d.Close()
}

func (c *command) up() *cobra.Command {
	var s service
	var init bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Open a store that exists and go on with its runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			made := missing(c.store)
			d, err := c.open(&s, init)
			if err != nil {
				return errors.Join(err, forget(made))
			}
			fmt.Fprintf(c.stderr, "peer: %s has the store %s: `peer ps --store %s` lists its runs, Ctrl-C or `peer stop` ends it\n", short(d.Peer()), c.store, c.store)
			return c.serve(cmd.Context(), d, &s)
		},
	}
	c.storeFlag(cmd)
	s.flags(cmd)
	cmd.Flags().BoolVar(&init, "init", false, "make the store if there is none, for peer run and peer join to add sandboxes to")
	return cmd
}

func (c *command) run() *cobra.Command {
	var s service
	var a allowance
	var name, onFailure, durable string
	var solo, standby, stay bool
	r := soloRun{allow: &a}
	cmd := &cobra.Command{
		Use:   "run [flags] PROGRAM [args...]",
		Short: "Run a program: a .go file or a package directory",
		Long: `Run a program: a .go file or a package directory.

Flags before PROGRAM are peer's, everything after it is the program's. The program runs as a run of a new sandbox, which others
join by the ticket printed on stderr; what stands on stdout is durable. If a peer is up on the store, the run is that peer's, and Ctrl-C
only ends looking at it; else this process is the peer, and with a store that was there already goes on with the runs in it as well.

With --solo there is no sandbox, no store and no network; such a run can be saved to a file and go on later, or elsewhere (--save, --load).`,
		Args: func(_ *cobra.Command, args []string) error {
			if (r.save != "" || r.load != "") && !solo {
				return errors.New("--save and --load are for --solo: a run in a sandbox is in its store, `peer up` goes on with it")
			}
			if r.load != "" && len(args) > 0 {
				return fmt.Errorf("%s: with --load there is no program to give; its arguments are in the file", args[0])
			}
			if len(args) == 0 && r.load == "" {
				return errors.New("no program: give a .go file or a package directory: see `peer run --help`")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if solo {
				return c.solo(cmd.Context(), args, &r)
			}
			settings, err := a.check()
			if err != nil {
				return err
			}
			settings.Standby = standby
			if name == "" {
				name = programName(args[0])
			}
			return c.runShared(cmd.Context(), args, api.Start{Name: name, OnFailure: onFailure, Durable: durable}, settings, &s, stay)
		},
	}
	cmd.Flags().SetInterspersed(false)
	c.storeFlag(cmd)
	s.flags(cmd)
	a.flags(cmd)
	r.flags(cmd)
	cmd.Flags().BoolVar(&solo, "solo", false, "run without a sandbox: no store, no network")
	cmd.Flags().BoolVar(&c.noCache, "no-cache", false, "compile the program even if that was done before, and do not keep the result")
	cmd.Flags().StringVar(&name, "name", "", "what the sandbox and the run are called (default: the program's name)")
	failureFlag(cmd, &onFailure)
	durableFlag(cmd, &durable)
	cmd.Flags().BoolVar(&standby, "standby", true, "take over runs of other peers whose owner is gone")
	cmd.Flags().BoolVar(&stay, "stay", false, "keep serving when the run has ended")
	return cmd
}

func failureFlag(cmd *cobra.Command, onFailure *string) {
	cmd.Flags().StringVar(onFailure, "on-failure", "pause", "what becomes of the run when a turn fails (panic, limit) and was taken back: pause, retry or stop")
}

// checkStart says what is wrong with how a run is to be started, before a store is made for it.
func checkStart(start api.Start) error {
	_, err := replication.ParseLevel(start.Durable)
	return errors.Join(tandem.Policy(start.OnFailure).Check(), err)
}

// runShared creates a sandbox for the program and follows its first run.
func (c *command) runShared(ctx context.Context, args []string, start api.Start, settings api.Settings, s *service, stay bool) error {
	if err := checkStart(start); err != nil {
		return err
	}
	if _, err := os.Stat(args[0]); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no program: %w: give a .go file or a package directory", err)
	}
	program, err := c.compile(ctx, args[0])
	if err != nil {
		return err
	}
	made := missing(c.store)
	d, cl, err := c.reach(ctx, s)
	if err != nil {
		return errors.Join(err, forget(made))
	}
	defer d.Close()
	defer cl.Close()
	box, err := cl.Create(ctx, api.Create{Name: start.Name, Settings: settings}, program.Encode())
	if err != nil {
		return errors.Join(err, d.Close(), forget(made))
	}
	ticket, err := cl.Ticket(ctx, box.ID)
	if err != nil {
		return err
	}
	start.Args = append([]string{programName(args[0])}, args[1:]...)
	run, err := cl.Start(ctx, box.ID, start)
	if err != nil {
		return errors.Join(err, d.Close(), forget(made))
	}
	fmt.Fprintf(c.stderr, "peer: store %s; others join with: peer join %s\n", c.store, ticket)
	return c.followThen(ctx, d, cl, run, s, stay)
}

// missing is the directory to remove again if nothing comes of a new store in dir: dir, if it is not there, else "".
func missing(dir string) string {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return dir
	}
	return ""
}

// forget removes a store in which nothing was made.
func forget(dir string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}

// followThen prints a run's output until it ends, and ends with its status; with stay it goes on serving before. A daemon that is another process's
// (d is nil) goes on with the run whatever becomes of this one.
func (c *command) followThen(ctx context.Context, d *daemon.Daemon, cl *client.Client, run api.Run, s *service, stay bool) error {
	if d == nil {
		return c.followOnly(ctx, cl, run)
	}
	following, enough := context.WithCancel(ctx)
	defer enough()
	go func() {
		select {
		case <-d.Stopped(): // whoever stops the peer does not want to wait for the run
			enough()
		case <-following.Done():
		}
	}()
	end, err := c.follow(following, cl, run, stay)
	if err != nil && ctx.Err() == nil && following.Err() != nil {
		return d.Close()
	}
	if err != nil && ctx.Err() == nil && !stay {
		return err
	}
	if err == nil {
		c.settle(ctx, cl, run.Sandbox)
	}
	if stay {
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(c.stderr, "peer: "+err.Error())
		}
		if err := c.serve(ctx, d, s); err != nil {
			return err
		}
	}
	if cerr := d.Close(); cerr != nil {
		return cerr
	}
	if err != nil && ctx.Err() != nil {
		fmt.Fprintf(c.stderr, "peer: interrupted: `peer up --store %s` goes on with the run\n", c.store)
		return interrupted
	}
	if err != nil {
		return err
	}
	if end.Exit != 0 {
		return exitStatus(end.Exit)
	}
	return nil
}

// followOnly prints a run's output until it ends, and ends with its status.
func (c *command) followOnly(ctx context.Context, cl *client.Client, run api.Run) error {
	end, err := c.follow(ctx, cl, run, true)
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintf(c.stderr, "peer: interrupted: the run goes on at the peer of %s: `peer logs -f --store %s %s` shows it\n", c.store, c.store, short(run.ID))
		return interrupted
	case err != nil:
		return err
	case end.Exit != 0:
		return exitStatus(end.Exit)
	}
	return nil
}

// settleLimit bounds how long a run that ended waits for another member to have its end.
const settleLimit = 5 * time.Second

// settle gives the members in reach, at least one if there are others, the time to receive what was just written. Otherwise it is
// in this store only, and the user is told.
func (c *command) settle(ctx context.Context, cl *client.Client, sandbox string) {
	boxes, err := cl.Sandboxes(ctx)
	if err != nil {
		return
	}
	for _, b := range boxes {
		if b.ID != sandbox || len(b.Members) < 2 {
			continue
		}
		if _, err := cl.Converged(ctx, api.Converged{Sandbox: sandbox, PeersMin: 1, Timeout: settleLimit}); err != nil && ctx.Err() == nil {
			fmt.Fprintf(c.stderr, "peer: the end of the run is in %s, and no other member has it yet: `peer up --store %s` hands it on\n", c.store, c.store)
		}
	}
}

// follow prints a run's output as it becomes durable, wherever the run executes, until it ends.
func (c *command) follow(ctx context.Context, cl *client.Client, run api.Run, stay bool) (api.Run, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		err := cl.Events(ctx, 1, c.teller(run, stay))
		if err != nil && ctx.Err() == nil {
			cancel(err)
		}
	}()
	out := streams{c.stdout, c.stderr}
	err := cl.Lines(ctx, run.ID, 0, true, c.sayGaps(1, func(l api.Line) error { return out.WriteOutput(l.Stream, l.Text) }))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return api.Run{}, err
	}
	return cl.Run(ctx, run.ID)
}

// teller is told, with a divergence once: it is found with each peer that has the other value, and again after each reconnect.
func (c *command) teller(run api.Run, stay bool) func(api.Event) error {
	diverged := false
	return func(e api.Event) error {
		if e.Kind == string(tandem.Diverged) && e.Sandbox == run.Sandbox {
			if diverged {
				return nil
			}
			diverged = true
		}
		return c.told(run, e, stay)
	}
}

// told shows why a turn of the followed run failed, and, unless the peer stays, ends following when the run does not go on by itself.
func (c *command) told(run api.Run, e api.Event, stay bool) error {
	switch kind := tandem.EventKind(e.Kind); {
	case kind == tandem.Broken && e.Sandbox == run.Sandbox:
		return errors.New(e.Error)
	case kind == tandem.Doubled && e.Sandbox == run.Sandbox:
		fmt.Fprintf(c.stderr, "peer: another process has this peer's identity: the store %s was copied and both copies are in use: end one of them, and join anew with it in another directory\n", c.store)
	case kind == tandem.Diverged && e.Sandbox == run.Sandbox:
		fmt.Fprintf(c.stderr, "peer: %s: the program or the machine, or the memory or the disk of one of the two, is at fault; `peer diverge --store %s` says what differs now\n", e.Error, c.store)
	case e.Run != run.ID:
	case kind == tandem.RunStuck:
		return errors.New(e.Error)
	case kind == tandem.RunRetries:
		fmt.Fprintf(c.stderr, "peer: %s; it is tried again\n", e.Error)
	case kind == tandem.RunWaits:
		fmt.Fprintf(c.stderr, "peer: run %s: %s: what it prints from here on is shown when they do\n", e.Name, e.Error)
	case kind == tandem.RunHeld:
		fmt.Fprintf(c.stderr, "peer: run %s: enough peers are in reach again\n", e.Name)
	case kind == tandem.RunPaused && e.Error == "":
		fmt.Fprintf(c.stderr, "peer: run %s is paused by request\n", e.Name)
	case kind == tandem.RunPaused && stay:
		fmt.Fprintf(c.stderr, "%speer: run %s is paused: %s: `peer resume --store %s %s` goes on\n", e.Text, e.Name, e.Error, c.store, e.Run[:12])
	case kind == tandem.RunPaused:
		io.WriteString(c.stderr, e.Text)
		return fmt.Errorf("run %s is paused: %s: with the peer up (`peer up --store %s`) `peer resume --store %s %s` goes on", e.Name, e.Error, c.store, c.store, e.Run[:12])
	}
	return nil
}
