package tandem

import (
	"context"
	"fmt"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

// Snapshot is where a run stands after the newest of its turns that is known here, wherever it executes, and the os.Args it was started with. What of
// its memory is not here is fetched from the members first. The run goes on meanwhile and knows nothing of it. vm.Resume goes on from a snapshot, in a
// machine of its own that shares nothing with anybody. replication.ErrUnknownRun: no such run is known here.
func (s *Sandbox) Snapshot(ctx context.Context, run changes.RunID) (_ *vm.Snapshot, args []string, err error) {
	if err := s.isOpen(); err != nil {
		return nil, nil, err
	}
	program := s.Program()
	if program == nil {
		return nil, nil, fmt.Errorf("%w: the program is not here yet: wait for Join", ErrProgram)
	}
	st, err := s.replica.LoadState(ctx, run)
	if err != nil {
		return nil, nil, s.ours(err)
	}
	mt, err := decodeMeta(st.Head.Meta)
	if err != nil {
		return nil, nil, err
	}
	snap, err := snapshotOf(program, st)
	return snap, mt.Args, err
}

// snapshotOf is a replicated state as a machine takes it.
func snapshotOf(p *vm.Program, st *replication.State) (*vm.Snapshot, error) {
	b := vm.NewState(p, st.Head.MemoryBytes)
	if err := st.Each(func(i uint64, page *[changes.PageBytes]byte) error { return b.Set(i, page) }); err != nil {
		return nil, err
	}
	return b.Snapshot(st.Head.Root)
}
