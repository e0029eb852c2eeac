// There are no bubbles.

package synctest

import "unsafe"

func IsInBubble() bool                   { return false }
func associate(p unsafe.Pointer) int     { return 0 }
func disassociate(b unsafe.Pointer)      {}
func isAssociated(p unsafe.Pointer) bool { return false }
