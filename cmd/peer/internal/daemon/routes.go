package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/cmd/peer/internal/saved"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

const (
	imageBytesMax   = 256 << 20
	requestBytesMax = 1 << 20
)

func (d *Daemon) routes() http.Handler {
	m := http.NewServeMux()
	answer := func(pattern string, f func(r *http.Request) (any, error)) {
		m.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			out, err := f(r)
			if err != nil {
				refuse(w, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(out); err != nil {
				d.log.Debug("an answer was not sent", "err", err)
			}
		})
	}
	answer("GET /v1/status", func(r *http.Request) (any, error) { return d.status(), nil })
	answer("GET /v1/sandboxes", func(r *http.Request) (any, error) { return d.status().Sandboxes, nil })
	answer("POST /v1/sandboxes", d.postSandbox)
	answer("POST /v1/join", d.postJoin)
	answer("GET /v1/sandboxes/{sandbox}/ticket", d.getTicket)
	answer("POST /v1/sandboxes/{sandbox}/runs", d.postRun)
	answer("GET /v1/runs", func(r *http.Request) (any, error) { return d.runs(), nil })
	answer("GET /v1/runs/{run}", func(r *http.Request) (any, error) {
		_, run, err := d.findRun(r.PathValue("run"))
		return run, err
	})
	answer("POST /v1/runs/{run}/pause", d.onRun((*tandem.Sandbox).Pause))
	answer("POST /v1/runs/{run}/end", d.onRun((*tandem.Sandbox).End))
	answer("POST /v1/runs/{run}/resume", d.postResume)
	answer("POST /v1/runs/{run}/move", d.postMove)
	answer("POST /v1/sandboxes/{sandbox}/leave", d.postLeave)
	answer("GET /v1/divergences", d.getDivergences)
	answer("POST /v1/runs/{run}/messages", d.postMessage)
	answer("GET /v1/runs/{run}/messages", d.getMessages)
	answer("DELETE /v1/runs/{run}/messages", func(r *http.Request) (any, error) {
		return d.onRun(func(s *tandem.Sandbox, ctx context.Context, run changes.RunID) error {
			return s.Drop(ctx, run, r.URL.Query().Get("id"))
		})(r)
	})
	answer("GET /v1/variables", d.getVariables)
	answer("GET /v1/digests", func(r *http.Request) (any, error) { return d.digests(), nil })
	answer("GET /v1/peers", func(r *http.Request) (any, error) { return d.peers(), nil })
	answer("POST /v1/converged", d.postConverged)
	answer("POST /v1/cut", func(r *http.Request) (any, error) {
		o, err := body[api.Peers](r)
		if err == nil {
			err = d.peer.Cut(o.Peers...)
		}
		return struct{}{}, err
	})
	answer("POST /v1/heal", func(r *http.Request) (any, error) {
		o, err := body[api.Peers](r)
		if err == nil {
			err = d.peer.Heal(o.Peers...)
		}
		return struct{}{}, err
	})
	m.HandleFunc("POST /v1/stop", d.postStop)
	m.HandleFunc("GET /v1/runs/{run}/lines", d.getLines)
	m.HandleFunc("GET /v1/runs/{run}/snapshot", func(w http.ResponseWriter, r *http.Request) {
		b, err := d.savedRun(r.Context(), r.PathValue("run"))
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.Write(b)
	})
	m.HandleFunc("GET /v1/events", d.getEvents)
	return m
}

// postStop asks for the end. The answer's body ends when the daemon has let go of its store: who reads it all can open the store at once.
func (d *Daemon) postStop(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, err)
		return
	}
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}\n")
	d.mu.Lock()
	d.waiting = append(d.waiting, conn)
	d.mu.Unlock()
	d.once.Do(func() { close(d.stop) })
}

