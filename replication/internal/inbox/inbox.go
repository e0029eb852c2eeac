// Package inbox keeps the messages to a run in places, one for each, those of a sender in the order of their numbers as long as it is
// known that the ones before are still to come. It does not know what a message says, nor who has taken it. Cost: a key for each
// message, and a span for each stretch of numbers that were passed over.
package inbox

import (
	"cmp"
	"maps"
	"slices"
)

// Item is a message in its place.
type Item[S comparable] struct {
	Key    string
	Sender S
	Number uint64 // of the sender's messages, from 1
}

// Inbox is the messages to one run. The zero Inbox is empty.
type Inbox[S comparable] struct {
	items   []Item[S]
	gone    int // places before items
	senders map[S]*sender
	dropped []dropped
	drops   int // places of that list
}

// Drop is a record that says that a message was taken away.
type Drop struct {
	Key, ID string // of the record; of the message
	AtMs    int64  // when, by the clock of who did it
	Bytes   int64  // that it costs to keep
}

// before is the order of those that speak of one message: the first counts, the same one everywhere.
func (d Drop) before(x Drop) bool {
	return cmp.Or(cmp.Compare(d.AtMs, x.AtMs), cmp.Compare(d.Key, x.Key)) < 0
}

// dropped is a message that was taken away, in its place of the list of those.
type dropped struct {
	first Drop
	also  []string // keys of the other records that say so
	place int
}

// sender is what is here of one sender's messages. Deltas come in any order that causes permit, and compaction moves records to later ones, so
// a message waits until all that were sent before are here, or need not be.
type sender struct {
	next   uint64            // number of the next message that gets a place
	early  map[uint64]string // keys of those that wait, by number
	passed []span            // numbers below next without a place: the message may be kept nowhere any more, or still come
}

type span struct{ from, to uint64 }

// Add puts a message in its place, once, or has it wait; it says whether any message got a place. Messages of the sender up to number taken
// are not waited for: the run has taken them, by one head or another.
func (b *Inbox[S]) Add(from S, number uint64, key string, taken uint64) bool {
	if b.senders == nil {
		b.senders = map[S]*sender{}
	}
	s := b.senders[from]
	if s == nil {
		s = &sender{next: 1, early: map[uint64]string{}}
		b.senders[from] = s
	}
	placed := b.pass(from, s, taken)
	if number >= s.next {
		s.early[number] = key
		return b.place(from, s) || placed
	}
	if !s.comes(number) {
		return placed
	}
	b.items = append(b.items, Item[S]{key, from, number})
	return true
}

// Pass gives places to messages that waited for ones before which need not be waited for any more. It says whether there were any.
func (b *Inbox[S]) Pass(taken func(S) uint64) (placed bool) {
	for from, s := range b.senders {
		placed = b.pass(from, s, taken(from)) || placed
	}
	return placed
}

func (b *Inbox[S]) pass(from S, s *sender, taken uint64) (placed bool) {
	if taken < s.next {
		return false
	}
	s.passed = append(s.passed, span{s.next, taken})
	s.next = taken + 1
	for _, n := range slices.Sorted(maps.Keys(s.early)) {
		if n <= taken && s.comes(n) {
			b.items = append(b.items, Item[S]{s.early[n], from, n})
			delete(s.early, n)
			placed = true
		}
	}
	return b.place(from, s) || placed
}

// place gives a place to what waited and is next.
func (b *Inbox[S]) place(from S, s *sender) (placed bool) {
	for key, ok := s.early[s.next]; ok; key, ok = s.early[s.next] {
		b.items = append(b.items, Item[S]{key, from, s.next})
		delete(s.early, s.next)
		s.next++
		placed = true
	}
	return placed
}

// comes says whether n was passed over, and notes that it is here now.
func (s *sender) comes(n uint64) bool {
	i := slices.IndexFunc(s.passed, func(p span) bool { return p.from <= n && n <= p.to })
	if i < 0 {
		return false
	}
	p := s.passed[i]
	left := slices.DeleteFunc([]span{{p.from, n - 1}, {n + 1, p.to}}, func(p span) bool { return p.from > p.to })
	s.passed = slices.Replace(s.passed, i, i+1, left...)
	return true
}

// Between are the messages in places from to below to, without those that went, and the place after them.
func (b *Inbox[S]) Between(from, to int) (items []Item[S], next int) {
	low := min(max(from-b.gone, 0), len(b.items))
	high := min(max(to-b.gone, low), len(b.items))
	return slices.Clone(b.items[low:high]), b.gone + high
}

// Forget takes messages away from the first place on, as long as done says so; places count on over them.
func (b *Inbox[S]) Forget(done func(Item[S]) bool) {
	n := 0
	for n < len(b.items) && done(b.items[n]) {
		n++
	}
	b.items = slices.Delete(b.items, 0, n)
	b.gone += n
}

// Keys are those of all messages that are not forgotten, in places or not.
func (b *Inbox[S]) Keys() (keys []string) {
	for _, it := range b.items {
		keys = append(keys, it.Key)
	}
	for _, s := range b.senders {
		keys = slices.AppendSeq(keys, maps.Values(s.early))
	}
	return keys
}

// Drop notes that a message was taken away, each once, whoever else did so too. It says whether that is new.
func (b *Inbox[S]) Drop(d Drop) bool {
	if i := slices.IndexFunc(b.dropped, func(x dropped) bool { return x.first.ID == d.ID }); i >= 0 {
		x := &b.dropped[i]
		if d.before(x.first) {
			d, x.first = x.first, d
		}
		if d.Key != x.first.Key && !slices.Contains(x.also, d.Key) {
			x.also = append(x.also, d.Key)
		}
		return false
	}
	b.dropped = append(b.dropped, dropped{first: d, place: b.drops})
	b.drops++
	return true
}

// Dropped are the messages taken away, in the order in which that became known here, from a place of that list on, with the place after them. The
// list only grows, and loses what is forgotten: places count on over those.
func (b *Inbox[S]) Dropped(from int) (list []Drop, next int) {
	for _, x := range b.dropped {
		if x.place >= from {
			list = append(list, x.first)
		}
	}
	return list, b.drops
}

// Idle are the keys of the records that say what another one says.
func (b *Inbox[S]) Idle() (keys []string) {
	for _, x := range b.dropped {
		keys = append(keys, x.also...)
	}
	return keys
}

// ForgetDrops lets go of the drops of which gone says so.
func (b *Inbox[S]) ForgetDrops(gone func(Drop) bool) {
	b.dropped = slices.DeleteFunc(b.dropped, func(x dropped) bool { return gone(x.first) })
}
