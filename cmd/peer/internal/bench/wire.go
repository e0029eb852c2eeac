package bench

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/multiformats/go-multiaddr"

	"github.com/tandemvm/tandem/cmd/peer/internal/cable"
	"github.com/tandemvm/tandem/net/ident"
	"github.com/tandemvm/tandem/net/node"
)

// wire is how the peers of one arm reach one another: directly, or over a relay each, with half a round trip each way.
type wire struct {
	rtt    time.Duration
	relays []*cable.Relay
}

func (w *wire) close() {
	for _, r := range w.relays {
		r.Close()
	}
}

// relay is a new one, with the address to be announced.
func (w *wire) relay() (*cable.Relay, string, error) {
	far := cable.NewLink()
	far.Set(cable.Condition{Delay: w.rtt / 2})
	r, err := cable.NewRelay(func(net.Conn) *cable.Link { return far })
	if err != nil {
		return nil, "", err
	}
	w.relays = append(w.relays, r)
	return r, fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", r.Port()), nil
}

const anyTCP = "/ip4/127.0.0.1/tcp/0"

// open starts one of our nodes.
func (w *wire) open(id *ident.Identity) (*node.Node, error) {
	if w.rtt == 0 {
		return node.Open(node.Config{Identity: id, Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1"}})
	}
	r, announced, err := w.relay()
	if err != nil {
		return nil, err
	}
	n, err := node.Open(node.Config{Identity: id, Listen: []string{anyTCP}, Announce: []string{announced}})
	if err != nil {
		return nil, err
	}
	return n, serve(r, n.Listening())
}

// host starts a libp2p host as plain go-ds-crdt has it.
func (w *wire) host() (host.Host, error) {
	if w.rtt == 0 {
		return libp2p.New(libp2p.ListenAddrStrings(anyTCP))
	}
	r, announced, err := w.relay()
	if err != nil {
		return nil, err
	}
	a, err := multiaddr.NewMultiaddr(announced)
	if err != nil {
		return nil, err
	}
	h, err := libp2p.New(libp2p.ListenAddrStrings(anyTCP), libp2p.AddrsFactory(func([]multiaddr.Multiaddr) []multiaddr.Multiaddr { return []multiaddr.Multiaddr{a} }))
	if err != nil {
		return nil, err
	}
	var listening []string
	for _, a := range h.Network().ListenAddresses() {
		listening = append(listening, a.String())
	}
	return h, serve(r, listening)
}

// serve lets r carry to the TCP port among the addresses that a host listens on.
func serve(r *cable.Relay, listening []string) error {
	for _, a := range listening {
		if _, port, found := strings.Cut(a, "/tcp/"); found {
			n, err := strconv.Atoi(port)
			if err == nil {
				r.Serve(n)
			}
			return err
		}
	}
	return fmt.Errorf("no TCP port among %v", listening)
}

// echo measures a byte's way there and back over a relay, now and then for d: what the wire itself takes on a machine that is busy.
func (w *wire) echo(d time.Duration) (took []time.Duration, err error) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer server.Close()
	go func() {
		if c, err := server.Accept(); err == nil {
			defer c.Close()
			io.Copy(c, c)
		}
	}()
	r, _, err := w.relay()
	if err != nil {
		return nil, err
	}
	r.Serve(server.Addr().(*net.TCPAddr).Port)
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Port())))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	one := make([]byte, 1)
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		begun := time.Now()
		if _, err := c.Write(one); err != nil {
			return nil, err
		}
		if _, err := c.Read(one); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
	}
	return took, nil
}
