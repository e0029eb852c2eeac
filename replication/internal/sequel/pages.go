package sequel

import (
	"encoding/binary"
	"fmt"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/changes/patch"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// statePagesMax is how many pages a message may say, of all its heads: 6 MiB when they are made again.
const statePagesMax = 1500

// State is what a flush changed in a run's memory: from the head before to the one of this epoch and turn.
type State struct {
	Run    changes.RunID
	Epoch  uint64
	Turn   uint64
	Pages  []Page        // in ascending order
	Blocks []block.Block // the changed pages and nodes of the manifest, whole
}

// Page is a page that changed.
type Page struct {
	Index uint64
	Old   changes.Hash             // before; zero: it was all zero
	Data  *[changes.PageBytes]byte // now; nil: it is all zero
}

// How a page stands in a message.
const (
	formWhole = iota // its content is at the end
	formZero
	formPatch // runs of bytes in which it differs from the page before
	forms
)

// appendPages says the pages of states: to is continued by one more than there are of each, 0 for nil, their distances and forms, and where the patches of all
// are; contents are the bytes of the patches, and the whole pages that patches are no good for.
func appendPages(to []byte, states []*State, old func(changes.Hash) (*[changes.PageBytes]byte, error)) (_, contents []byte, err error) {
	var patches patch.Set
	var whole []byte
	for _, s := range states {
		if s == nil {
			to = append(to, 0)
			continue
		}
		to = binary.AppendUvarint(to, uint64(len(s.Pages))+1)
		next := uint64(0)
		for _, p := range s.Pages {
			form := formZero
			if p.Data != nil {
				before, err := old(p.Old)
				if err != nil {
					return nil, nil, err
				}
				if form = formPatch; !patches.Add(before, p.Data) {
					form = formWhole
					whole = append(whole, p.Data[:]...)
				}
			}
			to = binary.AppendUvarint(to, (p.Index-next)*forms+uint64(form))
			next = p.Index + 1
		}
	}
	return patches.AppendRuns(to), append(patches.Bytes(), whole...), nil
}

// change is a page of a message.
type change struct {
	index uint64
	form  int
	runs  []patch.Run // of a patch
	bytes []byte      // what stands in them, or the whole page
}

// readPages reads the pages of n states, nil for one that is not said, and what stands behind them.
func readPages(s *scan, n int) ([][]change, error) {
	states := make([][]change, n)
	sum, patched := 0, 0
	for i := range states {
		count := s.number()
		if count == 0 {
			continue
		}
		count--
		states[i] = []change{}
		if s.err != nil || count > uint64(statePagesMax-sum) || count > uint64(len(s.b)) {
			return nil, fmt.Errorf("%w: %d pages", record.ErrFormat, count)
		}
		sum += int(count)
		next := uint64(0)
		for range count {
			v := s.number()
			c := change{index: next + v/forms, form: int(v % forms)}
			if c.index < next || c.index > 1<<52 {
				return nil, fmt.Errorf("%w: page %d", record.ErrFormat, c.index)
			}
			next = c.index + 1
			if c.form == formPatch {
				patched++
			}
			states[i] = append(states[i], c)
		}
	}
	runs, err := patch.Read(patched, s.number, len(s.b)/3) // a run is a distance, a length and at least a byte
	if err != nil || s.err != nil {
		return nil, fmt.Errorf("%w: patches", record.ErrFormat)
	}
	for _, list := range states {
		for i := range list {
			if c := &list[i]; c.form == formPatch {
				n := 0
				for _, r := range runs[0] {
					n += r.N
				}
				c.runs, c.bytes = runs[0], s.take(uint64(n))
				runs = runs[1:]
			}
		}
	}
	for _, list := range states {
		for i := range list {
			if c := &list[i]; c.form == formWhole {
				c.bytes = s.take(changes.PageBytes)
			}
		}
	}
	if s.err != nil {
		return nil, fmt.Errorf("%w: cut pages", record.ErrFormat)
	}
	return states, nil
}

// rebuild makes the blocks of the state of h: its pages by what list changes in the state of old, and the nodes above them. They are those that h names, or it
// is ErrFormat; store.ErrAbsent when old's state is not here.
func rebuild(b *block.Store, h, old *record.Head, list []change) (made []block.Block, err error) {
	base := b.Base(old.Manifest, old.MemoryBytes)
	var set []block.Leaf
	for _, c := range list {
		leaf := block.Leaf{Page: c.index}
		if c.form != formZero {
			page := new([changes.PageBytes]byte)
			if c.form == formPatch {
				before, err := base.Page(c.index)
				if err != nil {
					return nil, err
				}
				if before != nil {
					*page = *before
				}
				rest := c.bytes
				for _, r := range c.runs {
					rest = rest[copy(page[r.At:r.At+r.N], rest):]
				}
			} else {
				copy(page[:], c.bytes)
			}
			if leaf.Hash = changes.PageHash(page); leaf.Hash != (changes.Hash{}) {
				made = append(made, block.Block{ID: block.ID{Kind: block.PageKind, Hash: leaf.Hash}, Data: page[:]})
			}
		}
		set = append(set, leaf)
	}
	root, nodes, err := base.Renew(h.MemoryBytes, set)
	if err == nil && root != h.Manifest {
		err = fmt.Errorf("%w: pages do not make the manifest of turn %d", record.ErrFormat, h.Turn)
	}
	return append(made, nodes...), err
}
