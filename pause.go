package tandem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

// Policy is what becomes of a run when a turn fails: a panic that nothing recovers, a fatal error, a limit. The turn is taken back whole in any
// case.
type Policy string

const (
	// PauseOnFailure waits for Resume. It is the policy of runs that name none.
	PauseOnFailure Policy = "pause"
	// RetryOnFailure tries the turn again after longer and longer waits, since what others share may have changed, and then pauses.
	RetryOnFailure Policy = "retry"
	// StopOnFailure ends the run: the failure's text is its last output, and its status is Go's.
	StopOnFailure Policy = "stop"
)

// Check is an error unless p is one of the policies, or empty.
func (p Policy) Check() error {
	switch p {
	case "", PauseOnFailure, RetryOnFailure, StopOnFailure:
		return nil
	}
	return fmt.Errorf("tandem: no failure policy %q: give %s, %s or %s", string(p), PauseOnFailure, RetryOnFailure, StopOnFailure)
}

// Waits before a turn is tried again: the first, each next one twice as long, and how many.
const (
	retryFirst = 100 * time.Millisecond
	retriesMax = 6
)

// Paused says that a run waits for Resume, and why. It is part of the run, at every peer, and outlives restarts and takeovers.
type Paused struct {
	Reason string `json:"reason"`         // one line
	Text   string `json:"text,omitempty"` // what Go prints of such a failure, its beginning if that is long
	Turn   uint64 `json:"turn"`           // the last that counts
	// Messages are the ids of those that the program had received in the turn that failed, the newest of them: the run goes on when one of them is
	// dropped, by itself.
	Messages []string `json:"messages,omitempty"`
}

const (
	pauseReasonMax = 512
	pauseTextMax   = 4 << 10 // bytes: the record of a run has room for 16 KiB
	pauseMessages  = 16
)

// PauseOf is why the run of a head is paused, nil if it is not.
func PauseOf(h replication.Head) *Paused {
	m, err := decodeMeta(h.Meta)
	if err != nil || h.Done {
		return nil
	}
	return m.Paused
}

// pauseOf is why a run waits, nil if it does not: also when it waits no longer, and has not been gone on with.
func (s *Sandbox) pauseOf(run changes.RunID) *Paused {
	h, err := s.replica.Head(run)
	if err != nil {
		return nil
	}
	p := PauseOf(h)
	if p != nil && s.freed(run, *p) {
		return nil
	}
	return p
}

// freed says that what made a turn fail was taken away: a message that the program had received in it.
func (s *Sandbox) freed(run changes.RunID, p Paused) bool {
	ids, _ := s.replica.DroppedIDs(run, 0)
	return slices.ContainsFunc(p.Messages, func(id string) bool { return slices.Contains(ids, id) })
}

// want is what somebody can want of a run.
type want uint8

const (
	toGoOn  want = iota // after a pause
	toPause             // after its turn
	toEnd               // likewise
)

// ask is what somebody wants of a run.
type ask struct {
	want   want
	limits vm.Limits     // to go on with: those that are not zero are the run's from then on
	done   chan struct{} // closed when it is durable, or refused
	err    error         // why it was refused, written before
	heeded bool          // its limits are the run's
	begun  bool          // it is being done, and cannot be taken back
}

// ask leaves word for the run, wakes it, and waits until it has done what it was asked. Who does not wait to the end takes the word back, or is told ErrUnderWay.
func (r *Run) ask(ctx context.Context, a *ask) error {
	a.done = make(chan struct{})
	r.mu.Lock()
	r.asked = append(r.asked, a)
	r.machine.Pause()
	r.mu.Unlock()
	r.wake()
	return r.heard(ctx, a)
}

