package tandem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/net/node"
	"github.com/tandemvm/tandem/net/ticket"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

// Files in Config.Dir, beside the peer's.
const (
	ticketFile = "ticket"
	storeDir   = "store"
)

// Sandbox is this peer's part in one sandbox. Safe for concurrent use.
type Sandbox struct {
	cfg     Config
	log     *slog.Logger
	peer    *Peer
	alone   bool // peer was made for this sandbox
	room    *node.Room
	sim     *Simulation // nil: a real peer; else peer and room are nil
	replica *replication.Replica
	program *vm.Program
	name    string

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	events chan Event
	quiet  chan struct{} // closed when nothing more will be told

	mu      sync.Mutex
	runs    map[changes.RunID]*Run
	taking  map[changes.RunID]bool
	touched chan struct{} // closed and replaced when merged values changed
	peers   []string      // connected members as last told
	metAt   time.Time     // when one was reached that was not before
	closed  bool
	gone    chan struct{} // closed when Close is done

	ticketMu sync.Mutex
	ticket   ticket.Ticket // as it stands in the file: with the addresses of all members ever met
}

// Create makes a new sandbox for program in cfg.Dir, which must not hold one yet. Nothing of a sandbox stays there when it fails.
func Create(ctx context.Context, cfg Config, program *vm.Program, name string) (*Sandbox, error) {
	s, l, err := open(cfg)
	if err != nil {
		return nil, err
	}
	s.program, s.name = program, name
	t, err := ticket.New([32]byte{}, program.Hash())
	if err != nil {
		return nil, s.fail(err)
	}
	rc := s.replicaConfig(l, t)
	_, missing := os.Lstat(rc.Dir)
	s.replica, err = replication.Create(ctx, rc, genesis(program, name), program.Encode())
	if err == nil {
		t.Sandbox = s.replica.Sandbox()
		s, err = s.enter(l, t)
	} else {
		err = s.fail(err)
	}
	switch _, none := Held(cfg.Dir); {
	case err == nil:
		return s, nil
	case errors.Is(missing, fs.ErrNotExist): // what is there now was made here, and nobody has heard of it
		return nil, errors.Join(err, os.RemoveAll(rc.Dir), os.RemoveAll(filepath.Join(cfg.Dir, ticketFile)))
	case errors.Is(err, replication.ErrExists) && errors.Is(none, ErrStore):
		return nil, fmt.Errorf("%w; no ticket is beside it, so it was never finished: it can be removed", err)
	}
	return nil, err
}

// genesis is the first record of a sandbox for program.
func genesis(program *vm.Program, name string) replication.Genesis {
	g := replication.Genesis{Program: program.Hash(), Name: name}
	for _, v := range program.Variables() {
		g.Variables = append(g.Variables, replication.Variable{Name: v.Name, Rule: v.Rule, Type: v.Type, Initial: v.Initial})
	}
	return g
}

// Join takes part in the sandbox that a ticket invites to. With no store in cfg.Dir it makes an empty one and fetches the
// program from the members, for which it waits as long as ctx lets it. Runs and values of the others arrive after that: Converged waits for what the
// members in reach have, Notify and Changed tell of it.
func Join(ctx context.Context, cfg Config, ticketText string) (*Sandbox, error) {
	t, err := ticket.Parse(ticketText)
	if err != nil {
		return nil, err
	}
	s, l, err := open(cfg)
	if err != nil {
		return nil, err
	}
	rc := s.replicaConfig(l, t)
	rc.Sandbox = t.Sandbox
	if s.replica, err = replication.Open(ctx, rc); err != nil {
		return nil, s.fail(err)
	}
	if s, err = s.enter(l, t); err != nil {
		return nil, err
	}
	if s.cfg.Opened != nil {
		s.cfg.Opened(s)
	}
	return s.fetch(ctx)
}

