package work_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/compute"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/work/worktest"
)

// updates plants an image that is about to be updated, with the service's builder,
// as the request does.
func (r *rig) updates(change func(*domain.Builder)) (img, builder domain.Key) {
	r.t.Helper()
	b := &domain.Builder{InstanceType: "stream.standard.small", VolumeGiB: 200, Machine: builderMachine, CPUs: 1, MemoryMiB: 512, Updates: "new", Internet: true}
	b.Key = domain.Key{Scope: scope, Kind: domain.KindBuilder, Name: "new-0123456789"}
	if change != nil {
		change(b)
	}
	n := &domain.Image{Updater: b.Key.Name, Visibility: domain.VisibilityPrivate}
	n.Key = domain.Key{Scope: scope, Kind: domain.KindImage, Name: "new"}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(b); err != nil {
			return err
		}
		if _, err := tx.Move(b.Key, domain.BuilderUpdateBegun, "", nil); err != nil {
			return err
		}
		if err := tx.Insert(n); err != nil {
			return err
		}
		return r.enqueue(tx, domain.FlowImageUpdate, n.Key)
	})
	return n.Key, b.Key
}

// noUpdater wants nothing of the service's builder to be left.
func (r *rig) noUpdater(t testing.TB, key domain.Key) {
	t.Helper()
	err := r.store.View(context.Background(), func(tx store.Tx) error { return tx.Get(key, new(domain.Builder)) })
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("the builder is still there: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, "builders", "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	r.nothingRuns(t)
}

func TestImageUpdateSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		key, builder := r.updates(nil)
		return r.harness(r.jobOf(key), func(t testing.TB) {
			img := get[domain.Image](t, r.store, key)
			if img.State != domain.ImageAvailable || img.Disk == "" || img.DiskBytes != 1<<30 || img.Updater != "" || len(img.Evidence.Rungs) != 5 || img.Reason != nil {
				t.Errorf("image: %+v", img)
			}
			r.noUpdater(t, builder)
		}, func(t testing.TB) {
			img := get[domain.Image](t, r.store, key)
			if img.State != domain.ImageFailed || img.Reason == nil || img.Reason.Code != "IMAGE_UPDATE_FAILURE" || len(img.Errors) != 1 ||
				img.Errors[0].Code != "INTERNAL_SERVICE_ERROR" || !strings.HasPrefix(img.Errors[0].Message, "AppStream 2.0 could not update image new. Failed to update ") ||
				img.Disk != "" || img.Updater != "" {
				t.Errorf("image: %+v", img)
			}
			r.noUpdater(t, builder)
		})
	})
}

func TestImageCheckSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		n := &domain.Image{Visibility: domain.VisibilityPrivate}
		n.Key = domain.Key{Scope: scope, Kind: domain.KindImage, Name: "img"}
		r.update(func(tx store.Tx) error {
			if err := tx.Insert(n); err != nil {
				return err
			}
			return r.enqueue(tx, domain.FlowImageCheck, n.Key)
		})
		return r.harness(r.jobOf(n.Key), func(t testing.TB) {
			if c := get[domain.Image](t, r.store, n.Key).Check; c == nil || c.Count != 1 || c.Pending[0] != "pretended-update" {
				t.Errorf("%+v", c)
			}
			r.nothingRuns(t)
		}, func(t testing.TB) {
			if c := get[domain.Image](t, r.store, n.Key).Check; c != nil {
				t.Errorf("%+v", c)
			}
			r.nothingRuns(t)
		})
	})
}

// script answers lines by their words: what the tests below make of a guest.
type script struct {
	mu      sync.Mutex
	pending []string // what each asking prints; the last one again and again
	exit    map[string]int
	lines   []string
}

func (s *script) shell(_, line string) (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
	out := ""
	if line == "pending" {
		out = s.pending[0]
		if len(s.pending) > 1 {
			s.pending = s.pending[1:]
		}
	}
	return s.exit[line], out
}

