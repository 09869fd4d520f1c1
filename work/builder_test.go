package work_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/compute"
	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/work"
	"slipway/work/worktest"
)

const builderMachine = "b-0000000000000001"

// newBuilder plants a builder on the sealed disk in PENDING, with the job that
// starts it.
func (r *rig) newBuilder(name string, change func(*domain.Builder)) domain.Key {
	r.t.Helper()
	b := &domain.Builder{InstanceType: "stream.standard.small", VolumeGiB: 200, Disk: r.digest.String(), DiskBytes: 1 << 30,
		Machine: builderMachine, CPUs: 2, MemoryMiB: 2048}
	b.Key = domain.Key{Scope: scope, Kind: domain.KindBuilder, Name: name}
	if change != nil {
		change(b)
	}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(b); err != nil {
			return err
		}
		if b.Disk != "" {
			if err := tx.Refer(b.Key, domain.DiskKey(b.Disk)); err != nil {
				return err
			}
		}
		return r.enqueue(tx, domain.FlowBuilderStart, b.Key)
	})
	return b.Key
}

// empty makes a builder of an image without a disk.
func empty(b *domain.Builder) { b.Disk, b.DiskBytes = "", 0 }

// up is a builder that runs, made without the workflow that starts one.
func (r *rig) up(name string) domain.Key {
	r.t.Helper()
	ctx := context.Background()
	board := filepath.Join(r.dir, "builders", builderMachine, "board")
	if err := os.MkdirAll(board, 0o700); err != nil {
		r.t.Fatal(err)
	}
	path, err := r.world.Disks.CreateOverlay(ctx, builderMachine, disk.Digest{}, 200<<30)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.world.Driver.Start(ctx, compute.Spec{ID: builderMachine, CPUs: 1, MemoryMB: 512, StateDir: board,
		Disk: compute.Disk{Chain: []compute.File{{Path: path, Format: "qcow2"}}}}); err != nil {
		r.t.Fatal(err)
	}
	b := &domain.Builder{InstanceType: "stream.standard.small", VolumeGiB: 200, Machine: builderMachine, CPUs: 1, MemoryMiB: 512}
	b.Key = domain.Key{Scope: scope, Kind: domain.KindBuilder, Name: name}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(b); err != nil {
			return err
		}
		_, err := tx.Move(b.Key, domain.BuilderReady, "", nil)
		return err
	})
	return b.Key
}

// ask sends an event to a builder and plants the workflow that goes with it.
func (r *rig) ask(key domain.Key, on domain.Event, flow string) {
	r.t.Helper()
	r.update(func(tx store.Tx) error {
		b := new(domain.Builder)
		if err := tx.Get(key, b); err != nil {
			return err
		}
		if _, err := tx.Move(key, on, "", b); err != nil {
			return err
		}
		return r.enqueue(tx, flow, key)
	})
}

// ran runs the newest job of a builder to its end.
func (r *rig) ran(key domain.Key) *domain.Job {
	r.t.Helper()
	w := &worktest.World{Store: func() store.Store { return r.store }, Workflows: r.flows, JobID: r.jobOf(key)}
	return worktest.Run(r.t, w, nil, nil)
}

// running is a builder that was started.
func (r *rig) running(name string, change func(*domain.Builder)) domain.Key {
	r.t.Helper()
	key := r.newBuilder(name, change)
	if j := r.ran(key); j.Status != domain.JobDone {
		r.t.Fatalf("start: %s %s", j.Status, j.Private)
	}
	return key
}

func (r *rig) machine(t testing.TB, want compute.State) {
	t.Helper()
	st, err := r.world.Driver.Status(context.Background(), builderMachine)
	if err != nil || st.State != want {
		t.Errorf("the machine is %s, not %s: %v", st.State, want, err)
	}
}

// starts is how often the board of the builder's machine was powered on; 0 when
// nothing was kept.
func (r *rig) starts() int {
	b, _ := os.ReadFile(filepath.Join(r.dir, "builders", builderMachine, "board", "starts"))
	return strings.Count(string(b), "\n")
}

