package heap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/pinned"
)

// TestLayoutIsPinned: what the heap puts into memory stands in snapshots, so it changes with layoutVersion only.
func TestLayoutIsPinned(t *testing.T) {
	var b strings.Builder
	b.WriteString(pinned.Struct("root", rootPage{}) + pinned.Struct("span", span{}) + pinned.Struct("map", mapHeader{}) + pinned.Struct("iterator", mapIter{}))
	for _, c := range []struct {
		name string
		v    uint64
	}{
		{"magic", rootMagic}, {"zero", ZeroBase}, {"header.kind", headerKindShift}, {"header.noscan", headerNoScan}, {"header.type", headerTypeMask}, {"header", headerBytes},
		{"use.none", uint64(useNone)}, {"use.free", uint64(useFree)}, {"use.small", uint64(useSmall)}, {"use.large", uint64(useLarge)}, {"use.meta", uint64(useMeta)},
		{"span.elems", spanElems}, {"bins", binCount}, {"map.small", smallMap}, {"map.entries", entriesFirst}, {"map.mark.live", markLive},
		{"map.slot.first", slotFirst}, {"map.any", uint64(modeAny)}, {"map.64", uint64(mode64)}, {"map.32", uint64(mode32)}, {"map.string", uint64(modeString)},
		{"map.index.bits", uint64(indexBits(1000))}, {"hash.word", hashWord(1, 2)}, {"hash.text", hashBytes([]byte("seventeen letters"), 3)},
	} {
		fmt.Fprintf(&b, "%s %#x\n", c.name, c.v)
	}
	for k := range kindCount {
		fmt.Fprintf(&b, "kind %d %s\n", k, k)
	}
	for _, c := range classes {
		fmt.Fprintf(&b, "class %d bytes, %d pages, %d blocks\n", c.block, c.pages, c.elems)
	}
	pinned.Check(t, "layout", layoutVersion, b.String(), "Snapshots of this version would be misread: raise heap's layoutVersion and vm.Version.")
}
