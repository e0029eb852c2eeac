//go:build !linux

package mem

import (
	"errors"
	"unsafe"
)

// ground is a content that many memories stand on: only Linux has it here, elsewhere each memory is a copy.
type ground struct{ of *Pages }

func newGround(p *Pages) *ground { return nil }

func (g *ground) mapAt(base unsafe.Pointer) error { return errors.ErrUnsupported }
