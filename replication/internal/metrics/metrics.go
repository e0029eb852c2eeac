// Package metrics is the counters of one replica, for Prometheus. They say how much was done and what went wrong; nothing is decided by them.
package metrics

import "github.com/prometheus/client_golang/prometheus"

// Set is the counters of one replica. Those named tandem_replication_zero_* should be zero in a healthy sandbox.
type Set struct {
	DeltasLocal, DeltasRemote, DeltaBytes, Turns, Cells                             prometheus.Counter
	GossipIn, GossipOut, Beats, Pulls, PulledDeltas                                 prometheus.Counter
	BlocksFetched, Takeovers, Acks, PrunedDeltas, Duplicates, Deferred, SweptBlocks prometheus.Counter
	Malformed, Rejected, Forged, Equivocations, Overflowed, Diverged                prometheus.Counter
	WriteFailures, PublishFailures, Skewed, RootMismatches                          prometheus.Counter
	DeltasBehind, BlocksMissing                                                     prometheus.Gauge
}

// New makes the counters and registers them; nil: they only count.
func New(r prometheus.Registerer) *Set {
	m := &Set{}
	add := func(to *prometheus.Counter, name, help string) {
		*to = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tandem", Subsystem: "replication", Name: name, Help: help})
		if r != nil {
			if err := r.Register(*to); err != nil {
				if are, ok := err.(prometheus.AlreadyRegisteredError); ok {
					*to = are.ExistingCollector.(prometheus.Counter)
				}
			}
		}
	}
	add(&m.DeltasLocal, "deltas_local_total", "Deltas committed here.")
	add(&m.DeltasRemote, "deltas_remote_total", "Deltas of other peers applied.")
	add(&m.DeltaBytes, "delta_bytes_total", "Bytes of delta blocks applied.")
	add(&m.Turns, "turns_total", "Turns committed here.")
	add(&m.Cells, "cells_total", "Cells written here.")
	add(&m.GossipIn, "gossip_in_bytes_total", "Bytes of gossip received.")
	add(&m.GossipOut, "gossip_out_bytes_total", "Bytes of gossip published.")
	add(&m.Beats, "beats_total", "Beats published.")
	add(&m.Pulls, "pulls_total", "Catch-up requests made.")
	add(&m.PulledDeltas, "pulled_deltas_total", "Deltas received by catch-up.")
	add(&m.BlocksFetched, "blocks_fetched_total", "Blocks fetched from peers.")
	add(&m.Takeovers, "takeovers_total", "Epochs opened here by taking a run over.")
	add(&m.Acks, "acks_total", "Acknowledgements given: turns held durably here for another peer's run.")
	add(&m.PrunedDeltas, "pruned_deltas_total", "Deltas removed because nothing in them counts any more.")
	add(&m.Duplicates, "duplicates_total", "Deltas received again.")
	add(&m.Deferred, "deferred_total", "Deltas that arrived before their ancestors or blobs.")
	add(&m.SweptBlocks, "swept_blocks_total", "Pages and nodes removed because no head needs them.")
	add(&m.Overflowed, "overflowed_total", "Deltas dropped because too many were waiting; they are pulled later.")
	add(&m.Malformed, "zero_malformed_total", "Messages that do not decode.")
	add(&m.Rejected, "zero_rejected_total", "Deltas refused by the rules.")
	add(&m.Forged, "zero_forged_total", "Deltas or heads with a wrong signature or from a non-member.")
	add(&m.Equivocations, "zero_equivocations_total", "Sequence numbers used twice by one actor.")
	add(&m.Diverged, "zero_diverged_total", "Peers that said another digest for the same deltas.")
	add(&m.WriteFailures, "zero_write_failures_total", "Failed writes of the store.")
	add(&m.PublishFailures, "zero_publish_failures_total", "Messages the transport refused.")
	add(&m.Skewed, "zero_skewed_total", "Stamps too far ahead of this clock.")
	add(&m.RootMismatches, "zero_root_mismatches_total", "State hashes that differ from the pages.")
	gauge := func(to *prometheus.Gauge, name, help string) {
		*to = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tandem", Subsystem: "replication", Name: name, Help: help})
		if r != nil {
			if are, ok := r.Register(*to).(prometheus.AlreadyRegisteredError); ok {
				*to = are.ExistingCollector.(prometheus.Gauge)
			}
		}
	}
	gauge(&m.DeltasBehind, "deltas_behind", "Deltas that answers of catch-ups announced and that have not come yet.")
	gauge(&m.BlocksMissing, "blocks_missing", "Blocks asked of peers that have not come yet.")
	return m
}