// TestImageUpdates has one row per way that an update ends.
func TestImageUpdates(t *testing.T) {
	for name, c := range map[string]struct {
		guest   *script
		change  func(*domain.Builder)
		updates int // how often updates were installed
		words   string
	}{
		"one round":          {guest: &script{pending: []string{"a\nb\n", ""}, exit: map[string]int{"reboot": 1}}, updates: 1},
		"two rounds":         {guest: &script{pending: []string{"a\n", "b\n", ""}, exit: map[string]int{"reboot": 0}}, updates: 2},
		"nothing to do":      {guest: &script{pending: []string{""}}},
		"new ones meanwhile": {guest: &script{pending: []string{"a\n", "", "c\n"}, exit: map[string]int{"reboot": 1}}, updates: 1},
		"did not last":       {guest: &script{pending: []string{"a\n", "", "a\n"}, exit: map[string]int{"reboot": 1}}, updates: 1, words: "did not last: after a restart there is still pending a."},
		"never done":         {guest: &script{pending: []string{"a\n"}, exit: map[string]int{"reboot": 1}}, updates: 4, words: "still some pending: a."},
		"the update fails":   {guest: &script{pending: []string{"a\n"}, exit: map[string]int{"update": 100}}, updates: 1, words: "ended badly (test): exit code 100"},
		"cannot say":         {guest: &script{pending: []string{"no net\n"}, exit: map[string]int{"pending": 2}}, words: "could not say what is pending (test): exit code 2, output: no net."},
		"no way":             {guest: &script{exit: map[string]int{"applies": 1}}, words: "No way to update this guest, whose system is fake, is known."},
		"no tool":            {change: func(b *domain.Builder) { b.Tags = domain.Tags{"slipway:fault": "agent"} }, words: "The guest tool does not answer."},
		"does not boot":      {change: func(b *domain.Builder) { b.Tags = domain.Tags{"slipway:fault": "boot"} }, words: "No operating system took over"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.world.Updaters = []domain.Updater{{Name: "test", System: domain.SystemFake, Applies: "applies", Pending: "pending", Update: "update", Reboot: "reboot"}}
			r.world.Tool = func(string) ([]byte, string) { return make([]byte, 100_000), "newer" }
			if c.guest == nil {
				c.guest = &script{}
			}
			r.tools.Shell = c.guest.shell
			if c.change != nil {
				r.world.Boot.Tool, r.world.Boot.Stall = 50*time.Millisecond, 100*time.Millisecond
			}
			key, builder := r.updates(c.change)
			j := r.ran(key)
			img := get[domain.Image](t, r.store, key)
			if c.words == "" && (j.Status != domain.JobDone || img.State != domain.ImageAvailable) ||
				c.words != "" && (img.State != domain.ImageFailed || !strings.Contains(img.Reason.Message, c.words)) {
				t.Errorf("%s %s %s %+v", j.Status, j.Private, img.State, img.Reason)
			}
			if n := strings.Count(" "+strings.Join(c.guest.lines, " ")+" ", " update "); n != c.updates {
				t.Errorf("%d updates: %q", n, c.guest.lines)
			}
			if c.words == "" && !slices.Contains(c.guest.lines, "touch tool") {
				t.Error("the guest tool was not updated")
			}
			r.noUpdater(t, builder)
		})
	}
}

// TestUpdateIsSeen: while it works, its builder is UPDATING with a machine that is
// nobody's to remove, then PENDING_QUALIFICATION.
func TestUpdateIsSeen(t *testing.T) {
	r := newRig(t)
	r.world.Updaters = []domain.Updater{{Name: "test", System: domain.SystemFake, Applies: "applies", Pending: "pending", Update: "update", Reboot: "reboot"}}
	var key, builder domain.Key
	var seen []string
	guest := script{pending: []string{"a\n", ""}, exit: map[string]int{"reboot": 1}}
	r.tools.Shell = func(machine, line string) (int, string) {
		if line == "applies" {
			r.settle(context.Background())
			r.look(t)
			r.machine(t, compute.Running)
			b, img := get[domain.Builder](t, r.store, builder), get[domain.Image](t, r.store, key)
			seen = append(seen, string(b.State)+" "+string(img.State))
		}
		return guest.shell(machine, line)
	}
	key, builder = r.updates(nil)
	r.ran(key)
	if got := strings.Join(seen, ", "); got != "UPDATING CREATING, PENDING_QUALIFICATION CREATING" {
		t.Error(got)
	}
}
