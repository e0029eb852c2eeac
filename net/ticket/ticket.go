// Package ticket is the invitation to a sandbox: its id, its secret key and where its members can be reached, as
// one word that a person can copy.
//
// Whoever holds the ticket's key can join the sandbox's topic and streams, so a ticket is a secret; printing a
// Ticket with fmt or slog shows no key, only Text does. The package opens no connection. A ticket with one member
// is about 300 characters.
//
//	"tandem1" base32( version(1) flags(1) sandbox(32) key(32) [program(32)] members checksum(8) )
//	members:  count(1) then for each: peer(1+n) count(1) then for each address: (2+n, big endian), binary multiaddr
//	flags:    bit 0: program present; the other bits are zero
//	checksum: the first 8 bytes of SHA-256 over "tandem ticket\x00" and everything before the checksum
//
// The alphabet is RFC 4648 base32 in lower case without padding. There is exactly one text for each ticket.
package ticket

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Prefix begins every ticket.
const Prefix = "tandem1"

const (
	version       = 1
	flagProgram   = 1
	checksumBytes = 8
	textMax       = 16 << 10
	membersMax    = 16
	addrsMax      = 16
	addrBytesMax  = 1 << 10
)

var (
	// ErrPrefix is returned for a text that is no ticket at all.
	ErrPrefix = errors.New(`ticket: not a ticket: it must begin with "` + Prefix + `": copy it again whole`)
	// ErrChecksum is returned for a ticket that was damaged on its way.
	ErrChecksum = errors.New("ticket: checksum does not match: copy it again whole")
	// ErrVersion is returned for an intact ticket of a format this program does not know.
	ErrVersion = errors.New("ticket: made by another version: use the same version of tandem on both peers")
	// ErrMalformed is returned for an intact text whose content makes no ticket, and by Text for such a Ticket.
	ErrMalformed = errors.New("ticket: malformed")
)

var alphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Member is a peer of the sandbox and the addresses where it was reachable when the ticket was made.
type Member struct {
	Peer  string   `json:"peer"`  // libp2p peer id
	Addrs []string `json:"addrs"` // multiaddrs without /p2p
}

// Ticket is the decoded invitation.
type Ticket struct {
	Sandbox [32]byte // id of the sandbox
	Key     [32]byte // the secret shared by all members
	Program [32]byte // hash of the program; zero when the ticket does not name it
	Members []Member // at most 16, each with at most 16 addresses
}

// New makes a ticket with a fresh random key.
func New(sandbox, program [32]byte) (*Ticket, error) {
	t := &Ticket{Sandbox: sandbox, Program: program}
	if _, err := rand.Read(t.Key[:]); err != nil {
		return nil, fmt.Errorf("ticket: cannot read randomness: %w", err)
	}
	return t, nil
}

// Subkey derives the 32-byte key for one purpose (HKDF-SHA256, RFC 5869; salt: the sandbox id, info: the label).
// Different labels, and different sandboxes, give independent keys.
func (t *Ticket) Subkey(label string) [32]byte {
	out, err := hkdf.Key(sha256.New, t.Key[:], t.Sandbox[:], "tandem/1/"+label, 32)
	if err != nil {
		panic("BUG: ticket: hkdf: " + err.Error())
	}
	return [32]byte(out)
}

// String names the sandbox and counts the members; it never shows the key.
func (t Ticket) String() string {
	return fmt.Sprintf("ticket(sandbox %s, %d members)", hex.EncodeToString(t.Sandbox[:6]), len(t.Members))
}

// Format keeps the key out of every verb of fmt, for a Ticket as for a pointer to one.
func (t Ticket) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// LogValue keeps the key out of slog.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Text returns the ticket as one word, the key included.
func (t *Ticket) Text() (string, error) {
	b := []byte{version, 0}
	b = append(b, t.Sandbox[:]...)
	b = append(b, t.Key[:]...)
	if t.Program != [32]byte{} {
		b[1] |= flagProgram
		b = append(b, t.Program[:]...)
	}
	b, err := appendMembers(b, t.Members)
	if err != nil {
		return "", err
	}
	b = append(b, checksum(b)...)
	text := Prefix + alphabet.EncodeToString(b)
	if len(text) > textMax {
		return "", fmt.Errorf("%w: %d characters are too many: name fewer members", ErrMalformed, len(text))
	}
	return text, nil
}