// Open takes part again in the sandbox whose store is in cfg.Dir. Runs that were owned here and not taken over meanwhile go on.
func Open(ctx context.Context, cfg Config) (*Sandbox, error) {
	text, err := os.ReadFile(filepath.Join(cfg.Dir, ticketFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no ticket; create a sandbox there, or join one by its ticket", ErrStore, cfg.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("tandem: %w", err)
	}
	return Join(ctx, cfg, strings.TrimSpace(string(text)))
}

// Held is the id of the sandbox in dir, ErrStore if there is none: also where Create or Join was interrupted before anybody
// could know of it.
func Held(dir string) (changes.Hash, error) {
	text, err := os.ReadFile(filepath.Join(dir, ticketFile))
	if errors.Is(err, fs.ErrNotExist) {
		return changes.Hash{}, fmt.Errorf("%w: %s has no ticket; create a sandbox there, or join one by its ticket", ErrStore, dir)
	}
	if err != nil {
		return changes.Hash{}, fmt.Errorf("tandem: %w", err)
	}
	return Invited(strings.TrimSpace(string(text)))
}

// Invited is the id of the sandbox that a ticket invites to.
func Invited(ticketText string) (changes.Hash, error) {
	t, err := ticket.Parse(ticketText)
	if err != nil {
		return changes.Hash{}, err
	}
	return t.Sandbox, nil
}

// open makes the directory and, if none is shared, the peer.
func open(cfg Config) (*Sandbox, *link, error) {
	if cfg.Dir == "" {
		return nil, nil, fmt.Errorf("%w: Config.Dir is empty", ErrStore)
	}
	s := newSandbox(cfg)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("tandem: %w", err)
	}
	s.peer, s.alone = cfg.Peer, cfg.Peer == nil
	if s.alone {
		var err error
		s.peer, err = Listen(PeerConfig{Dir: cfg.Dir, Listen: cfg.Listen, MDNS: cfg.MDNS, Logger: s.log, Metrics: cfg.Metrics})
		if err != nil {
			return nil, nil, err
		}
	}
	return s, &link{id: s.peer.id}, nil
}

// newSandbox is one that is not connected to anything.
func newSandbox(cfg Config) *Sandbox {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.TurnWords == 0 {
		cfg.TurnWords = turnWordsDefault
	}
	s := &Sandbox{cfg: cfg, log: cfg.Logger, runs: map[changes.RunID]*Run{}, taking: map[changes.RunID]bool{},
		touched: make(chan struct{}), events: make(chan Event, 256), quiet: make(chan struct{}), gone: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *Sandbox) replicaConfig(l *link, t *ticket.Ticket) replication.Config {
	return replication.Config{Dir: filepath.Join(s.cfg.Dir, storeDir), Transport: l, Secret: t.Key[:], Standby: s.cfg.Standby, RetainOutput: s.cfg.RetainOutput,
		Logger: s.log, Metrics: s.cfg.Metrics, Lease: s.cfg.Lease, BeatInterval: s.cfg.Beat, DiskFreeMin: s.cfg.DiskFreeMin}
}

// fail closes what was opened and passes err on.
func (s *Sandbox) fail(err error) error {
	s.cancel()
	if s.replica != nil {
		s.replica.Close()
	}
	if s.room != nil {
		s.room.Close()
	}
	if s.alone {
		s.peer.Close()
	}
	return err
}

// enter keeps the ticket, joins the room, and begins to follow the replica. The ticket is kept first: nobody has heard of
// a sandbox whose directory has none.
func (s *Sandbox) enter(l *link, t *ticket.Ticket) (*Sandbox, error) {
	s.ticket = *t
	if err := s.keepTicket(); err != nil {
		return nil, s.fail(err)
	}
	room, err := s.peer.node.Join(t)
	if err != nil {
		return nil, s.fail(err)
	}
	s.room = room
	l.attach(room)
	s.begin()
	return s, nil
}

// begin follows the replica.
func (s *Sandbox) begin() {
	s.work.Add(2)
	go s.follow()
	go s.notify()
	if s.peer != nil && s.cfg.Notify != nil {
		s.work.Go(s.lookForTwin)
	}
}

// membersKept bounds the addresses in the ticket file, as the format of tickets does.
const membersKept = 16

// keepTicket writes the ticket with the addresses of the members met lately before those known from earlier, so that this
// peer finds the sandbox again after a restart, whoever is there then.
func (s *Sandbox) keepTicket() error {
	s.ticketMu.Lock()
	defer s.ticketMu.Unlock()
	var members []ticket.Member
	if s.room != nil {
		members = s.room.Known()
	}
	for _, m := range s.ticket.Members {
		if !slices.ContainsFunc(members, func(k ticket.Member) bool { return k.Peer == m.Peer }) {
			members = append(members, m)
		}
	}
	members = members[:min(len(members), membersKept)]
	for i := range members {
		members[i].Addrs = members[i].Addrs[:min(len(members[i].Addrs), addrsKept)]
	}
	if s.room != nil && reflect.DeepEqual(members, s.ticket.Members) {
		return nil
	}
	s.ticket.Members = members
	text, err := s.ticket.Text()
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(s.cfg.Dir, ticketFile), text+"\n")
}

