package work

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/compute"
	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Collector keeps one thing true: nothing exists on this host that no row
// refers to. It takes no input; a timer and commits wake it.
type Collector struct {
	World *World
	Log   *slog.Logger
	Every time.Duration // at least this often; 0 means a minute
	Lull  time.Duration // after a commit, wait for this long before looking; 0 means a second

	// IdleUpload is how long a pending snapshot may go without a block before
	// it fails (EBS direct APIs: Timeout, 60 minutes unless asked otherwise);
	// 0 means 24 hours, kind to people who resume the next day.
	IdleUpload time.Duration

	cancel context.CancelFunc
	done   chan struct{}
}

// share is how much longer the collector rests than it looks.
const share = 50

// Start begins collecting and returns.
func (c *Collector) Start(ctx context.Context) {
	ctx, c.cancel = context.WithCancel(ctx)
	c.done = make(chan struct{})
	go c.run(ctx)
}

// Stop ends it; safe twice and before Start.
func (c *Collector) Stop() {
	if c.cancel != nil {
		c.cancel()
		<-c.done
	}
}

func (c *Collector) run(ctx context.Context) {
	defer close(c.done)
	every, lull := c.Every, c.Lull
	if every == 0 {
		every = time.Minute
	}
	if lull == 0 {
		lull = time.Second
	}
	for {
		changed := c.World.Store.Changed()
		began := c.World.Clock.Now()
		if err := c.Collect(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("collecting what nobody uses", "error", err)
		}
		// Where there is much, looking takes long: it gets a small part of the time.
		if !wait(ctx, every, changed) || !wait(ctx, max(lull, share*c.World.Clock.Now().Sub(began)), nil) {
			return
		}
	}
}

// wait returns when d is over or early closes; false when ctx ends.
func wait(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-early:
	}
	return true
}

// Collect removes machines, overlays, uploads and disks that nothing refers to.
func (c *Collector) Collect(ctx context.Context) error {
	// The lists come first: what appears after them has an owner already.
	machines, err := c.World.Driver.List(ctx)
	if err != nil {
		return err
	}
	overlays, err := c.World.Disks.Overlays()
	if err != nil {
		return err
	}
	dirs := map[string][]string{}
	for _, d := range []string{builderDirs, fleetDirs} {
		if dirs[d], err = c.World.kept(d); err != nil {
			return err
		}
	}
	busy, err := c.busy(ctx)
	if err != nil {
		return err
	}
	return errors.Join(c.machines(ctx, machines, busy), c.overlays(ctx, overlays, busy), c.kept(dirs, busy), c.idleUploads(ctx), c.uploads(ctx), c.disks(ctx),
		c.transfers(ctx))
}

// busy tells which ids of machines and overlays, and which directories of builders
// and fleets, are still meant to be.
func (c *Collector) busy(ctx context.Context) (busy map[string]bool, err error) {
	err = c.World.Store.View(ctx, func(tx store.Tx) (err error) {
		busy, err = busyMachines(tx)
		return err
	})
	return busy, err
}

// busyMachines are the ids of machines, and their overlays, that jobs that have
// not ended may use, and those of all that has a machine; and what fleets keep.
func busyMachines(tx store.Tx) (map[string]bool, error) {
	busy := map[string]bool{}
	jobs, err := tx.Jobs(store.JobQuery{Statuses: unfinished})
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		busy[machineOf(j.ID)] = true
	}
	for _, k := range domain.HousedKinds {
		if err := store.MachineNames(tx, store.Query{Kind: k.Kind}, func(_ domain.Key, machine string) { busy[machine] = true }); err != nil {
			return nil, err
		}
	}
	fleets, err := store.List[domain.Fleet](tx, store.Query{Kind: domain.KindFleet})
	for _, f := range fleets {
		busy[fleetDirName(f.Key)] = true
		if f.Disk == "" {
			busy[emptyLayer(f.Volume())] = true
		}
	}
	return busy, err
}

func (c *Collector) machines(ctx context.Context, list []compute.Status, busy map[string]bool) (err error) {
	for _, m := range list {
		if !busy[m.ID] {
			c.Log.Info("removing a machine nobody uses", "machine", m.ID, "state", m.State)
			err = errors.Join(err, c.World.Driver.Destroy(ctx, m.ID))
			c.World.Slots.Release(m.ID)
		}
	}
	return err
}

func (c *Collector) overlays(ctx context.Context, ids []string, busy map[string]bool) (err error) {
	for _, id := range ids {
		if !busy[id] {
			err = errors.Join(err, c.World.Disks.RemoveOverlay(ctx, id))
		}
	}
	return err
}

