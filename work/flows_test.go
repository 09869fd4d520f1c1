package work_test

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/compute"
	"slipway/compute/fake"
	"slipway/disk"
	"slipway/disk/facts"
	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/guest/pretend"
	"slipway/store"
	"slipway/store/sqlite"
	"slipway/work"
	"slipway/work/worktest"
)

var scope = domain.Scope{Account: "123456789012", Region: "us-east-1"}

// rig is a world on a temporary directory: real store, real disks, fake guests.
type rig struct {
	t      testing.TB
	dir    string
	store  store.Store
	world  *work.World
	facts  facts.Facts
	digest disk.Digest
	tools  *pretend.Tools // survive what a new process does
	tool   string         // version of the guest tool that the server carries; "" none
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), facts: windows2022(), tools: &pretend.Tools{Version: "t"}}
	r.open(t)
	t.Cleanup(func() { r.store.Close() })
	return r
}

// open is what a new process does.
func (r *rig) open(t testing.TB) {
	t.Helper()
	var err error
	if r.store, err = sqlite.Open(r.dir, sqlite.Options{Clock: domain.WallClock, Checked: true}); err != nil {
		t.Fatal(err)
	}
	disks, err := disk.Open(filepath.Join(r.dir, "disks"))
	if err != nil {
		t.Fatal(err)
	}
	driver, err := fake.New(fake.Options{Dir: filepath.Join(r.dir, "run"), Guest: r.tools.Serve})
	if err != nil {
		t.Fatal(err)
	}
	r.world = &work.World{
		Store: r.store, Disks: disks, Driver: driver, Rules: rules.AWS, IDs: domain.RandomIDs, Clock: domain.WallClock, DataDir: r.dir,
		Boot:    work.BootLimits{Total: time.Minute, Stall: time.Minute, Settle: time.Millisecond, Agent: time.Millisecond, Off: time.Minute, Tick: time.Millisecond, Shot: time.Millisecond},
		Slots:   work.NewSlots(func() int { return 2 }),
		Inspect: func(context.Context, string) (facts.Facts, error) { return r.facts, nil },
	}
	if r.tool != "" {
		r.world.Tool = func(string) ([]byte, string) { return make([]byte, 100_000), r.tool }
	}
}

// carries gives the server a guest tool that the machines do not have yet.
func (r *rig) carries(version string) {
	r.tool, r.tools.Newer = version, version
	r.world.Tool = func(string) ([]byte, string) { return make([]byte, 100_000), version }
}

func (r *rig) restart(t testing.TB) {
	t.Helper()
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	r.open(t)
}

// windows2022 is a disk that AWS's rules accept.
func windows2022() facts.Facts {
	svc := func(name string) facts.Service { return facts.Service{Name: name, Start: facts.StartBoot, File: true} }
	return facts.Facts{
		Version: facts.Version, SizeBytes: 1 << 30, OS: facts.Windows,
		Table:      facts.Table{Kind: facts.GPT, SectorSize: 512, PrimaryOK: true, BackupOK: true, ProtectiveMBR: true, NeedsBytes: 1 << 30},
		Partitions: []facts.Partition{{Number: 1, Role: facts.RoleESP, FileSystem: facts.FAT, SizeBytes: 100 << 20}, {Number: 2, FileSystem: facts.NTFS, SizeBytes: 800 << 20}},
		ESP:        &facts.ESP{Partition: 1, Fallback: true, BootMgr: true},
		Windows: &facts.WindowsOS{
			Partition: 2, Name: "Windows Server 2022", ProductName: "Windows Server 2022 Datacenter", EditionID: "ServerDatacenter", InstallationType: "Server",
			Build: 20348, Services: []facts.Service{svc(facts.SvcNVMe), svc(facts.SvcAWSNVMe), svc(facts.SvcENA)},
			Signs: []facts.Sign{{Fact: facts.EC2LaunchV2}, {Fact: facts.DotNet, Number: 533320}, {Fact: facts.PowerShell, Value: "5.1.20348.1"}},
		},
	}
}