// keepAddrs is keepTicket where the ticket is there already, and only what was learned since would be lost.
func (s *Sandbox) keepAddrs() {
	if err := s.keepTicket(); err != nil {
		s.log.Warn("addresses of members are not kept", "err", err)
	}
}

// addrsKept bounds the addresses kept of one member.
const addrsKept = 8

// fetch waits for the program of the sandbox.
func (s *Sandbox) fetch(ctx context.Context) (*Sandbox, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	g, err := s.replica.Genesis(ctx)
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("tandem: no member of the sandbox answered: check that one is running and reachable at the ticket's addresses: %w", err)
	}
	image, err := s.replica.Program(ctx)
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("tandem: the program could not be fetched: %w", err)
	}
	p, err := s.decode(image, g)
	if err == nil && p.Hash() != g.Program {
		err = fmt.Errorf("%w: its hash is %v, the sandbox names %v", ErrProgram, p.Hash(), g.Program)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	s.mu.Lock()
	s.program, s.name = p, g.Name
	s.mu.Unlock()
	s.resume()
	return s, nil
}

// resume goes on with the runs that this peer owned when it stopped, at once when nobody else can have taken them over.
// Otherwise the replica first listens whether somebody has, and then says OwnerGone.
func (s *Sandbox) resume() {
	if len(s.replica.Status().Members) > 1 {
		return
	}
	for _, st := range s.replica.Runs() {
		if st.Head.Owner == s.replica.Self() && !st.Head.Done && !st.Owned && PauseOf(st.Head) == nil {
			s.take(st.Head.Run, time.Now(), false)
		}
	}
}

// writeFile replaces a file whole, readable by its owner only. It is on the disk before it takes the old one's place: the ticket has the only copy of the key.
func writeFile(name, text string) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("tandem: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("tandem: %w", err)
	}
	return nil
}

// ID names the sandbox: the hash of its genesis record.
func (s *Sandbox) ID() changes.Hash { return s.replica.Sandbox() }

// Name is what the sandbox was created as; empty while it is joined, see Config.Opened.
func (s *Sandbox) Name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name
}

// Self is this peer's id.
func (s *Sandbox) Self() string { return s.replica.Self() }

// Addrs are the addresses this peer listens on.
func (s *Sandbox) Addrs() []string { return s.peer.Addrs() }

// Program is the program that the sandbox runs; nil while it is joined, see Config.Opened.
func (s *Sandbox) Program() *vm.Program {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.program
}

// Ticket is an invitation to the sandbox, with the addresses of the members known now. Who holds it is a member: it is a secret.
func (s *Sandbox) Ticket() (string, error) { return s.room.Ticket().Text() }

// Connect reaches for a member at addresses with /p2p/ID.
func (s *Sandbox) Connect(ctx context.Context, addrs []string) error {
	return s.room.Connect(ctx, addrs)
}

