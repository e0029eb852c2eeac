// Package gossip is the one topic of a sandbox: a message published by a member reaches every member, with its author
// authenticated and its content readable by members alone.
//
// It is gossipsub tuned for small clusters (flood publish, D=4, one topic joined once), running over a view of the host
// in which only members exist. Messages are signed by their author (gossipsub's StrictSign) and sealed with a key
// derived from the sandbox key. Delivery is best effort: a message published while a peer is away is not kept for it;
// the layer above reconciles. While peers are connected nothing is dropped silently: Publish waits for slow peers,
// reading waits for slow subscribers, and what is dropped all the same is counted.
//
// A message costs about 35 µs to sign, 80 µs to verify, and one or two copies to each receiver.
package gossip

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	// DataMax is the largest message that can be published, in bytes.
	DataMax = 1 << 20
	// Protocol is the one version of gossipsub that is spoken.
	Protocol = pubsub.GossipSubID_v12

	messageMax         = 2 << 20
	queueMessages      = 1024
	subscriptionBuffer = 4096
	validateQueue      = 4096 // more than gatePending and what is in flight behind the gate
)

// ErrTooLarge is returned by Publish for data beyond DataMax.
var ErrTooLarge = errors.New("gossip: message too large")

// Counters receives what happens; all methods may be called from any goroutine.
type Counters interface {
	Published()
	Delivered()
	Duplicate()
	Sent(bytes int)
	Received(bytes int)
	// The following should stay zero.
	Rejected(reason string) // a message that failed a check changed nothing else
	DroppedOut(messages int)
	DroppedIn()
}

// Config of a Topic; all fields but Logger are needed.
type Config struct {
	Host     host.Host
	Members  Membership
	Name     string   // topic name, derived from the sandbox key
	Key      [32]byte // seals messages
	Counters Counters
	Logger   *slog.Logger
}

// Topic is the membership of this peer in the sandbox's topic.
type Topic struct {
	cfg    Config
	self   peer.ID
	view   *view
	ps     *pubsub.PubSub
	topic  *pubsub.Topic
	sub    *pubsub.Subscription
	events *pubsub.TopicEventHandler
	seal   *sealer
	open   opener
	joined event.Emitter // tells gossipsub of members
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu          sync.Mutex
	peers       map[peer.ID]bool // known to be subscribed: they receive what is published now
	changed     func()
	validate    func(from string, data []byte) error
	subscribers []*subscriber
}

type subscriber struct {
	f func(from string, data []byte)
}

// Join subscribes to the topic. changed is called after each change of Peers, from a goroutine of the topic.
func Join(cfg Config, changed func()) (*Topic, error) {
	ctx, cancel := context.WithCancel(context.Background())
	t := &Topic{cfg: cfg, self: cfg.Host.ID(), cancel: cancel, changed: changed, peers: map[peer.ID]bool{}}
	t.open = opener{key: cfg.Key, topic: cfg.Name}
	if t.cfg.Logger == nil {
		t.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := t.start(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("gossip: %w", err)
	}
	t.done.Go(func() { t.deliver(ctx) })
	t.done.Go(func() { t.watch(ctx) })
	t.done.Go(func() { t.remind(ctx) })
	return t, nil
}

func (t *Topic) start(ctx context.Context) (err error) {
	if t.seal, err = newSealer(t.cfg.Key, t.cfg.Name, string(t.self)); err != nil {
		return err
	}
	t.view = newView(t.cfg.Host, t.cfg.Members, t.cfg.Counters.Sent)
	if t.joined, err = t.view.bus.Emitter(new(event.EvtPeerIdentificationCompleted)); err != nil {
		return err
	}
	t.ps, err = pubsub.NewGossipSub(ctx, t.view,
		pubsub.WithGossipSubProtocols([]protocol.ID{Protocol}, pubsub.GossipSubDefaultFeatures),
		pubsub.WithGossipSubParams(params()),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerExchange(false),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictSign),
		pubsub.WithMaxMessageSize(messageMax),
		pubsub.WithPeerOutboundQueueSize(queueMessages),
		pubsub.WithValidateQueueSize(validateQueue),
		// One worker keeps the order of arrival; several would reorder messages of one author.
		pubsub.WithValidateWorkers(1),
		pubsub.WithSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(t.cfg.Name)),
		pubsub.WithPeerFilter(func(p peer.ID, _ string) bool { return t.cfg.Members.Member(p) }),
		pubsub.WithRawTracer(tracer{t}),
	)
	if err != nil {
		return err
	}
	if err = t.ps.RegisterTopicValidator(t.cfg.Name, t.check, pubsub.WithValidatorInline(true)); err != nil {
		return err
	}
	if t.topic, err = t.ps.Join(t.cfg.Name); err != nil {
		return err
	}
	if t.events, err = t.topic.EventHandler(); err != nil {
		return err
	}
	t.sub, err = t.topic.Subscribe(pubsub.WithBufferSize(subscriptionBuffer),
		pubsub.WithMessageFilter(func(m *pubsub.Message) bool { return m.GetFrom() != t.self }))
	return err
}