func appendMembers(b []byte, members []Member) ([]byte, error) {
	if len(members) > membersMax {
		return nil, fmt.Errorf("%w: %d members, at most %d fit", ErrMalformed, len(members), membersMax)
	}
	b = append(b, byte(len(members)))
	for _, m := range members {
		id, err := peer.Decode(m.Peer)
		if err != nil || len(id) > 255 {
			return nil, fmt.Errorf("%w: %q is not a peer id", ErrMalformed, m.Peer)
		}
		if len(m.Addrs) > addrsMax {
			return nil, fmt.Errorf("%w: %d addresses, at most %d fit", ErrMalformed, len(m.Addrs), addrsMax)
		}
		b = append(b, byte(len(id)))
		b = append(b, id...)
		b = append(b, byte(len(m.Addrs)))
		for _, s := range m.Addrs {
			a, err := multiaddr.NewMultiaddr(s)
			if err != nil || len(a.Bytes()) > addrBytesMax {
				return nil, fmt.Errorf("%w: %q is not an address", ErrMalformed, s)
			}
			b = binary.BigEndian.AppendUint16(b, uint16(len(a.Bytes())))
			b = append(b, a.Bytes()...)
		}
	}
	return b, nil
}

// Parse reads what Text wrote. Spaces and line ends around it are ignored. Any single changed character, and with
// a chance of 2^-64 of being missed any other damage, is ErrPrefix or ErrChecksum.
func Parse(text string) (*Ticket, error) {
	text = strings.TrimSpace(text)
	body, found := strings.CutPrefix(text, Prefix)
	if !found {
		return nil, ErrPrefix
	}
	if len(text) > textMax {
		return nil, ErrChecksum
	}
	b, err := alphabet.DecodeString(body)
	// Decoding ignores line ends and unused low bits of the last character; the comparison does not.
	if err != nil || len(b) < checksumBytes || alphabet.EncodeToString(b) != body {
		return nil, ErrChecksum
	}
	b, sum := b[:len(b)-checksumBytes], b[len(b)-checksumBytes:]
	if !bytes.Equal(sum, checksum(b)) {
		return nil, ErrChecksum
	}
	if len(b) == 0 || b[0] != version {
		return nil, ErrVersion
	}
	t, err := decode(b)
	if err != nil {
		return nil, err
	}
	// Peer ids and addresses may have more than one binary spelling; only the canonical one is a ticket.
	if again, err := t.Text(); err != nil || again != text {
		return nil, fmt.Errorf("%w: not in canonical form", ErrMalformed)
	}
	return t, nil
}

func decode(b []byte) (*Ticket, error) {
	r := reader{rest: b[1:]}
	t := new(Ticket)
	flags := r.number(1)
	copy(t.Sandbox[:], r.take(32))
	copy(t.Key[:], r.take(32))
	if flags&flagProgram != 0 {
		copy(t.Program[:], r.take(32))
	}
	for range r.number(1) {
		m := Member{Peer: peer.ID(r.take(r.number(1))).String()}
		for range r.number(1) {
			a, err := multiaddr.NewMultiaddrBytes(r.take(r.number(2)))
			if err != nil {
				return nil, fmt.Errorf("%w: bad address", ErrMalformed)
			}
			m.Addrs = append(m.Addrs, a.String())
		}
		t.Members = append(t.Members, m)
		if r.short {
			break
		}
	}
	if r.short || len(r.rest) != 0 {
		return nil, fmt.Errorf("%w: wrong length", ErrMalformed)
	}
	return t, nil
}

// reader takes bytes off the front; after an attempt to take more than there are, short stays true.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.short, r.rest = true, nil
		return make([]byte, min(n, addrBytesMax))
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) number(bytes int) int {
	n := 0
	for _, c := range r.take(bytes) {
		n = n<<8 | int(c)
	}
	return n
}

func checksum(b []byte) []byte {
	h := sha256.New()
	h.Write([]byte("tandem ticket\x00"))
	h.Write(b)
	return h.Sum(nil)[:checksumBytes]
}