// overlay wants the builder's layer to be there, of the size of the volume.
func (r *rig) overlay(t testing.TB, size int64) {
	t.Helper()
	if _, _, n, err := r.world.Disks.Overlay(builderMachine); err != nil || n != size {
		t.Errorf("overlay of %d bytes, want %d: %v", n, size, err)
	}
}

func (r *rig) look(t testing.TB) {
	t.Helper()
	w := &work.Watcher{World: r.world, Log: slog.New(slog.DiscardHandler)}
	if err := w.Look(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestBuilderStartSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		key := r.newBuilder("b", empty) // a seal for each crash would take most of the time
		return r.harness(r.jobOf(key), func(t testing.TB) {
			b := get[domain.Builder](t, r.store, key)
			if b.State != domain.BuilderRunning || b.Reason != nil || b.Evidence.Screenshot == "" || len(b.Evidence.Rungs) != 3 {
				t.Errorf("builder: %+v", b)
			}
			r.machine(t, compute.Running)
			r.overlay(t, 200<<30)
		}, func(t testing.TB) {
			b := get[domain.Builder](t, r.store, key)
			if b.State != domain.BuilderFailed || b.Reason == nil || len(b.Errors) != 1 || b.Errors[0].Message == "" {
				t.Errorf("builder: %+v", b)
			}
			r.machine(t, compute.Gone)
		})
	})
}

func TestBuilderStopSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		key := r.up("b")
		r.ask(key, domain.BuilderAskStop, domain.FlowBuilderStop)
		return r.harness(r.jobOf(key), func(t testing.TB) {
			if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderStopped || b.Evidence.SerialLog == "" {
				t.Errorf("builder: %+v", b)
			}
			r.machine(t, compute.Gone)
			r.overlay(t, 200<<30)
			if n := r.starts(); n != 1 {
				t.Errorf("the board was kept through %d starts", n)
			}
		}, nil)
	})
}

func TestBuilderDeleteSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		key := r.up("b")
		r.ask(key, domain.BuilderAskDelete, domain.FlowBuilderDelete)
		return r.harness(r.jobOf(key), func(t testing.TB) {
			err := r.store.View(context.Background(), func(tx store.Tx) error { return tx.Get(key, new(domain.Builder)) })
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("the row is still there: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(r.dir, "builders", "*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			r.nothingRuns(t)
		}, nil)
	})
}

// TestBuilderStartsAgain: what the guest wrote is there after a stop.
func TestBuilderStartsAgain(t *testing.T) {
	r := newRig(t)
	r.sealed()
	key := r.running("b", nil)
	path, _, _, err := r.world.Disks.Overlay(builderMachine)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".mark", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.ask(key, domain.BuilderAskStop, domain.FlowBuilderStop)
	r.ran(key)
	r.settle(t.Context())
	r.ask(key, domain.BuilderAskStart, domain.FlowBuilderStart)
	if j := r.ran(key); j.Status != domain.JobDone {
		t.Fatalf("start: %s %s", j.Status, j.Private)
	}
	r.settle(t.Context())
	if _, err := os.Stat(path + ".mark"); err != nil || r.starts() != 2 {
		t.Errorf("not kept: %v, %d starts", err, r.starts())
	}
	r.machine(t, compute.Running)
}

// TestLostLayerIsTold: a builder whose layer is gone, as after restoring a
// backup, does not start on an empty one as if nothing had been lost.
func TestLostLayerIsTold(t *testing.T) {
	r := newRig(t)
	key := r.running("b", empty)
	r.ask(key, domain.BuilderAskStop, domain.FlowBuilderStop)
	r.ran(key)
	if err := r.world.Disks.RemoveOverlay(t.Context(), builderMachine); err != nil {
		t.Fatal(err)
	}
	r.ask(key, domain.BuilderAskStart, domain.FlowBuilderStart)
	r.ran(key)
	if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderFailed || !strings.Contains(b.Reason.Message, "disks/overlays/"+builderMachine) {
		t.Errorf("%s %+v", b.State, b.Reason)
	}
}

