package daemon

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"

	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// kept is the content of a settings file. Settings are grants and limits, so a bit that changed must not pass for what somebody meant.
type kept struct {
	api.Settings
	Sum string `json:"sum"` // of the settings
}

// sum is the checksum of k.
func (k kept) sum() (string, error) {
	text, err := json.Marshal(k.Settings)
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE(text)), err
}

func writeSettings(file string, s api.Settings) (err error) {
	k := kept{Settings: s}
	if k.Sum, err = k.sum(); err != nil {
		return err
	}
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}

func readSettings(file string) (api.Settings, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return api.Settings{}, fmt.Errorf("the settings of a sandbox cannot be read: %w: restore them from a copy", err)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return api.Settings{}, fmt.Errorf("file is damaged: %s: %w: restore it from a copy", file, err)
	}
	switch sum, err := k.sum(); {
	case err != nil:
		return api.Settings{}, err
	case sum != k.Sum:
		return api.Settings{}, fmt.Errorf("file is damaged: %s: its sum is %s, not %s: restore it from a copy, or look it through and write this sum", file, sum, k.Sum)
	}
	return k.Settings, nil
}
