package runtime

import _ "unsafe" // for linkname

// godebugText is $GODEBUG: package syscall says when it changes.
var (
	godebugText string
	godebugRead bool
)

func godebug() string {
	if !godebugRead {
		const name = "GODEBUG="
		for _, kv := range envs() {
			if len(kv) >= len(name) && kv[:len(name)] == name {
				godebugText = kv[len(name):]
			}
		}
		godebugRead = true
	}
	return godebugText
}

func setGodebug(text string) { godebugText, godebugRead = text, true }

// godebugSetting is the last setting of the name in $GODEBUG, else in what the program was built with (godebugDefault, a constant that the loader
// writes), "" if there is none. What follows a # in it chooses call stacks, which is for debugging of the toolchain and not done here.
func godebugSetting(name string) string {
	if value, ok := settingIn(godebug(), name); ok {
		return value
	}
	value, _ := settingIn(godebugDefault, name)
	return value
}

func settingIn(all, name string) (value string, ok bool) {
	for end := len(all); end > 0; {
		begin := end
		for begin > 0 && all[begin-1] != ',' {
			begin--
		}
		one := all[begin:end]
		if n := len(name); len(one) > n && one[n] == '=' && one[:n] == name {
			one = one[n+1:]
			for i := range len(one) {
				if one[i] == '#' {
					return one[:i], true
				}
			}
			return one, true
		}
		end = begin - 1
	}
	return "", false
}

//go:linkname envs syscall.runtime_envs
func envs() []string
