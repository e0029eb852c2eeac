package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// cast is what the story is about, by id.
type cast struct {
	words, primes       string // sandboxes
	primesRun           string
	parts               []string // runs of words
	killed, taker, away *process
	killedAt            time.Time
	heirs               map[string]bool // runs, with their owner, that another peer could once go on with
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// until asks again until f is content. What f itself waits for is part of it: the error names both.
func until(ctx context.Context, what string, f func() (bool, error)) error {
	w := &wait{whats: []string{what}}
	for {
		ok, err := f()
		if ok && err == nil {
			return nil
		}
		if err != nil {
			w.last = err
		}
		if ctx.Err() != nil {
			w.cause = context.Cause(ctx)
			var inner *wait
			if errors.As(err, &inner) {
				w.whats, w.last = append(w.whats, inner.whats...), inner.last
			}
			return w
		}
		pause(ctx, askEvery)
	}
}

// wait is the error of until: what did not come about.
type wait struct {
	whats []string // each waited for in order to find out about the one before
	cause error    // why no longer
	last  error    // of the questions that were asked; nil: all were answered
}

func (w *wait) Error() string {
	text := fmt.Sprintf("waiting until %s: %v", strings.Join(w.whats, ", and for that until "), w.cause)
	if w.last != nil {
		text += fmt.Sprintf(" (the last error while asking: %v)", w.last)
	}
	return text
}

func (w *wait) Unwrap() error { return w.cause }

// found makes both sandboxes at peer 1 and joins the others.
func (d *demo) found(ctx context.Context, images map[string][]byte) error {
	first := d.peers[0]
	for name, id := range map[string]*string{wordcount: &d.cast.words, primes: &d.cast.primes} {
		box, err := d.create(ctx, first, name, images[name])
		if err != nil {
			return err
		}
		*id = box.ID
		d.tell(Event{Kind: "sandbox", Peer: 1, Run: name, ID: box.ID, Text: fmt.Sprintf("peer 1 made the sandbox %s, %s", name, short(box.ID))})
	}
	for _, sandbox := range []string{d.cast.words, d.cast.primes} {
		var ticket string
		err := first.ask(ctx, func(ctx context.Context) (err error) {
			ticket, err = first.c.Ticket(ctx, sandbox)
			return err
		})
		if err != nil {
			return err
		}
		err = d.each(func(p *process) error {
			if p == first {
				return nil
			}
			return p.ask(ctx, func(ctx context.Context) error {
				_, err := p.c.Join(ctx, api.Join{Ticket: ticket, Settings: d.settings(p, sandbox == d.cast.primes)})
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settings of a sandbox at a peer. All are standbys of all runs, but for primes peer 3, so that it is peer 2 who takes over.
func (d *demo) settings(p *process, ofPrimes bool) api.Settings {
	return api.Settings{Standby: !ofPrimes || p.number != 3, Read: []string{d.Text}}
}

// create makes a sandbox once, also when the process dies while it is asked.
func (d *demo) create(ctx context.Context, p *process, name string, image []byte) (box api.Sandbox, err error) {
	err = p.ask(ctx, func(ctx context.Context) error {
		st, err := p.c.Status(ctx)
		if err != nil {
			return err
		}
		if st.Opening {
			return errors.New("it is still opening its store")
		}
		for _, b := range st.Sandboxes {
			if b.Name == name {
				box = b
				return nil
			}
		}
		box, err = p.c.Create(ctx, api.Create{Name: name, Settings: d.settings(p, name == primes)}, image)
		return err
	})
	return box, err
}

// everybodyKnowsEverybody waits until each peer counts three members of both sandboxes: then majorities are what they will be.
func (d *demo) everybodyKnowsEverybody(ctx context.Context) error {
	return d.each(func(p *process) error {
		return until(ctx, fmt.Sprintf("peer %d knows all members", p.number), func() (bool, error) {
			boxes, err := p.c.Sandboxes(ctx)
			complete := 0
			for _, b := range boxes {
				if len(b.Members) == peersCount {
					complete++
				}
			}
			return complete == 2, err
		})
	})
}

// startRuns starts primes at peer 1 and a part of the count at each peer.
func (d *demo) startRuns(ctx context.Context) error {
	run, err := d.startRun(ctx, d.peers[0], d.cast.primes, primes, []string{primes, strconv.Itoa(d.Lines)})
	if err != nil {
		return err
	}
	d.cast.primesRun = run.ID
	d.lines = d.read(ctx, run.ID)
	d.cast.parts = make([]string, peersCount)
	err = d.each(func(p *process) error {
		args := []string{wordcount, d.Text, strconv.Itoa(p.number - 1), strconv.Itoa(peersCount)}
		run, err := d.startRun(ctx, p, d.cast.words, d.partName(p.number), args)
		d.cast.parts[p.number-1] = run.ID
		return err
	})
	return err
}

func (d *demo) partName(n int) string { return fmt.Sprintf("%s %d/%d", wordcount, n, peersCount) }

// startRun starts a run once. A run whose first turn was not durable when its peer died never was: then it is started again.
func (d *demo) startRun(ctx context.Context, p *process, sandbox, name string, args []string) (run api.Run, err error) {
	err = p.ask(ctx, func(ctx context.Context) error {
		if run, err = p.c.Start(ctx, sandbox, api.Start{Name: name, Args: args, Once: true}); err != nil {
			return err
		}
		for { // an error means that the peer died: the run may not be there any more, and to wait for it would be in vain
			now, err := p.c.Run(ctx, run.ID)
			if err != nil || now.Turn > 0 {
				return err
			}
			pause(ctx, askEvery)
		}
	})
	if err == nil {
		p.tell(Event{Kind: "owns", Run: name, Text: fmt.Sprintf("owns %s, run %s", name, short(run.ID))})
	}
	return run, err
}

// The owner of primes is killed when primes has printed this many lines and this many words are counted.
func (d *demo) killLine() uint64 { return 10 + d.Seed%10 }
func (d *demo) killWords() int64 { return d.want.total * int64(5+d.Seed%16) / 100 }

// counted is the merged Total as some living peer has it.
func (d *demo) counted(ctx context.Context, p *process) (int64, error) {
	vs, err := p.c.Variables(ctx, d.cast.words, "Total")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(vs[0].Text, 10, 64)
}

// kill ends the process that owns primes, in the middle: primes has printed some lines, and some words are counted.
func (d *demo) kill(ctx context.Context) error {
	d.cast.heirs = map[string]bool{}
	if _, _, err := d.heired(ctx); err != nil {
		return err
	}
	if err := d.lines.reached(ctx, d.killLine()); err != nil {
		return err
	}
	var words int64
	err := until(ctx, "counting is under way", func() (_ bool, err error) {
		words, err = d.counted(ctx, d.peers[1])
		return words > d.killWords(), err
	})
	if err != nil {
		return err
	}
	run, owner, err := d.heired(ctx) // again: one may have been killed from outside
	if err != nil {
		return err
	}
	if run.Done {
		return errors.New("primes ended before its owner could be killed: give it more lines with --lines")
	}
	d.cast.killed, d.cast.killedAt = owner, time.Now()
	pid := owner.kill()
	owner.tell(Event{Kind: "killed", PID: pid, Run: primes, Epoch: run.Epoch, Line: d.lines.count(), Words: words,
		Text: fmt.Sprintf("is killed (SIGKILL to process %d): it owned primes, which had printed %d lines; %d of %d words were counted", pid, d.lines.count(), words, d.want.total)})
	return nil
}

// heired waits until another peer could go on with each run of the owner of primes. The runs are durable at their owner only (level local): what nobody else
// has yet stands still until the owner is back, and the killed one only comes back when its runs go on elsewhere.
func (d *demo) heired(ctx context.Context) (run api.Run, owner *process, err error) {
	err = until(ctx, "the runs of the owner of primes have an heir", func() (bool, error) {
		if run, owner, err = d.owner(ctx, d.cast.primesRun); err != nil {
			return false, err
		}
		all := true
		for _, id := range append([]string{d.cast.primesRun}, d.cast.parts...) {
			own, err := owner.c.Run(ctx, id)
			if err != nil {
				return false, err
			}
			if key := id + own.Owner; d.byID(own.Owner) == owner && !d.cast.heirs[key] {
				d.cast.heirs[key] = d.hasHeir(ctx, own, owner) // a state of before is enough to go on from, should it be asked again
				all = all && d.cast.heirs[key]
			}
		}
		return all, nil
	})
	return run, owner, err
}

// hasHeir says whether a standby of a run has a state of its owner's epoch, or another peer knows that the run has ended.
func (d *demo) hasHeir(ctx context.Context, run api.Run, owner *process) bool {
	for _, p := range d.peers {
		if p == owner {
			continue
		}
		r, err := p.c.Run(ctx, run.ID)
		if err == nil && r.Epoch == run.Epoch && (r.Done || r.Warm && d.settings(p, run.Sandbox == d.cast.primes).Standby) {
			return true
		}
	}
	return false
}

// owner asks the peers that are not held dead who owns a run, by the highest epoch any of them knows.
func (d *demo) owner(ctx context.Context, id string) (best api.Run, owner *process, err error) {
	err = until(ctx, "a peer knows who owns "+short(id), func() (bool, error) {
		best = api.Run{}
		for _, p := range d.peers {
			if p.isHeld() {
				continue
			}
			if run, err := p.c.Run(ctx, id); err == nil && (run.Epoch > best.Epoch || run.Epoch == best.Epoch && run.Turn > best.Turn) {
				best = run
			}
		}
		owner = d.byID(best.Owner)
		return owner != nil, nil
	})
	return best, owner, err
}

func (d *demo) byID(id string) *process {
	for _, p := range d.peers {
		if id != "" && p.peerID() == id {
			return p
		}
	}
	return nil
}

// takenOver waits until every run that the killed peer owned goes on elsewhere, or had ended.
func (d *demo) takenOver(ctx context.Context) error {
	for _, id := range append([]string{d.cast.primesRun}, d.cast.parts...) {
		var run api.Run
		var owner *process
		err := until(ctx, "the killed peer's runs go on elsewhere", func() (_ bool, err error) {
			run, owner, err = d.owner(ctx, id)
			return owner != d.cast.killed || run.Done, err
		})
		if err != nil {
			return err
		}
		if owner == d.cast.killed || run.Epoch < 2 {
			if id == d.cast.primesRun {
				return errors.New("primes ended before it was taken over: give it more lines with --lines")
			}
			continue
		}
		if id == d.cast.primesRun {
			d.cast.taker = owner
		}
		took, since := d.takeover(ctx, owner, run)
		owner.tell(Event{Kind: "taken over", Run: run.Name, Epoch: run.Epoch, Took: since,
			Text: fmt.Sprintf("took over %s %s: epoch %d, %v from noticing to executing", run.Name, sinceText(since), run.Epoch, round(took))})
	}
	seen := d.lines.count()
	if err := d.lines.reached(ctx, seen+1); err != nil {
		return err
	}
	d.tell(Event{Kind: "line", Run: primes, Line: d.lines.count(), Took: time.Since(d.cast.killedAt),
		Text: fmt.Sprintf("primes prints again: line %d, %v after the kill", d.lines.count(), round(time.Since(d.cast.killedAt)))})
	return nil
}

func sinceText(since time.Duration) string {
	if since <= 0 {
		return "before the kill was seen"
	}
	return fmt.Sprintf("%v after the kill", round(since))
}

// takeover asks the new owner for its event of it: how long it took from noticing, and when that was after the kill.
func (d *demo) takeover(ctx context.Context, owner *process, run api.Run) (took, since time.Duration) {
	brief, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	errFound := errors.New("found")
	owner.c.Events(brief, 1, func(e api.Event) error {
		if e.Kind == "taken over" && e.Run == run.ID && e.Epoch == run.Epoch {
			took, since = e.Took, e.Time.Sub(d.cast.killedAt)
			return errFound
		}
		return nil
	})
	return took, since
}

// comeBack starts the killed peer again and waits until it has seen that its runs are another's now.
func (d *demo) comeBack(ctx context.Context) error {
	p := d.cast.killed
	p.release()
	if _, err := p.ready(ctx); err != nil {
		return err
	}
	back := time.Now()
	var run api.Run
	err := until(ctx, "the killed peer sees the higher epoch", func() (_ bool, err error) {
		run, err = p.c.Run(ctx, d.cast.primesRun)
		return run.Epoch > 1 && !run.Owned && d.byID(run.Owner) != p || run.Done, err
	})
	if err != nil {
		return err
	}
	p.tell(Event{Kind: "stands down", Run: primes, Epoch: run.Epoch, Took: time.Since(back),
		Text: fmt.Sprintf("is back, sees primes in epoch %d at peer %d after %v, and stands down", run.Epoch, d.number(run.Owner), round(time.Since(back)))})
	return nil
}

func (d *demo) number(id string) int {
	if p := d.byID(id); p != nil {
		return p.number
	}
	return 0
}

const (
	cutTime  = 2500 * time.Millisecond // longer than a lease, so that the runs of the peer behind the cut are taken over
	cutLines = 10                      // of primes, that are printed meanwhile
)

// partition cuts a peer that does not own primes from both others for a while, and heals the cut.
func (d *demo) partition(ctx context.Context) error {
	_, owner, err := d.owner(ctx, d.cast.primesRun)
	if err != nil {
		return err
	}
	p := d.peers[2]
	if p == owner {
		p = d.peers[1]
	}
	d.cast.away = p
	var others []string
	for _, o := range d.peers {
		if o != p {
			others = append(others, o.peerID())
		}
	}
	d.lines.keepFrom(p)
	if err := p.ask(ctx, func(ctx context.Context) error { return p.c.Cut(ctx, others...) }); err != nil {
		return err
	}
	words, _ := d.counted(ctx, p)
	p.tell(Event{Kind: "cut", Words: words, Text: fmt.Sprintf("is cut from the others; it knows of %d words", words)})
	from := d.lines.count()
	pause(ctx, cutTime+time.Duration(d.Seed%7)*100*time.Millisecond)
	if err := d.lines.reached(ctx, min(from+cutLines, uint64(d.Lines))); err != nil {
		return err
	}
	d.tellApart(ctx, p)
	begin := time.Now()
	if err := p.ask(ctx, func(ctx context.Context) error { return p.c.Heal(ctx) }); err != nil {
		return err
	}
	d.lines.keepFrom(nil)
	goal := d.lines.count()
	err = until(ctx, "the healed peer has what it missed", func() (bool, error) {
		run, err := p.c.Run(ctx, d.cast.primesRun)
		return run.Lines >= goal, err
	})
	if err != nil {
		return err
	}
	p.tell(Event{Kind: "healed", Line: goal, Took: time.Since(begin), Text: fmt.Sprintf("is healed and has everything it missed after %v", round(time.Since(begin)))})
	return nil
}

// tellApart says how far the two sides of the cut are apart.
func (d *demo) tellApart(ctx context.Context, p *process) {
	other := d.peers[1]
	if other == p {
		other = d.peers[0]
	}
	here, err1 := p.c.Digests(ctx)
	there, err2 := other.c.Digests(ctx)
	if err1 != nil || err2 != nil {
		return
	}
	for _, h := range here {
		for _, t := range there {
			if h.Sandbox == t.Sandbox {
				word := "equal"
				if h.Digest != t.Digest {
					word = "different"
				}
				d.tell(Event{Kind: "apart", Run: h.Name, Text: fmt.Sprintf("%s: digest %s at peer %d, %s at peer %d: %s", h.Name, short(h.Digest), p.number, short(t.Digest), other.number, word)})
			}
		}
	}
}

// finish waits until all runs have ended, as every peer sees it.
func (d *demo) finish(ctx context.Context) error {
	if err := d.lines.reached(ctx, uint64(d.Lines)); err != nil {
		return err
	}
	runs := append([]string{d.cast.primesRun}, d.cast.parts...)
	return d.each(func(p *process) error {
		return until(ctx, fmt.Sprintf("peer %d has seen the end of all runs", p.number), func() (bool, error) {
			for _, id := range runs {
				run, err := p.c.Run(ctx, id)
				if err != nil || !run.Done {
					return false, err
				}
				if run.Exit != 0 {
					return false, fmt.Errorf("%s ended with status %d", run.Name, run.Exit)
				}
			}
			return true, nil
		})
	})
}

// converge waits until the digests of all peers are equal in both sandboxes.
func (d *demo) converge(ctx context.Context) error {
	begin := time.Now()
	for _, sandbox := range []string{d.cast.words, d.cast.primes} {
		var name, digest string
		err := until(ctx, "the digests are equal", func() (bool, error) {
			digest = ""
			for _, p := range d.peers {
				boxes, err := p.c.Sandboxes(ctx)
				if err != nil {
					return false, err
				}
				for _, b := range boxes {
					switch {
					case b.ID != sandbox:
					case b.Pending > 0 || digest != "" && b.Digest != digest:
						return false, nil
					default:
						name, digest = b.Name, b.Digest
					}
				}
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		d.tell(Event{Kind: "converged", Run: name, Digest: digest, Took: time.Since(begin), Text: fmt.Sprintf("%s: digest %s at all three peers", name, short(digest))})
	}
	return nil
}
