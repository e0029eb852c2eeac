package heap

import "math/bits"

// Seed starts the run's random state from a number.
func (h *Heap) Seed(seed uint64) {
	r := h.rootW()
	for i := range r.random { // splitmix64, so that no seed gives the all-zero state
		seed += 0x9e3779b97f4a7c15
		z := (seed ^ seed>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		r.random[i] = z ^ z>>31
	}
}

// Mix makes the random state another one by two numbers.
func (h *Heap) Mix(a, b uint64) {
	h.Seed(h.Rand64() ^ a)
	h.Seed(h.Rand64() ^ b)
}

// Rand64 is the next number of the run's random state (xoshiro256**, Blackman and Vigna).
func (h *Heap) Rand64() uint64 {
	s := &h.rootW().random
	result := bits.RotateLeft64(s[1]*5, 7) * 9
	t := s[1] << 17
	s[2] ^= s[0]
	s[3] ^= s[1]
	s[1] ^= s[2]
	s[0] ^= s[3]
	s[2] ^= t
	s[3] = bits.RotateLeft64(s[3], 45)
	return result
}
