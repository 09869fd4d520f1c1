package work

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/work/layout"
)

// orphan tells of something that nobody needs; remove takes it away.
func (f *Fsck) orphan(code, subject, text string, remove func() error) error {
	x := f.found(Found{Code: code, Severity: SeverityWarning, Subject: subject, Text: text,
		Remedy: "It only takes space: the server removes it, or slipway fsck --repair."})
	if !f.Repair || remove == nil {
		return nil
	}
	err := remove()
	if fault.Is(err, fault.InUse) {
		return nil
	}
	x.Repaired = err == nil
	return err
}

// orphans finds sealed disks and rows of disks without a user. Sealing is held
// off meanwhile, as the collector does.
func (f *Fsck) orphans(ctx context.Context) error {
	w := f.World
	w.sealing.Lock()
	defer w.sealing.Unlock()
	c := &Collector{World: w, Log: f.Log}
	all, err := w.Disks.Sealed()
	if err != nil {
		return err
	}
	files := map[string]bool{}
	unused := func(key domain.Key) (bool, error) {
		used := true
		err := w.Store.View(ctx, func(tx store.Tx) (err error) {
			used, err = inUse(tx, key)
			return err
		})
		return !used, err
	}
	for _, d := range all {
		files[d.String()] = true
		un, err := unused(domain.DiskKey(d.String()))
		by := ""
		if err == nil && un {
			by, err = w.Disks.Pinned(d)
		}
		if err == nil && un && by == "" {
			err = f.orphan("orphan-disk", d.String(), "No snapshot, image or task uses this sealed disk.", func() error { return c.disk(ctx, d) })
		}
		if err != nil {
			return err
		}
	}
	var rows []*domain.Disk
	err = w.Store.View(ctx, func(tx store.Tx) (err error) {
		rows, err = store.List[domain.Disk](tx, store.Query{Kind: domain.KindDisk})
		return err
	})
	if err != nil {
		return err
	}
	for _, n := range rows {
		if files[n.Key.Name] {
			continue
		}
		un, err := unused(n.Key)
		if err == nil && un {
			err = f.orphan("orphan-row", n.Key.Name, "The row of a disk that is not there and that nobody uses.", func() error {
				return w.Store.Update(ctx, func(tx store.Tx) error { return tx.Delete(n.Key) })
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kept finds directories of machines' remains that nobody has.
func (f *Fsck) kept(code, dir, text string, names []string, busy map[string]bool) error {
	for _, n := range names {
		if busy[n] {
			continue
		}
		path := filepath.Join(dir, n)
		if err := f.orphan(code, path, text, func() error { return removeAll(filepath.Join(f.World.DataDir, path)) }); err != nil {
			return err
		}
	}
	return nil
}

// strangers finds what is nothing of the server's. It is left alone: somebody
// has put it there.
func (f *Fsck) strangers(context.Context) error {
	if f.World.DataDir == "" {
		return nil
	}
	odd, err := layout.Strangers(f.World.DataDir)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "The data directory could not be listed.")
	}
	for _, name := range odd {
		f.found(Found{Code: "stranger", Severity: SeverityNote, Subject: name, Text: "This is nothing of the server's.",
			Remedy: "Remove it if you know what it is."})
	}
	return nil
}

// machines finds machines, and overlays, of no job that has not ended. What
// exists is listed before the jobs: a machine that appears later has one.
func (f *Fsck) machines(ctx context.Context) error {
	overlays, err := f.World.Disks.Overlays()
	if err != nil {
		return err
	}
	running, err := f.running(ctx)
	if err != nil {
		return err
	}
	builderLeft, err := f.World.kept(builderDirs)
	if err != nil {
		return err
	}
	fleetLeft, err := f.World.kept(fleetDirs)
	if err != nil {
		return err
	}
	var busy map[string]bool
	var builders []*domain.Builder
	err = f.World.Store.View(ctx, func(tx store.Tx) (err error) {
		if busy, err = busyMachines(tx); err == nil {
			builders, err = store.List[domain.Builder](tx, store.Query{Kind: domain.KindBuilder})
		}
		return err
	})
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, id := range running {
		there[id] = true
		if busy[id] {
			continue
		}
		var remove func() error
		if f.World.Driver != nil {
			remove = func() error { return f.World.Driver.Destroy(ctx, id) }
		}
		if err := f.orphan("orphan-machine", id, "No job uses this machine.", remove); err != nil {
			return err
		}
	}
	for _, id := range overlays {
		if busy[id] {
			continue
		}
		var remove func() error
		if f.World.Driver != nil || !there[id] { // a machine may outlive the server
			remove = func() error { return f.World.Disks.RemoveOverlay(ctx, id) }
		}
		if err := f.orphan("orphan-overlay", id, "No job uses this overlay.", remove); err != nil {
			return err
		}
	}
	if err := f.kept("orphan-builder", builderDirs, "No image builder has this directory.", builderLeft, busy); err != nil {
		return err
	}
	if err := f.kept("orphan-fleet", fleetDirs, "No fleet has this directory.", fleetLeft, busy); err != nil {
		return err
	}
	for _, b := range builders {
		if _, _, _, err := f.World.Disks.Overlay(b.Machine); fault.Is(err, fault.NotFound) {
			f.found(Found{Code: "builder-empty", Severity: SeverityNote, Subject: b.Key.String(), Users: []domain.Key{b.Key},
				Text: "What was changed in this image builder is not here; it has what its image has.", Remedy: "Nothing, or delete it: a backup does not hold what machines wrote."})
		}
	}
	return nil
}

func (f *Fsck) running(ctx context.Context) (ids []string, err error) {
	if f.Machines != nil {
		return f.Machines(ctx)
	}
	if f.World.Driver == nil {
		return nil, nil
	}
	list, err := f.World.Driver.List(ctx)
	for _, m := range list {
		ids = append(ids, m.ID)
	}
	return ids, err
}

// uploads finds uploads of snapshots that take no blocks, and snapshots that
// are being sealed without one.
func (f *Fsck) uploads(ctx context.Context) error {
	ids, err := f.World.Disks.Uploads()
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, id := range ids {
		have[id] = true
		wanted := true
		err := f.World.Store.View(ctx, func(tx store.Tx) (err error) {
			wanted, err = takesBlocks(tx, id)
			return err
		})
		if err == nil && !wanted {
			err = f.orphan("orphan-upload", id, "No snapshot takes the blocks of this upload.", func() error { return f.World.Disks.DropUpload(ctx, id) })
		}
		if err != nil {
			return err
		}
	}
	return f.World.Store.View(ctx, func(tx store.Tx) error {
		snaps, err := store.List[domain.Snapshot](tx, store.Query{Kind: domain.KindSnapshot, States: []domain.State{domain.SnapshotPending}})
		for _, n := range snaps {
			if _, err := f.World.Disks.Upload(n.Key.Name); !have[n.Key.Name] && fault.Is(err, fault.NotFound) {
				f.found(Found{Code: "upload-empty", Severity: SeverityNote, Subject: n.Key.String(), Text: "No block of this pending snapshot is here.",
					Remedy: "Send its blocks again, or delete it."})
			}
		}
		return err
	})
}

// evidence finds pictures and logs of images that are gone.
func (f *Fsck) evidence(ctx context.Context) error {
	if f.World.DataDir == "" {
		return nil
	}
	root := filepath.Join(f.World.DataDir, "evidence")
	dirs, err := filepath.Glob(filepath.Join(root, "*", "*", "*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		rest, name := filepath.Split(rel)
		account, region := filepath.Split(filepath.Clean(rest))
		k := domain.Key{Scope: domain.Scope{Account: filepath.Clean(account), Region: region}, Kind: domain.KindImage, Name: name}
		is := true
		err = f.World.Store.View(ctx, func(tx store.Tx) (err error) {
			is, err = there(tx, k)
			return err
		})
		if err == nil && !is {
			err = f.orphan("orphan-evidence", filepath.Join("evidence", rel), "The image it is of is gone.", func() error { return removeAll(dir) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fault.Wrap(fault.Internal, err, "The directory could not be removed.")
}
