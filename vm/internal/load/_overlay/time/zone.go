// Time zones: those of the host's database. Local is UTC unless the granted environment has TZ.

package time

import "syscall"

//tandem:without sys_unix.go

//go:linkname hostReadFile os.hostReadFile
func hostReadFile(name string) (data []byte, errno int)

func readFile(name string) ([]byte, error) {
	data, errno := hostReadFile(name)
	if errno != 0 {
		return nil, syscall.ENOENT
	}
	return data, nil
}

// hostZone reads a zone of the host's database.
func hostZone(name string) (data []byte, errno int)

// loadTzinfo asks the host for what would be in the system's folders or Go's; other sources are files that need a grant.
func loadTzinfo(name, source string) ([]byte, error) {
	if source == "" || source == "/etc" {
		return loadTzinfoFromDirOrZip(source, name)
	}
	data, errno := hostZone(name)
	if errno != 0 {
		return nil, syscall.ENOENT
	}
	return data, nil
}

func loadTzinfoFromZip(zipfile, name string) ([]byte, error) { return nil, syscall.ENOENT }

func interrupt() {}
