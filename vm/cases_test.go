package vm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// compareCases runs a program that prints a line "case N" before each of the cases listed, and compares what it prints with gc's.
func compareCases(t *testing.T, text string, list []string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "native")
	if out, err := exec.Command("go", "build", "-o", bin, file).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin)
	var want, alone bytes.Buffer
	cmd.Stdout, cmd.Stderr = &want, &alone
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, alone.String())
	}
	p, err := Compile(context.Background(), Source{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	var got collected
	clock := epoch2026()
	m, err := New(p, Config{Args: []string{"program"}, Clock: clock, Output: &got})
	if err != nil {
		t.Fatal(err)
	}
	m, exit := finish(t, m, clock, 1<<20, func(m *Machine) *Machine { return m })
	defer m.Close()
	if exit != 0 {
		t.Fatalf("exit %d\n%s", exit, got.stderr.String())
	}
	if alone.String() != got.stderr.String() {
		t.Errorf("standard error differs")
	}
	wants, gots := strings.Split(unaddressed(want.String()), "\ncase "), strings.Split(unaddressed(got.stdout.String()), "\ncase ")
	if len(wants) != len(gots) || len(wants) != len(list)+1 {
		t.Fatalf("%d cases, gc did %d of %d", len(gots)-1, len(wants)-1, len(list))
	}
	for i := range list {
		if gots[i+1] != wants[i+1] {
			t.Errorf("%s\n got %s\nwant %s", list[i], gots[i+1], wants[i+1])
		}
	}
}
