// Time zones: UTC, and those whose files the host granted.

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

func loadTzinfoFromZip(zipfile, name string) ([]byte, error) { return nil, syscall.ENOENT }

func interrupt() {}