// heard waits until the run has done what it was asked.
func (r *Run) heard(ctx context.Context, a *ask) error {
	select {
	case <-a.done:
		return a.err
	case <-r.done:
	case <-ctx.Done():
		if r.withdraw(a) {
			return ctx.Err()
		}
		patience := time.NewTimer(underWayLimit) // what is begun is done soon, unless other members have to hold it who are out of reach
		defer patience.Stop()
		select {
		case <-a.done:
		case <-r.done:
		case <-patience.C:
			return fmt.Errorf("%w: run %s: %w", ErrUnderWay, r.id, ctx.Err())
		}
	}
	select {
	case <-a.done:
		return a.err
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && a.want != toEnd {
		return fmt.Errorf("%w: run %s", replication.ErrDone, r.id)
	}
	return r.err
}

// underWayLimit is how long who asked waits on, when its context has ended, for what is being done.
const underWayLimit = time.Second

// withdraw takes a word back; false: it is being done, or was.
func (r *Run) withdraw(a *ask) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-a.done:
		return false
	default:
	}
	if a.begun {
		return false
	}
	r.asked = slices.DeleteFunc(r.asked, func(x *ask) bool { return x == a })
	return true
}

// wake ends the run's waiting for something to happen.
func (r *Run) wake() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// answer tells those who wanted w that it is so now.
func (r *Run) answer(w want) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := r.asked[:0]
	for _, a := range r.asked {
		if a.want != w {
			rest = append(rest, a)
			continue
		}
		if w == toGoOn && !a.heeded && a.limits != (vm.Limits{}) { // it came when the run was going on already
			a.err = notPaused(r.id)
		}
		close(a.done)
	}
	r.asked = rest
}

func notPaused(run changes.RunID) error { return fmt.Errorf("tandem: run %s is not paused", run) }

// wants reports whether somebody asks for it.
func (r *Run) wants(w want) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.asked, func(a *ask) bool { return a.want == w })
}

// begins reports whether somebody asks for it, and takes note that it is being done: it is not taken back from then on.
func (r *Run) begins(w want) (any bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.asked {
		if a.want == w {
			a.begun, any = true, true
		}
	}
	return any
}

// Pause makes the run wait, after the turn it is in, until Resume. It returns when that is durable. When ctx ends before, the error says what becomes of it: ctx's alone,
// the run does not wait; ErrUnderWay with it, it does as soon as it can be durable.
func (s *Sandbox) Pause(ctx context.Context, run changes.RunID) error {
	if err := s.isOpen(); err != nil {
		return err
	}
	r := s.running(run)
	if r == nil {
		return s.notHere(run)
	}
	if s.pauseOf(run) != nil {
		return nil
	}
	return r.ask(ctx, &ask{want: toPause})
}

// Resume makes a paused run go on where it was paused: at the peer that has it, or here when that one is gone. The limits of l that are not zero are the
// run's from then on, wherever it executes. When ctx ends before that is durable, the error says what becomes of it, as that of Pause.
func (s *Sandbox) Resume(ctx context.Context, run changes.RunID, l vm.Limits) error {
	if err := s.isOpen(); err != nil {
		return err
	}
	h, err := s.replica.Head(run)
	switch {
	case err != nil:
		return err
	case h.Done:
		return fmt.Errorf("%w: run %s", replication.ErrDone, run)
	case PauseOf(h) == nil:
		return notPaused(run)
	case l.Gas != 0 && l.Gas <= h.Instructions:
		return fmt.Errorf("%w: run %s has executed %d instruction words: give more gas than that", errLimits, run, h.Instructions)
	}
	if r := s.running(run); r != nil {
		return r.ask(ctx, &ask{limits: l})
	}
	if err := s.orphaned(ctx, h); err != nil {
		return err
	}
	r, _, err := s.takeOver(ctx, run, continuation{resume: true, limits: l})
	if err == nil {
		s.tell(Event{Kind: RunResumed, Run: run, Name: r.name, Epoch: r.epoch.Number, Turn: h.Turn})
	}
	return err
}

