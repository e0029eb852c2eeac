package replication

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/store"
	"github.com/tandemvm/tandem/replication/memnet"
)

var diskEvery = flag.Int("disk.every", 7, "how many operations of the disk lie between two that TestFailingDisk makes fail; 1: it tries all")

// What a life on a disk acknowledged.
type diskLife struct {
	created bool
	run     changes.RunID
	turn    uint64 // 0: none, and the run need not be there
}

func diskConfig(d *store.Disk) Config {
	return Config{Dir: "store", FS: d.FS(), Transport: memnet.New(1).Join("a"), Secret: []byte(secret), FlushInterval: time.Millisecond,
		BeatInterval: 20 * time.Millisecond, Lease: 100 * time.Millisecond}
}

// live makes a store, opens it again, and commits turns in both, up to the first failure, which it returns.
func (l *diskLife) live(d *store.Disk) error {
	for opened := range 2 {
		if err := l.open(d, opened == 1); err != nil {
			return err
		}
	}
	return nil
}

func (l *diskLife) open(d *store.Disk, again bool) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var r *Replica
	if again {
		r, err = Open(ctx, diskConfig(d))
	} else {
		r, err = Create(ctx, diskConfig(d), testGenesis(), []byte("the image"))
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	l.created = true
	p := &program{r: r, pages: 3}
	if again {
		s, err := r.TakeOver(ctx, l.run)
		if err != nil {
			return err
		}
		p.run, p.epoch, p.turn, p.lines, p.hits = s.Head.Run, s.Head.Epoch, s.Head.Turn, s.Head.Lines, int64(s.Head.Turn)
	} else if p.run, p.epoch, err = r.StartRun(ctx, RunStart{Name: "toy"}); err != nil {
		return err
	}
	l.run = p.run
	if _, err := r.Pull(p.run); err != nil {
		return err
	}
	for range 4 {
		turn := p.next()
		if err := r.CommitTurn(ctx, turn); err != nil {
			return err
		}
		p.advance(turn)
		l.turn = turn.Number
	}
	return nil
}

// sound opens what is left and looks for all that was acknowledged.
func (l *diskLife) sound(t *testing.T, d *store.Disk) (err error) {
	r, err := Open(context.Background(), diskConfig(d))
	if err != nil {
		if !l.created && errors.Is(err, ErrNoStore) {
			return nil
		}
		return fmt.Errorf("it does not open: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if l.turn == 0 {
		return nil
	}
	s, err := r.LoadState(context.Background(), l.run)
	if err != nil {
		return err
	}
	checkState(t, s)
	if s.Head.Turn < l.turn {
		return fmt.Errorf("turn %d is there", s.Head.Turn)
	}
	if got := hits(t, r); got != int64(s.Head.Turn) {
		return fmt.Errorf("%d hits at turn %d", got, s.Head.Turn)
	}
	return nil
}

// TestFailingDisk breaks the disk at every so-manieth write or read, full or defective, and then lets the machine lose power or only the
// process die: each failure is an error that says so, none ends this process, and all that was acknowledged is there afterwards.
func TestFailingDisk(t *testing.T) {
	rnd := rand.New(rand.NewPCG(seedOf(t), 0))
	whole := store.NewDisk()
	if err := new(diskLife).live(whole); err != nil {
		t.Fatal(err)
	}
	writes, reads := whole.Writes(), whole.Reads()
	t.Logf("an undisturbed life makes %d writes and %d reads", writes, reads)
	try := func(what string, n int64, fail func(d *store.Disk, n int64)) {
		d, l := store.NewDisk(), &diskLife{}
		fail(d, n)
		err := l.live(d)
		if err == nil {
			return // a life is not the same to the last operation each time
		}
		if strings.HasPrefix(what, "full") && !errors.Is(err, ErrDiskFull) {
			t.Fatalf("%s %d is told as: %v", what, n, err)
		}
		d.Mend()
		keep := []int{0, 50, 100}[rnd.IntN(3)]
		if s := l.sound(t, d.Crash(keep, rnd)); s != nil {
			t.Fatalf("%v\n%s %d, %d %% of what was not synced kept, acknowledged %+v; the life ended with %v", s, what, n, keep, *l, err)
		}
	}
	first := 1 + rnd.Int64N(int64(*diskEvery))
	for n := first; n <= writes; n += int64(*diskEvery) {
		try("full disk at write", n, func(d *store.Disk, n int64) { d.FailWrites(n, syscall.ENOSPC) })
		try("defective disk at write", n, func(d *store.Disk, n int64) { d.FailWrites(n, syscall.EIO) })
	}
	for n := first; n <= reads; n += int64(*diskEvery) {
		try("unreadable disk at read", n, func(d *store.Disk, n int64) { d.FailReads(n, syscall.EIO) })
	}
}
