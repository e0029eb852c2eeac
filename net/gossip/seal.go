package gossip

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// A sealed message is
//
//	version(1) session(16) counter(8, big endian) AES-256-GCM ciphertext and tag
//
// A session is a random number an author draws when it joins; its AES key is HKDF-SHA256(topic key, salt: session,
// info: author), used by that author alone, and the counter is the nonce. So no nonce is used twice under one key
// whatever the number of messages, which random 96-bit nonces under one shared key could not promise. The topic name
// is the additional data.
const (
	sealVersion  = 1
	sessionBytes = 16
	headBytes    = 1 + sessionBytes + 8
	// SealBytes is how much longer a sealed message is than its data.
	SealBytes = headBytes + 16
)

// windowMessages is how far behind the newest counter of its session a message may arrive and still be told from a
// replay. Gossip reorders within its queues, which hold less.
const windowMessages = 1 << 14

// sessionsMax bounds the sessions remembered; the one not heard of for longest is forgotten first.
const sessionsMax = 256

var (
	errSeal   = errors.New("gossip: message does not open with the sandbox key")
	errReplay = errors.New("gossip: message was seen before")
)

type sealer struct {
	aead    cipher.AEAD
	session [sessionBytes]byte
	topic   string
	counter atomic.Uint64
}

func newSealer(key [32]byte, topic, author string) (*sealer, error) {
	s := &sealer{topic: topic}
	if _, err := rand.Read(s.session[:]); err != nil {
		return nil, fmt.Errorf("gossip: cannot read randomness: %w", err)
	}
	s.aead = sessionAEAD(key, author, s.session)
	return s, nil
}

func sessionAEAD(key [32]byte, author string, session [sessionBytes]byte) cipher.AEAD {
	k, err := hkdf.Key(sha256.New, key[:], session[:], "tandem gossip 1 "+author, 32)
	if err != nil {
		panic("BUG: gossip: hkdf: " + err.Error())
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		panic("BUG: gossip: aes: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("BUG: gossip: gcm: " + err.Error())
	}
	return aead
}

func (s *sealer) seal(data []byte) []byte {
	n := s.counter.Add(1)
	b := make([]byte, headBytes, headBytes+len(data)+16)
	b[0] = sealVersion
	copy(b[1:], s.session[:])
	binary.BigEndian.PutUint64(b[1+sessionBytes:], n)
	return s.aead.Seal(b, nonce(n), data, []byte(s.topic))
}

func nonce(n uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 4), n) }

// opener opens the messages of all authors of one topic.
type opener struct {
	key   [32]byte
	topic string

	mu       sync.Mutex
	clock    uint64
	sessions map[sessionID]*session
}

type sessionID struct {
	author string
	id     [sessionBytes]byte
}

type session struct {
	aead   cipher.AEAD
	window window
	heard  uint64 // opener.clock when last used
}

func (o *opener) open(author string, sealed []byte) ([]byte, error) {
	if len(sealed) < SealBytes || sealed[0] != sealVersion {
		return nil, errSeal
	}
	id := sessionID{author: author, id: [sessionBytes]byte(sealed[1:])}
	n := binary.BigEndian.Uint64(sealed[1+sessionBytes:])
	o.mu.Lock()
	defer o.mu.Unlock()
	s, known := o.sessions[id]
	if !known {
		s = &session{aead: sessionAEAD(o.key, author, id.id)}
	}
	data, err := s.aead.Open(nil, nonce(n), sealed[headBytes:], []byte(o.topic))
	if err != nil {
		return nil, errSeal
	}
	// Only now is it known that a member wrote this; a forged message must not take a place in the table.
	if !known {
		o.remember(id, s)
	}
	o.clock++
	s.heard = o.clock
	if !s.window.admit(n) {
		return nil, errReplay
	}
	return data, nil
}

func (o *opener) remember(id sessionID, s *session) {
	if o.sessions == nil {
		o.sessions = map[sessionID]*session{}
	}
	for len(o.sessions) >= sessionsMax {
		var oldest sessionID
		heard := ^uint64(0)
		for id, s := range o.sessions {
			if s.heard < heard {
				oldest, heard = id, s.heard
			}
		}
		delete(o.sessions, oldest)
	}
	o.sessions[id] = s
}

// window remembers which of the last windowMessages counters were seen; older ones count as seen.
type window struct {
	top  uint64 // greatest counter admitted
	seen [windowMessages / 64]uint64
}

func (w *window) admit(n uint64) bool {
	switch {
	case n > w.top:
		if n-w.top >= windowMessages {
			clear(w.seen[:])
		} else {
			for k := w.top + 1; k < n; k++ {
				w.seen[k/64%uint64(len(w.seen))] &^= 1 << (k % 64)
			}
		}
		w.top = n
	case w.top-n >= windowMessages:
		return false
	case w.seen[n/64%uint64(len(w.seen))]&(1<<(n%64)) != 0:
		return false
	}
	w.seen[n/64%uint64(len(w.seen))] |= 1 << (n % 64)
	return true
}
