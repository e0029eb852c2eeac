package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/cmd/peer/internal/client"
	"github.com/tandemvm/tandem/cmd/peer/internal/daemon"
)

func (c *command) join() *cobra.Command {
	var s service
	var a allowance
	var name, onFailure, durable string
	var standby, stay bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "join TICKET|SANDBOX [flags] [-- args...]",
		Short: "Join a sandbox by its ticket and start a run of its program",
		Long: `Join a sandbox by its ticket, and start a run of its program with args. One that is in the store already may be named: then this is another
run of its program. If a peer is up on the store, the run is that peer's, and Ctrl-C only ends looking at it.

With --standby no run is started: this peer keeps the runs of others warm and takes one over when its owner is gone. With --stay it does so beside
its own run, and after it has ended.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if standby && stay {
				return errors.New("--standby starts no run and stays as it is; --stay is for a peer with a run: give one of them")
			}
			if dash := cmd.ArgsLenAtDash(); len(args) == 0 || dash == 0 || dash < 0 && len(args) > 1 || dash > 1 {
				return errors.New("give one ticket, or a sandbox of the store, and the program's arguments after --: see `peer join --help`")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := a.check()
			if err != nil {
				return err
			}
			settings.Standby = standby || stay
			start := &api.Start{Name: name, Args: args[1:], OnFailure: onFailure, Durable: durable}
			if standby {
				start = nil
			}
			return c.joinShared(cmd.Context(), api.Join{Ticket: args[0], Settings: settings}, start, &s, wait, stay)
		},
	}
	c.storeFlag(cmd)
	s.flags(cmd)
	a.flags(cmd)
	cmd.Flags().BoolVar(&c.noCache, "no-cache", false, "compile the program even if that was done before, and do not keep the result")
	cmd.Flags().StringVar(&name, "name", "", "what the run is called (default: the sandbox's name)")
	failureFlag(cmd, &onFailure)
	durableFlag(cmd, &durable)
	cmd.Flags().BoolVar(&standby, "standby", false, "start no run; take over those whose owner is gone")
	cmd.Flags().BoolVar(&stay, "stay", false, "keep serving when the run has ended, and take over runs of others whose owner is gone")
	cmd.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to wait for a member to answer")
	return cmd
}

// joinShared joins the sandbox and follows a run that it starts; nil: it starts none and serves.
func (c *command) joinShared(ctx context.Context, j api.Join, start *api.Start, s *service, wait time.Duration, stay bool) error {
	if start != nil {
		if err := checkStart(*start); err != nil {
			return err
		}
	}
	named := daemon.IsStore(c.store) && !strings.HasPrefix(j.Ticket, ticketPrefix)
	if _, err := ticketSandbox(j.Ticket); err != nil && !named {
		return err
	}
	made := missing(c.store)
	d, cl, err := c.reach(ctx, s)
	if err != nil {
		return errors.Join(err, forget(made))
	}
	defer d.Close()
	defer cl.Close()
	if named {
		if j.Ticket, err = cl.Ticket(ctx, j.Ticket); err != nil {
			return fmt.Errorf("%w in the store %s, and it is no ticket", err, c.store)
		}
	}
	id, err := c.joinable(ctx, cl, j.Ticket, s)
	if err != nil {
		return err
	}
	patience, cancel := context.WithTimeoutCause(ctx, wait, errNobody)
	defer cancel()
	enough := c.showJoin(ctx, id, cl.Sandboxes)
	defer enough()
	box, err := cl.Join(patience, j)
	if err != nil {
		if ctx.Err() == nil && patience.Err() != nil {
			err = fmt.Errorf("%w within %v: check that a member runs and can be reached from here, or wait longer with --wait", errNobody, wait)
		}
		enough()
		if ctx.Err() != nil {
			return errors.Join(err, d.Close()) // members may know this peer by now: who tries again with the store is the same one, not one more that never answers
		}
		return errors.Join(err, d.Close(), forget(made))
	}
	fmt.Fprintf(c.stderr, "peer: joined %s (%s) on the store %s\n", box.Name, box.ID[:12], c.store)
	if start == nil && d == nil {
		return nil
	}
	if start == nil {
		return c.serve(ctx, d, s)
	}
	if start.Name == "" {
		start.Name = box.Name
	}
	start.Args = append([]string{box.Name}, start.Args...)
	run, err := cl.Start(ctx, box.ID, *start)
	if err != nil {
		return err
	}
	return c.followThen(ctx, d, cl, run, s, stay)
}

var errNobody = errors.New("no member of the sandbox answered")

// ticketPrefix is what every ticket begins with.
const ticketPrefix = "tandem1"

// joinable is the id of a ticket's sandbox. One that is in the store already has what its runs may use: asking for something else is an error.
func (c *command) joinable(ctx context.Context, cl *client.Client, ticket string, s *service) (string, error) {
	id, err := ticketSandbox(ticket)
	if err != nil {
		return "", err
	}
	boxes, err := cl.Sandboxes(ctx)
	if err != nil || !slices.ContainsFunc(boxes, func(b api.Sandbox) bool { return b.ID == id }) {
		return id, err
	}
	for _, name := range allowanceFlags {
		if s.set.Changed(name) {
			return "", fmt.Errorf("the sandbox is in the store %s already, with what its runs may use: --%s is for joining it the first time", c.store, name)
		}
	}
	return id, nil
}