// params: a mesh of 4 keeps copies few when blocks travel inside messages. The back-offs are short because in a small
// cluster a peer that left and came back is the rule, not an attack.
func params() pubsub.GossipSubParams {
	p := pubsub.DefaultGossipSubParams()
	p.D, p.Dlo, p.Dhi, p.Dout, p.Dscore, p.Dlazy = 4, 2, 8, 1, 2, 4
	p.HeartbeatInitialDelay = 50 * time.Millisecond
	p.PruneBackoff, p.UnsubscribeBackoff = 2*time.Second, time.Second
	p.GraftFloodThreshold = time.Second
	p.Connectors = 0 // goroutines that would dial whom other peers name; the view lets nobody dial
	return p
}

// Publish sends data to all members, the peers in Peers directly. It waits while a peer that is still taking messages
// is far behind, and returns ctx's error if that ends first; nothing was sent then.
//
// Do not call it from a subscriber without a deadline: a subscriber that waits stops the reading that others wait for.
func (t *Topic) Publish(ctx context.Context, data []byte) error {
	if len(data) > DataMax {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(data), DataMax)
	}
	if err := t.ready(ctx); err != nil {
		return err
	}
	if err := t.topic.Publish(ctx, t.seal.seal(data)); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	t.cfg.Counters.Published()
	return nil
}

func (t *Topic) ready(ctx context.Context) error {
	for {
		moved := t.view.press.behind()
		if moved == nil {
			return ctx.Err()
		}
		timer := time.NewTimer(stallLimit / 16) // a peer that stalls moves nothing: look again
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-moved:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Subscribe has f called for every message of others, in the order of arrival and never twice at once, until cancel.
// from is the author, whoever passed the message on. data is f's to keep.
func (t *Topic) Subscribe(f func(from string, data []byte)) (cancel func()) {
	s := &subscriber{f}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subscribers = append(slices.Clone(t.subscribers), s)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.subscribers = slices.DeleteFunc(slices.Clone(t.subscribers), func(o *subscriber) bool { return o == s })
	}
}

// Validate sets the check that a message must pass before it is delivered or passed on; nil accepts all.
func (t *Topic) Validate(f func(from string, data []byte) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.validate = f
}

// Peers returns the members that receive directly what is published now.
func (t *Topic) Peers() []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]peer.ID, 0, len(t.peers))
	for p := range t.peers {
		out = append(out, p)
	}
	return out
}

// Serve takes a gossip stream that a member opened, and returns when it ends.
func (t *Topic) Serve(s network.Stream) {
	t.view.handler(newInbox(s, Protocol, &t.view.gate, t.cfg.Counters.Received))
}

// Joined tells the topic of a new member.
func (t *Topic) Joined(p peer.ID) {
	t.joined.Emit(event.EvtPeerIdentificationCompleted{Peer: p, Protocols: []protocol.ID{Protocol}})
}

// Close leaves the topic and ends its goroutines; a subscriber that is being called finishes first.
func (t *Topic) Close() error {
	t.view.gate.close()
	t.events.Cancel()
	t.sub.Cancel()
	t.cancel()
	t.done.Wait()
	return t.joined.Close()
}

// check opens a message and runs the validator. It runs on gossipsub's one validation goroutine, so the order holds;
// for our own messages it runs in Publish and there is nothing to check.
func (t *Topic) check(_ context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	if m.Local {
		return pubsub.ValidationAccept
	}
	if t.cfg.Members.Cut(from) {
		return pubsub.ValidationIgnore
	}
	author := m.GetFrom()
	data, err := t.open.open(string(author), m.GetData())
	switch {
	case errors.Is(err, errReplay):
		t.cfg.Counters.Rejected("replay")
		return pubsub.ValidationIgnore
	case err != nil || len(data) > DataMax:
		return pubsub.ValidationReject
	}
	t.mu.Lock()
	validate := t.validate
	t.mu.Unlock()
	if validate != nil {
		if err := validate(author.String(), data); err != nil {
			t.cfg.Logger.Debug("message refused", "author", author, "err", err)
			return pubsub.ValidationReject
		}
	}
	m.ValidatorData = data
	return pubsub.ValidationAccept
}

