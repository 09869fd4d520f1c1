package work_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/disk"
	"slipway/disk/convert"
	"slipway/disk/facts"
	"slipway/disk/gate"
	"slipway/disk/gate/hostile"
	"slipway/domain"
	"slipway/store"
	"slipway/work/bucket/buckettest"
	"slipway/work/worktest"
)

// disks makes a directory of imports with one raw disk in it and gives the
// digest that it has when it is sealed.
func (r *rig) importDir() disk.Digest {
	r.t.Helper()
	dir := filepath.Join(r.dir, "imports")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	path := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(path, append(bytes.Repeat([]byte("boot"), 127), 0, 0, 0x55, 0xaa), 0o600); err != nil {
		r.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte("data "), 300_000), 33<<20+512); err != nil {
		r.t.Fatal(err)
	}
	if err := f.Truncate(64<<20 + 512); err != nil {
		r.t.Fatal(err)
	}
	r.world.ImportDir = dir
	in, err := disk.OpenSparse(path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer in.Close()
	sum, err := disk.Sum(context.Background(), in, 1<<30, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return sum.Digest
}

// importing plants a task.
func (r *rig) importing(k domain.Kind, src domain.DiskSource) domain.Key {
	r.t.Helper()
	task := &domain.ImportTask{Source: src, Description: "a test", Tags: domain.Tags{"a": "b"}}
	id := domain.RandomIDs.ImportImageTask()
	if k == domain.KindImportSnapshot {
		id = domain.RandomIDs.ImportSnapshotTask()
	}
	task.Key = domain.Key{Scope: scope, Kind: k, Name: id}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(task); err != nil {
			return err
		}
		return r.enqueue(tx, domain.FlowImportDisk, task.Key)
	})
	return task.Key
}

// carried keeps what open does not know across restarts.
func (r *rig) carrying(h *worktest.World) *worktest.World {
	dir, objects := r.world.ImportDir, r.world.Objects
	restart := h.Restart
	h.Restart = func(t testing.TB) {
		restart(t)
		r.world.ImportDir, r.world.Objects = dir, objects
	}
	return h
}

func (r *rig) nothingTransferred(t testing.TB) {
	t.Helper()
	es, err := os.ReadDir(filepath.Join(r.dir, "transfers"))
	if err != nil && !errors.Is(err, os.ErrNotExist) || len(es) != 0 {
		t.Errorf("transfers left: %v %v", es, err)
	}
}

// clean wants nothing of a task that failed but the task.
func (r *rig) clean(t testing.TB) {
	t.Helper()
	r.settle(context.Background())
	for _, k := range []domain.Kind{domain.KindAMI, domain.KindSnapshot} {
		_ = r.store.View(context.Background(), func(tx store.Tx) error {
			if n, err := tx.Count(store.Query{Kind: k}); err != nil || n != 0 {
				t.Errorf("%d of %s left: %v", n, k, err)
			}
			return nil
		})
	}
	r.disks(t, 0)
	r.nothingRuns(t)
	r.nothingTransferred(t)
}

func (r *rig) imported1(t testing.TB, key domain.Key, want disk.Digest) {
	t.Helper()
	task := get[domain.ImportTask](t, r.store, key)
	if task.State != domain.TaskCompleted || task.Message != "completed" || task.SnapshotID == "" || task.DiskBytes == 0 || task.Format == "" {
		t.Fatalf("task: %s %+v", task.State, task)
	}
	snap := get[domain.Snapshot](t, r.store, domain.Key{Scope: scope, Kind: domain.KindSnapshot, Name: task.SnapshotID})
	if snap.State != domain.SnapshotCompleted || snap.Disk != want.String() || snap.SizeGiB != 1 {
		t.Errorf("snapshot: %s %+v, want disk %s", snap.State, snap, want)
	}
	if key.Kind == domain.KindImportImage {
		ami := get[domain.AMI](t, r.store, domain.Key{Scope: scope, Kind: domain.KindAMI, Name: task.ImageID})
		if ami.Label != key.Name || ami.Platform != "windows" || ami.BootMode != "uefi" || ami.TPM != "v2.0" || ami.Mappings[0].SnapshotID != task.SnapshotID || task.Platform != "Windows" {
			t.Errorf("AMI: %+v", ami)
		}
	}
	r.disks(t, 1)
	r.nothingRuns(t)
	r.nothingTransferred(t)
}

func TestImportTaskSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		want := r.importDir()
		key := r.importing(domain.KindImportImage, domain.DiskSource{Path: "disk.raw", URL: "file:///disk.raw"})
		return r.carrying(r.harness(r.jobOf(key), func(t testing.TB) { r.imported1(t, key, want) }, func(t testing.TB) {
			task := get[domain.ImportTask](t, r.store, key)
			if task.State != domain.TaskDeleted || task.Message == "" || task.SnapshotID != "" || task.ImageID != "" {
				t.Errorf("task: %s %+v", task.State, task)
			}
			r.clean(t)
		}))
	})
}

// Every format in, by file and by bucket: the same sealed disk.
func TestImportEveryFormat(t *testing.T) {
	if err := new(convert.Converter).Check(t.Context()); err != nil {
		t.Skipf("SKIPPED, nothing was proved: %v", err)
	}
	r := newRig(t)
	want := r.importDir()
	s3 := buckettest.Start(t)
	r.world.Objects = s3.Client()
	for _, f := range convert.Formats() {
		name := "some." + string(f)
		path := filepath.Join(r.world.ImportDir, name)
		if _, err := new(convert.Converter).File(t.Context(), filepath.Join(r.world.ImportDir, "disk.raw"), path, convert.Options{Format: f}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s3.Set("images/"+name, data)
		for _, src := range []domain.DiskSource{{Path: name, Format: strings.ToUpper(string(f))}, {Bucket: "images", Key: name}} {
			key := r.importing(domain.KindImportSnapshot, src)
			j := worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil)
			if j.Status != domain.JobDone {
				t.Errorf("%s: %s %s (%s)", f, j.Status, j.Error, j.Private)
				continue
			}
			r.imported1(t, key, want)
			task := get[domain.ImportTask](t, r.store, key)
			t.Logf("%-6s from %-6s %-44s %9d bytes → %d, %.20s", f, map[bool]string{true: "file", false: "bucket"}[src.Bucket == ""], task.Format, task.FileBytes, task.DiskBytes, want)
		}
	}
}

// A download that breaks off goes on where it was.
func TestImportResumesItsDownload(t *testing.T) {
	r := newRig(t)
	want := r.importDir()
	s3 := buckettest.Start(t)
	r.world.Objects = s3.Client()
	data, err := os.ReadFile(filepath.Join(r.world.ImportDir, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	s3.Set("images/disk", data)
	broke := 0
	s3.Fault = func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodGet || req.Header.Get("Range") != "" || broke == 2 {
			return false
		}
		if broke++; broke < 2 { // the first look at its beginning
			return false
		}
		w.Header().Set("Content-Length", "67109376")
		_, _ = w.Write(data[:40<<20])
		panic(http.ErrAbortHandler)
	}
	key := r.importing(domain.KindImportSnapshot, domain.DiskSource{Bucket: "images", Key: "disk"})
	j := worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil)
	if j.Status != domain.JobDone {
		t.Fatalf("%s: %s (%s)", j.Status, j.Error, j.Private)
	}
	r.imported1(t, key, want)
	// What was sent after the break: a look at the beginning and the rest.
	if s3.Sent() > int64(len(data))*2 {
		t.Errorf("%d bytes were sent of an object of %d", s3.Sent(), len(data))
	}
}

