// Package sequel is deltas on the wire: a delta as what it differs in from the one that its author's deltas before let expect, and the pages of its heads
// as the bytes that changed. The receiver makes the whole delta again, byte for byte, and checks it as one that came whole: nothing here is trusted, and
// nothing of it is kept. A receiver that lacks what a message builds on says so, and gets the whole thing another way.
//
// It knows neither the network nor what is done with a delta, and decides nothing about what counts.
//
// Costs: packing and opening look at each byte of two deltas and of the changed pages' old and new contents; a message of few bytes may stand for statePagesMax
// pages and basesBytesMax bytes of delta, not more.
package sequel
