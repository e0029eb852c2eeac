package vm

import (
	"bytes"

	"github.com/tandemvm/tandem/changes"
)

// Streams of output.
const (
	Stdout = 1
	Stderr = 2
)

// chunk is bytes the program wrote to one stream.
type chunk struct {
	stream uint8
	text   []byte
}

// output holds what the program wrote in the running turn, in order. It is versioned with memory, so a turn that is taken back
// has written nothing.
type output struct {
	log []chunk             // what stands beyond n was taken back
	n   *VersionedSlot[int] // chunks written
	at  int                 // chunks written when a panic's text began; of use only while memory says that one did
}

func newOutput(c *VersionController) *output {
	return &output{n: NewVersionedSlot(c, 0)}
}

func (o *output) write(stream uint8, p []byte) {
	o.log = append(o.log[:o.n.Get()], chunk{stream, bytes.Clone(p)})
	o.n.Set(len(o.log))
}

// mark notes that what follows is the text of a panic.
func (o *output) mark() { o.at = o.n.Get() }

// last is the text a run ended with: from the mark on, or what was written last.
func (o *output) last(marked bool) []byte {
	n := o.n.Get()
	from := max(n-1, 0)
	if marked {
		from = min(o.at, n)
	}
	var text []byte
	for _, c := range o.log[from:n] {
		text = append(text, c.text...)
	}
	return text
}

// pending reports output of the running turn that no Turn holds yet.
func (o *output) pending() bool { return o.n.Get() > 0 }

func (o *output) clear() {
	o.log = nil
	o.n.Set(0)
}

// lines cuts the output at line ends and numbers the pieces after last. A piece keeps its newline; one without it is what a turn
// wrote of a line before it ended. Joined, the pieces of a stream are exactly what the program wrote.
func (o *output) lines(last uint64) []changes.Line {
	var ls []changes.Line
	for _, c := range o.joined() {
		for rest := c.text; len(rest) > 0; {
			n := bytes.IndexByte(rest, '\n') + 1
			if n == 0 {
				n = len(rest)
			}
			last++
			ls = append(ls, changes.Line{Number: last, Stream: c.stream, Text: rest[:n:n]})
			rest = rest[n:]
		}
	}
	return ls
}

// joined is the chunks with neighbours of one stream put together.
func (o *output) joined() []chunk {
	var cs []chunk
	for _, c := range o.log[:o.n.Get()] {
		if n := len(cs); n > 0 && cs[n-1].stream == c.stream {
			cs[n-1].text = append(cs[n-1].text, c.text...)
			continue
		}
		cs = append(cs, chunk{c.stream, bytes.Clone(c.text)})
	}
	return cs
}