// Every refusal of the gate is a task's end with its reason, and nothing stays.
func TestImportRefusesByName(t *testing.T) {
	r := newRig(t)
	r.importDir()
	codes := map[string]bool{}
	files := map[string]*hostile.File{}
	for _, f := range hostile.Files() {
		if f.Code == "" || f.MaxBytes != 0 || f.Member != "" || f.Declared != "" && f.Declared != "raw" || codes[f.Code] {
			continue
		}
		codes[f.Code] = true
		name := "hostile-" + f.Name
		if err := f.WriteTo(filepath.Join(r.world.ImportDir, name)); err != nil {
			t.Logf("%s cannot be made here: %v", f.Name, err)
			continue
		}
		files[name] = f
	}
	for name, f := range files {
		key := r.importing(domain.KindImportSnapshot, domain.DiskSource{Path: name, Format: f.Declared})
		j := worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil)
		task := get[domain.ImportTask](t, r.store, key)
		if j.Status != domain.JobFailed || j.Code != f.Code || task.State != domain.TaskDeleted || !strings.HasPrefix(task.Message, "ClientError: Disk validation failed [") {
			t.Errorf("%s (%s): %s %s: %s, want %s", f.Name, f.Item, j.Status, j.Code, task.Message, f.Code)
		}
		if err := os.Remove(filepath.Join(r.world.ImportDir, name)); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d files, each refused with a code of its own, of %d codes", len(files), len(gate.Codes()))
	r.clean(t)
}

func TestImportsThatFail(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(outside, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		src  domain.DiskSource
		prep func(r *rig)
		want string
	}{
		"missing file":   {src: domain.DiskSource{Path: "none.raw"}, want: "ClientError: Disk validation failed [The given file does not exist."},
		"missing object": {src: domain.DiskSource{Bucket: "images", Key: "none"}, want: "ClientError: Disk validation failed [The given S3 object"},
		"no access": {src: domain.DiskSource{Bucket: "images", Key: "none"}, want: "ClientError: Disk validation failed [We do not have access to the given resource. Reason 403 Forbidden]",
			prep: func(r *rig) {
				s := buckettest.Start(r.t)
				c := s.Client()
				c.Secret = "wrong"
				r.world.Objects = c
			}},
		"link out": {src: domain.DiskSource{Path: "link"}, want: "Reason 403 Forbidden", prep: func(r *rig) {
			if err := os.Symlink(outside, filepath.Join(r.world.ImportDir, "link")); err != nil {
				r.t.Fatal(err)
			}
		}},
		"directory": {src: domain.DiskSource{Path: "."}, want: "no regular file"},
		"no partitions": {src: domain.DiskSource{Path: "disk.raw"}, want: "ClientError: No valid partitions. Not a valid volume.", prep: func(r *rig) {
			r.facts = facts.Facts{Version: facts.Version, SizeBytes: 1 << 30}
		}},
		"compressed twice": {src: domain.DiskSource{Path: "text"}, want: "ClientError: Disk validation failed [", prep: func(r *rig) {
			if err := os.WriteFile(filepath.Join(r.world.ImportDir, "text"), []byte("<!DOCTYPE html>"), 0o600); err != nil {
				r.t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.importDir()
			r.world.Objects = buckettest.Start(t).Client()
			if c.prep != nil {
				c.prep(r)
			}
			key := r.importing(domain.KindImportImage, c.src)
			j := worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil)
			task := get[domain.ImportTask](t, r.store, key)
			if j.Status != domain.JobFailed || task.State != domain.TaskDeleted || !strings.Contains(task.Message, c.want) {
				t.Errorf("%s: %s, want %s (%s)", j.Status, task.Message, c.want, j.Private)
			}
			r.clean(t)
		})
	}
}

// A file that changes while it is read makes no snapshot of two halves.
func TestImportOfFileThatChanges(t *testing.T) {
	r := newRig(t)
	r.importDir()
	path := filepath.Join(r.world.ImportDir, "disk.raw")
	key := r.importing(domain.KindImportSnapshot, domain.DiskSource{Path: "disk.raw"})
	touched := false
	j := worktest.Run(t, r.harness(r.jobOf(key), nil, nil), func(ctx context.Context, step, phase string, next func(context.Context) error) error {
		if step == "write" && phase == "do" && !touched {
			touched = true
			if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
				t.Error(err)
			}
		}
		return next(ctx)
	}, nil)
	if j.Status != domain.JobFailed || j.Code != "DISK_CHANGED" {
		t.Errorf("%s %s %s", j.Status, j.Code, j.Error)
	}
	r.clean(t)
}

