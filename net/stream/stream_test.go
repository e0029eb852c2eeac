package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

type pipe struct{ net.Conn }

func (p pipe) Reset() error { return p.Close() }

// open returns the caller's end of a stream that r serves, and the channel of Serve's result.
func open(r *Registry) (Conn, <-chan error) {
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- r.Serve(context.Background(), pipe{b}, "peer") }()
	return pipe{a}, done
}

func wait(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("does not end")
		return nil
	}
}

func never([]byte) error { return errors.New("unexpected frame") }

func TestFramesArriveInOrderThenTheEnd(t *testing.T) {
	var r Registry
	r.Handle("count", func(_ context.Context, from string, req []byte, send func([]byte) error) error {
		frame := make([]byte, 8) // reused: send must copy
		for n := range 100 {
			copy(frame, fmt.Sprintf("%s%03d", req, n))
			if err := send(frame); err != nil {
				return err
			}
		}
		if from != "peer" {
			return errors.New("wrong caller")
		}
		return send(nil)
	})
	c, done := open(&r)
	var got []string
	err := Call(context.Background(), c, "count", []byte("a="), func(f []byte) error {
		got = append(got, strings.TrimRight(string(f), "\x00"))
		return nil
	})
	if err != nil || wait(t, done) != nil || len(got) != 101 || got[99] != "a=099" || got[100] != "" {
		t.Fatalf("%v: %q", err, got)
	}
}

func TestErrorsReachTheCaller(t *testing.T) {
	var r Registry
	r.Handle("fail", func(context.Context, string, []byte, func([]byte) error) error { return errors.New("disk full") })
	r.Handle("large", func(_ context.Context, _ string, _ []byte, send func([]byte) error) error {
		return send(make([]byte, FrameMax+1))
	})
	r.Handle("gone", never2)
	r.Handle("gone", nil)
	ctx := context.Background()

	c, _ := open(&r)
	var remote *RemoteError
	if err := Call(ctx, c, "fail", nil, never); !errors.As(err, &remote) || err.Error() != "disk full" {
		t.Errorf("handler error: %v", err)
	}
	c, _ = open(&r)
	if err := Call(ctx, c, "large", nil, never); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("large frame: %v", err)
	}
	for _, name := range []string{"gone", "nothing"} {
		c, done := open(&r)
		if err := Call(ctx, c, name, nil, never); !errors.Is(err, ErrNoHandler) || !errors.Is(wait(t, done), ErrNoHandler) {
			t.Errorf("no handler: %v", err)
		}
	}
	c, _ = open(&r)
	if err := Call(ctx, c, "fail", make([]byte, RequestMax+1), never); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large request: %v", err)
	}
}

func never2(context.Context, string, []byte, func([]byte) error) error { return nil }

func TestLargestRequestAndFramePass(t *testing.T) {
	var r Registry
	r.Handle("max", func(_ context.Context, _ string, req []byte, send func([]byte) error) error {
		return send(bytes.Repeat(req, FrameMax/RequestMax))
	})
	c, _ := open(&r)
	size := 0
	err := Call(context.Background(), c, "max", make([]byte, RequestMax), func(f []byte) error { size += len(f); return nil })
	if err != nil || size != FrameMax {
		t.Fatalf("%d bytes, %v", size, err)
	}
}