// orphaned waits until nobody executes the run of a head. It is an error when somebody else does.
func (s *Sandbox) orphaned(ctx context.Context, h replication.Head) error {
	for s.alive(h.Run) {
		if h.Owner != s.replica.Self() {
			return s.notHere(h.Run)
		}
		// Our own from before a restart counts as alive until it has been silent for a lease.
		if err := (vm.WallClock{}).Sleep(ctx, s.lease()/10); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sandbox) alive(run changes.RunID) bool {
	for _, st := range s.replica.Runs() {
		if st.Head.Run == run {
			return st.Alive
		}
	}
	return false
}

// notHere says who has a run that this peer does not execute.
func (s *Sandbox) notHere(run changes.RunID) error {
	h, err := s.replica.Head(run)
	switch {
	case err != nil:
		return err
	case h.Done:
		return fmt.Errorf("%w: run %s", replication.ErrDone, run)
	}
	return fmt.Errorf("%w: run %s is at %s: ask there", ErrMoved, run, h.Owner)
}

// annotate makes m the meta of the run, durably.
func (r *Run) annotate(ctx context.Context, m meta) error {
	if err := r.s.replica.SetMeta(ctx, r.id, r.epoch, m.encode()); err != nil {
		return err
	}
	r.meta = m
	return nil
}

// failed does what the run's policy says about a turn that failed and was taken back. A turn is given when the run ends with it; nil: go on.
func (r *Run) failed(ctx context.Context, f *vm.Failure) (*vm.Turn, error) {
	why := fmt.Errorf("turn %d of run %s was taken back: %w", r.turn+1, r.name, f)
	if n := len(f.Messages); n > 0 {
		why = fmt.Errorf("%w (it had received message %s: drop it if that is to blame)", why, f.Messages[n-1])
	}
	switch {
	case r.meta.OnFailure == StopOnFailure:
		r.s.log.Warn("run ends by a failure", "run", r.id.String(), "err", why)
		return r.machine.Abort(f)
	case r.meta.OnFailure == RetryOnFailure && r.meta.triesAfter(r.turn) < retriesMax:
		if err := r.known(ctx); err != nil {
			return nil, err
		}
		failed := r.meta.triesAfter(r.turn)
		wait := retryFirst << failed
		m := r.meta
		m.Tries = &tries{Turn: r.turn, Failed: failed + 1}
		if err := r.annotate(ctx, m); err != nil {
			return nil, err
		}
		r.s.tell(Event{Kind: RunRetries, Run: r.id, Name: r.name, Epoch: r.epoch.Number, Turn: r.turn, Err: why, Text: f.Text})
		return nil, r.idle(ctx, r.s.now().Add(wait), nil)
	}
	p := Paused{Reason: cut(f.Reason, pauseReasonMax), Text: cut(string(f.Text), pauseTextMax), Turn: r.turn,
		Messages: f.Messages[max(0, len(f.Messages)-pauseMessages):]}
	return nil, r.restFailed(ctx, p, why, f.Text)
}

func cut(text string, bytesMax int) string {
	return strings.ToValidUTF8(text[:min(len(text), bytesMax)], "?")
}

// rest pauses the run until it is asked to go on.
func (r *Run) rest(ctx context.Context, p Paused) error { return r.restFailed(ctx, p, nil, nil) }

func (r *Run) restFailed(ctx context.Context, p Paused, why error, text []byte) error {
	if err := r.known(ctx); err != nil {
		return err
	}
	p.Turn = r.turn
	m := r.meta
	m.Paused, m.Tries = &p, nil
	if err := r.annotate(ctx, m); err != nil {
		return err
	}
	r.s.log.Info("run paused", "run", r.id.String(), "turn", r.turn, "reason", p.Reason)
	r.s.tell(Event{Kind: RunPaused, Run: r.id, Name: r.name, Epoch: r.epoch.Number, Turn: r.turn, Err: why, Text: text})
	r.answer(toPause)
	if ends, err := r.goOn(ctx, p); err != nil || ends {
		return err
	}
	m = r.meta
	m.Paused = nil
	if err := r.annotate(ctx, m); err != nil {
		return err
	}
	r.answer(toGoOn)
	r.s.tell(Event{Kind: RunResumed, Run: r.id, Name: r.name, Epoch: r.epoch.Number, Turn: r.turn})
	return nil
}

// goOn waits until the run is asked to go on, and gives it the limits that come with that, of all who ask, or until what made it pause is taken away. Who
// asks for limits that it cannot have is told so, and does not make it go on. ends: somebody wants it to end instead.
func (r *Run) goOn(ctx context.Context, p Paused) (ends bool, err error) {
	for asked := false; !r.s.freed(r.id, p); {
		if r.begins(toEnd) {
			return true, nil
		}
		for a := r.asking(); a != nil; a = r.asking() {
			switch err := r.limit(ctx, a.limits); {
			case err == nil:
				asked, a.heeded = true, true
			case errors.Is(err, errLimits):
				r.refuse(a, err)
			default:
				return false, err
			}
		}
		if asked {
			return false, nil
		}
		select {
		case <-r.poke:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return false, nil
}

// asking is the first who wants the run to go on and was not heeded, nil: nobody. What it asks for is begun by that.
func (r *Run) asking() *ask {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.asked {
		if a.want == toGoOn && !a.heeded {
			a.begun = true
			return a
		}
	}
	return nil
}

// refuse tells one who asked why it is not done.
func (r *Run) refuse(a *ask, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.err = why
	close(a.done)
	r.asked = slices.DeleteFunc(r.asked, func(x *ask) bool { return x == a })
}

// resumed ends the pause of a run that was just loaded.
func (r *Run) resumed(ctx context.Context, l vm.Limits) error {
	if r.meta.Paused == nil {
		return nil
	}
	if err := r.limit(ctx, l); err != nil {
		return err
	}
	m := r.meta
	m.Paused = nil
	return r.annotate(ctx, m)
}

// known makes sure that others can know of the run: one whose first turn failed has no head yet, and gets one with a turn in
// which nothing happens.
func (r *Run) known(ctx context.Context) error {
	if r.turn > 0 {
		return nil
	}
	return r.quietTurn(ctx, func() error { return nil })
}

// quietTurn commits a turn in which the program does nothing and do does something to its machine.
func (r *Run) quietTurn(ctx context.Context, do func() error) error {
	if err := r.machine.BeginTurn(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return errors.Join(err, r.machine.FailTurn())
	}
	t, err := r.machine.EndTurn()
	if err != nil {
		return err
	}
	if err := r.s.replica.CommitTurn(ctx, r.submission(t)); err != nil {
		return err
	}
	r.mu.Lock()
	r.turn = t.Number
	r.mu.Unlock()
	return nil
}

// errLimits: limits that the run cannot have.
var errLimits = errors.New("tandem: the limits stay")

// limit gives the run those limits of l that are not zero, in a turn of their own, since they are in its memory. How much memory it may be given wherever it
// goes stands beside it, and a machine that allows it continues from the state of the one before.
func (r *Run) limit(ctx context.Context, l vm.Limits) error {
	if l == (vm.Limits{}) {
		return nil
	}
	if l.MemoryBytes != 0 {
		if has := r.machine.MemoryLimitBytes(); l.MemoryBytes <= has {
			return fmt.Errorf("%w: run %s may have %d bytes of memory already: allow more than that", errLimits, r.id, has)
		}
		m := r.meta
		m.MemoryBytes = l.MemoryBytes
		if err := r.renew(ctx, m); err != nil {
			return err
		}
	}
	return r.quietTurn(ctx, func() error {
		if err := r.machine.Limit(l); err != nil {
			return fmt.Errorf("%w: %w", errLimits, err)
		}
		return nil
	})
}

// renew makes m the meta of the run and puts a machine made by it in the place of the run's.
func (r *Run) renew(ctx context.Context, m meta) error {
	snap, err := r.machine.Take(ctx)
	if err != nil {
		return err
	}
	next, err := vm.Resume(ctx, r.s.program, r.s.machineConfig(m), snap)
	if err != nil {
		return fmt.Errorf("%w: %w", errLimits, err)
	}
	if err := r.annotate(ctx, m); err != nil {
		next.Close()
		return err
	}
	r.mu.Lock()
	old := r.machine
	r.machine, r.mail = next, mail{}
	r.mu.Unlock()
	return old.Close()
}
