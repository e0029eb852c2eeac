// One list of free items: there is one processor. It is bounded, and not emptied by collections, so that a run does
// not depend on when those happen.

package sync

//tandem:without pool.go poolqueue.go
//tandem:remove init runtime_notifyListCheck

type Pool struct {
	noCopy noCopy

	items []any

	New func() any
}

const poolItemsMax = 64

func (p *Pool) Put(x any) {
	if x != nil && len(p.items) < poolItemsMax {
		p.items = append(p.items, x)
	}
}

func (p *Pool) Get() any {
	if n := len(p.items); n > 0 {
		x := p.items[n-1]
		p.items[n-1] = nil
		p.items = p.items[:n-1]
		return x
	}
	if p.New != nil {
		return p.New()
	}
	return nil
}
