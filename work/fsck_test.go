package work_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/domain"
	"slipway/store"
	"slipway/work"
)

func (r *rig) fsck(repair bool) *work.FsckReport {
	r.t.Helper()
	f := &work.Fsck{World: r.world, Log: slog.New(slog.DiscardHandler), Repair: repair}
	rep, err := f.Run(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return rep
}

func codes(rep *work.FsckReport) string {
	var out []string
	for _, f := range rep.Found {
		c := f.Code
		if f.Repaired {
			c += "+"
		}
		out = append(out, c)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// damage flips a byte of the one data block (7) of the rig's disk.
func (r *rig) damage() {
	r.t.Helper()
	path := r.world.Disks.Path(r.digest)
	if err := os.Chmod(path, 0o600); err != nil {
		r.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xff}, 7*(512<<10)+99); err != nil {
		r.t.Fatal(err)
	}
}

// available makes an image, and an AMI, of the rig's disk.
func (r *rig) available() (img, ami domain.Key) {
	i := &domain.Image{Disk: r.digest.String()}
	i.Key = domain.Key{Scope: scope, Kind: domain.KindImage, Name: "win"}
	a := &domain.AMI{Label: "win", Mappings: []domain.Mapping{{Device: "/dev/sda1", SnapshotID: "snap-0000000000000000a"}}}
	a.Key = domain.Key{Scope: scope, Kind: domain.KindAMI, Name: "ami-0000000000000000a"}
	r.update(func(tx store.Tx) error {
		for _, n := range []domain.Noun{i, a} {
			if err := tx.Insert(n); err != nil {
				return err
			}
		}
		for _, e := range []domain.Event{domain.ImageCopyBegun, domain.ImageReady} {
			if _, err := tx.Move(i.Key, e, "", nil); err != nil {
				return err
			}
		}
		if err := tx.Refer(i.Key, domain.DiskKey(i.Disk)); err != nil {
			return err
		}
		return tx.Refer(a.Key, domain.Key{Scope: scope, Kind: domain.KindSnapshot, Name: "snap-0000000000000000a"})
	})
	return i.Key, a.Key
}

func TestFsckOfAWholeWorld(t *testing.T) {
	r := newRig(t)
	r.sealed()
	r.available()
	r.settle(t.Context())
	if rep := r.fsck(false); !rep.Clean() || len(rep.Found) > 0 || rep.Disks != 1 || rep.Bytes != 512<<10 {
		t.Errorf("%+v", rep)
	}
}

// Each thing that can be wrong is found by name, and what is safe is repaired.
func TestFsckFinds(t *testing.T) {
	ctx := context.Background()
	snap := domain.Key{Scope: scope, Kind: domain.KindSnapshot, Name: "snap-0000000000000000a"}
	for name, c := range map[string]struct {
		harm                 func(r *rig)
		found, mended, after string
	}{
		"a disk nobody uses": {func(r *rig) { r.update(func(tx store.Tx) error { return tx.Delete(snap) }) }, "orphan-disk", "orphan-disk+", ""},
		"a row without disk": {func(r *rig) {
			r.update(func(tx store.Tx) error {
				d := &domain.Disk{}
				d.Key = domain.DiskKey("sd1-" + strings.Repeat("0", 64))
				return tx.Insert(d)
			})
		}, "orphan-row", "orphan-row+", ""},
		"an upload nobody fills": {func(r *rig) { must(r.t, r.world.Disks.CreateUpload(ctx, "snap-1", 8)) }, "orphan-upload", "orphan-upload+", ""},
		"an overlay of no job": {func(r *rig) {
			_, err := r.world.Disks.CreateOverlay(ctx, "v-1", r.digest, 0)
			must(r.t, err)
		}, "orphan-overlay", "orphan-overlay+", ""},
		"evidence of no image": {func(r *rig) {
			must(r.t, os.MkdirAll(filepath.Join(r.dir, "evidence", scope.Account, scope.Region, "gone"), 0o700))
		}, "orphan-evidence", "orphan-evidence+", ""},
		"what a builder left that is gone": {func(r *rig) { must(r.t, os.MkdirAll(filepath.Join(r.dir, "builders", "b-1"), 0o700)) }, "orphan-builder", "orphan-builder+", ""},
		"what a fleet left that is gone": {func(r *rig) {
			must(r.t, os.MkdirAll(filepath.Join(r.dir, "fleets", scope.Account+"."+scope.Region+".gone"), 0o700))
		}, "orphan-fleet", "orphan-fleet+", ""},
		"something foreign":               {func(r *rig) { must(r.t, os.WriteFile(filepath.Join(r.dir, "disks/notes.txt"), nil, 0o600)) }, "stranger", "stranger", "stranger"},
		"something foreign beside it all": {func(r *rig) { must(r.t, os.WriteFile(filepath.Join(r.dir, "notes.txt"), nil, 0o600)) }, "stranger", "stranger", "stranger"},
		"a disk without row": {func(r *rig) {
			r.update(func(tx store.Tx) error { return tx.Delete(domain.DiskKey(r.digest.String())) })
		}, "disk-unrecorded", "disk-unrecorded+", ""},
		"a disk nobody holds": {func(r *rig) {
			r.imported("held", nil) // or it would be an orphan
			r.update(func(tx store.Tx) error { return tx.Unrefer(snap, domain.DiskKey(r.digest.String())) })
		}, "disk-unheld", "disk-unheld+", ""},
		"a row with another size": {func(r *rig) {
			r.update(func(tx store.Tx) error {
				d := new(domain.Disk)
				if err := tx.Get(domain.DiskKey(r.digest.String()), d); err != nil {
					return err
				}
				d.SizeBytes++
				return tx.Put(d)
			})
		}, "disk-size", "disk-size+", ""},
		"an AMI without snapshot": {func(r *rig) {
			r.available()
			r.update(func(tx store.Tx) error { return tx.Delete(snap) })
		}, "snapshot-missing", "snapshot-missing", "snapshot-missing"},
		"a damaged disk": {func(r *rig) { r.available(); r.damage() }, "disk-damaged", "disk-damaged+", "disk-damaged"},
		"a missing disk": {func(r *rig) {
			r.available()
			must(r.t, os.RemoveAll(filepath.Dir(r.world.Disks.Path(r.digest))))
		}, "disk-missing", "disk-missing+", ""},
		"a job for nothing": {func(r *rig) {
			r.update(func(tx store.Tx) error {
				return r.enqueue(tx, domain.FlowImageDelete, domain.Key{Scope: scope, Kind: domain.KindImage, Name: "gone"})
			})
		}, "job-lost", "job-lost", "job-lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sealed()
			c.harm(r)
			for i, want := range []string{c.found, c.found, c.mended, c.after} {
				rep := r.fsck(i == 2)
				if got := codes(rep); got != want {
					t.Errorf("run %d: found %q, want %q: %+v", i+1, got, want, rep.Found)
				}
				for _, f := range rep.Found {
					if f.Text == "" || f.Subject == "" || f.Severity == "" || f.Remedy == "" {
						t.Errorf("says too little: %+v", f)
					}
				}
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What stands on a damaged disk says so in its own words, through its state
// table; the same content sent again heals the disk.
func TestDamageIsMarkedAndHealed(t *testing.T) {
	r := newRig(t)
	r.sealed()
	img, ami := r.available()
	r.damage()
	rep := r.fsck(true)
	if len(rep.Found) != 1 || len(rep.Found[0].Users) != 3 || !rep.Found[0].Repaired {
		t.Fatalf("%+v", rep.Found)
	}
	if i := get[domain.Image](t, r.store, img); i.State != domain.ImageFailed || i.Reason == nil || !strings.Contains(i.Reason.Message, "Block 7") || len(i.Errors) != 1 {
		t.Errorf("%+v", i)
	}
	if a := get[domain.AMI](t, r.store, ami); a.State != domain.AMIError || a.Problem == "" {
		t.Errorf("%+v", a)
	}
	if s := get[domain.Snapshot](t, r.store, domain.Key{Scope: scope, Kind: domain.KindSnapshot, Name: "snap-0000000000000000a"}); s.State != domain.SnapshotError || s.Problem == "" {
		t.Errorf("%+v", s)
	}
	if e := r.events(domain.DiskDamaged); len(e) != 1 || !strings.Contains(e[0].Detail, "Block 7") {
		t.Errorf("events: %+v", e)
	}
	r.run(r.upload("snap-0000000000000000c"))
	must(t, r.world.Disks.Verify(t.Context(), r.digest, nil))
	if rep := r.fsck(false); !rep.Clean() {
		t.Errorf("after the same content came again: %+v", rep.Found)
	}
}

func (r *rig) events(on domain.Event) (out []domain.LogEntry) {
	r.t.Helper()
	key := domain.DiskKey(r.digest.String())
	must(r.t, r.store.View(context.Background(), func(tx store.Tx) error {
		all, err := tx.Events(&key, 0, 0)
		for _, e := range all {
			if e.Event == on {
				out = append(out, e)
			}
		}
		return err
	}))
	return out
}
