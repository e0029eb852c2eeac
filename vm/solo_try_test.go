package vm
import ("testing";"os";"context";"time";"fmt")
type direct struct{}
func (direct) WriteOutput(s uint8, p []byte) error { if s==1 { os.Stdout.Write(p) } else { os.Stderr.Write(p) }; return nil }
func TestTrySolo(t *testing.T) {
	f := os.Getenv("SOLO"); if f=="" { t.Skip() }
	t0 := time.Now()
	p, err := Compile(context.Background(), Source{Paths: []string{f}})
	if err != nil { t.Fatal(err) }
	fmt.Fprintln(os.Stderr, "compile", time.Since(t0), "code", len(p.img.Code), "data", len(p.img.Data), "funcs", len(p.img.Funcs))
	m, err := New(p, Config{Args: []string{"x"}, Output: direct{}})
	if err != nil { t.Fatal(err) }
	t0 = time.Now()
	for {
		s, err := m.Run(context.Background(), 1<<22)
		if err != nil { t.Fatal(err) }
		if s.End == EndExit { fmt.Fprintln(os.Stderr, "exit", s.Exit, "ran", time.Since(t0), "instr", m.Instructions(), "mem", m.MemoryBytes()); return }
		if s.End == EndIdle { if s.Wake.IsZero() { t.Fatal("stuck") }; time.Sleep(time.Until(s.Wake)) }
	}
}
