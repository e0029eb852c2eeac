//go:build untracked

package mem

import (
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// TestUntracked: without tracking stores arrive, whatever their alignment, and what needs tracking is refused.
func TestUntracked(t *testing.T) {
	m := newMachine(t, 4).m
	m.Grow(2 * PageBytes)
	across := uint64(code.Base + PageBytes - 3)
	if !m.Store64(across, 0x1122334455667788) || m.Load64(across) != 0x1122334455667788 {
		t.Errorf("a number across pages reads %#x", m.Load64(across))
	}
	if !m.Store8(code.Base, 5) || !m.Store32(code.Base+4, 6) || m.Load64(code.Base) != 6<<32|5 {
		t.Errorf("small stores read %#x", m.Load64(code.Base))
	}
	if !m.Zero(code.Base, 2*PageBytes) || m.Load64(across) != 0 {
		t.Error("memory is not cleared")
	}
	if m.Store64(code.Base+2*PageBytes, 1) || m.Touch(code.Base, 2*PageBytes+1) {
		t.Error("stores outside memory are accepted")
	}
	refusesTracking(t, m)
}
