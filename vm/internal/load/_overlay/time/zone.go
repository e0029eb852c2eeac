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

// loadTzinfo asks the host for what would be in the system's folders or Go's, also when TZ names the file; others need a grant.
func loadTzinfo(name, source string) ([]byte, error) {
	if source == "" || source == "/etc" {
		data, err := loadTzinfoFromDirOrZip(source, name)
		const database = "/usr/share/zoneinfo/"
		if err == nil || source != "" || len(name) < len(database) || name[:len(database)] != database {
			return data, err
		}
		name = name[len(database):]
	}
	data, errno := hostZone(name)
	if errno != 0 {
		return nil, syscall.ENOENT
	}
	return data, nil
}

func loadTzinfoFromZip(zipfile, name string) ([]byte, error) { return nil, syscall.ENOENT }

func interrupt() {}
