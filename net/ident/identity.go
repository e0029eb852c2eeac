// Package ident keeps the identity of a peer: one ed25519 key in one file that only its owner may read.
//
// A peer id is the multihash of the public key, so whoever knows the id can verify a signature without asking
// anybody. The package opens no connection and knows no sandbox. Opening costs one small file read; a signature
// about 35 µs, a verification about 80 µs.
package ident

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

var (
	// ErrMode is returned when others than the owner may read the identity file.
	ErrMode = errors.New("ident: file is open to others")
	// ErrCorrupt is returned when the identity file is not one that this package wrote.
	ErrCorrupt = errors.New("ident: file is corrupt")
	// ErrSignature is returned by Verify when the signature is not the peer's over that data.
	ErrSignature = errors.New("ident: signature does not match")
)

// fileMagic begins an identity file; the number is the version of the format. The whole file is one line:
//
//	tandem-identity-1 BASE64URL(seed, 32 bytes) HEX(first 8 bytes of SHA-256 over the two words before)
const fileMagic = "tandem-identity-1"

// fileSizeMax bounds what is read before the content is looked at.
const fileSizeMax = 4096

// signDomain keeps signatures made through Sign apart from those that libp2p makes with the same key
// (handshakes, gossip envelopes, peer records): none can be presented as the other.
const signDomain = "tandem sign 1\x00"

// Identity is a private key and the peer id that follows from it. It is safe for concurrent use.
type Identity struct {
	seed []byte // 32 bytes, the ed25519 seed
	key  crypto.PrivKey
	id   peer.ID
}

// New makes a fresh identity that is stored nowhere.
func New() (*Identity, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return nil, fmt.Errorf("ident: cannot read randomness: %w", err)
	}
	return fromSeed(seed)
}

// Open loads the identity at path, or creates it there (mode 0600) if no file exists. Two processes that create
// at the same time end up with the same identity.
func Open(path string) (*Identity, error) {
	i, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return i, err
	}
	if i, err = New(); err != nil {
		return nil, err
	}
	switch err := i.save(path); {
	case errors.Is(err, fs.ErrExist):
		return Load(path)
	case err != nil:
		return nil, err
	}
	return i, nil
}

// Load reads the identity at path. It refuses a file that others may read (ErrMode), and anything that is not an
// intact identity file (ErrCorrupt).
func Load(path string) (*Identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("ident: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrCorrupt, path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%w: %s has mode %04o: run chmod 600 %s", ErrMode, path, mode, path)
	}
	if info.Size() > fileSizeMax {
		return nil, corrupt(path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ident: %w", err)
	}
	seed, ok := decode(string(text))
	if !ok {
		return nil, corrupt(path)
	}
	return fromSeed(seed)
}

func corrupt(path string) error {
	return fmt.Errorf("%w: %s: restore it from a copy, or remove it to start as a new peer", ErrCorrupt, path)
}

func encode(seed []byte) string {
	line := fileMagic + " " + base64.RawURLEncoding.EncodeToString(seed)
	sum := sha256.Sum256([]byte(line))
	return line + " " + hex.EncodeToString(sum[:8]) + "\n"
}

// decode accepts exactly what encode writes: it re-encodes and compares, so no second spelling exists.
func decode(text string) ([]byte, bool) {
	words := strings.Fields(text)
	if len(words) != 3 || words[0] != fileMagic {
		return nil, false
	}
	seed, err := base64.RawURLEncoding.DecodeString(words[1])
	if err != nil || len(seed) != ed25519.SeedSize || encode(seed) != text {
		return nil, false
	}
	return seed, true
}

// save writes beside path and links into place, so that a crash leaves no half file and a concurrent creator is
// never overwritten.
func (i *Identity) save(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("ident: %w", err)
	}
	f, err := os.CreateTemp(dir, ".identity-*") // CreateTemp makes files with mode 0600
	if err != nil {
		return fmt.Errorf("ident: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(encode(i.seed))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("ident: cannot store the identity: %w", err)
	}
	return nil
}

func fromSeed(seed []byte) (*Identity, error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return nil, fmt.Errorf("ident: %w", err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("ident: %w", err)
	}
	return &Identity{seed: seed, key: key, id: id}, nil
}

// Peer returns the peer id in its usual text form (12D3KooW...).
func (i *Identity) Peer() string { return i.id.String() }

// ID returns the peer id as libp2p's type.
func (i *Identity) ID() peer.ID { return i.id }

// Key returns the private key for the libp2p host.
func (i *Identity) Key() crypto.PrivKey { return i.key }

// String names the peer, never the key, so that an identity may be printed.
func (i Identity) String() string { return "identity of " + i.id.String() }

// Format keeps the key out of every verb of fmt, for an Identity as for a pointer to one.
func (i Identity) Format(f fmt.State, _ rune) { io.WriteString(f, i.String()) }

// Sign returns the 64-byte ed25519 signature over data under the project's own domain.
func (i *Identity) Sign(data []byte) ([]byte, error) {
	return i.key.Sign(domain(data))
}

// Verify checks a signature made by Sign against the key inside the peer id. Every failure wraps ErrSignature.
func Verify(peerID string, data, sig []byte) error {
	id, err := peer.Decode(peerID)
	if err != nil {
		return fmt.Errorf("%w: %q is not a peer id", ErrSignature, peerID)
	}
	pub, err := id.ExtractPublicKey()
	if err != nil {
		return fmt.Errorf("%w: peer id %s carries no key", ErrSignature, peerID)
	}
	ok, err := pub.Verify(domain(data), sig)
	if err != nil || !ok {
		return fmt.Errorf("%w: signer %s", ErrSignature, peerID)
	}
	return nil
}

func domain(data []byte) []byte { return append([]byte(signDomain), data...) }