// Peers are the members connected now, sorted.
func (s *Sandbox) Peers() []string {
	if s.sim != nil {
		return s.sim.Replica.Transport.Peers()
	}
	return s.room.Peers()
}

// Cut is Peer.Cut.
func (s *Sandbox) Cut(peers ...string) error { return s.peer.Cut(peers...) }

// Heal is Peer.Heal.
func (s *Sandbox) Heal(peers ...string) error { return s.peer.Heal(peers...) }

// Runs lists all runs of the sandbox known here, sorted by id.
func (s *Sandbox) Runs() []replication.RunStatus { return s.replica.Runs() }

// Overwritten counts the concurrent lww values of a shared variable that lost and were overwritten since.
func (s *Sandbox) Overwritten(name string) (uint64, error) { return s.replica.Overwritten(name) }

// Value is the merged value of a shared variable; conflicts counts its concurrent lww values that lost. changes.ErrPath: the program has no such variable.
func (s *Sandbox) Value(name string) (v changes.Value, conflicts int, err error) {
	v, conflicts, err = s.replica.Merged(name)
	if p := s.Program(); errors.Is(err, changes.ErrPath) && p != nil {
		var names []string
		for _, v := range p.Variables() {
			names = append(names, v.Name)
		}
		err = fmt.Errorf("tandem: %q is none of the program's shared variables (%s): %w", name, strings.Join(names, ", "), changes.ErrPath)
	}
	return v, conflicts, err
}

// Read stores the merged value of a shared variable ("main.Counts") into the Go variable that target points to, as changes.Value.To does.
func (s *Sandbox) Read(name string, target any) error {
	v, _, err := s.Value(name)
	if err != nil {
		return err
	}
	if err := v.To(target); err != nil {
		return fmt.Errorf("tandem: %s: %w", name, err)
	}
	return nil
}

// Changed returns a channel that is closed when merged values of shared variables have changed since. Take it before reading, so that no
// change is missed.
func (s *Sandbox) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.touched
}

// Digest is the Merkle root over all merged values and the heads of all runs: equal digests mean equal states.
func (s *Sandbox) Digest() changes.Hash { return s.replica.Digest() }

// Status is the replica and its peers at this moment.
func (s *Sandbox) Status() replication.Status { return s.replica.Status() }

// Converged waits until every reachable peer, at least peersMin of them, has said the same digest as ours.
func (s *Sandbox) Converged(ctx context.Context, peersMin int) error {
	return s.ours(s.replica.Converged(ctx, peersMin))
}

// ours makes an error of the replica one of the sandbox.
func (s *Sandbox) ours(err error) error {
	if errors.Is(err, replication.ErrClosed) {
		return ErrClosed
	}
	return err
}

// isOpen is ErrClosed after Close.
func (s *Sandbox) isOpen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	return nil
}

// Lines calls f for each piece of output of a run from number `from` on (1 is the first; 0: the first that is kept), each once and in order, and
// follows the run until it is done, ctx ends or f returns an error. replication.ErrLinesGone: older ones were asked for than are kept. Joined, the pieces of a stream are what the program wrote.
func (s *Sandbox) Lines(ctx context.Context, run changes.RunID, from uint64, f func(changes.Line) error) error {
	return s.ours(s.replica.Lines(ctx, run, from, f))
}

// Close ends the runs executing here at their next safe point, makes everything durable and leaves the sandbox. Runs
// owned here may be taken over by standbys, or go on when this peer opens the sandbox again.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.gone
		return nil
	}
	s.closed = true
	defer close(s.gone)
	s.cancel()
	runs := make([]*Run, 0, len(s.runs))
	for _, r := range s.runs {
		runs = append(runs, r)
	}
	s.mu.Unlock()
	for _, r := range runs {
		<-r.done
	}
	err := s.replica.Close()
	s.work.Wait()
	if s.room != nil {
		s.keepAddrs() // a member says where it is after it was met, and perhaps nothing happened since
		s.room.Close()
	}
	if s.alone {
		err = errors.Join(err, s.peer.Close())
	}
	return err
}