// upload makes an upload with one block of data and its pending snapshot.
func (r *rig) upload(id string) domain.Key {
	r.t.Helper()
	ctx := context.Background()
	block := make([]byte, disk.BlockSize)
	copy(block, "not empty")
	if err := r.world.Disks.CreateUpload(ctx, id, 2048); err != nil {
		r.t.Fatal(err)
	}
	if err := r.world.Disks.PutBlock(ctx, id, 7, block, sha256.Sum256(block)); err != nil {
		r.t.Fatal(err)
	}
	s := &domain.Snapshot{SizeGiB: 1}
	s.Key = domain.Key{Scope: scope, Kind: domain.KindSnapshot, Name: id}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(s); err != nil {
			return err
		}
		if _, err := tx.Move(s.Key, domain.SnapshotAskComplete, "", nil); err != nil {
			return err
		}
		return r.enqueue(tx, domain.FlowSnapshotSeal, s.Key)
	})
	return s.Key
}

func (r *rig) enqueue(tx store.Tx, flow string, subject domain.Key) error {
	j, err := domain.NewJob(domain.RandomIDs, tx.Now(), flow, 1, subject, struct{}{})
	if err != nil {
		return err
	}
	return tx.PutJob(j)
}

func (r *rig) update(f func(tx store.Tx) error) {
	r.t.Helper()
	if err := r.store.Update(context.Background(), f); err != nil {
		r.t.Fatal(err)
	}
}

// sealed makes a sealed disk with its row, held by a snapshot.
func (r *rig) sealed() {
	r.t.Helper()
	key := r.upload("snap-0000000000000000a")
	w := &worktest.World{Store: func() store.Store { return r.store }, Workflows: r.flows, JobID: r.jobOf(key)}
	if j := worktest.Run(r.t, w, nil, nil); j.Status != domain.JobDone {
		r.t.Fatalf("seal: %s %s", j.Status, j.Error)
	}
	all, err := r.world.Disks.Sealed()
	if err != nil || len(all) != 1 {
		r.t.Fatal(all, err)
	}
	r.digest = all[0]
}

func (r *rig) flows() []work.Workflow { return r.world.Flows() }

func (r *rig) jobOf(subject domain.Key) string {
	r.t.Helper()
	var id string
	err := r.store.View(context.Background(), func(tx store.Tx) error {
		js, err := tx.Jobs(store.JobQuery{Subject: &subject, Limit: 1})
		if err == nil && len(js) == 1 {
			id = js[0].ID
		}
		return err
	})
	if err != nil || id == "" {
		r.t.Fatal("no job for", subject, err)
	}
	return id
}

func get[T any, P interface {
	*T
	domain.Noun
}](t testing.TB, s store.Store, k domain.Key) P {
	t.Helper()
	n := P(new(T))
	if err := s.View(context.Background(), func(tx store.Tx) error { return tx.Get(k, n) }); err != nil {
		t.Fatal(err)
	}
	return n
}

// settle collects what nobody uses: what the running server does by itself.
func (r *rig) settle(ctx context.Context) {
	c := &work.Collector{World: r.world, Log: slog.New(slog.DiscardHandler)}
	if err := c.Collect(ctx); err != nil {
		r.t.Errorf("collect: %v", err)
	}
}

// nothingRuns wants no machine and no overlay left.
func (r *rig) nothingRuns(t testing.TB) {
	t.Helper()
	ms, err := r.world.Driver.List(context.Background())
	if err != nil || len(ms) != 0 {
		t.Errorf("machines left: %v %v", ms, err)
	}
	over, err := r.world.Disks.Overlays()
	if err != nil || len(over) != 0 {
		t.Errorf("overlays left: %v %v", over, err)
	}
	ups, err := r.world.Disks.Uploads()
	if err != nil || len(ups) != 0 {
		t.Errorf("uploads left: %v %v", ups, err)
	}
}

// disks wants exactly n sealed disks.
func (r *rig) disks(t testing.TB, n int) {
	t.Helper()
	all, err := r.world.Disks.Sealed()
	if err != nil || len(all) != n {
		t.Errorf("sealed disks: %v %v, want %d", all, err, n)
	}
}

func (r *rig) harness(job string, done, gone func(t testing.TB)) *worktest.World {
	settled := func(check func(t testing.TB)) func(t testing.TB) {
		return func(t testing.TB) {
			r.settle(context.Background())
			check(t)
		}
	}
	return &worktest.World{
		Store: func() store.Store { return r.store }, Workflows: r.flows, Restart: r.restart, JobID: job,
		Done: settled(done), Gone: settled(gone),
	}
}

func TestSnapshotSealSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		key := r.upload("snap-0000000000000000b")
		return r.harness(r.jobOf(key), func(t testing.TB) {
			s := get[domain.Snapshot](t, r.store, key)
			if s.State != domain.SnapshotCompleted || s.Disk == "" {
				t.Errorf("snapshot: %+v", s)
			}
			r.disks(t, 1)
			r.nothingRuns(t)
		}, func(t testing.TB) {
			s := get[domain.Snapshot](t, r.store, key)
			if s.State != domain.SnapshotError || s.Problem == "" || s.Disk != "" {
				t.Errorf("snapshot: %+v", s)
			}
			r.disks(t, 0)
			r.nothingRuns(t)
		})
	})
}

// imported plants an import job for an image on the sealed disk.
func (r *rig) imported(name string, change func(*domain.Image)) domain.Key {
	img := &domain.Image{Type: "CUSTOM", Visibility: "PRIVATE", Disk: r.digest.String(), DiskBytes: 1 << 30, Intended: "GeneralPurpose.m7i.large"}
	img.Key = domain.Key{Scope: scope, Kind: domain.KindImage, Name: name}
	if change != nil {
		change(img)
	}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(img); err != nil {
			return err
		}
		if err := tx.Refer(img.Key, domain.DiskKey(img.Disk)); err != nil {
			return err
		}
		return r.enqueue(tx, domain.FlowImageImport, img.Key)
	})
	return img.Key
}

func TestImageImportSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		r.sealed()
		key := r.imported("img", nil)
		return r.harness(r.jobOf(key), func(t testing.TB) {
			img := get[domain.Image](t, r.store, key)
			if img.State != domain.ImageAvailable || img.Platform != "WINDOWS_SERVER_2022" || img.Reason != nil {
				t.Errorf("image: %+v", img)
			}
			for _, rung := range img.Evidence.Rungs {
				if !rung.Reached {
					t.Errorf("rung %s not reached", rung.Name)
				}
			}
			if st, err := os.Stat(img.Evidence.Screenshot); err != nil || st.Size() == 0 {
				t.Errorf("screenshot: %v", err)
			}
			r.disks(t, 1)
			r.nothingRuns(t)
		}, func(t testing.TB) {
			img := get[domain.Image](t, r.store, key)
			if img.State != domain.ImageFailed || img.Reason == nil || img.Reason.Message == "" {
				t.Errorf("image: %+v", img)
			}
			r.nothingRuns(t)
		})
	})
}

func TestImageExportSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		r.sealed()
		e := &domain.Export{ImageName: "img", AMIName: "out", Disk: r.digest.String(), Deadline: domain.WallClock.Now().Add(time.Hour), Tags: domain.Tags{"a": "b"}}
		e.Key = domain.Key{Scope: scope, Kind: domain.KindExport, Name: "8c5b7b6e-0000-4000-8000-000000000000"}
		r.update(func(tx store.Tx) error {
			if err := tx.Insert(e); err != nil {
				return err
			}
			if err := tx.Refer(e.Key, domain.DiskKey(e.Disk)); err != nil {
				return err
			}
			return r.enqueue(tx, domain.FlowImageExport, e.Key)
		})
		count := func(k domain.Kind) (n int) {
			err := r.store.View(context.Background(), func(tx store.Tx) (err error) {
				n, err = tx.Count(store.Query{Kind: k})
				return err
			})
			if err != nil {
				r.t.Fatal(err)
			}
			return n
		}
		return r.harness(r.jobOf(e.Key), func(t testing.TB) {
			got := get[domain.Export](t, r.store, e.Key)
			if got.State != domain.ExportCompleted || got.AMIID == "" {
				t.Fatalf("task: %+v", got)
			}
			ami := get[domain.AMI](t, r.store, domain.Key{Scope: scope, Kind: domain.KindAMI, Name: got.AMIID})
			if ami.Label != "out" || ami.Tags["a"] != "b" || ami.Platform != "windows" || ami.Mappings[0].SizeGiB != 1 {
				t.Errorf("AMI: %+v", ami)
			}
			if n := count(domain.KindSnapshot); n != 2 {
				t.Errorf("%d snapshots, want 2", n)
			}
			r.disks(t, 1)
		}, func(t testing.TB) {
			got := get[domain.Export](t, r.store, e.Key)
			if got.State != domain.ExportFailed || len(got.Problems) != 1 || got.AMIID != "" {
				t.Errorf("task: %+v", got)
			}
			if n := count(domain.KindAMI) + count(domain.KindSnapshot); n != 1 {
				t.Errorf("%d AMIs and snapshots left, want the first snapshot only", n)
			}
			r.disks(t, 1)
		})
	})
}

