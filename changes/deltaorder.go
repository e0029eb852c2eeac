package changes

import (
	"bytes"
	"slices"

	"github.com/tandemvm/tandem/changes/merkle"
)

// Kinds of records, in their order; pages and zeros share one section.
const (
	_ = iota
	tagPage
	tagZeros
	tagChange
	tagLine
	tagLimit
)

// recordOrder checks the order that a file keeps, for writer and reader alike.
type recordOrder struct {
	header   Header
	section  int
	counts   [tagLimit]uint64 // by tag-1
	nextPage uint64           // least index the next stretch may have
	lastZero bool
	lastPath []byte
	lastLine uint64
	lastName string
}

func (o *recordOrder) enter(tag int) error {
	section := max(tag, tagZeros)
	if section < o.section {
		return malformed("record of kind %d after kind %d", tag, o.section)
	}
	o.section = section
	o.counts[tag-1]++
	return nil
}

func (o *recordOrder) stretch(tag int, s stretch) error {
	end := merkle.PageCount(o.header.MemoryBytes)
	switch {
	case s.count == 0 || s.first >= end || s.count > end-s.first:
		return malformed("%d pages from %d on in a memory of %d bytes", s.count, s.first, o.header.MemoryBytes)
	case s.first < o.nextPage:
		return malformed("page %d out of order", s.first)
	case s.data != nil && *s.data == [PageBytes]byte{}:
		return malformed("page %d is all zero and not said to be (use AddPage)", s.first)
	case s.data == nil && o.header.IsSnapshot():
		return malformed("zero pages in a snapshot")
	case s.data == nil && o.lastZero && s.first == o.nextPage:
		return malformed("zero pages at %d in two ranges", s.first)
	}
	o.nextPage, o.lastZero = s.first+s.count, s.data == nil
	return o.enter(tag)
}

func (o *recordOrder) change(c Change) error {
	code := c.Path.Encode()
	switch {
	case o.counts[tagChange-1] > 0 && bytes.Compare(code, o.lastPath) <= 0:
		return malformed("change of %v out of order", c.Path)
	case !c.Kind.ofLeaf() || c.Old.form == Absent && c.New.form == Absent:
		return malformed("change of %v says nothing", c.Path)
	}
	o.lastPath = code
	return o.enter(tagChange)
}

func (o *recordOrder) line(l Line) error {
	if l.Stream != 1 && l.Stream != 2 || o.counts[tagLine-1] > 0 && l.Number != o.lastLine+1 {
		return malformed("output line %d of stream %d after line %d", l.Number, l.Stream, o.lastLine)
	}
	o.lastLine = l.Number
	return o.enter(tagLine)
}

func (o *recordOrder) limit(l Limit) error {
	if o.counts[tagLimit-1] > 0 && l.Name <= o.lastName || len(l.Name) > 1<<16-1 {
		return malformed("limit %q out of order", l.Name)
	}
	o.lastName = l.Name
	return o.enter(tagLimit)
}

// Validate says why d cannot be written (ErrFormat), or nil.
func (d *Delta) Validate() error {
	if err := d.Header.validate(); err != nil {
		return err
	}
	if !slices.IsSortedFunc(d.Pages, func(a, b Page) int { return order(a.Index, b.Index) }) ||
		!slices.IsSortedFunc(d.Zeros, func(a, b PageRange) int { return order(a.First, b.First) }) {
		return malformed("pages out of order")
	}
	return d.records(&recordOrder{header: d.Header})
}

// recordSink takes the records of a delta in their order.
type recordSink interface {
	stretch(tag int, s stretch) error
	change(Change) error
	line(Line) error
	limit(Limit) error
}

func (d *Delta) records(sink recordSink) error {
	for _, s := range d.stretches() {
		tag := tagPage
		if s.data == nil {
			tag = tagZeros
		}
		if err := sink.stretch(tag, s); err != nil {
			return err
		}
	}
	for _, c := range d.Changes {
		if err := sink.change(c); err != nil {
			return err
		}
	}
	for _, l := range d.Lines {
		if err := sink.line(l); err != nil {
			return err
		}
	}
	for _, l := range d.Limits {
		if err := sink.limit(l); err != nil {
			return err
		}
	}
	return nil
}
