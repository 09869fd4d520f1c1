package work_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/disk"
	"slipway/domain"
	"slipway/store"
	"slipway/work"
	"slipway/work/bucket/buckettest"
	"slipway/work/worktest"
)

// full puts the device that is always full where a file is to be written.
func full(t testing.TB, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
}

// stateOf is the state that the steps of a job share.
func (r *rig) stateOf(subject domain.Key) (s struct {
	SnapshotID string
	SizeGiB    int64
}) {
	r.t.Helper()
	id := r.jobOf(subject)
	if err := r.store.View(context.Background(), func(tx store.Tx) error {
		j, err := tx.Job(id)
		if err == nil {
			err = json.Unmarshal(j.State, &s)
		}
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// A disk that fills up, wherever an import writes: one try, a clean error that
// names it, and nothing is left. The kernel says so for /dev/full as it does for
// a full file system, and no rights are needed.
func TestImportOnFullDisk(t *testing.T) {
	for name, c := range map[string]struct {
		src  domain.DiskSource
		step string
		fill func(r *rig, key domain.Key)
	}{
		"downloading": {domain.DiskSource{Bucket: "images", Key: "disk"}, "fetch", func(r *rig, key domain.Key) {
			size, tag, err := r.world.Objects.Stat(context.Background(), "images", "disk")
			if err != nil {
				r.t.Fatal(err)
			}
			full(r.t, r.world.Fetched(key, size, tag))
		}},
		"unpacking": {domain.DiskSource{Path: "disk.raw.gz"}, "check", func(r *rig, key domain.Key) {
			full(r.t, filepath.Join(r.dir, "transfers", key.Name, "disk"))
		}},
		"writing blocks": {domain.DiskSource{Path: "disk.raw"}, "write", func(r *rig, key domain.Key) {
			s := r.stateOf(key)
			if err := r.world.Disks.CreateUpload(context.Background(), s.SnapshotID, s.SizeGiB<<30/disk.BlockSize); err != nil {
				r.t.Fatal(err)
			}
			full(r.t, filepath.Join(r.dir, "disks", "uploads", s.SnapshotID, "disk", "raw"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.importDir()
			raw, err := os.ReadFile(filepath.Join(r.world.ImportDir, "disk.raw"))
			if err != nil {
				t.Fatal(err)
			}
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			if _, err := z.Write(raw); err != nil || z.Close() != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(r.world.ImportDir, "disk.raw.gz"), packed.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			s3 := buckettest.Start(t)
			s3.Set("images/disk", raw)
			r.world.Objects = s3.Client()
			key, tries := r.importing(domain.KindImportImage, c.src), 0
			j := worktest.Run(t, r.harness(r.jobOf(key), nil, nil), func(ctx context.Context, step, phase string, next func(context.Context) error) error {
				if step == c.step && phase == work.PhaseDo {
					tries++
					c.fill(r, key)
				}
				return next(ctx)
			}, nil)
			task := get[domain.ImportTask](t, r.store, key)
			if j.Status != domain.JobFailed || tries != 1 || task.State != domain.TaskDeleted || !strings.HasPrefix(task.Message, "ServerError: ") || !strings.Contains(task.Message, "The server's disk is full.") {
				t.Errorf("%s after %d tries: %s (%s)", j.Status, tries, task.Message, j.Private)
			}
			r.clean(t)
		})
	}
}