func refuse(w http.ResponseWriter, err error) {
	code := http.StatusBadRequest
	if errors.Is(err, errUnknown) {
		code = http.StatusNotFound
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(api.Error{Error: oneLine(err)})
}

func body[T any](r *http.Request) (out T, err error) {
	err = json.NewDecoder(io.LimitReader(r.Body, requestBytesMax)).Decode(&out)
	if err != nil {
		err = fmt.Errorf("the request is malformed: %w", err)
	}
	return out, err
}

func (d *Daemon) postSandbox(r *http.Request) (any, error) {
	var o api.Create
	if err := json.Unmarshal([]byte(r.URL.Query().Get("settings")), &o); err != nil {
		return nil, fmt.Errorf("the request is malformed: %w", err)
	}
	image, err := io.ReadAll(io.LimitReader(r.Body, imageBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(image) > imageBytesMax {
		return nil, fmt.Errorf("the program's image is larger than %d bytes", imageBytesMax)
	}
	b, err := d.create(r.Context(), o, image)
	if err != nil {
		return nil, err
	}
	return d.describe(b), nil
}

func (d *Daemon) postJoin(r *http.Request) (any, error) {
	o, err := body[api.Join](r)
	if err != nil {
		return nil, err
	}
	b, err := d.join(r.Context(), o)
	if err != nil {
		return nil, err
	}
	return d.describe(b), nil
}

func (d *Daemon) getTicket(r *http.Request) (any, error) {
	_, s, err := d.find(r.Context(), r.PathValue("sandbox"))
	if err != nil {
		return nil, err
	}
	t, err := s.Ticket()
	return api.Ticket{Ticket: t}, err
}

func (d *Daemon) postRun(r *http.Request) (any, error) {
	o, err := body[api.Start](r)
	if err != nil {
		return nil, err
	}
	b, s, err := d.find(r.Context(), r.PathValue("sandbox"))
	if err != nil {
		return nil, err
	}
	if o.Once {
		d.starting.Lock()
		defer d.starting.Unlock()
		for _, run := range d.runsOf(b, s) {
			if run.Name == o.Name {
				return run, nil
			}
		}
	}
	level, err := replication.ParseLevel(o.Durable)
	if err != nil {
		return nil, err
	}
	run, err := s.Start(r.Context(), tandem.RunOptions{Name: o.Name, Args: o.Args, OnFailure: tandem.Policy(o.OnFailure), Durable: level})
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.started[run.ID()] = run
	b.mu.Unlock()
	return unseen(s, run), nil
}

// onRun answers with a run after something was done to it.
func (d *Daemon) onRun(f func(s *tandem.Sandbox, ctx context.Context, run changes.RunID) error) func(r *http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		s, run, err := d.findRun(r.PathValue("run"))
		if err != nil {
			return nil, err
		}
		id, err := runID(run.ID)
		if err == nil {
			err = f(s, r.Context(), id)
		}
		if err != nil {
			return nil, err
		}
		_, run, err = d.findRun(run.ID)
		return run, err
	}
}

func (d *Daemon) postResume(r *http.Request) (any, error) {
	o, err := body[api.Resume](r)
	if err != nil {
		return nil, err
	}
	l := vm.Limits{Gas: o.Gas, MemoryBytes: o.MemoryBytes, Goroutines: o.Goroutines, StackBytes: o.StackBytes}
	return d.onRun(func(s *tandem.Sandbox, ctx context.Context, run changes.RunID) error { return s.Resume(ctx, run, l) })(r)
}

func (d *Daemon) postMessage(r *http.Request) (any, error) {
	s, run, err := d.findReceiver(r.Context(), r.PathValue("run"))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, replication.MessageBytesMax+1))
	if err != nil {
		return nil, err
	}
	id, err := runID(run)
	if err != nil {
		return nil, err
	}
	sent, err := s.Send(r.Context(), id, r.URL.Query().Get("id"), text)
	return api.Sent{Run: run, ID: sent}, err
}

func (d *Daemon) getMessages(r *http.Request) (any, error) {
	s, run, err := d.findRun(r.PathValue("run"))
	if err != nil {
		return nil, err
	}
	id, err := runID(run.ID)
	if err != nil {
		return nil, err
	}
	dropped, err := s.Dropped(id)
	if err != nil {
		return nil, err
	}
	waiting, err := s.Messages(id)
	if err != nil {
		return nil, err
	}
	out := []api.Message{}
	for _, x := range dropped {
		m := messageOf(x.Message)
		m.DroppedBy, m.Dropped = x.By, time.UnixMilli(x.AtMs)
		out = append(out, m)
	}
	for _, x := range waiting {
		out = append(out, messageOf(x))
	}
	return out, nil
}

func messageOf(m replication.Message) api.Message {
	return api.Message{ID: m.ID, From: m.From, Sent: time.UnixMilli(m.SentMs), Body: m.Body}
}

