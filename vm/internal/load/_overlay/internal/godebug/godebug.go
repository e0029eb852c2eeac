// Settings as $GODEBUG has them, which a program may have by grant or set itself; else each is as the program was built. Replaced because gc's
// caches them in sync.Maps and counts them for runtime/metrics, which every program that imports os would pay for at its start.

package godebug

import _ "unsafe" // for linkname

//tandem:replace

type Setting struct{ name string }

func New(name string) *Setting {
	if name != "" && name[0] == '#' {
		name = name[1:]
	}
	return &Setting{name}
}

func (s *Setting) Name() string { return s.name }

func (s *Setting) Undocumented() bool { return false }

func (s *Setting) String() string { return s.name + "=" + s.Value() }

func (s *Setting) IncNonDefault() {}

// Value is what the setting is now, "" where nothing sets it.
func (s *Setting) Value() string { return setting(s.name) }

//go:linkname setting runtime.godebugSetting
func setting(name string) string
