// Package client asks a running daemon, found by its store directory. It keeps no state beyond an HTTP connection pool and starts no daemon.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// ErrNoDaemon: nobody answers for the store.
var ErrNoDaemon = errors.New("no peer is running")

// Client of the daemon of one store. Safe for concurrent use.
type Client struct {
	store string
	http  http.Client
}

// New is a client for the daemon of the store in dir. It does not connect yet.
func New(dir string) *Client {
	c := &Client{store: dir}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket(dir))
		},
		IdleConnTimeout: 10 * time.Second,
	}
	return c
}

// socket is where the daemon of a store listens.
func socket(dir string) string {
	if b, err := os.ReadFile(filepath.Join(dir, api.PlaceFile)); err == nil {
		return strings.TrimSpace(string(b))
	}
	return filepath.Join(dir, api.SocketFile)
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// do makes a request and gives the body of a good answer, which the caller closes. The parts of path are escaped.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, contentType string, body io.Reader) (io.ReadCloser, error) {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "http", Host: "peer", Path: plain, RawPath: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var e api.Error
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&e); err != nil || e.Error == "" {
		return nil, fmt.Errorf("the peer at %s answered %s", c.store, resp.Status)
	}
	return nil, errors.New(e.Error)
}

func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// EINVAL: the path is too long for a socket, and no file says where the socket is instead.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EINVAL) {
		if _, err := os.Stat(c.store); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: there is no store %s: start one with `peer run` or `peer join`, or name it with --store", ErrNoDaemon, c.store)
		}
		return fmt.Errorf("%w on the store %s: start it with `peer up --store %s`", ErrNoDaemon, c.store, c.store)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%w: %s is no store: name one with --store", ErrNoDaemon, c.store)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("the peer of %s does not answer: %w", c.store, err)
}

// call sends in as JSON, unless it is nil, and decodes the answer.
func call[T any](ctx context.Context, c *Client, method, path string, query url.Values, in any) (out T, err error) {
	var body io.Reader
	contentType := ""
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return out, err
		}
		body, contentType = bytes.NewReader(b), "application/json"
	}
	return decode[T](c.do(ctx, method, path, query, contentType, body))
}

func decode[T any](body io.ReadCloser, err error) (out T, _ error) {
	if err != nil {
		return out, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return out, fmt.Errorf("the peer's answer ended early: %w", err)
	}
	return out, nil
}

// stream calls f for each value of a stream until it ends or f returns an error.
func stream[T any](ctx context.Context, c *Client, path string, query url.Values, f func(T) error) error {
	body, err := c.do(ctx, http.MethodGet, path, query, "", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	d := json.NewDecoder(body)
	for {
		var x struct {
			Value T      `json:"value"`
			Error string `json:"error"`
			End   bool   `json:"end"`
		}
		if err := d.Decode(&x); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("the peer of %s went away: %w", c.store, io.ErrUnexpectedEOF)
		}
		switch {
		case x.Error != "":
			return errors.New(x.Error)
		case x.End:
			return nil
		}
		if err := f(x.Value); err != nil {
			return err
		}
	}
}

// Status of the daemon.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return call[api.Status](ctx, c, http.MethodGet, "/v1/status", nil, nil)
}

// Create makes a sandbox of a program's image.
func (c *Client) Create(ctx context.Context, o api.Create, image []byte) (api.Sandbox, error) {
	settings, err := json.Marshal(o)
	if err != nil {
		return api.Sandbox{}, err
	}
	return decode[api.Sandbox](c.do(ctx, http.MethodPost, "/v1/sandboxes", url.Values{"settings": {string(settings)}}, "application/octet-stream", bytes.NewReader(image)))
}

// Join joins a sandbox; it waits until a member has sent the program.
func (c *Client) Join(ctx context.Context, j api.Join) (api.Sandbox, error) {
	return call[api.Sandbox](ctx, c, http.MethodPost, "/v1/join", nil, j)
}

// Sandboxes lists what the daemon takes part in.
func (c *Client) Sandboxes(ctx context.Context) ([]api.Sandbox, error) {
	return call[[]api.Sandbox](ctx, c, http.MethodGet, "/v1/sandboxes", nil, nil)
}

// Ticket invites to a sandbox; sandbox is empty when there is one only.
func (c *Client) Ticket(ctx context.Context, sandbox string) (string, error) {
	t, err := call[api.Ticket](ctx, c, http.MethodGet, "/v1/sandboxes/"+url.PathEscape(orOnly(sandbox))+"/ticket", nil, nil)
	return t.Ticket, err
}

// orOnly is "-" for no name: the daemon's only sandbox.
func orOnly(sandbox string) string {
	if sandbox == "" {
		return "-"
	}
	return sandbox
}

// Start begins a run.
func (c *Client) Start(ctx context.Context, sandbox string, s api.Start) (api.Run, error) {
	return call[api.Run](ctx, c, http.MethodPost, "/v1/sandboxes/"+url.PathEscape(orOnly(sandbox))+"/runs", nil, s)
}

// Runs lists the runs of all sandboxes.
func (c *Client) Runs(ctx context.Context) ([]api.Run, error) {
	return call[[]api.Run](ctx, c, http.MethodGet, "/v1/runs", nil, nil)
}

// Run is one run.
func (c *Client) Run(ctx context.Context, run string) (api.Run, error) {
	return call[api.Run](ctx, c, http.MethodGet, "/v1/runs/"+url.PathEscape(run), nil, nil)
}

