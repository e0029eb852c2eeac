package heap

import "github.com/tandemvm/tandem/vm/internal/mem"

// A block is an object with its 8-byte header before it. Block sizes are header plus a usual object size.

const (
	headerBytes = 8
	classMax    = 44   // room in the root page
	smallMax    = 2048 // bytes of the largest object in a class
	spanElems   = 512  // blocks in a span at most: bits in a descriptor
	spanPages   = 5
)

// objectBytes are the object sizes of the classes; class 0 is none.
var objectBytes = [...]uint64{0, 8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512,
	640, 768, 896, 1024, 1280, 1536, 1792, 2048}

const classCount = len(objectBytes)

type class struct {
	block uint64 // bytes of a block
	magic uint64 // 2^32/block rounded up: offset/block is offset*magic>>32 for offsets in a span
	pages uint32
	elems uint16
}

var classes = makeClasses()

// classBy is the class of an object of up to 8*index bytes.
var classBy = makeClassBy()

func makeClasses() (c [classCount]class) {
	for i := 1; i < classCount; i++ {
		block := objectBytes[i] + headerBytes
		best := class{}
		for pages := uint64(1); pages <= spanPages; pages++ {
			elems := min(pages*mem.PageBytes/block, spanElems)
			waste := pages*mem.PageBytes - elems*block
			if elems < 4 {
				continue
			}
			// Take the least waste a page, but no longer span for a gain of less than 1/32.
			if best.pages == 0 || waste*uint64(best.pages)+pages*uint64(best.pages)*mem.PageBytes/32 < (uint64(best.pages)*mem.PageBytes-uint64(best.elems)*block)*pages {
				best = class{block: block, magic: 1<<32/block + 1, pages: uint32(pages), elems: uint16(elems)}
			}
		}
		c[i] = best
	}
	return c
}

func makeClassBy() (by [smallMax/8 + 1]uint8) {
	c := 1
	for i := 1; i < len(by); i++ {
		if uint64(i)*8 > objectBytes[c] {
			c++
		}
		by[i] = uint8(c)
	}
	return by
}

// gcClassBytes are gc's malloc size classes (internal/runtime/gc/sizeclasses.go of Go 1.26): they decide capacities a program can see.
var gcClassBytes = [...]uint32{0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416,
	448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144,
	6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768}

var gcClassBy = makeGCClassBy()

func makeGCClassBy() (by [32768/8 + 1]uint8) {
	c := 0
	for i := range by {
		if uint32(i)*8 > gcClassBytes[c] {
			c++
		}
		by[i] = uint8(c)
	}
	return by
}

const (
	gcPageBytes   = 8192
	gcSmallMax    = 32768
	gcHeaderFrom  = 512 // objects with pointers above it carry a header
	gcHeaderBytes = 8
	gcAllocMax    = 1 << 48
)

// gcRoundUp is the size of the block gc's allocator gives for size bytes, as far as a program can use it.
func gcRoundUp(size uint64, noscan bool) uint64 {
	want := size
	if want <= gcSmallMax-gcHeaderBytes {
		if !noscan && want > gcHeaderFrom {
			want += gcHeaderBytes
		}
		return uint64(gcClassBytes[gcClassBy[(want+7)/8]]) - (want - size)
	}
	if want+gcPageBytes-1 < want {
		return size
	}
	return (want + gcPageBytes - 1) &^ (gcPageBytes - 1)
}