func (t *Topic) deliver(ctx context.Context) {
	for {
		m, err := t.sub.Next(ctx)
		if err != nil {
			return
		}
		if t.cfg.Members.Cut(m.ReceivedFrom) { // since check; nothing may come through once Cut has returned
			t.view.gate.leave()
			continue
		}
		data, _ := m.ValidatorData.([]byte)
		t.mu.Lock()
		subscribers := t.subscribers
		t.mu.Unlock()
		from := m.GetFrom().String()
		for n, s := range subscribers {
			mine := data
			if n < len(subscribers)-1 { // what was handed out may be written to; the last one gets the original
				mine = slices.Clone(data)
			}
			s.f(from, mine)
		}
		t.cfg.Counters.Delivered()
		t.view.gate.leave()
	}
}

// watch follows who is subscribed at the other end.
func (t *Topic) watch(ctx context.Context) {
	for {
		e, err := t.events.NextPeerEvent(ctx)
		if err != nil {
			return
		}
		t.mu.Lock()
		if e.Type == pubsub.PeerJoin {
			t.peers[e.Peer] = true
		} else {
			delete(t.peers, e.Peer)
		}
		t.mu.Unlock()
		t.changed()
	}
}

// remind keeps up with members what gossipsub says once. It names those that gossip does not reach again and again: gossipsub gives up on a peer whose stream
// failed a few times while it stayed connected, and would not try again before the next connection. And it repeats the subscription: gossipsub forgets
// that of a peer when its own stream to it ends, also when the peer has said it over another connection since, as a process that is there again
// before the end of its former one was noticed has.
func (t *Topic) remind(ctx context.Context) {
	subscription := subscribe(t.cfg.Name)
	tick := time.NewTicker(remindEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		reached := t.Peers()
		for _, p := range t.cfg.Members.Members() {
			if !slices.Contains(reached, p) || !t.view.press.to(p) {
				t.Joined(p)
			}
		}
		if n%subscribeTicks == 0 {
			t.view.press.repeat(subscription)
		}
	}
}

const (
	remindEvery    = 300 * time.Millisecond
	subscribeTicks = 3
)

// subscribe is the message that says that this peer takes part in a topic, as gossipsub frames it.
func subscribe(name string) []byte {
	yes := true
	rpc := pb.RPC{Subscriptions: []*pb.RPC_SubOpts{{Subscribe: &yes, Topicid: &name}}}
	body, err := rpc.Marshal()
	if err != nil {
		panic("BUG: gossip: subscription: " + err.Error())
	}
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...)
}

// tracer turns gossipsub's events into counters and keeps the gate's count. Each message of an RPC enters the gate once
// and leaves it once: duplicate, rejected, undeliverable, or delivered (see deliver).
type tracer struct{ *Topic }

func (t tracer) ours(m *pb.Message) bool { return m.GetTopic() == t.cfg.Name }

func (t tracer) RecvRPC(rpc *pubsub.RPC) {
	n := 0
	for _, m := range rpc.GetPublish() {
		if t.ours(m) {
			n++
		}
	}
	t.view.gate.enter(n)
}

func (t tracer) DuplicateMessage(m *pubsub.Message) {
	if m.ReceivedFrom != t.self {
		t.cfg.Counters.Duplicate()
		t.view.gate.leave()
	}
}

func (t tracer) RejectMessage(m *pubsub.Message, reason string) {
	if m.ReceivedFrom == t.self || !t.ours(m.Message) {
		return
	}
	t.view.gate.leave()
	switch reason {
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		t.cfg.Counters.DroppedIn()
	case pubsub.RejectValidationIgnored:
		// From a peer that was cut, or a replay that check has counted.
	case pubsub.RejectSelfOrigin:
		// A peer that still remembers what we sent before a restart.
		t.cfg.Counters.Duplicate()
	default:
		t.cfg.Counters.Rejected(reason)
	}
}

func (t tracer) UndeliverableMessage(*pubsub.Message) {
	t.view.gate.leave()
	t.cfg.Counters.DroppedIn()
}

func (t tracer) DropRPC(rpc *pubsub.RPC, _ peer.ID) {
	if n := len(rpc.GetPublish()); n > 0 {
		t.cfg.Counters.DroppedOut(n)
	}
}

func (tracer) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (tracer) OnClosedOutboundStream(peer.ID)           {}
func (tracer) Join(string)                              {}
func (tracer) Leave(string)                             {}
func (tracer) Graft(peer.ID, string)                    {}
func (tracer) Prune(peer.ID, string)                    {}
func (tracer) ValidateMessage(*pubsub.Message)          {}
func (tracer) DeliverMessage(*pubsub.Message)           {}
func (tracer) ThrottlePeer(peer.ID)                     {}
func (tracer) SendRPC(*pubsub.RPC, peer.ID)             {}
