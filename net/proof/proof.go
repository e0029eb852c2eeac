// Package proof is the conversation in which two peers show each other which sandbox keys they both hold, without
// showing anything to a peer that holds none.
//
// It runs over a stream whose two ends are already authenticated by peer id (libp2p's TLS or Noise). Both peer ids,
// both nonces and the direction go under each code, so a code can neither be reflected, nor replayed, nor carried
// by a third peer from one conversation to another. The package knows no libp2p; it costs one round trip and a half
// and two HMAC-SHA256 a key and side, whatever the other side claims.
//
//	dialer   -> listener: version(1) nonce(32) boot(16)
//	listener -> dialer:   version(1) nonce(32) boot(16)
//	dialer   -> listener: count(1) code(32)*      one for each of the dialer's keys
//	listener -> dialer:   count(1) code(32)*      one for each key that both hold, in the dialer's order
//
// code = HMAC-SHA256(key, "tandem proof 1\x00" role(1) len(2) dialer len(2) listener nonceD nonceL bootD bootL).
// A stranger sees a number of random-looking codes; the number of sandboxes is the only thing it learns.
package proof

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// KeysMax is how many keys one side may prove in one conversation.
const KeysMax = 64

const (
	version     = 1
	nonceBytes  = 32
	helloBytes  = 1 + nonceBytes + len(Boot{})
	roleDialer  = 'D'
	roleAnswers = 'L'
)

var (
	// ErrStranger is returned when the two sides hold no key in common.
	ErrStranger = errors.New("proof: no sandbox in common")
	// ErrForged is returned when the other side claims a key and cannot prove it, or breaks the format.
	ErrForged = errors.New("proof: the other side did not follow the proof")
)

// Key is the secret that membership of one sandbox is proven with.
type Key [32]byte

// Boot is a random number that a process draws once. A peer that comes back with another Boot has been restarted, and
// connections to its earlier process are dead even if nobody has noticed yet.
type Boot [16]byte

// Shared is the outcome of a conversation.
type Shared struct {
	Keys []int // indexes into the caller's keys, never empty
	Boot Boot  // the other side's
}

// Dial runs the dialer's side. self and remote are the two peer ids.
func Dial(rw io.ReadWriter, self, remote string, boot Boot, keys []Key) (Shared, error) {
	if len(keys) > KeysMax {
		return Shared{}, fmt.Errorf("proof: %d keys, at most %d fit", len(keys), KeysMax)
	}
	mine, err := sendHello(rw, boot)
	if err != nil {
		return Shared{}, err
	}
	theirs, err := readHello(rw)
	if err != nil {
		return Shared{}, err
	}
	bound := binding(self, remote, mine, theirs)
	codes := make([]code, len(keys))
	for n, k := range keys {
		codes[n] = k.code(roleDialer, bound)
	}
	if err := sendCodes(rw, codes); err != nil {
		return Shared{}, err
	}
	answers, err := readCodes(rw)
	if err != nil {
		return Shared{}, err
	}
	out := Shared{Boot: Boot(theirs[1+nonceBytes:])}
	for n, k := range keys {
		if len(answers) > 0 && k.code(roleAnswers, bound).equal(answers[0]) {
			out.Keys, answers = append(out.Keys, n), answers[1:]
		}
	}
	switch {
	case len(answers) > 0:
		return Shared{}, ErrForged
	case len(out.Keys) == 0:
		return Shared{}, ErrStranger
	}
	return out, nil
}

// Answer runs the listener's side.
func Answer(rw io.ReadWriter, self, remote string, boot Boot, keys []Key) (Shared, error) {
	theirs, err := readHello(rw)
	if err != nil {
		return Shared{}, err
	}
	mine, err := sendHello(rw, boot)
	if err != nil {
		return Shared{}, err
	}
	bound := binding(remote, self, theirs, mine)
	claims, err := readCodes(rw)
	if err != nil {
		return Shared{}, err
	}
	// Keys not yet claimed. How long a look into a map takes tells nothing: the nonces allow one guess at each code.
	held := make(map[code]int, len(keys))
	for n, k := range keys {
		held[k.code(roleDialer, bound)] = n
	}
	out := Shared{Boot: Boot(theirs[1+nonceBytes:])}
	var answers []code
	for _, c := range claims {
		if n, ok := held[c]; ok {
			delete(held, c) // a claim made twice is answered once
			out.Keys = append(out.Keys, n)
			answers = append(answers, keys[n].code(roleAnswers, bound))
		}
	}
	if err := sendCodes(rw, answers); err != nil {
		return Shared{}, err
	}
	if len(out.Keys) == 0 {
		return Shared{}, ErrStranger
	}
	return out, nil
}

type code [sha256.Size]byte

func (c code) equal(d code) bool { return hmac.Equal(c[:], d[:]) }

func (k Key) code(role byte, bound []byte) code {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte("tandem proof 1\x00"))
	h.Write([]byte{role})
	h.Write(bound)
	return code(h.Sum(nil))
}

// binding is everything of the conversation that a code must commit to.
func binding(dialer, listener string, helloD, helloL []byte) []byte {
	var b bytes.Buffer
	for _, id := range []string{dialer, listener} {
		b.Write(binary.BigEndian.AppendUint16(nil, uint16(len(id))))
		b.WriteString(id)
	}
	b.Write(helloD[1 : 1+nonceBytes])
	b.Write(helloL[1 : 1+nonceBytes])
	b.Write(helloD[1+nonceBytes:])
	b.Write(helloL[1+nonceBytes:])
	return b.Bytes()
}

func sendHello(w io.Writer, boot Boot) ([]byte, error) {
	hello := make([]byte, 1+nonceBytes, helloBytes)
	hello[0] = version
	if _, err := rand.Read(hello[1:]); err != nil {
		return nil, fmt.Errorf("proof: cannot read randomness: %w", err)
	}
	hello = append(hello, boot[:]...)
	_, err := w.Write(hello)
	return hello, err
}

func readHello(r io.Reader) ([]byte, error) {
	hello := make([]byte, helloBytes)
	if _, err := io.ReadFull(r, hello); err != nil {
		return nil, err
	}
	if hello[0] != version {
		return nil, fmt.Errorf("%w: version %d, ours is %d", ErrForged, hello[0], version)
	}
	return hello, nil
}

func sendCodes(w io.Writer, codes []code) error {
	b := []byte{byte(len(codes))}
	for _, c := range codes {
		b = append(b, c[:]...)
	}
	_, err := w.Write(b)
	return err
}

func readCodes(r io.Reader) ([]code, error) {
	var count [1]byte
	if _, err := io.ReadFull(r, count[:]); err != nil {
		return nil, err
	}
	if count[0] > KeysMax {
		return nil, fmt.Errorf("%w: %d codes", ErrForged, count[0])
	}
	codes := make([]code, count[0])
	for n := range codes {
		if _, err := io.ReadFull(r, codes[n][:]); err != nil {
			return nil, err
		}
	}
	return codes, nil
}