// kept removes the directories of builders and fleets that are no more.
func (c *Collector) kept(dirs map[string][]string, busy map[string]bool) (err error) {
	for dir, names := range dirs {
		for _, n := range names {
			if !busy[n] {
				err = errors.Join(err, os.RemoveAll(filepath.Join(c.World.DataDir, dir, n)))
			}
		}
	}
	return err
}

// idleUploads fails snapshots whose upload was given up.
func (c *Collector) idleUploads(ctx context.Context) error {
	idle := c.IdleUpload
	if idle == 0 {
		idle = 24 * time.Hour
	}
	var old []domain.Key
	err := c.World.Store.View(ctx, func(tx store.Tx) error {
		snaps, err := store.List[domain.Snapshot](tx, store.Query{Kind: domain.KindSnapshot, States: []domain.State{domain.SnapshotPending}})
		for _, s := range snaps {
			if tx.Now().Sub(s.Created) > idle && tx.Now().Sub(c.lastBlock(s.Key.Name)) > idle {
				old = append(old, s.Key)
			}
		}
		return err
	})
	for _, k := range old {
		err = errors.Join(err, move(ctx, c.World.Store, k, domain.SnapshotBroke, "idle", func(_ store.Tx, n *domain.Snapshot) error {
			n.Problem = "The upload was given up: no block arrived for " + idle.String() + "."
			return nil
		}))
	}
	return err
}

func (c *Collector) lastBlock(id string) time.Time {
	u, err := c.World.Disks.Upload(id)
	if err != nil {
		return time.Time{}
	}
	return u.Touched
}

// uploads drops those whose snapshot takes no blocks any more.
func (c *Collector) uploads(ctx context.Context) error {
	ids, err := c.World.Disks.Uploads()
	if err != nil {
		return err
	}
	for _, id := range ids {
		wanted := true
		err = errors.Join(err, c.World.Store.View(ctx, func(tx store.Tx) (err error) {
			wanted, err = takesBlocks(tx, id)
			return err
		}))
		if !wanted {
			err = errors.Join(err, c.World.Disks.DropUpload(ctx, id))
		}
	}
	return err
}

// takesBlocks tells whether an upload is still wanted: by a snapshot, or by a job
// that puts a disk together.
func takesBlocks(tx store.Tx, id string) (bool, error) {
	if job, ok := strings.CutPrefix(id, uploadPrefix); ok {
		j, err := tx.Job("job-" + job)
		if fault.Is(err, fault.NotFound) {
			return false, nil
		}
		return err == nil && !j.Status.Ended(), err
	}
	n, err := tx.Count(store.Query{Kind: domain.KindSnapshot, Names: []string{id}, States: []domain.State{domain.SnapshotPending, domain.SnapshotSealing}})
	return n > 0 || err != nil, err
}

// disks removes sealed disks without a user. Sealing is held off meanwhile: a
// disk that was sealed and not yet recorded has no user either.
func (c *Collector) disks(ctx context.Context) error {
	c.World.sealing.Lock()
	defer c.World.sealing.Unlock()
	all, err := c.World.Disks.Sealed()
	if err != nil {
		return err
	}
	for _, d := range all {
		err = errors.Join(err, c.disk(ctx, d))
	}
	return err
}

func (c *Collector) disk(ctx context.Context, d disk.Digest) error {
	key := domain.DiskKey(d.String())
	used := true
	look := func(tx store.Tx) (err error) {
		used, err = inUse(tx, key)
		return err
	}
	if err := c.World.Store.View(ctx, look); err != nil || used {
		return err
	}
	// A seal of an earlier life that was not recorded holds its disk by its
	// upload until it is: jobs that seal something else are no reason to wait.
	if by, err := c.World.Disks.Pinned(d); err != nil || by != "" {
		return err
	}
	err := c.World.Store.Update(ctx, func(tx store.Tx) error {
		if err := look(tx); err != nil || used {
			return err
		}
		return tx.Delete(key)
	})
	if err != nil || used {
		return err
	}
	c.Log.Info("removing a disk nobody uses", "disk", d.String())
	if err := c.World.point("row-deleted"); err != nil {
		return err
	}
	if err := c.World.Disks.Remove(ctx, d); err != nil && !fault.Is(err, fault.InUse) {
		return err
	}
	return nil
}

// inUse tells whether somebody refers to a disk.
func inUse(tx store.Tx, key domain.Key) (bool, error) {
	users, err := tx.Referrers(key)
	return err != nil || len(users) > 0, err
}