func TestCallerThatLeavesCancelsTheHandler(t *testing.T) {
	for _, how := range []string{"context", "recv"} {
		var r Registry
		ended := make(chan error, 1)
		r.Handle("wait", func(ctx context.Context, _ string, _ []byte, send func([]byte) error) error {
			if err := send([]byte("first")); err != nil {
				return err
			}
			<-ctx.Done()
			ended <- nil
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c, _ := open(&r)
		stop := errors.New("enough")
		err := Call(ctx, c, "wait", nil, func([]byte) error {
			if how == "context" {
				cancel()
				return nil
			}
			return stop
		})
		if want := map[string]error{"context": context.Canceled, "recv": stop}[how]; !errors.Is(err, want) {
			t.Fatalf("%s: %v", how, err)
		}
		wait(t, ended)
	}
}

func TestLimits(t *testing.T) {
	r := Registry{Limits: Limits{PerPeer: 1, Idle: 50 * time.Millisecond, Total: 100 * time.Millisecond}}
	started := make(chan error)
	r.Handle("slow", func(ctx context.Context, _ string, _ []byte, _ func([]byte) error) error {
		started <- nil
		<-ctx.Done()
		return ctx.Err()
	})
	first := make(chan error, 1)
	c, _ := open(&r)
	go func() { first <- Call(context.Background(), c, "slow", nil, never) }()
	wait(t, started)
	c, done := open(&r)
	if err := Call(context.Background(), c, "slow", nil, never); !errors.Is(err, ErrBusy) || wait(t, done) != ErrBusy {
		t.Errorf("second request: %v", err)
	}
	if wait(t, first) == nil {
		t.Error("a request outlived its time limit and succeeded")
	}
	_, done = open(&r) // a caller that never sends its request
	if wait(t, done) == nil {
		t.Error("a silent caller was served")
	}
}

func TestBrokenReplies(t *testing.T) {
	for what, c := range map[string]struct {
		reply string
		want  error
	}{
		"cut before the end": {"d\x00\x00\x00\x01x", io.ErrUnexpectedEOF},
		"cut in a frame":     {"d\x00\x00\x00\x05x", io.ErrUnexpectedEOF},
		"nothing":            {"", io.ErrUnexpectedEOF},
		"unknown kind":       {"z\x00\x00\x00\x00", ErrProtocol},
		"huge frame":         {"d\xff\xff\xff\xff", ErrTooLarge},
	} {
		a, b := net.Pipe()
		go func() {
			readRequest(b, true)
			io.WriteString(b, c.reply)
			b.Close()
		}()
		if err := Call(context.Background(), pipe{a}, "x", nil, func([]byte) error { return nil }); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// ending is a stream whose request is ended at the worst moment: when a write is about to get its time.
type ending struct {
	pipe
	cancel func()
	over   chan struct{} // closed when the end took the time away
}

func (e *ending) SetWriteDeadline(t time.Time) error {
	if time.Until(t) <= 0 {
		defer close(e.over)
		return e.pipe.SetWriteDeadline(t)
	}
	e.cancel()
	<-e.over
	return e.pipe.SetWriteDeadline(t)
}

// A caller that stopped reading must not hold a request that is over, however long it may take for a frame.
func TestCallerThatStopsReadingIsLeft(t *testing.T) {
	for _, flood := range []bool{true, false} {
		r := Registry{Limits: Limits{Idle: time.Hour}}
		r.Handle("h", func(ctx context.Context, _ string, _ []byte, send func([]byte) error) error {
			for flood {
				if err := send(make([]byte, 100)); err != nil {
					return err
				}
			}
			<-ctx.Done()
			return ctx.Err()
		})
		a, b := net.Pipe()
		defer a.Close()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() {
			done <- r.Serve(ctx, &ending{pipe: pipe{b}, cancel: cancel, over: make(chan struct{})}, "peer")
		}()
		io.WriteString(a, "\x01h\x00\x00\x00\x00")
		if !flood {
			cancel()
		}
		wait(t, done)
	}
}

// Requests that are being sent take memory, so they count; one too many is read without keeping it, and told so.
func TestRequestsBeingSentAreLimited(t *testing.T) {
	r := Registry{Limits: Limits{PerPeer: 1}}
	r.Handle("h", func(context.Context, string, []byte, func([]byte) error) error { return nil })
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- r.Serve(context.Background(), pipe{b}, "peer") }()
	io.WriteString(a, "\x01h\x00\x10\x00\x00") // and a MiB that does not come
	c, second := open(&r)
	if err := Call(context.Background(), c, "h", make([]byte, RequestMax), never); !errors.Is(err, ErrBusy) || wait(t, second) != ErrBusy {
		t.Errorf("second request: %v", err)
	}
	a.Close()
	if wait(t, done) == nil {
		t.Error("half a request was served")
	}
	c, second = open(&r)
	if err := Call(context.Background(), c, "h", nil, never); err != nil || wait(t, second) != nil {
		t.Errorf("after the first: %v", err)
	}
}

// The text of a remote error goes into logs: a hostile handler must not fill them.
func TestRemoteErrorIsBounded(t *testing.T) {
	a, b := net.Pipe()
	go func() {
		readRequest(b, true)
		(&sender{c: pipe{b}}).write('e', bytes.Repeat([]byte{0xff}, FrameMax))
	}()
	var remote *RemoteError
	err := Call(context.Background(), pipe{a}, "x", nil, never)
	if !errors.As(err, &remote) || len(remote.Text) > errorTextMax || !utf8.ValidString(remote.Text) {
		t.Errorf("%d bytes, %.40q", len(err.Error()), err)
	}
}

// FuzzServe: any bytes of a caller end in a bounded time without a panic.
func FuzzServe(f *testing.F) {
	f.Add([]byte("\x01h\x00\x00\x00\x01x"))
	f.Add([]byte("\x01h\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := Registry{Limits: Limits{Idle: time.Second}}
		r.Handle("h", func(_ context.Context, _ string, req []byte, send func([]byte) error) error { return send(req) })
		a, b := net.Pipe()
		go func() {
			a.Write(in)
			a.Close()
		}()
		r.Serve(context.Background(), pipe{b}, "peer")
		b.Close()
	})
}