// Pause makes a run wait after its turn, until Resume.
func (c *Client) Pause(ctx context.Context, run string) (api.Run, error) {
	return call[api.Run](ctx, c, http.MethodPost, "/v1/runs/"+url.PathEscape(run)+"/pause", nil, struct{}{})
}

// End makes a run end after its turn, and waits until that is durable.
func (c *Client) End(ctx context.Context, run string) (api.Run, error) {
	return call[api.Run](ctx, c, http.MethodPost, "/v1/runs/"+url.PathEscape(run)+"/end", nil, struct{}{})
}

// Resume makes a paused run go on, with other limits if o names some.
func (c *Client) Resume(ctx context.Context, run string, o api.Resume) (api.Run, error) {
	return call[api.Run](ctx, c, http.MethodPost, "/v1/runs/"+url.PathEscape(run)+"/resume", nil, o)
}

// Move has another peer go on with a run that executes here.
func (c *Client) Move(ctx context.Context, run, peer string) (api.Run, error) {
	return call[api.Run](ctx, c, http.MethodPost, "/v1/runs/"+url.PathEscape(run)+"/move", nil, api.Move{Peer: peer})
}

// Leave takes a member out of a sandbox, this peer if none is named.
func (c *Client) Leave(ctx context.Context, sandbox string, o api.Move) (api.Sandbox, error) {
	return call[api.Sandbox](ctx, c, http.MethodPost, "/v1/sandboxes/"+url.PathEscape(sandbox)+"/leave", nil, o)
}

// Divergences lists what differs between this peer and those reached now, or one of them.
func (c *Client) Divergences(ctx context.Context, peer string) ([]api.Divergence, error) {
	return call[[]api.Divergence](ctx, c, http.MethodGet, "/v1/divergences", url.Values{"peer": {peer}}, nil)
}

// Send sends a message to a run, or to the only run of a sandbox; an empty id makes a new one.
func (c *Client) Send(ctx context.Context, run, id string, message io.Reader) (api.Sent, error) {
	return decode[api.Sent](c.do(ctx, http.MethodPost, "/v1/runs/"+url.PathEscape(run)+"/messages", url.Values{"id": {id}}, "application/octet-stream", message))
}

// Messages lists the messages that a run has not received, and those that were taken away from it.
func (c *Client) Messages(ctx context.Context, run string) ([]api.Message, error) {
	return call[[]api.Message](ctx, c, http.MethodGet, "/v1/runs/"+url.PathEscape(run)+"/messages", nil, nil)
}

// Drop takes a message away from a run.
func (c *Client) Drop(ctx context.Context, run, id string) (api.Run, error) {
	return call[api.Run](ctx, c, http.MethodDelete, "/v1/runs/"+url.PathEscape(run)+"/messages", url.Values{"id": {id}}, nil)
}

// Lines calls f for each piece of output of a run from a number on, to the end of the run if follow is set, else to what
// there is now.
func (c *Client) Lines(ctx context.Context, run string, from uint64, follow bool, f func(api.Line) error) error {
	q := url.Values{"from": {strconv.FormatUint(from, 10)}, "follow": {strconv.FormatBool(follow)}}
	return stream(ctx, c, "/v1/runs/"+url.PathEscape(run)+"/lines", q, f)
}

// Snapshot writes where a run stands to w, as package saved has it.
func (c *Client) Snapshot(ctx context.Context, run string, w io.Writer) error {
	body, err := c.do(ctx, http.MethodGet, "/v1/runs/"+url.PathEscape(run)+"/snapshot", nil, "", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("the snapshot is not whole: %w", err)
	}
	return nil
}

// Variables lists shared variables, of one sandbox and one name if they are not empty.
func (c *Client) Variables(ctx context.Context, sandbox, name string) ([]api.Variable, error) {
	return call[[]api.Variable](ctx, c, http.MethodGet, "/v1/variables", url.Values{"sandbox": {sandbox}, "name": {name}}, nil)
}

// Digests lists the digests of all sandboxes.
func (c *Client) Digests(ctx context.Context) ([]api.Digest, error) {
	return call[[]api.Digest](ctx, c, http.MethodGet, "/v1/digests", nil, nil)
}

// Peers lists the other members of all sandboxes.
func (c *Client) Peers(ctx context.Context) ([]api.Peer, error) {
	return call[[]api.Peer](ctx, c, http.MethodGet, "/v1/peers", nil, nil)
}

// Events calls f for each event from a number on, until ctx ends or f returns an error.
func (c *Client) Events(ctx context.Context, from uint64, f func(api.Event) error) error {
	return stream(ctx, c, "/v1/events", url.Values{"from": {strconv.FormatUint(from, 10)}}, f)
}

// Converged waits for equal digests.
func (c *Client) Converged(ctx context.Context, o api.Converged) (api.Digest, error) {
	return call[api.Digest](ctx, c, http.MethodPost, "/v1/converged", nil, o)
}

// Cut refuses all traffic with the named peers.
func (c *Client) Cut(ctx context.Context, peers ...string) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/v1/cut", nil, api.Peers{Peers: peers})
	return err
}

// Heal ends Cut, for all peers if none is named.
func (c *Client) Heal(ctx context.Context, peers ...string) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/v1/heal", nil, api.Peers{Peers: peers})
	return err
}

// Stop ends the daemon and waits until it has let go of its store.
func (c *Client) Stop(ctx context.Context) error {
	body, err := c.do(ctx, http.MethodPost, "/v1/stop", nil, "", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	io.Copy(io.Discard, body) // however that ends, the daemon is gone, or nobody waits any more
	return ctx.Err()
}
