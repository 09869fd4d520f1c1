package qemu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/compute"
	"slipway/fault"
)

// patience bounds every wait for a guest under software emulation.
const patience = 4 * time.Minute

func serialSays(t *testing.T, d *Driver, id, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var log []byte
	err := wait(ctx, 100*time.Millisecond, func() bool {
		log, _ = d.SerialLog(ctx, id, 1<<20)
		return strings.Contains(string(log), text)
	})
	if err != nil {
		t.Fatalf("the console never said %q: %q", text, log)
	}
}

// TestLoaderThatHangs is a machine that must not count as handed over, in a
// directory that is too long for sockets, and goes through what guests and
// hosts do to machines: resets, a shutdown that is not heard, death.
func TestLoaderThatHangs(t *testing.T) {
	disk := sample(t, "hang")
	short := shortDir(t)
	dir := filepath.Join(short, strings.Repeat("long", 25))
	d := open(t, dir)
	spec := machine("m-hang", disk)
	spec.Bus, spec.NIC, spec.TPM = compute.VirtioBlk, compute.VirtioNet, false
	h, err := d.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	r, f, err := d.load("m-hang")
	if err != nil || f.socks == f.dir {
		t.Fatalf("sockets are in %s, %v", f.socks, err)
	}
	if st, err := os.Stat(f.socks); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the directory of the sockets: %v, %v", st, err)
	}
	serialSays(t, d, "m-hang", "BdsDxe: starting Boot")
	notUp(t, d, "m-hang", 0)

	if err := d.ask(t.Context(), f, "system_reset", nil, nil); err != nil {
		t.Fatal(err)
	}
	d.Close()
	d = open(t, dir) // what was counted must not be in our memory
	notUp(t, d, "m-hang", 1)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := d.Shutdown(ctx, "m-hang"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown of a loader that does not listen: %v", err)
	}
	if _, err := d.Agent(t.Context(), "m-hang"); !fault.Is(err, fault.NotAvailable) {
		t.Errorf("agent: %v", err)
	}

	r.QEMU.signal(syscall.SIGKILL)
	if err := r.QEMU.gone(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, err := d.Recover(t.Context(), h); err != nil || st.State != compute.Gone || st.Detail == "" {
		t.Errorf("after QEMU was killed: %+v, %v", st, err)
	}
	if err := d.Destroy(t.Context(), "m-hang"); err != nil {
		t.Error(err)
	}
	if left := leftovers(dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if _, err := os.Stat(f.socks); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of the sockets is left: %v", err)
	}
}

func notUp(t *testing.T, d *Driver, id string, resets int) {
	t.Helper()
	s, err := d.Observe(t.Context(), id)
	if err != nil || s.HandedOver || s.Frames != 0 || s.Resets != resets || s.State != compute.Running {
		t.Errorf("signs: %+v, %v; want %d resets and nothing else", s, err, resets)
	}
}

