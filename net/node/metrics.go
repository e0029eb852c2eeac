package node

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// The events of tandem_net_should_be_zero_total. In a healthy cluster whose ticket is in nobody else's hands all of
// them stay at zero; each one names something that was refused or lost.
const (
	eventProofFailed     = "proof_failed"     // a peer without the key, or one that forged a proof
	eventProofTimeout    = "proof_timeout"    // a connection that proved nothing in time
	eventStreamRefused   = "stream_refused"   // a stream of a peer that is no member
	eventGossipRejected  = "gossip_rejected"  // a message that is forged, foreign, replayed or invalid
	eventGossipDropOut   = "gossip_drop_out"  // a message not sent to a peer because its queue was full
	eventGossipDropIn    = "gossip_drop_in"   // a message received and lost because a queue was full
	eventRequestRefused  = "request_refused"  // a request that was oversized, malformed, busy or without handler
	eventMessageOversize = "message_oversize" // our own attempt to publish or request beyond a limit
)

var zeroEvents = []string{eventProofFailed, eventProofTimeout, eventStreamRefused, eventGossipRejected,
	eventGossipDropOut, eventGossipDropIn, eventRequestRefused, eventMessageOversize}

type metrics struct {
	zero      *prometheus.CounterVec
	messages  *prometheus.CounterVec // by way: published, delivered, duplicate
	bytes     *prometheus.CounterVec // gossip bytes by direction
	requests  *prometheus.CounterVec // by side: made, served
	members   prometheus.Gauge
	connected prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	vec := func(name, help, label string) *prometheus.CounterVec {
		return register(r, prometheus.NewCounterVec(
			prometheus.CounterOpts{Namespace: "tandem", Subsystem: "net", Name: name, Help: help}, []string{label}))
	}
	m := &metrics{
		zero:     vec("should_be_zero_total", "Things refused or lost, by event. Anything but zero wants a look.", "event"),
		messages: vec("gossip_messages_total", "Gossip messages: published, delivered, duplicate.", "way"),
		bytes:    vec("gossip_bytes_total", "Bytes of gossip streams: sent, received.", "way"),
		requests: vec("requests_total", "Requests: made, served.", "side"),
		members: register(r, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tandem", Subsystem: "net",
			Name: "members", Help: "Peers connected that have proven a sandbox key."})),
		connected: register(r, prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tandem", Subsystem: "net",
			Name: "proofs_total", Help: "Membership proofs that succeeded."})),
	}
	for _, e := range zeroEvents {
		m.zero.WithLabelValues(e) // so that the group is visible before anything happens
	}
	return m
}

// register tolerates a second node with the same registerer: both count into one collector.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r == nil {
		return c
	}
	var twice prometheus.AlreadyRegisteredError
	if err := r.Register(c); errors.As(err, &twice) {
		if existing, ok := twice.ExistingCollector.(C); ok {
			return existing
		}
	}
	return c
}

func (m *metrics) bad(event string) { m.zero.WithLabelValues(event).Inc() }

// gossipCounters is the metrics as gossip.Counters.
type gossipCounters struct{ *metrics }

func (m gossipCounters) Published()       { m.messages.WithLabelValues("published").Inc() }
func (m gossipCounters) Delivered()       { m.messages.WithLabelValues("delivered").Inc() }
func (m gossipCounters) Duplicate()       { m.messages.WithLabelValues("duplicate").Inc() }
func (m gossipCounters) Sent(n int)       { m.bytes.WithLabelValues("sent").Add(float64(n)) }
func (m gossipCounters) Received(n int)   { m.bytes.WithLabelValues("received").Add(float64(n)) }
func (m gossipCounters) Rejected(string)  { m.bad(eventGossipRejected) }
func (m gossipCounters) DroppedOut(n int) { m.zero.WithLabelValues(eventGossipDropOut).Add(float64(n)) }
func (m gossipCounters) DroppedIn()       { m.bad(eventGossipDropIn) }
