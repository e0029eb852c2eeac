package replication

import "github.com/prometheus/client_golang/prometheus"

// metrics of one replica. Those named tandem_replication_zero_* should be zero in a healthy sandbox.
type metrics struct {
	deltasLocal, deltasRemote, deltaBytes, turns, cells                             prometheus.Counter
	gossipIn, gossipOut, beats, pulls, pulledDeltas                                 prometheus.Counter
	blocksFetched, takeovers, acks, prunedDeltas, duplicates, deferred, sweptBlocks prometheus.Counter
	malformed, rejected, forged, equivocations, overflowed, diverged                prometheus.Counter
	writeFailures, publishFailures, skewed, rootMismatches                          prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{}
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
	add(&m.deltasLocal, "deltas_local_total", "Deltas committed here.")
	add(&m.deltasRemote, "deltas_remote_total", "Deltas of other peers applied.")
	add(&m.deltaBytes, "delta_bytes_total", "Bytes of delta blocks applied.")
	add(&m.turns, "turns_total", "Turns committed here.")
	add(&m.cells, "cells_total", "Cells written here.")
	add(&m.gossipIn, "gossip_in_bytes_total", "Bytes of gossip received.")
	add(&m.gossipOut, "gossip_out_bytes_total", "Bytes of gossip published.")
	add(&m.beats, "beats_total", "Beats published.")
	add(&m.pulls, "pulls_total", "Catch-up requests made.")
	add(&m.pulledDeltas, "pulled_deltas_total", "Deltas received by catch-up.")
	add(&m.blocksFetched, "blocks_fetched_total", "Blocks fetched from peers.")
	add(&m.takeovers, "takeovers_total", "Epochs opened here by taking a run over.")
	add(&m.acks, "acks_total", "Acknowledgements given: turns held durably here for another peer's run.")
	add(&m.prunedDeltas, "pruned_deltas_total", "Deltas removed because nothing in them counts any more.")
	add(&m.duplicates, "duplicates_total", "Deltas received again.")
	add(&m.deferred, "deferred_total", "Deltas that arrived before their ancestors or blobs.")
	add(&m.sweptBlocks, "swept_blocks_total", "Pages and nodes removed because no head needs them.")
	add(&m.overflowed, "overflowed_total", "Deltas dropped because too many were waiting; they are pulled later.")
	add(&m.malformed, "zero_malformed_total", "Messages that do not decode.")
	add(&m.rejected, "zero_rejected_total", "Deltas refused by the rules.")
	add(&m.forged, "zero_forged_total", "Deltas or heads with a wrong signature or from a non-member.")
	add(&m.equivocations, "zero_equivocations_total", "Sequence numbers used twice by one actor.")
	add(&m.diverged, "zero_diverged_total", "Peers that said another digest for the same deltas.")
	add(&m.writeFailures, "zero_write_failures_total", "Failed writes of the store.")
	add(&m.publishFailures, "zero_publish_failures_total", "Messages the transport refused.")
	add(&m.skewed, "zero_skewed_total", "Stamps too far ahead of this clock.")
	add(&m.rootMismatches, "zero_root_mismatches_total", "State hashes that differ from the pages.")
	return m
}