// TestBuildersMachineEnds: a machine that ends by itself is noticed and told.
func TestBuildersMachineEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(t *testing.T, d compute.Driver) error
		state  domain.State
		reason string
	}{
		"powered off": {func(t *testing.T, d compute.Driver) error { return d.Shutdown(t.Context(), builderMachine) }, domain.BuilderStopped, ""},
		"killed":      {func(t *testing.T, d compute.Driver) error { return d.Destroy(t.Context(), builderMachine) }, domain.BuilderFailed, "ended unexpectedly"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			key := r.up("b")
			r.look(t)
			if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderRunning {
				t.Fatalf("a machine that runs: %s", b.State)
			}
			if err := c.end(t, r.world.Driver); err != nil {
				t.Fatal(err)
			}
			r.look(t)
			r.look(t) // a second look plants nothing
			if j := r.ran(key); j.Workflow != domain.FlowBuilderStop || j.Status != domain.JobDone {
				t.Fatalf("%s: %s %s", j.Workflow, j.Status, j.Private)
			}
			b := get[domain.Builder](t, r.store, key)
			if b.State != c.state || (b.Reason != nil) != (c.reason != "") || c.reason != "" && !strings.Contains(b.Reason.Message, c.reason) {
				t.Errorf("%s, %+v", b.State, b.Reason)
			}
			r.machine(t, compute.Gone)
			r.overlay(t, 200<<30)
		})
	}
}

// withoutTPM is a driver whose machines have lost their TPMs.
type withoutTPM struct{ compute.Driver }

func (d withoutTPM) Status(ctx context.Context, id string) (compute.Status, error) {
	s, err := d.Driver.Status(ctx, id)
	s.NoTPM = s.State == compute.Running
	return s, err
}

// TestBuilderLosesItsTPM: it is told once, the guest goes on, and the next start
// takes the word back.
func TestBuilderLosesItsTPM(t *testing.T) {
	r := newRig(t)
	key := r.up("b")
	whole := r.world.Driver
	r.world.Driver = withoutTPM{whole}
	r.look(t)
	r.look(t)
	b := get[domain.Builder](t, r.store, key)
	if b.State != domain.BuilderRunning || len(b.Errors) != 1 || !strings.Contains(b.Errors[0].Message, "TPM") {
		t.Fatalf("%s, %+v", b.State, b.Errors)
	}
	r.world.Driver = whole
	r.ask(key, domain.BuilderAskStop, domain.FlowBuilderStop)
	r.ran(key)
	r.ask(key, domain.BuilderAskStart, domain.FlowBuilderStart)
	r.ran(key)
	if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderRunning || len(b.Errors) != 0 {
		t.Errorf("started again: %s, %+v", b.State, b.Errors)
	}
}

// TestCancelledBuilderJobs: a stop that was cancelled before it began is made
// up for; a start that was cancelled has failed.
func TestCancelledBuilderJobs(t *testing.T) {
	r := newRig(t)
	key := r.up("b")
	cancel := func() {
		id := r.jobOf(key)
		r.update(func(tx store.Tx) error { return store.CancelJob(tx, id, "a test") })
	}
	r.ask(key, domain.BuilderAskStop, domain.FlowBuilderStop)
	cancel()
	if j := r.ran(key); j.Status != domain.JobCanceled {
		t.Fatalf("%s", j.Status)
	}
	r.look(t)
	r.look(t)
	r.ran(key)
	if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderStopped {
		t.Fatalf("%s", b.State)
	}
	r.ask(key, domain.BuilderAskStart, domain.FlowBuilderStart)
	cancel()
	r.ran(key)
	if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderFailed || b.Reason == nil {
		t.Errorf("%s %+v", b.State, b.Reason)
	}
}

