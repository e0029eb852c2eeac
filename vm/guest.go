package vm

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/host"
	"github.com/tandemvm/tandem/vm/internal/lower"
)

// This file is the machine's side of the guest package vm/turn.

const guest = "github.com/tandemvm/tandem/vm/turn."

// Guest variables that forbid a turn to end while they are not zero.
const (
	atomicDepth  = guest + "atomicDepth"
	mutexesHeld  = "internal/sync.held"
	inboxChannel = guest + "inbox"
	touchedWords = 32 // words of rootTouched: a bit a shared variable
)

// natives are the host functions of every machine.
var natives = withOwn(host.Table())

// signature is what the verifier asks of them.
var signature = host.Signature(natives)

// withOwn adds the natives that belong to turns.
func withOwn(table map[string]exec.Native) map[string]exec.Native {
	table[lower.Begin] = exec.Native{Call: begin}
	table[guest+"Commit"] = exec.Native{Call: commit}
	table[guest+"RunID"] = exec.Native{Res: 2, Call: runID}
	table[guest+"ForkID"] = exec.Native{Res: 2, Call: forkID}
	table[guest+"nextMessage"] = exec.Native{Res: 6, Call: nextMessage}
	table["runtime.dying"] = exec.Native{Call: dying}
	table[guest+"nextChange"] = exec.Native{Res: 1, Call: nextChange}
	table[guest+"anotherChange"] = exec.Native{Res: 1, Call: anotherChange}
	return table
}

// begin is what the image calls between initialisation and main.main.
func begin(t *exec.Thread, w exec.Window) exec.Action {
	t.Mem().Store64(rootBegun, 1)
	t.PauseAfter()
	return exec.Next
}

// commit asks for the end of the turn. RunTurn grants it as soon as nothing forbids it.
func commit(t *exec.Thread, w exec.Window) exec.Action {
	t.PauseAfter()
	return exec.Next
}

// dying notes where the text of a panic that nothing recovered begins.
func dying(t *exec.Thread, w exec.Window) exec.Action {
	if world := t.Host().(*world); t.Mem().Load64(rootDying) == 0 {
		t.Mem().Store64(rootDying, 1)
		world.m.out.mark()
	}
	return exec.Next
}

func runID(t *exec.Thread, w exec.Window) exec.Action {
	id := t.Mem().Bytes(rootRun, 16)
	text := "local"
	if [16]byte(id) != [16]byte{} {
		text = hex.EncodeToString(id)
	}
	return stringResult(t, w, text)
}

func forkID(t *exec.Thread, w exec.Window) exec.Action {
	text := ""
	if id := t.Mem().Bytes(rootFork, 16); [16]byte(id) != [16]byte{} {
		text = hex.EncodeToString(id)
	}
	return stringResult(t, w, text)
}

func stringResult(t *exec.Thread, w exec.Window, s string) exec.Action {
	if err := t.SetString(w, 0, s); err != nil {
		return t.Retry(err)
	}
	return exec.Next
}

// nextChange returns the address of a shared variable that a merge touched, or waits for one.
func nextChange(t *exec.Thread, w exec.Window) exec.Action {
	at := takeTouched(t)
	if at == 0 {
		return t.Block()
	}
	w.Set(0, at)
	return exec.Next
}

// anotherChange returns the address of one more of them, nil if there is none.
func anotherChange(t *exec.Thread, w exec.Window) exec.Action {
	w.Set(0, takeTouched(t))
	return exec.Next
}

// takeTouched unmarks a shared variable that a merge touched and gives its address; 0: there is none.
func takeTouched(t *exec.Thread) uint64 {
	shared := sharedGlobals(t.Program().Image)
	for i := range uint64(touchedWords) {
		at := rootTouched + i*8
		word := t.Mem().Load64(at)
		if word == 0 {
			continue
		}
		bit := bits.TrailingZeros64(word)
		t.Mem().Store64(at, word&^(1<<bit))
		if n := int(i)*64 + bit; n < len(shared) {
			return shared[n].Addr
		}
	}
	return 0
}

// sharedGlobals are the shared variables of an image, in its order.
func sharedGlobals(img *code.Image) []code.Global {
	var gs []code.Global
	for _, g := range img.Globals {
		if g.Class == code.ClassShared {
			gs = append(gs, g)
		}
	}
	return gs
}

// touch marks the variables that assignments wrote, for nextChange.
func (m *Machine) touch(as []changes.Assignment) {
	for _, a := range as {
		for i, v := range m.shared.vars {
			if v.Name == a.Path.Var {
				at := rootTouched + uint64(i/64)*8
				m.mem.Store64(at, m.mem.Load64(at)|1<<(i%64))
				break
			}
		}
	}
}

// SetRun tells the machine which run it executes, between turns; the program reads it as turn.RunID. The id is mixed into the random state, so
// that two runs of a program differ. A machine that has a run already becomes a clone of it by another id, which the program reads as turn.ForkID
// too: what it draws from here on is not what the other run draws. A takeover is no clone: it sets no id.
func (m *Machine) SetRun(id changes.RunID) {
	var old changes.RunID
	copy(old[:], m.mem.Bytes(rootRun, 16))
	if old == id {
		return
	}
	if old != (changes.RunID{}) {
		copy(m.mem.Writable(rootFork, 16), id[:])
	}
	copy(m.mem.Writable(rootRun, 16), id[:])
	m.heap.Mix(binary.LittleEndian.Uint64(id[:8]), binary.LittleEndian.Uint64(id[8:]))
}

// holding says why a turn may not end now: "" when it may.
func (m *Machine) holding() string {
	switch {
	case m.mem.Load64(rootDying) != 0:
		return "a panic that ends the run"
	case m.prog.atomicAt != 0 && m.mem.Load64(m.prog.atomicAt) != 0:
		return "turn.Atomic"
	case m.prog.heldAt != 0 && m.mem.Load64(m.prog.heldAt) != 0:
		return "a locked sync.Mutex"
	case m.fetching():
		return "turn.Inbox"
	}
	return ""
}

// findGuest looks up the guest variables the machine reads.
func (p *Program) findGuest() error {
	for _, g := range p.img.Globals {
		switch g.Name {
		case atomicDepth:
			p.atomicAt = g.Addr
		case mutexesHeld:
			p.heldAt = g.Addr
		case inboxChannel:
			p.inboxAt = g.Addr
		}
	}
	if n := len(sharedGlobals(p.img)); n > touchedWords*64 {
		return fmt.Errorf("vm: %d shared variables, at most %d: put them into a struct or map", n, touchedWords*64)
	}
	return nil
}
