// Settings as $GODEBUG has them, which a program may have by grant or set itself; else each has its default. Replaced because gc's caches
// them in sync.Maps and counts them for runtime/metrics, which every program that imports os would pay for at its start.
// Defaults of older Go versions (go.mod, //go:debug) are not followed.

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

// Value is the last setting of the name in $GODEBUG, "" if there is none. What follows a # in it chooses call stacks, which is for debugging of
// the toolchain and not done here.
func (s *Setting) Value() string {
	all := environment()
	for end := len(all); end > 0; {
		begin := end
		for begin > 0 && all[begin-1] != ',' {
			begin--
		}
		one := all[begin:end]
		if n := len(s.name); len(one) > n && one[n] == '=' && one[:n] == s.name {
			one = one[n+1:]
			for i := range len(one) {
				if one[i] == '#' {
					return one[:i]
				}
			}
			return one
		}
		end = begin - 1
	}
	return ""
}

//go:linkname environment runtime.godebug
func environment() string
