// Settings without GODEBUG: each has its default, so a program behaves the same wherever its run moves to.

package godebug

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

func (s *Setting) String() string { return s.name + "=" }

func (s *Setting) IncNonDefault() {}

func (s *Setting) Value() string { return "" }
