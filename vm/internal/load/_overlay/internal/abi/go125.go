//go:build !go1.26

// Names that the other overlays use and Go 1.25 has elsewhere: it knows two kinds of maps, and package runtime has the codes of failed
// bounds checks, in this order.

package abi

type MapType = SwissMapType

const (
	BoundsIndex = iota
	BoundsSliceAlen
	BoundsSliceAcap
	BoundsSliceB
	BoundsSlice3Alen
	BoundsSlice3Acap
	BoundsSlice3B
	BoundsSlice3C
	BoundsConvert
)
