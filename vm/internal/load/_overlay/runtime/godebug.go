package runtime

import _ "unsafe" // for linkname

// godebugText is $GODEBUG: package syscall says when it changes, package internal/godebug reads it.
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

//go:linkname envs syscall.runtime_envs
func envs() []string
