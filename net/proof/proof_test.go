package proof

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
	"time"
)

type side struct {
	name string
	boot Boot
	keys []Key
}

// converse runs both sides over a pipe; dialerSees and listenerSees are the peer ids that the transport vouches for.
func converse(t *testing.T, d, l side, dialerSees, listenerSees string) (ds, ls Shared, derr, lerr error) {
	t.Helper()
	a, b := net.Pipe()
	deadline := time.Now().Add(10 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer b.Close()
		ls, lerr = Answer(b, l.name, listenerSees, l.boot, l.keys)
	}()
	ds, derr = Dial(a, d.name, dialerSees, d.boot, d.keys)
	a.Close()
	<-done
	return
}

var k1, k2, k3 = Key{1}, Key{2}, Key{3}

func TestSharedKeysAreFoundOnBothSides(t *testing.T) {
	for _, c := range []struct{ d, l, wantD, wantL []int }{
		{[]int{1}, []int{1}, []int{0}, []int{0}},
		{[]int{1, 2, 3}, []int{3, 1}, []int{0, 2}, []int{1, 0}},
		{[]int{2, 1}, []int{1}, []int{1}, []int{0}},
	} {
		pick := func(ns []int) (out []Key) {
			for _, n := range ns {
				out = append(out, []Key{{}, k1, k2, k3}[n])
			}
			return
		}
		ds, ls, derr, lerr := converse(t, side{"d", Boot{7}, pick(c.d)}, side{"l", Boot{8}, pick(c.l)}, "l", "d")
		if derr != nil || lerr != nil {
			t.Fatalf("%v: %v, %v", c, derr, lerr)
		}
		if !reflect.DeepEqual(ds, Shared{c.wantD, Boot{8}}) || !reflect.DeepEqual(ls, Shared{c.wantL, Boot{7}}) {
			t.Fatalf("%v: %v, %v", c, ds, ls)
		}
	}
}

func TestClaimMadeTwiceCountsOnce(t *testing.T) {
	ds, ls, derr, lerr := converse(t, side{"d", Boot{}, []Key{k1, k2, k1}}, side{"l", Boot{}, []Key{k2, k1}}, "l", "d")
	if derr != nil || lerr != nil || !reflect.DeepEqual(ds.Keys, []int{0, 1}) || !reflect.DeepEqual(ls.Keys, []int{1, 0}) {
		t.Fatalf("%v %v, %v %v", ds, derr, ls, lerr)
	}
}

func TestStrangersLearnNothing(t *testing.T) {
	for _, c := range [][2][]Key{{{k1}, {k2}}, {{k1}, nil}, {nil, {k1}}, {nil, nil}, {{k1, k2}, {k3}}} {
		_, _, derr, lerr := converse(t, side{"d", Boot{}, c[0]}, side{"l", Boot{}, c[1]}, "l", "d")
		if !errors.Is(derr, ErrStranger) || !errors.Is(lerr, ErrStranger) {
			t.Errorf("%v: %v, %v", c, derr, lerr)
		}
	}
}

// A peer in the middle that holds its own connections to both cannot pass their proofs on: the ids differ.
func TestProofCannotBeCarriedByAThird(t *testing.T) {
	_, _, derr, lerr := converse(t, side{"d", Boot{}, []Key{k1}}, side{"l", Boot{}, []Key{k1}}, "mallory", "mallory")
	if !errors.Is(derr, ErrStranger) || !errors.Is(lerr, ErrStranger) {
		t.Fatalf("%v, %v", derr, lerr)
	}
}

// echo sends back what it gets: a mirror must not pass for a member.
func TestReflectionFails(t *testing.T) {
	var mirror bytes.Buffer
	if _, err := Dial(&mirror, "d", "l", Boot{}, []Key{k1}); !errors.Is(err, ErrForged) {
		t.Fatalf("mirror: %v", err)
	}
}

func TestReplayFails(t *testing.T) {
	var sent bytes.Buffer
	a, b := net.Pipe()
	go func() {
		Answer(b, "l", "d", Boot{}, []Key{k1})
		b.Close()
	}()
	if _, err := Dial(struct {
		io.Reader
		io.Writer
	}{a, io.MultiWriter(a, &sent)}, "d", "l", Boot{}, []Key{k1}); err != nil {
		t.Fatal(err)
	}
	if _, err := Answer(struct {
		io.Reader
		io.Writer
	}{&sent, io.Discard}, "l", "d", Boot{}, []Key{k1}); !errors.Is(err, ErrStranger) {
		t.Fatalf("recorded proof: %v", err)
	}
}

// FuzzAnswer: no input of a peer without the key is ever a proof, and none panics.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{})
	f.Add(append([]byte{version}, make([]byte, helloBytes)...))
	f.Add(append(append([]byte{version}, make([]byte, helloBytes-1)...), append([]byte{1}, make([]byte, 32)...)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		rw := struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(in), io.Discard}
		if _, err := Answer(rw, "l", "d", Boot{}, []Key{k1, k2}); err == nil {
			t.Fatal("proof without the key")
		}
		rw.Reader = bytes.NewReader(in)
		if _, err := Dial(rw, "d", "l", Boot{}, []Key{k1, k2}); err == nil {
			t.Fatal("proof without the key")
		}
	})
}
