package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMissingGrants: what a run was not granted fails with an error that says which grant is missing, and never reaches the host.
func TestMissingGrants(t *testing.T) {
	cases := []struct{ imports, call, want string }{
		{`"os"`, `_, err = os.Open("/etc/passwd")`, "open /etc/passwd: tandem: no file grant covers /etc/passwd; start with --grant-read /etc/passwd"},
		{`"os"`, `err = os.WriteFile("x", nil, 0o600)`, "open x: tandem: programs can write only files of their own, below /tmp: x"},
		{`"os"`, `_, err = os.OpenRoot("/etc")`, "open /etc: tandem: no file grant covers /etc; start with --grant-read /etc"},
		{`"os"`, `_, err = os.StartProcess("/bin/ls", nil, &os.ProcAttr{})`, "fork/exec /bin/ls: tandem: no process grant: a run cannot start or signal processes"},
		{`"os/exec"`, `_, err = exec.Command("ls").Output()`, `exec: "ls": tandem: no process grant: a run cannot start or signal processes`},
		{`"net"`, `_, err = net.Dial("tcp", "127.0.0.1:80")`, "dial tcp 127.0.0.1:80: socket: tandem: no network grant: a run cannot reach a network"},
		{`"net"`, `_, err = net.Listen("tcp", "127.0.0.1:0")`, "listen tcp 127.0.0.1:0: socket: tandem: no network grant: a run cannot reach a network"},
		{`"net"`, `_, err = net.LookupHost("example.com")`, "tandem: no network grant: a run cannot reach a network"},
		{`"syscall"`, `err = syscall.Kill(1, syscall.SIGTERM)`, "tandem: no process grant: a run cannot start or signal processes"},
		{`"syscall"`, `_, err = syscall.Open("/etc/passwd", 0, 0)`, "tandem: no file grant: use package os, with --grant-read"},
		{`"syscall"`, `err = syscall.Reboot(0)`, "tandem: no system call grant: a run cannot call the operating system"},
	}
	var text strings.Builder
	text.WriteString("package main\n\nimport (\n\t\"errors\"\n\t\"io/fs\"\n")
	imported := ""
	for _, c := range cases {
		if c.imports != imported {
			text.WriteString("\t" + c.imports + "\n")
		}
		imported = c.imports
	}
	text.WriteString(")\n\nfunc main() {\n\tvar err error\n")
	for _, c := range cases {
		text.WriteString("\t" + c.call + "\n\tprintln(err.Error(), errors.Is(err, fs.ErrPermission))\n")
	}
	text.WriteString("}\n")
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Compile(context.Background(), Source{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	var out collected
	m, err := New(p, Config{Output: &out, Clock: epoch2026()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, exit := finish(t, m, epoch2026(), 0, func(m *Machine) *Machine { return m }); exit != 0 {
		t.Fatalf("exit status %d\n%s", exit, &out.stderr)
	}
	lines := strings.Split(strings.TrimSpace(out.stderr.String()), "\n")
	if len(lines) != len(cases) {
		t.Fatalf("%d lines for %d cases:\n%s", len(lines), len(cases), &out.stderr)
	}
	for i, c := range cases {
		permission := !strings.Contains(c.call, "Lookup") // net.DNSError hides what it wraps
		if want := fmt.Sprint(c.want, " ", permission); !strings.HasSuffix(lines[i], want) {
			t.Errorf("%s\n\t%s\nwant %s", c.call, lines[i], want)
		}
	}
}