func TestGuestsThatFail(t *testing.T) {
	for _, c := range []struct{ fault, want string }{
		{"boot", "No operating system took over"},
		{"panic", "crashed while booting"},
		{"off", "powered itself off"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			r := newRig(t)
			r.sealed()
			if c.fault == "boot" {
				r.world.Boot.Stall = 100 * time.Millisecond
			}
			key := r.imported("img", func(i *domain.Image) { i.Tags = domain.Tags{"slipway:fault": c.fault} })
			j := worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil)
			img := get[domain.Image](t, r.store, key)
			if j.Status != domain.JobFailed || img.State != domain.ImageFailed || img.Reason == nil || !strings.Contains(img.Reason.Message, c.want) || len(img.Errors) == 0 {
				t.Errorf("job %s, image %s: %+v %+v", j.Status, img.State, img.Reason, img.Errors)
			}
			r.nothingRuns(t)
		})
	}
}

func TestGuestWithoutAgentPasses(t *testing.T) {
	r := newRig(t)
	r.sealed()
	key := r.imported("img", func(i *domain.Image) { i.Tags = domain.Tags{"slipway:fault": "agent"} })
	worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil)
	img := get[domain.Image](t, r.store, key)
	if img.State != domain.ImageAvailable {
		t.Fatalf("image: %s %+v", img.State, img.Reason)
	}
	for _, rung := range img.Evidence.Rungs {
		if rung.Reached != (rung.Name != "agent") {
			t.Errorf("rung %+v", rung)
		}
	}
}

func TestDiskOfZerosFails(t *testing.T) {
	r := newRig(t)
	r.facts = facts.Facts{Version: facts.Version, SizeBytes: 1 << 30, Empty: true, Table: facts.Table{Kind: facts.NoTable}, OS: facts.Unknown}
	r.sealed()
	key := r.imported("img", nil)
	worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil)
	img := get[domain.Image](t, r.store, key)
	if img.State != domain.ImageFailed || img.Reason.Code != "IMAGE_IMPORT_FAILURE" || len(img.Errors) == 0 || img.Errors[0].Code != "VALIDATION_ERROR" {
		t.Fatalf("image: %s %+v %+v", img.State, img.Reason, img.Errors)
	}
}

func TestKilledInspectionLooksAgain(t *testing.T) {
	r := newRig(t)
	seen := 0
	r.world.Inspect = func(context.Context, string) (facts.Facts, error) {
		if seen++; seen == 1 {
			return facts.Facts{}, fault.New(fault.Unavailable, "The inspection of the disk was killed.")
		}
		return r.facts, nil
	}
	r.sealed()
	if d := get[domain.Disk](t, r.store, domain.DiskKey(r.digest.String())); seen != 2 || d.Problem != "" || d.Facts == nil {
		t.Errorf("after %d looks: %+v", seen, d)
	}
}

// mortal is a driver whose machines die when they are looked at.
type mortal struct{ compute.Driver }

func (m mortal) Observe(ctx context.Context, id string) (compute.Signs, error) {
	if err := m.Destroy(ctx, id); err != nil {
		return compute.Signs{}, err
	}
	return m.Driver.Observe(ctx, id)
}

func TestMachineKilledWhileBooting(t *testing.T) {
	r := newRig(t)
	r.sealed()
	r.world.Driver = mortal{r.world.Driver}
	key := r.imported("img", nil)
	worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil)
	img := get[domain.Image](t, r.store, key)
	if img.State != domain.ImageFailed || img.Reason == nil || !strings.Contains(img.Reason.Message, "machine ended while it was booting") {
		t.Errorf("image: %s %+v", img.State, img.Reason)
	}
	r.nothingRuns(t)
}