// follow acts on what the replica tells.
func (s *Sandbox) follow() {
	defer s.work.Done()
	defer close(s.quiet)
	for e := range s.replica.Events() {
		s.heed(e)
	}
}

func (s *Sandbox) heed(e replication.Event) {
	switch e.Kind {
	case replication.TouchedPaths:
		s.mu.Lock()
		close(s.touched)
		s.touched = make(chan struct{})
		s.mu.Unlock()
	case replication.Messaged:
		if r := s.running(e.Run); r != nil {
			r.wake()
		}
	case replication.OwnerGone:
		s.take(e.Run, time.Now(), false)
	case replication.Handed:
		s.take(e.Run, time.Now(), true)
	case replication.Superseded:
		if r := s.running(e.Run); r != nil {
			r.stand(ErrMoved)
		}
		s.tell(Event{Kind: RunMoved, Run: e.Run, Name: e.Head.Name, Epoch: e.Head.Epoch.Number, Turn: e.Head.Turn})
	case replication.PeersChanged:
		s.meet()
		if s.sim == nil { // nobody finds a simulated one by a ticket
			s.keepAddrs()
		}
		s.tell(Event{Kind: PeersChanged})
	case replication.Diverged:
		s.tell(Event{Kind: Diverged, Err: e.Err})
	case replication.Failed:
		s.tell(Event{Kind: Broken, Err: e.Err})
	}
}

// meet notes when members are reached that were not before.
func (s *Sandbox) meet() {
	now := s.Peers()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range now {
		if !slices.Contains(s.peers, p) {
			s.metAt = time.Now()
		}
	}
	s.peers = now
}

// lookForTwin tells that another process has this peer's identity, once until that is over.
func (s *Sandbox) lookForTwin() {
	for told := false; (vm.WallClock{}).Sleep(s.ctx, time.Second) == nil; {
		twin := slices.Contains(s.peer.Twins(), s.peer.ID())
		if twin && !told {
			s.tell(Event{Kind: Doubled})
		}
		told = twin
	}
}

// tell queues an event for Notify; it never waits, for the replica must not.
func (s *Sandbox) tell(e Event) {
	if s.cfg.Notify == nil {
		return
	}
	select {
	case s.events <- e:
	default:
		s.log.Warn("event dropped: Notify is too slow", "kind", string(e.Kind))
	}
}

// notify passes events on until follow has ended and the queue is empty.
func (s *Sandbox) notify() {
	defer s.work.Done()
	for {
		select {
		case e := <-s.events:
			s.cfg.Notify(e)
			continue
		default:
		}
		select {
		case e := <-s.events:
			s.cfg.Notify(e)
		case <-s.quiet:
			return
		}
	}
}

func (s *Sandbox) running(id changes.RunID) *Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs[id]
}

// Run is the run of that id executing here, nil when it does not.
func (s *Sandbox) Run(id changes.RunID) *Run { return s.running(id) }

// meta is what travels with a run beside its memory.
type meta struct {
	Args      []string `json:"args"`
	OnFailure Policy   `json:"on_failure,omitempty"`
	Paused    *Paused  `json:"paused,omitempty"`
	Tries     *tries   `json:"tries,omitempty"`
	// MemoryBytes the run may have wherever it executes; 0: what each peer allows.
	MemoryBytes uint64 `json:"memory_bytes,omitempty"`
}

// tries counts how often the turn after Turn failed and is tried again. It is part of the run, so that neither a restart nor a takeover begins anew.
type tries struct {
	Turn   uint64 `json:"turn"`
	Failed int    `json:"failed"`
}

// triesAfter is how often the turn after that one has failed.
func (m meta) triesAfter(turn uint64) int {
	if m.Tries == nil || m.Tries.Turn != turn {
		return 0
	}
	return m.Tries.Failed
}

func (m meta) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic("BUG: tandem: " + err.Error())
	}
	return b
}

func decodeMeta(b []byte) (m meta, err error) {
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("tandem: the run's record is malformed: %w", err)
	}
	return m, nil
}
