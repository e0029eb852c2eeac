package node

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/net/ticket"
)

// inNamespace marks the process that runs TestMDNS in a network of its own.
const inNamespace = "TANDEM_TEST_MDNS"

// TestMDNS: two members of a sandbox that know no address of each other find each other by multicast, a member of another sandbox finds
// nobody. It runs in a network namespace whose only interface is a loopback that carries multicast, so nothing of it leaves
// the machine and nothing outside disturbs it.
func TestMDNS(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		const network = "ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo"
		if out, err := exec.Command("unshare", "-rn", "sh", "-c", network).CombinedOutput(); err != nil {
			t.Skipf("no network namespace with multicast can be made here: %v %s", err, out)
		}
		cmd := exec.Command("unshare", "-rn", "sh", "-c", network+` && exec "$0" -test.run '^TestMDNS$' -test.v`, self)
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestMDNS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	member := func() *peerUnderTest {
		p := &peerUnderTest{t: t, id: identity(t)}
		var err error
		if p.node, err = Open(Config{Identity: p.id, Listen: []string{quicLoopback}, MDNS: true}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.node.Close() })
		return p
	}
	tk := newTicket(t)
	other, err := ticket.New([32]byte{3}, [32]byte{4})
	if err != nil {
		t.Fatal(err)
	}
	stranger := member().join(other)
	a, b := member().join(tk), member().join(tk)
	began := time.Now()
	eventually(t, "the members find each other", func() bool { return a.sees(b) && b.sees(a) })
	t.Logf("found after %v", time.Since(began))
	a.publish("hello")
	eventually(t, "a message arrives", func() bool { return b.received(a, "hello") })
	if others := stranger.room.Peers(); len(others) != 0 {
		t.Errorf("a member of another sandbox sees %v", others)
	}
}
