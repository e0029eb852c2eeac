//go:build cgo && linux

package footprint

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// constant are the mappings of this binary and its libraries that nobody writes, and how many of their bytes are in memory.
func constant(t *testing.T) (list []mapping, sizeBytes, heldBytes int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	of := false
	for s := bufio.NewScanner(f); s.Scan(); {
		var m mapping
		var rights string
		var held int
		if n, _ := fmt.Sscanf(s.Text(), "%x-%x %s", &m.from, &m.to, &rights); n == 3 {
			// The small ones are what the loader has written and then closed.
			if of = (strings.HasSuffix(s.Text(), self) || strings.Contains(s.Text(), ".so")) && !strings.Contains(rights, "w") && m.to-m.from > 64<<10; of {
				list = append(list, m)
				sizeBytes += int(m.to - m.from)
			}
		} else if n, _ := fmt.Sscanf(s.Text(), "Rss: %d kB", &held); n == 1 && of {
			heldBytes += held << 10
		}
	}
	return list, sizeBytes, heldBytes
}

type mapping struct{ from, to uintptr }

var sink byte

// read reads a byte of every so many pages.
func (m mapping) read(pages int) {
	for at := m.from; at < m.to; at += uintptr(pages * os.Getpagesize()) {
		sink += **(**byte)(unsafe.Pointer(&at))
	}
}

// What was dropped is gone from memory and comes back as it is read, where the kernel does as asked page by page.
func TestDrop(t *testing.T) {
	list, size, _ := constant(t)
	if len(list) == 0 {
		t.Fatal("no mapping of the binary found")
	}
	for _, m := range list {
		m.read(1)
	}
	if _, _, held := constant(t); held < size*9/10 {
		t.Fatalf("all %d bytes were read, %d are in memory", size, held)
	}
	Drop()
	_, _, dropped := constant(t)
	if dropped > size/2 {
		t.Errorf("dropped, and %d of %d bytes are in memory", dropped, size)
	}
	if !single() {
		t.Skip("this kernel does not map pages one by one")
	}
	const every = 32
	for _, m := range list {
		m.read(every)
	}
	if _, _, held := constant(t); held-dropped > size/4 {
		t.Errorf("one page of %d was read: %d bytes of %d came", every, held-dropped, size)
	}
}
