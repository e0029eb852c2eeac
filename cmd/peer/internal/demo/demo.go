// Package demo is the main job of the README: three peers as three processes of one binary, two programs, a killed owner, a
// partition, and a check that nothing was lost or counted twice. It is a client of the daemons it starts, like the command line,
// and knows nothing that a user could not ask them.
//
// It takes a temporary directory of some tens of megabytes and two cores for about half a minute.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Config of a demo. Binary and Text are needed.
type Config struct {
	Binary string // of peer
	Text   string // the text that is counted
	Dir    string // for the stores; empty: a temporary one, removed at the end if all held
	Lines  int    // that primes prints; default 600
	Keep   bool   // leave the cluster up
	Seed   uint64 // moves the moments of kill and cut
	Limit  time.Duration
	Tell   func(Event) // is told what happens; never twice at once
	Log    io.Writer   // gets what the processes say; default: files beside the stores
}

const (
	peersCount   = 3
	linesDefault = 600
	limitDefault = 60 * time.Second
)

// demo is one demonstration under way.
type demo struct {
	Config
	begin time.Time
	tell  func(Event)
	want  expected
	dir   string
	peers []*process // 1, 2, 3
	cast  cast
	lines *reader
}

// Run does the whole demonstration. The error says what did not hold.
func Run(ctx context.Context, c Config) (err error) {
	if c.Lines == 0 {
		c.Lines = linesDefault
	}
	if c.Limit == 0 {
		c.Limit = limitDefault
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Limit, fmt.Errorf("the demo was not done within %v", c.Limit))
	defer cancel()
	d := &demo{Config: c, begin: time.Now()}
	d.tell = serial(c.Tell, d.begin)
	if d.want, err = expect(c.Text, peersCount, c.Lines); err != nil {
		return err
	}
	d.tell(Event{Kind: "begin", Seed: c.Seed, Text: fmt.Sprintf("counting %s: %d words, %d different; seed %d", c.Text, d.want.total, len(d.want.counts), c.Seed)})
	if err := d.makeDir(); err != nil {
		return err
	}
	defer func() { err = d.end(err) }()
	err = d.script(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		if errors.Is(cause, context.Canceled) {
			return cause
		}
		err = fmt.Errorf("%w, while: %w", cause, err)
	}
	return err
}

func (d *demo) makeDir() (err error) {
	if d.Dir == "" {
		d.dir, err = os.MkdirTemp("", "tandem-demo-")
		return err
	}
	if entries, err := os.ReadDir(d.Dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: give the demo a new directory with --store", d.Dir)
	}
	d.dir, err = filepath.Abs(d.Dir)
	if err != nil {
		return err
	}
	return os.MkdirAll(d.dir, 0o700)
}

// each calls f for all peers at once.
func (d *demo) each(f func(p *process) error) error {
	errs := make([]error, len(d.peers))
	var all sync.WaitGroup
	for i, p := range d.peers {
		all.Go(func() { errs[i] = f(p) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// script is the demonstration in order.
func (d *demo) script(ctx context.Context) error {
	for n := 1; n <= peersCount; n++ {
		d.peers = append(d.peers, newProcess(d, n))
	}
	images, err := d.compileAndStart(ctx)
	if err != nil {
		return err
	}
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return d.found(ctx, images) },
		d.everybodyKnowsEverybody,
		d.startRuns,
		d.kill,
		d.takenOver,
		d.comeBack,
		d.partition,
		d.finish,
		d.converge,
		d.verify,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// compileAndStart compiles the programs while the processes start.
func (d *demo) compileAndStart(ctx context.Context) (map[string][]byte, error) {
	images := map[string][]byte{}
	for _, p := range d.peers {
		if err := p.start(); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{wordcount, primes} {
		begin := time.Now()
		image, err := compileExample(ctx, d.dir, name)
		if err != nil {
			return nil, err
		}
		images[name] = image
		d.tell(Event{Kind: "compiled", Run: name, Bytes: uint64(len(image)), Took: time.Since(begin), Text: fmt.Sprintf("compiled examples/%s: an image of %d KB in %v", name, len(image)>>10, round(time.Since(begin)))})
	}
	return images, d.each(func(p *process) error {
		st, err := p.ready(ctx)
		if err == nil {
			p.tell(Event{Kind: "up", PID: st.PID, ID: st.Peer, Text: "is up, its id ends in " + short(st.Peer)})
		}
		return err
	})
}

// end stops the processes, unless they are to be kept, and removes what is not needed any more.
func (d *demo) end(err error) error {
	if d.lines != nil {
		d.lines.stop()
	}
	if err == nil && d.Keep {
		d.keep()
		return nil
	}
	stopped := d.each((*process).stop)
	if err == nil {
		err = stopped
	}
	if err == nil && d.Dir == "" {
		return os.RemoveAll(d.dir)
	}
	if !errors.Is(err, context.Canceled) {
		d.tell(Event{Kind: "stores", Text: "the stores and what the processes said are in " + d.dir})
	} else if d.Dir == "" {
		return errors.Join(err, os.RemoveAll(d.dir))
	}
	return err
}

// keep says how to look at the cluster that stays up.
func (d *demo) keep() {
	d.tell(Event{Kind: "kept", Text: "the cluster stays up; look at it and end it so:"})
	binary := d.Binary
	if strings.Contains(binary, "go-build") {
		binary = "go run ./cmd/peer" // a binary of `go run`, which is removed when it ends
	}
	for _, p := range d.peers {
		p.leave()
		for _, verb := range []string{"ps", "digest", "stop"} {
			d.tell(Event{Kind: "kept", Peer: p.number, Text: fmt.Sprintf("    %s %s --store %s", binary, verb, p.dir)})
		}
	}
}
