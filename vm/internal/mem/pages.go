package mem

// Pages is an immutable content of a memory: its size and its pages that are not all zero.
type Pages struct{ size uint64 }

// Size is the number of bytes of the memory, a multiple of PageBytes.
func (p *Pages) Size() uint64 { return p.size }

// Page is the content of a page, PageBytes long, nil when it is all zero. It must not be written.
func (p *Pages) Page(page uint64) []byte { panic("BUG: not built") }

// Each calls fn for every page that is not all zero, in ascending order, until fn returns false.
func (p *Pages) Each(fn func(page uint64, data []byte) bool) { panic("BUG: not built") }

// Changed calls fn for every page whose content differs from that in base (nil: an empty memory), in ascending order, until fn returns
// false; data is nil when the page is all zero now. Cost follows the number of pages that are not shared.
func (p *Pages) Changed(base *Pages, fn func(page uint64, data []byte) bool) { panic("BUG: not built") }

// Builder makes Pages from base (nil: empty) and page contents, for loading what another peer took.
type Builder struct{}

// NewBuilder starts from base with a new size, rounded up to whole pages. Pages beyond it are dropped.
func NewBuilder(base *Pages, sizeBytes uint64) *Builder { panic("BUG: not built") }

// Set gives a page its content: a copy is taken of data, PageBytes long at most, the rest is zero; nil is all zero. False: page is beyond the size.
func (b *Builder) Set(page uint64, data []byte) bool { panic("BUG: not built") }

// Pages is what was built; the Builder must not be used afterwards.
func (b *Builder) Pages() *Pages { panic("BUG: not built") }
