package ticket

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/net/ident"
)

func example(t testing.TB) *Ticket {
	t.Helper()
	tk, err := New([32]byte{1, 2, 3}, [32]byte{9})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		i, err := ident.New()
		if err != nil {
			t.Fatal(err)
		}
		tk.Members = append(tk.Members, Member{Peer: i.Peer(), Addrs: []string{
			"/ip4/127.0.0.1/udp/4001/quic-v1", "/ip4/127.0.0.1/tcp/4001", "/dns4/a.example/tcp/1"}})
	}
	return tk
}

func text(t testing.TB, tk *Ticket) string {
	t.Helper()
	s, err := tk.Text()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	full := example(t)
	for _, tk := range []*Ticket{full, {}, {Sandbox: full.Sandbox, Key: full.Key}, {Members: full.Members[:1]}} {
		s := text(t, tk)
		got, err := Parse("  " + s + "\n")
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, tk) {
			t.Fatalf("%#v became %#v", tk, got)
		}
	}
}

// Every position times every printable character, and every deletion and doubling: never a ticket.
func TestOneChangedCharacterIsNoticed(t *testing.T) {
	s := text(t, example(t))
	for n := range s {
		for c := byte(33); c < 127; c++ {
			if c == s[n] {
				continue
			}
			bad := s[:n] + string(c) + s[n+1:]
			if _, err := Parse(bad); !errors.Is(err, ErrChecksum) && !errors.Is(err, ErrPrefix) {
				t.Fatalf("position %d, %q to %q: %v", n, s[n], c, err)
			}
		}
		for _, bad := range []string{s[:n] + s[n+1:], s[:n] + s[n:n+1] + s[n:], s[:n], s[:n] + "\n" + s[n:]} {
			if strings.TrimSpace(bad) == s {
				continue
			}
			if _, err := Parse(bad); !errors.Is(err, ErrChecksum) && !errors.Is(err, ErrPrefix) {
				t.Fatalf("position %d: %v for %q", n, err, bad)
			}
		}
	}
}

func sealed(b []byte) string { return Prefix + alphabet.EncodeToString(append(b, checksum(b)...)) }

func TestIntactButWrongContent(t *testing.T) {
	body := append([]byte{version, 0}, make([]byte, 64)...)
	for what, c := range map[string]struct {
		body []byte
		want error
	}{
		"newer version":      {append([]byte{2, 0}, make([]byte, 65)...), ErrVersion},
		"nothing":            {nil, ErrVersion},
		"no members":         {body, ErrMalformed},
		"trailing byte":      {append(bytes.Clone(body), 0, 0), ErrMalformed},
		"unknown flag":       {append(append([]byte{version, 4}, body[2:]...), 0), ErrMalformed},
		"member cut":         {append(bytes.Clone(body), 1, 5, 1), ErrMalformed},
		"many members":       {append(bytes.Clone(body), 255), ErrMalformed},
		"empty peer":         {append(bytes.Clone(body), 1, 0, 0), ErrMalformed},
		"empty address":      {append(bytes.Clone(body), 1, 2, 0, 0, 1, 0, 0), ErrMalformed},
		"zero program is no": {append(append([]byte{version, flagProgram}, make([]byte, 96)...), 0), ErrMalformed},
	} {
		if _, err := Parse(sealed(c.body)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTextRefusesWhatCannotTravel(t *testing.T) {
	i, _ := ident.New()
	for what, m := range map[string][]Member{
		"peer":      {{Peer: "x"}},
		"address":   {{Peer: i.Peer(), Addrs: []string{"localhost:1"}}},
		"members":   make([]Member, membersMax+1),
		"addresses": {{Peer: i.Peer(), Addrs: make([]string, addrsMax+1)}},
	} {
		if _, err := (&Ticket{Members: m}).Text(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestSubkeysDiffer(t *testing.T) {
	a := example(t)
	b := *a
	b.Sandbox[31]++
	seen := map[[32]byte]bool{a.Key: true}
	for _, k := range [][32]byte{a.Subkey("x"), a.Subkey("y"), b.Subkey("x"), b.Subkey("y")} {
		if seen[k] {
			t.Fatal("two purposes share a key")
		}
		seen[k] = true
	}
}

func TestPrintingShowsNoKey(t *testing.T) {
	tk := example(t)
	for n := range tk.Key {
		tk.Key[n] = 0xab
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("joined", "ticket", tk, "copy", *tk)
	all := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
		all += fmt.Sprintf(verb+" "+verb+" "+verb+"\n", tk, *tk, struct{ Ticket Ticket }{*tk})
	}
	for _, leak := range []string{"171", "abab", "0xab", strings.TrimPrefix(text(t, tk), Prefix)[20:60]} {
		if strings.Contains(all, leak) {
			t.Fatalf("key in print: %s", all)
		}
	}
}

// FuzzParse: any text is an error or a ticket whose one text it is; never a panic.
func FuzzParse(f *testing.F) {
	f.Add(text(f, example(f)))
	f.Add(Prefix)
	f.Add(sealed(append([]byte{version, 0}, make([]byte, 65)...)))
	f.Fuzz(func(t *testing.T, s string) {
		// The second try seals the bytes, so that the fuzzer is not stopped by the checksum.
		for _, s := range []string{s, sealed([]byte(s)), sealed(append([]byte{version}, s...))} {
			tk, err := Parse(s)
			if err != nil {
				continue
			}
			if again := text(t, tk); again != strings.TrimSpace(s) {
				t.Fatalf("%q parses, but is written %q", s, again)
			}
		}
	})
}
