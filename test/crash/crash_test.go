package crash

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"slipway/disk/fixture"
	"slipway/test/rig"
)

// freeBlock of a Debian fixture of 1 GiB lies inside its root file system and
// is used by nothing.
const freeBlock = 1800

func TestKillsOfTheServer(t *testing.T) {
	// Not t.TempDir: paths of sockets must not be long.
	dir, err := os.MkdirTemp("", "slipway-crash-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	ctx := context.Background()
	bin, err := rig.Build(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	raw := filepath.Join(dir, "debian.raw")
	if err := fixture.Make(ctx, fixture.Debian12, raw, fixture.Options{SizeBytes: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	d, err := ReadDisk(raw, freeBlock)
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano() % 1e9)
	if s := os.Getenv("SLIPWAY_CRASH_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SLIPWAY_CRASH_SEED=%d", seed)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	report, err := Run(ctx, Options{
		Bin: bin, Dir: dir, Seed: seed, Disks: []Disk{d}, Log: log,
		Args:  []string{"--compute", "fake", "--fake-boot-time", "200ms", "--boot-stall", "1s", "--import-rules", "open"},
		Kills: 15, Pause: 1200 * time.Millisecond, Workers: 6, Limit: 2 * time.Minute,
		Odds: Odds{Abandon: 8, Validate: 75, Fault: 30, Cancel: 15, Delete: 50, Build: 50},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", report.Table)
	for _, f := range report.Faults {
		t.Error(f)
	}
	if t.Failed() {
		keep := filepath.Join(os.TempDir(), "slipway-crash.log")
		if err := os.Rename(log.Name(), keep); err == nil {
			t.Logf("the server's log is kept in %s", keep)
		}
	}
}

// TestLitter: the audit finds a file that nobody knows, and what lies where
// nothing may be left.
func TestLitter(t *testing.T) {
	r := newRig(t.Context(), Options{Dir: t.TempDir()})
	r.ledger.set(func() { r.ledger.snapshots["snap-open"] = "pending" })
	for _, name := range []string{"slipway.db", "slipway.db.old", "disks/uploads/snap-open/leaves", "disks/uploads/snap-gone/leaves", "run/v-1/machine.json"} {
		path := filepath.Join(r.dataDir(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := r.litter()
	if want := []string{"disks/uploads/snap-gone", "run/v-1", "slipway.db.old"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// TestSessionsOutliveTheServer: every session goes on, on its own machine alone;
// then the fleet is what it should be, and nothing is left of it.
func TestSessionsOutliveTheServer(t *testing.T) {
	dir, err := os.MkdirTemp("", "slipway-crash-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	bin, err := rig.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Sessions(t.Context(), Options{
		Bin: bin, Dir: dir, Seed: uint64(time.Now().UnixNano() % 1e9), Log: t.Output(),
		Args:  []string{"--compute", "fake", "--fake-boot-time", "100ms", "--log-level", "warn"},
		Kills: 6, Pause: 800 * time.Millisecond, Workers: 10, Machine: true, Limit: time.Minute,
	}, 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", report.Table)
	for _, f := range report.Faults {
		t.Error(f)
	}
}
