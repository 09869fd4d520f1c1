package work_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/work"
)

var errDead = errors.New("the process died here")

// A process that dies while it removes a disk, or between publishing a sealed
// disk and recording it, leaves nothing that the next one does not put right:
// what somebody uses is there and whole, and nothing else is.
func TestCollectorSurvivesCrashes(t *testing.T) {
	snap := domain.Key{Scope: scope, Kind: domain.KindSnapshot, Name: "snap-0000000000000000a"}
	for _, again := range []bool{false, true} { // whether the same content comes again after the crash
		t.Run(fmt.Sprint("row-deleted, again ", again), func(t *testing.T) {
			r := newRig(t)
			r.sealed()
			r.update(func(tx store.Tx) error { return tx.Delete(snap) })
			r.world.CrashAt("row-deleted", errDead)
			if err := (&work.Collector{World: r.world, Log: slog.New(slog.DiscardHandler)}).Collect(t.Context()); !errors.Is(err, errDead) {
				t.Fatalf("the collector did not get there: %v", err)
			}
			r.disks(t, 1)
			r.restart(t)
			want := 0
			if again {
				want = 1
				r.run(r.upload("snap-0000000000000000d"))
			}
			r.settle(t.Context())
			r.disks(t, want)
			r.whole(t)
		})
	}
	for _, point := range []string{"sealed", "recorded"} {
		for _, collect := range []bool{false, true} { // whether the collector is quicker than the job after the crash
			t.Run(fmt.Sprint(point, " collect ", collect), func(t *testing.T) {
				r := newRig(t)
				key := r.upload("snap-0000000000000000e")
				r.world.CrashAt(point, errDead)
				ctx, cancel := context.WithCancel(t.Context())
				e := work.New(r.store, work.Options{Workflows: r.flows(), Clock: domain.WallClock, Log: slog.New(slog.DiscardHandler)})
				must(t, e.Start(ctx))
				until(t, "the disk is published", func() bool { all, _ := r.world.Disks.Sealed(); return len(all) == 1 })
				cancel()
				must(t, e.Stop(t.Context()))
				r.restart(t)
				if collect {
					r.settle(t.Context())
					r.disks(t, 1)
				}
				r.resume(key)
				r.settle(t.Context())
				r.disks(t, 1)
				r.whole(t)
				if s := get[domain.Snapshot](t, r.store, key); s.State != domain.SnapshotCompleted {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// resume lets the job of a subject go on now.
func (r *rig) resume(subject domain.Key) {
	r.t.Helper()
	id := r.jobOf(subject)
	r.update(func(tx store.Tx) error {
		j, err := tx.Job(id)
		if err != nil {
			return err
		}
		j.NextRun = time.Time{}
		return tx.PutJob(j)
	})
	r.run(subject)
}

// whole wants every disk that is referred to, whole, and nothing wrong.
func (r *rig) whole(t testing.TB) {
	t.Helper()
	if rep := r.fsck(false); !rep.Clean() {
		t.Errorf("%+v", rep.Found)
	}
}

// The same few contents are sealed, removed and collected by everybody at once;
// no snapshot that was completed ever loses its disk.
func TestSealWhileCollecting(t *testing.T) {
	r := newRig(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	engine := work.New(r.store, work.Options{Workflows: r.flows(), Clock: domain.WallClock, Log: slog.New(slog.DiscardHandler)})
	must(t, engine.Start(context.WithoutCancel(t.Context())))
	var wg sync.WaitGroup
	var sealed, collected atomic.Int64
	for w := range 4 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				key := domain.Key{Scope: scope, Kind: domain.KindSnapshot, Name: fmt.Sprintf("snap-%d-%d", w, n)}
				if !r.sealQuick(ctx, key, byte(n%2+1)) {
					return
				}
				sealed.Add(1)
				if err := r.readable(key); err != nil {
					t.Errorf("%s was completed: %v", key.Name, err)
					return
				}
				if err := r.store.Update(context.Background(), func(tx store.Tx) error { return tx.Delete(key) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		c := &work.Collector{World: r.world, Log: slog.New(slog.DiscardHandler)}
		for ctx.Err() == nil {
			before, _ := r.world.Disks.Sealed()
			if err := c.Collect(context.Background()); err != nil && !fault.Is(err, fault.NotFound) {
				t.Errorf("collect: %v", err)
				return
			}
			if after, _ := r.world.Disks.Sealed(); len(after) < len(before) {
				collected.Add(1)
			}
		}
	})
	until(t, "much was sealed, and removed meanwhile", func() bool { return t.Failed() || sealed.Load() >= 40 && collected.Load() >= 10 })
	stop()
	wg.Wait()
	must(t, engine.Stop(t.Context()))
	t.Logf("%d seals, %d collections that removed something", sealed.Load(), collected.Load())
	r.settle(t.Context())
	r.whole(t)
}

// sealQuick uploads one block and waits for its seal.
func (r *rig) sealQuick(ctx context.Context, key domain.Key, fill byte) bool {
	block := make([]byte, disk.BlockSize)
	block[9] = fill
	s := &domain.Snapshot{SizeGiB: 1}
	s.Key = key
	insert := func() error {
		return r.store.Update(context.Background(), func(tx store.Tx) error { return tx.Insert(s) })
	}
	ask := func() error {
		return r.store.Update(context.Background(), func(tx store.Tx) error {
			if _, err := tx.Move(key, domain.SnapshotAskComplete, "", nil); err != nil {
				return err
			}
			return r.enqueue(tx, domain.FlowSnapshotSeal, key)
		})
	}
	err := insert()
	if err == nil {
		err = r.world.Disks.CreateUpload(context.Background(), key.Name, 2048)
	}
	if err == nil {
		err = r.world.Disks.PutBlock(context.Background(), key.Name, 3, block, sha256.Sum256(block))
	}
	if err == nil {
		err = ask()
	}
	for err == nil && ctx.Err() == nil {
		changed := r.store.Changed()
		n := new(domain.Snapshot)
		if err = r.store.View(context.Background(), func(tx store.Tx) error { return tx.Get(key, n) }); err != nil {
			break
		}
		switch n.State {
		case domain.SnapshotCompleted:
			return true
		case domain.SnapshotError:
			r.t.Errorf("%s: %s", key.Name, n.Problem)
			return false
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	if err != nil {
		r.t.Error(err)
	}
	return false
}

func (r *rig) readable(key domain.Key) error {
	n := new(domain.Snapshot)
	if err := r.store.View(context.Background(), func(tx store.Tx) error { return tx.Get(key, n) }); err != nil {
		return err
	}
	d, err := disk.ParseDigest(n.Disk)
	if err != nil {
		return err
	}
	b, _, err := r.world.Disks.ReadBlock(context.Background(), d, 3)
	if err == nil && b[9] == 0 {
		err = errors.New("the block is empty")
	}
	return err
}
