// A run starts no processes, so there are no programs to find: the error says that, not that the program is missing.

package exec

import "syscall"

func lookPath(file string) (string, error) {
	return "", &Error{file, syscall.Exec(file, nil, nil)}
}
