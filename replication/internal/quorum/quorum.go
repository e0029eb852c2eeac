// Package quorum counts who holds what: pure logic over acknowledgements and promises, no clock, no I/O.
//
// An acknowledgement is a member's word that it holds a turn of an epoch durably, with its state. It stands for all earlier turns of
// that epoch's chain. A promise is a member's durable word not to acknowledge lower epochs. Two rules make both safe together: a
// majority of a list of voters and a majority of the same list, or of one that differs by one voter, have a member in common; and
// only acknowledgements of one epoch are counted together.
//
// Costs: a count sorts one number a member.
package quorum

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Level says when a turn is durable: Local, a number of members (the owner among them), or Majority of the voters.
type Level uint32

const (
	Local    Level = 0
	Majority Level = 1<<32 - 1
)

// ParseLevel reads "local", "majority" or a number of peers from 1 on.
func ParseLevel(text string) (Level, error) {
	switch text {
	case "local", "":
		return Local, nil
	case "majority":
		return Majority, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("durability %q: give local, majority, or how many peers must hold a turn (this one counts)", text)
	}
	if n == 1 {
		return Local, nil
	}
	return Level(n), nil
}

func (l Level) String() string {
	switch l {
	case Local:
		return "local"
	case Majority:
		return "majority"
	}
	return strconv.Itoa(int(l))
}

// Epoch names an epoch by number and writer.
type Epoch struct {
	Number uint64
	Actor  [16]byte
}

// Ack is a member's word for the newest turn it holds of an epoch. Lines is the number of lines up to that turn.
type Ack struct {
	Epoch       Epoch
	Turn, Lines uint64
}

// Less orders acknowledgements by what may win: epoch number, then turn.
func (a Ack) Less(b Ack) bool {
	return cmp.Or(cmp.Compare(a.Epoch.Number, b.Epoch.Number), cmp.Compare(a.Turn, b.Turn)) < 0
}

// After says whether a may take the place of old: it is not the same, and ranks as high. Two epochs may have one number, opened on two sides
// of a split, and their heads one turn; which of them wins is not seen here, so the later word counts.
func (a Ack) After(old Ack) bool { return a != old && !a.Less(old) }

// Tally is what the members have said about a run. The zero value is empty. Not safe for concurrent use.
type Tally struct {
	acks map[string]Ack
}

// Heard takes a member's word. What is older than its last is ignored; it says whether something is new.
func (t *Tally) Heard(member string, a Ack) bool {
	if old, ok := t.acks[member]; ok && !a.After(old) {
		return false
	}
	if t.acks == nil {
		t.acks = map[string]Ack{}
	}
	t.acks[member] = a
	return true
}

// Of is the last word of a member.
func (t *Tally) Of(member string) Ack { return t.acks[member] }

// Durable is the newest turn of the epoch that enough of the voters hold, and the lines up to it; 0 when there is none.
func (t *Tally) Durable(e Epoch, need int, voters []string) (turn, lines uint64) {
	var held []Ack
	for _, v := range voters {
		if a, ok := t.acks[v]; ok && a.Epoch == e {
			held = append(held, a)
		}
	}
	if need < 1 || len(held) < need {
		return 0, 0
	}
	slices.SortFunc(held, func(a, b Ack) int { return cmp.Compare(b.Turn, a.Turn) })
	return held[need-1].Turn, held[need-1].Lines
}

// More is the least number that is more than half of n.
func More(n int) int { return n/2 + 1 }

// Meeting is the least number of n voters without one of them that has somebody in each majority which that one can be in.
func Meeting(n int) int { return n - More(n) + 1 }

// Whoever stands in a promise for the one who opened its epoch, by whom it is not known: that epoch is not promised to anybody again.
const Whoever = "*"

// Promise is a member's durable word for a run: nothing below Epoch is acknowledged, and Epoch only for Peer.
type Promise struct {
	Epoch uint64
	Peer  string
}

// Allows says whether an acknowledgement of an epoch opened by a peer keeps the promise.
func (p Promise) Allows(epoch uint64, peer string) bool {
	return epoch > p.Epoch || epoch == p.Epoch && (peer == p.Peer || p.Peer == Whoever)
}

// Change is the voters after one step towards the members wanted: one is taken out or added, in an order all agree on. same: nothing
// is to be done. ready says whether a new one may be added, because it holds the newest turns.
func Change(voters, members []string, ready func(string) bool) (next []string, same bool) {
	for _, v := range voters {
		if !slices.Contains(members, v) && len(voters) > 1 {
			return slices.DeleteFunc(slices.Clone(voters), func(x string) bool { return x == v }), false
		}
	}
	for _, m := range members {
		if !slices.Contains(voters, m) && ready(m) {
			next = append(slices.Clone(voters), m)
			slices.Sort(next)
			return next, false
		}
	}
	return voters, true
}