func (d *Daemon) getVariables(r *http.Request) (any, error) {
	boxes := d.open()
	if name := r.URL.Query().Get("sandbox"); name != "" {
		b, _, err := d.find(r.Context(), name)
		if err != nil {
			return nil, err
		}
		boxes = []*box{b}
	}
	want, out := r.URL.Query().Get("name"), []api.Variable{}
	for _, b := range boxes {
		s := b.now()
		for _, v := range s.Program().Variables() {
			if want != "" && v.Name != want && plain(v.Name) != want {
				continue
			}
			value, conflicts, err := s.Value(v.Name)
			if err != nil {
				return nil, err
			}
			overwritten, err := s.Overwritten(v.Name)
			if err != nil {
				return nil, err
			}
			j, err := json.Marshal(value)
			if err != nil {
				return nil, fmt.Errorf("variable %s: %w", v.Name, err)
			}
			out = append(out, api.Variable{Sandbox: s.ID().String(), Name: v.Name, Rule: cmp.Or(v.Rule, changes.LWW.String()), Type: v.Type.String(),
				Value: j, Text: value.String(), Conflicts: conflicts, Overwritten: overwritten})
		}
	}
	if want != "" && len(out) == 0 {
		return nil, fmt.Errorf("%w: no shared variable is called %s: `peer vars` lists them", errUnknown, want)
	}
	return out, nil
}

func (d *Daemon) postConverged(r *http.Request) (any, error) {
	o, err := body[api.Converged](r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), o.Timeout)
	defer cancel()
	_, s, err := d.find(ctx, o.Sandbox)
	if err != nil {
		return nil, err
	}
	if err := s.Converged(ctx, o.PeersMin); err != nil {
		return nil, err
	}
	return digestOf(s), nil
}

// savedRun is where a run stands, as a file.
func (d *Daemon) savedRun(ctx context.Context, name string) ([]byte, error) {
	s, run, err := d.findRun(name)
	if err != nil {
		return nil, err
	}
	id, err := runID(run.ID)
	if err != nil {
		return nil, err
	}
	snapshot, args, err := s.Snapshot(ctx, id)
	if err != nil {
		return nil, err
	}
	return (&saved.Run{Args: args, Program: s.Program(), Snapshot: snapshot}).Encode()
}

// errEnough ends a stream of lines that is not followed.
var errEnough = errors.New("enough")

func (d *Daemon) getLines(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseUint(r.URL.Query().Get("from"), 10, 64)
	if err != nil {
		from = 0
	}
	s, run, err := d.findRun(r.PathValue("run"))
	if err != nil {
		refuse(w, err)
		return
	}
	id, err := runID(run.ID)
	if err != nil {
		refuse(w, err)
		return
	}
	follow := r.URL.Query().Get("follow") == "true"
	st := startStream(w)
	for sent := from == 0; follow || max(from, 1) <= run.Lines; {
		err = s.Lines(r.Context(), id, from, func(l changes.Line) error {
			if err := st.send(api.Line{Number: l.Number, Stream: l.Stream, Text: l.Text}); err != nil {
				return err
			}
			if !follow && l.Number >= run.Lines {
				return errEnough
			}
			sent = true
			return nil
		})
		if !sent || !errors.Is(err, replication.ErrLinesGone) {
			break
		}
		from = 0 // who reads slower than the run prints goes on with what is kept, and sees by the numbers what is not
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	st.end(err)
}

func (d *Daemon) getEvents(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseUint(r.URL.Query().Get("from"), 10, 64)
	if err != nil {
		from = 1
	}
	st := startStream(w)
	st.end(d.events.read(r.Context(), from, func(e api.Event) error { return st.send(e) }))
}

// stream is an answer of many values.
type stream struct {
	w http.ResponseWriter
	e *json.Encoder
}

func startStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	s := &stream{w, json.NewEncoder(w)}
	s.flush()
	return s
}

func (s *stream) flush() {
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
}

func (s *stream) send(v any) error {
	err := s.e.Encode(struct {
		Value any `json:"value"`
	}{v})
	s.flush()
	return err
}

// end says that the stream is whole, or why not. A closing daemon says nothing: the client sees that it went away.
func (s *stream) end(err error) {
	switch {
	case err == nil:
		s.e.Encode(map[string]bool{"end": true})
	case !errors.Is(err, context.Canceled) && !errors.Is(err, tandem.ErrClosed):
		s.e.Encode(api.Error{Error: oneLine(err)})
	}
	s.flush()
}

// status describes the daemon and its sandboxes.
func (d *Daemon) status() api.Status {
	st := api.Status{API: api.Version, Version: d.cfg.Version, PID: os.Getpid(), Peer: d.peer.ID(), Addrs: d.peer.Addrs(),
		Store: d.cfg.Dir, Metrics: d.metrics, Sandboxes: []api.Sandbox{}}
	d.mu.Lock()
	boxes := d.boxes
	d.mu.Unlock()
	for _, b := range boxes {
		select {
		case <-b.ready:
		default:
			st.Opening = true
		}
		st.Sandboxes = append(st.Sandboxes, d.describe(b))
	}
	return st
}