// TestMachineOutlivesItsStarter: another process starts it and is killed; we
// find it by its handle, use it, and end it without being its parent.
func TestMachineOutlivesItsStarter(t *testing.T) {
	dir, disk := shortDir(t), sample(t, "hang")
	startAndDie(t, dir, disk, "m-orphan", "complete")
	d := open(t, dir)
	r, f, err := d.load("m-orphan")
	if err != nil {
		t.Fatal(err)
	}
	st, err := d.Recover(t.Context(), r.handle())
	if err != nil || st.State != compute.Running || st.PID != r.QEMU.PID {
		t.Fatalf("%+v, %v", st, err)
	}
	serialSays(t, d, "m-orphan", "BdsDxe: starting Boot")
	notUp(t, d, "m-orphan", 0)
	if err := d.ask(t.Context(), f, "stop", nil, nil); err != nil {
		t.Error(err)
	}
	if err := d.Destroy(t.Context(), "m-orphan"); err != nil {
		t.Error(err)
	}
	if left := leftovers(dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestDiskWithoutLoader ends in the firmware, which is no system.
func TestDiskWithoutLoader(t *testing.T) {
	d := open(t, shortDir(t))
	h, err := d.Start(t.Context(), machine("m-empty", sample(t, "empty")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Destroy(context.Background(), "m-empty"); err != nil {
			t.Error(err)
		}
	}()
	serialSays(t, d, "m-empty", "UEFI Interactive Shell")
	notUp(t, d, "m-empty", 0)

	// The same ID again is another machine: an old handle must not find it.
	if err := d.Destroy(t.Context(), "m-empty"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	d.step = func(at string) {
		if at == "qemu" {
			cancel()
		}
	}
	if _, err := d.Start(ctx, machine("m-empty", sample(t, "empty"))); !errors.Is(err, context.Canceled) {
		t.Errorf("a start that is cancelled half way: %v", err)
	}
	if left := leftovers(d.dir); len(left) > 0 {
		t.Errorf("a failed start left %q", left)
	}
	d.step = func(string) {}
	if _, err := d.Start(t.Context(), machine("m-empty", sample(t, "empty"))); err != nil {
		t.Fatal(err)
	}
	if st, err := d.Recover(t.Context(), h); err != nil || st.State != compute.Gone {
		t.Errorf("an old handle finds %+v, %v", st, err)
	}
}

// TestGuestThatPanics is kept for a look instead of rebooting for ever.
func TestGuestThatPanics(t *testing.T) {
	disk := sample(t, "panic")
	d := open(t, shortDir(t))
	if _, err := d.Start(t.Context(), machine("m-panic", disk)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Destroy(context.Background(), "m-panic"); err != nil {
			t.Error(err)
		}
		if left := leftovers(d.dir); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var st compute.Status
	err := wait(ctx, 200*time.Millisecond, func() bool {
		var err error
		st, err = d.Status(ctx, "m-panic")
		return err != nil || st.State != compute.Running
	})
	if err != nil || st.State != compute.Paniced {
		t.Fatalf("%+v, %v", st, err)
	}
	if s, err := d.Observe(t.Context(), "m-panic"); err != nil || s.State != compute.Paniced || !s.HandedOver || s.Resets != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := d.Screenshot(t.Context(), "m-panic"); err != nil {
		t.Errorf("the last screen of a crashed guest: %v", err)
	}
	if err := d.Shutdown(t.Context(), "m-panic"); !fault.Is(err, fault.WrongState) {
		t.Errorf("shutdown of a crashed guest: %v", err)
	}
}

// TestStartRefusesWhatCannotRun without leaving anything.
func TestStartRefusesWhatCannotRun(t *testing.T) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	big := machine("a", disk)
	big.MemoryMB = 8 << 20
	d := open(t, filepath.Join(dir, "run"))
	if _, err := d.Start(t.Context(), big); !fault.Is(err, fault.Unavailable) {
		t.Errorf("8 TiB of memory: %v", err)
	}
	none, err := New(t.Context(), Options{Dir: filepath.Join(dir, "run"), Accel: "tcg", Paths: Paths{QEMU: "/not/there"}})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if _, err := none.Start(t.Context(), machine("a", disk)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without QEMU: %v", err)
	}
	broken := open(t, filepath.Join(dir, "run"))
	broken.paths.QEMU = "/bin/false"
	if _, err := broken.Start(t.Context(), machine("a", disk)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("with a QEMU that ends at once: %v", err)
	}
	if left := leftovers(filepath.Join(dir, "run")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestLostTPM: a machine whose TPM ends runs on and says so; another start has a
// new one.
func TestLostTPM(t *testing.T) {
	dir := shortDir(t)
	d := open(t, dir)
	spec := machine("m-tpm", overlay(t, sample(t, "hang")))
	start := func() record {
		t.Helper()
		if _, err := d.Start(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		if st, err := d.Status(t.Context(), "m-tpm"); err != nil || st.State != compute.Running || st.NoTPM {
			t.Fatalf("started: %+v, %v", st, err)
		}
		r, _, err := d.load("m-tpm")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := start()
	r.TPM.signal(syscall.SIGKILL)
	if err := r.TPM.gone(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, err := d.Status(t.Context(), "m-tpm"); err != nil || st.State != compute.Running || !st.NoTPM || st.PID != r.QEMU.PID {
		t.Errorf("without its TPM: %+v, %v", st, err)
	}
	if err := d.Destroy(t.Context(), "m-tpm"); err != nil {
		t.Fatal(err)
	}
	start()
	if err := d.Destroy(t.Context(), "m-tpm"); err != nil {
		t.Error(err)
	}
	if left := leftovers(dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