// exporting plants an export of the rig's sealed disk.
func (r *rig) exporting(format string, change func(*domain.ExportImageTask)) domain.Key {
	r.t.Helper()
	task := &domain.ExportImageTask{ImageID: "ami-1", Disk: r.digest.String(), Format: format, Dir: true, Bucket: "file://"}
	task.Key = domain.Key{Scope: scope, Kind: domain.KindExportImage, Name: domain.RandomIDs.ExportImageTask()}
	task.Object = "out/" + task.Key.Name + "." + format
	if change != nil {
		change(task)
	}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(task); err != nil {
			return err
		}
		if err := tx.Refer(task.Key, domain.DiskKey(task.Disk)); err != nil {
			return err
		}
		return r.enqueue(tx, domain.FlowExportImage, task.Key)
	})
	return task.Key
}

func TestExportImageTaskSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		r.sealed()
		r.importDir()
		key := r.exporting("raw", nil)
		out := filepath.Join(r.world.ImportDir, "out")
		return r.carrying(r.harness(r.jobOf(key), func(t testing.TB) {
			task := get[domain.ExportImageTask](t, r.store, key)
			if task.State != domain.TaskCompleted || task.FileBytes != 1<<30 {
				t.Errorf("task: %s %+v", task.State, task)
			}
			if es, err := os.ReadDir(out); err != nil || len(es) != 1 || es[0].Name() != key.Name+".raw" {
				t.Errorf("exported: %v %v", es, err)
			}
			r.nothingTransferred(t)
		}, func(t testing.TB) {
			task := get[domain.ExportImageTask](t, r.store, key)
			if task.State != domain.TaskDeleted || task.Message == "" {
				t.Errorf("task: %s %+v", task.State, task)
			}
			if es, err := os.ReadDir(out); err == nil && len(es) != 0 {
				t.Errorf("left in the directory: %v", es)
			}
			r.nothingTransferred(t)
		}))
	})
}

// Out in a format and back in: the same sealed disk, through both ways out.
func TestExportAndBackIn(t *testing.T) {
	if err := new(convert.Converter).Check(t.Context()); err != nil {
		t.Skipf("SKIPPED, nothing was proved: %v", err)
	}
	r := newRig(t)
	r.sealed()
	r.importDir()
	s3 := buckettest.Start(t)
	r.world.Objects = s3.Client()
	for _, f := range []string{"vmdk", "vhd"} {
		inDir := r.exporting(f, nil)
		inBucket := r.exporting(f, func(t *domain.ExportImageTask) { t.Dir, t.Bucket, t.Object = false, "images", "x/disk."+f })
		for _, key := range []domain.Key{inDir, inBucket} {
			if j := worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil); j.Status != domain.JobDone {
				t.Fatalf("%s: %s %s (%s)", f, j.Status, j.Error, j.Private)
			}
		}
		file, err := os.ReadFile(filepath.Join(r.world.ImportDir, "out", inDir.Name+"."+f))
		if err != nil || sha256.Sum256(file) == sha256.Sum256(nil) || len(s3.Object("images/x/disk."+f)) == 0 {
			t.Fatal(err, len(file))
		}
		for _, src := range []domain.DiskSource{{Path: "out/" + inDir.Name + "." + f}, {Bucket: "images", Key: "x/disk." + f}} {
			key := r.importing(domain.KindImportSnapshot, src)
			if j := worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil); j.Status != domain.JobDone {
				t.Fatalf("%s: %s %s (%s)", f, j.Status, j.Error, j.Private)
			}
			r.imported1(t, key, r.digest)
		}
	}
}