// TestLateJobsLeaveTheNextBuilderAlone: a job that is repeated after its end
// meets a builder of the same name, and does nothing to it.
func TestLateJobsLeaveTheNextBuilderAlone(t *testing.T) {
	for _, flow := range []string{domain.FlowBuilderStart, domain.FlowBuilderDelete} {
		r := newRig(t)
		key := r.newBuilder("b", func(b *domain.Builder) { empty(b); b.Machine = "b-0000000000000002" })
		late, err := domain.NewJob(domain.RandomIDs, domain.WallClock.Now(), flow, 1, key, map[string]string{"Machine": builderMachine})
		if err != nil {
			t.Fatal(err)
		}
		late.Status, late.Step, late.Began = domain.JobRunning, map[string]int{domain.FlowBuilderStart: 4, domain.FlowBuilderDelete: 2}[flow], true
		r.update(func(tx store.Tx) error { return tx.PutJob(late) })
		stopped := []work.Workflow{}
		for _, f := range r.flows() {
			if f.Name() == flow {
				stopped = append(stopped, f)
			}
		}
		w := &worktest.World{Store: func() store.Store { return r.store }, Workflows: func() []work.Workflow { return stopped }, JobID: late.ID}
		if flow == domain.FlowBuilderStart { // the next builder's own start stays queued
			r.update(func(tx store.Tx) error {
				js, err := tx.Jobs(store.JobQuery{Subject: &key, Statuses: []domain.JobStatus{domain.JobQueued}})
				for _, j := range js {
					j.NextRun = tx.Now().Add(1 << 40)
					err = tx.PutJob(j)
				}
				return err
			})
		}
		if j := worktest.Run(t, w, nil, nil); j.Status != domain.JobDone {
			t.Errorf("%s: %s %s", flow, j.Status, j.Private)
		}
		if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderPending {
			t.Errorf("%s: the next builder is %s", flow, b.State)
		}
	}
}

// TestBuilderWithoutDisk starts on an empty disk where machines are not real.
func TestBuilderWithoutDisk(t *testing.T) {
	r := newRig(t)
	r.running("b", empty)
	if _, base, n, err := r.world.Disks.Overlay(builderMachine); err != nil || base != (disk.Digest{}) || n != 200<<30 {
		t.Errorf("%v, %d bytes, %v", base, n, err)
	}
}

func TestBuilderWhoseGuestFails(t *testing.T) {
	r := newRig(t)
	r.sealed()
	r.world.Boot.Stall = 100 * time.Millisecond
	key := r.newBuilder("b", func(b *domain.Builder) { b.Tags = domain.Tags{"slipway:fault": "boot"} })
	if j := r.ran(key); j.Status != domain.JobFailed {
		t.Fatal(j.Status)
	}
	b := get[domain.Builder](t, r.store, key)
	if b.State != domain.BuilderFailed || b.Reason.Code != "INTERNAL_ERROR" || b.Errors[0].Code != "FLEET_INSTANCE_PROVISIONING_FAILURE" || !strings.Contains(b.Reason.Message, "No operating system took over") {
		t.Errorf("%s %+v %+v", b.State, b.Reason, b.Errors)
	}
	r.machine(t, compute.Gone)
}

// TestCollectorKnowsBuilders: what belongs to a builder stays, also while it is
// stopped; what belonged to one goes.
func TestCollectorKnowsBuilders(t *testing.T) {
	r := newRig(t)
	key := r.up("b")
	r.ask(key, domain.BuilderAskStop, domain.FlowBuilderStop)
	r.ran(key)
	r.settle(t.Context())
	r.overlay(t, 200<<30)
	if r.starts() != 1 {
		t.Error("the builder's board has forgotten")
	}
	r.update(func(tx store.Tx) error { return tx.Delete(key) })
	r.settle(t.Context())
	r.nothingRuns(t)
	if left, _ := filepath.Glob(filepath.Join(r.dir, "builders", "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
